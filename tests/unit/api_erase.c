/* A volume destroyed: nothing of what was key material is left, what can't be shown is no success, and the report of
 * it is told from another's. */
#include <nacre.h>

#include "base/bytes.h"
#include "format/format.h"
#include "ops/erase.h"
#include "ops/unlock.h"
#include "store/store.h"
#include "support/survivors.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_BYTES (32u << 20)
#define SLOTS 5u

/* A container in memory whose store misbehaves where it is told to. */
struct fixture {
  struct store memory;
  struct nacre_store_ops ops;
  struct nacre_target target;
  nacre_credential *creds[SLOTS];
  uint64_t deaf_from, deaf_to; /* writes there are taken, and forgotten */
  unsigned discards;
  int discard_error;
};

static struct store *memory_of(void *ctx) {
  return &((struct fixture *)ctx)->memory;
}

static int test_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  return memory_of(ctx)->ops.read(memory_of(ctx)->ctx, buf, len, offset);
}

static int test_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  const struct fixture *f = ctx;
  const uint8_t *from = buf;
  for (size_t i = 0; i < len; i += FORMAT_UNIT_BYTES) {
    size_t part = (size_t)u64_min(FORMAT_UNIT_BYTES, len - i);
    if (offset + i >= f->deaf_from && offset + i < f->deaf_to)
      continue;
    int errnum = memory_of(ctx)->ops.write(memory_of(ctx)->ctx, from + i, part, offset + i);
    if (errnum != 0)
      return errnum;
  }
  return 0;
}

static int test_sync(void *ctx) {
  return memory_of(ctx)->ops.sync(memory_of(ctx)->ctx);
}

static int test_size(void *ctx, uint64_t *size) {
  return memory_of(ctx)->ops.size(memory_of(ctx)->ctx, size);
}

static int test_resize(void *ctx, uint64_t size) {
  return memory_of(ctx)->ops.resize(memory_of(ctx)->ctx, size);
}

static int test_discard(void *ctx, uint64_t offset, uint64_t len) {
  struct fixture *f = ctx;
  f->discards++;
  return f->discard_error ? f->discard_error : memory_of(ctx)->ops.discard(memory_of(ctx)->ctx, offset, len);
}

static void keep_open(void *ctx) {
  (void)ctx;
}

static int make_fixture(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
  for (unsigned i = 0; i < SLOTS; i++) {
    uint8_t key[32] = {(uint8_t)(i + 1)};
    if (nacre_credential_raw_key(key, &f->creds[i]) != NACRE_OK)
      return -1;
  }
  if (memory_store_new(0, STORE_BYTES, &f->memory) != NACRE_OK)
    return -1;
  f->ops = (struct nacre_store_ops){.struct_size = sizeof f->ops,
                                    .read = test_read,
                                    .write = test_write,
                                    .sync = test_sync,
                                    .size = test_size,
                                    .resize = test_resize,
                                    .discard = test_discard,
                                    .close = keep_open};
  f->target = (struct nacre_target){.struct_size = sizeof f->target, .ops = &f->ops, .ctx = f};
  return 0;
}

static int free_fixture(void **state) {
  struct fixture *f = *state;
  for (unsigned i = 0; i < SLOTS; i++)
    nacre_credential_free(f->creds[i]);
  store_close(&f->memory);
  free(f);
  return 0;
}

static void make_volume(struct fixture *f) {
  const struct nacre_create_options create = {
      .struct_size = sizeof create, .size_bytes = STORE_BYTES, .label = "old"};
  assert_int_equal(nacre_create(&f->target, &create, f->creds[0]), NACRE_OK);
  nacre_volume *vol;
  assert_int_equal(nacre_volume_open(&f->target, NULL, f->creds[0], &vol), NACRE_OK);
  for (unsigned i = 1; i < SLOTS; i++)
    assert_int_equal(nacre_slot_add(vol, f->creds[i], NULL, "slot", NULL), NACRE_OK);
  assert_int_equal(nacre_mkdir(vol, "folder", 0700, NULL), NACRE_OK);
  assert_int_equal(nacre_volume_close(vol), NACRE_OK);
  /* The close has cut it behind the second group. */
  assert_int_equal(store_resize(&f->memory, STORE_BYTES), NACRE_OK);
}

static uint8_t *contents(struct fixture *f, size_t *len) {
  uint64_t size = 0;
  assert_int_equal(store_size(&f->memory, &size), NACRE_OK);
  uint8_t *bytes = malloc((size_t)size);
  assert_non_null(bytes);
  assert_int_equal(store_read(&f->memory, bytes, (size_t)size, 0), NACRE_OK);
  *len = (size_t)size;
  return bytes;
}

/* Both groups as they stand: salts, commitments, wrapped and sealed forms, MACs, superblocks. And what they seal. */
static void remember_keys(struct fixture *f, struct survivors *s) {
  size_t len;
  uint8_t *bytes = contents(f, &len);
  survivors_init(s, 2 * FORMAT_GROUP_BYTES + (64u << 10));
  survivors_add(s, bytes + FORMAT_GROUP_0_OFFSET, FORMAT_GROUP_BYTES);
  survivors_add(s, bytes + FORMAT_GROUP_1_OFFSET, FORMAT_GROUP_BYTES);
  free(bytes);
  struct headers h;
  struct unlocked u = {0};
  const struct unlock_options options = {.kdf_memory_max_bytes = NACRE_KDF_MEMORY_MAX_BYTES};
  assert_int_equal(headers_read(&f->memory, &h), NACRE_OK);
  assert_int_equal(unlock(&h, f->creds[0], &options, &u), NACRE_OK);
  survivors_add(s, u.master_key, 32);
  survivors_add(s, u.sealed->identity_secret, sizeof u.sealed->identity_secret);
  survivors_add(s, u.sealed->epochs[0].volume_key, sizeof u.sealed->epochs[0].volume_key);
  for (unsigned i = 0; i < SLOTS; i++)
    survivors_add(s, u.sealed->slots[i].public_key, sizeof u.sealed->slots[i].public_key);
  unlocked_free(&u);
  headers_free(&h);
}

static size_t count_survivors(struct fixture *f, const struct survivors *s) {
  size_t len;
  uint8_t *bytes = contents(f, &len);
  size_t count = survivors_count(s, bytes, len, NULL);
  free(bytes);
  return count;
}

static enum nacre_err erase(struct fixture *f, enum nacre_erase_rest rest, bool force,
                            struct nacre_erase_report *report) {
  const struct nacre_erase_options options = {.struct_size = sizeof options, .rest = rest, .force = force};
  *report = (struct nacre_erase_report){.struct_size = sizeof *report};
  return nacre_erase(&f->target, &options, report);
}

static enum nacre_erase_verdict verdict(struct fixture *f, const struct nacre_erase_report *report,
                                        struct nacre_erase_check *check) {
  *check = (struct nacre_erase_check){.struct_size = sizeof *check};
  assert_int_equal(nacre_erase_verify(&f->target, report, NULL, NULL, NULL, check), NACRE_OK);
  return check->verdict;
}

static void flip(struct fixture *f, uint64_t offset) {
  uint8_t byte;
  assert_int_equal(store_read(&f->memory, &byte, 1, offset), NACRE_OK);
  byte ^= 1;
  assert_int_equal(store_write(&f->memory, &byte, 1, offset), NACRE_OK);
}

static void nothing_survives(void **state) {
  struct fixture *f = *state;
  static const enum nacre_erase_rest ways[] = {NACRE_ERASE_REST_AUTO, NACRE_ERASE_REST_OVERWRITE,
                                               NACRE_ERASE_REST_LEAVE};
  static const enum nacre_erased how[] = {NACRE_ERASED_DISCARDED, NACRE_ERASED_OVERWRITTEN, NACRE_ERASED_LEFT};
  for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
    struct nacre_public_info info = {.struct_size = sizeof info};
    struct nacre_erase_report report;
    struct survivors s;
    assert_int_equal(store_resize(&f->memory, 0), NACRE_OK);
    make_volume(f);
    assert_int_equal(nacre_probe(&f->target, &info), NACRE_OK);
    remember_keys(f, &s);
    assert_true(count_survivors(f, &s) > 500000);
    assert_int_equal(erase(f, ways[i], false, &report), NACRE_OK);
    assert_int_equal(count_survivors(f, &s), 0);
    survivors_free(&s);

    assert_true(report.identified);
    assert_memory_equal(report.volume_id, info.volume_id, sizeof info.volume_id);
    assert_string_equal(report.label, "old");
    assert_int_equal(report.container_bytes, info.container_bytes);
    assert_int_equal(report.range_count, 4);
    uint64_t sum = 0;
    for (unsigned r = 0; r < 4; r++) {
      sum += report.ranges[r].len_bytes;
      assert_int_equal(report.ranges[r].keys, r < 2);
      assert_int_equal(report.ranges[r].how, r < 2 ? NACRE_ERASED_OVERWRITTEN : how[i]);
      assert_int_equal(report.ranges[r].read_back, report.ranges[r].how == NACRE_ERASED_OVERWRITTEN);
    }
    assert_int_equal(sum, report.container_bytes);
    assert_int_equal(nacre_probe(&f->target, &info), NACRE_ERR_NOT_VOLUME);
    nacre_volume *vol;
    assert_int_equal(nacre_volume_open(&f->target, NULL, f->creds[0], &vol), NACRE_ERR_NOT_VOLUME);
  }
}

static void what_was_blocks_is_gone_too(void **state) {
  struct fixture *f = *state;
  struct nacre_erase_report report;
  struct survivors s;
  size_t len;
  make_volume(f);
  uint8_t *bytes = contents(f, &len);
  survivors_init(&s, 4u << 20);
  survivors_add(&s, bytes + FORMAT_GROUP_BYTES, 2u << 20);
  free(bytes);
  f->discard_error = EOPNOTSUPP;
  assert_int_equal(erase(f, NACRE_ERASE_REST_AUTO, false, &report), NACRE_OK);
  assert_true(f->discards > 0);
  assert_int_equal(report.ranges[2].how, NACRE_ERASED_OVERWRITTEN);
  assert_int_equal(count_survivors(f, &s), 0);
  survivors_free(&s);
}

/* A store that says that it wrote and did not, at any place of the keys: an error, however the rest went. */
static void a_store_that_lies(void **state) {
  struct fixture *f = *state;
  static const uint64_t deaf[] = {0,
                                  4096,
                                  FORMAT_HEADER_BYTES - 4096,
                                  FORMAT_RING_OFFSET + FORMAT_RING_SPACING_BYTES,
                                  FORMAT_GROUP_1_OFFSET,
                                  FORMAT_GROUP_1_OFFSET + FORMAT_GROUP_BYTES - 4096,
                                  FORMAT_GROUP_BYTES + 4096};
  for (size_t i = 0; i < sizeof deaf / sizeof deaf[0]; i++) {
    struct nacre_erase_report report;
    assert_int_equal(store_resize(&f->memory, 0), NACRE_OK);
    make_volume(f);
    f->deaf_from = deaf[i];
    f->deaf_to = deaf[i] + 4096;
    assert_int_equal(erase(f, NACRE_ERASE_REST_OVERWRITE, false, &report), NACRE_ERR_IO);
    assert_non_null(strstr(nacre_last_error(), deaf[i] == FORMAT_GROUP_BYTES + 4096 ? "read back" : "key material"));
    assert_int_equal(report.finished_s, 0);
    f->deaf_from = f->deaf_to = 0;
    assert_int_equal(erase(f, NACRE_ERASE_REST_LEAVE, false, &report), NACRE_OK);
  }
}

static void what_is_no_volume_is_refused(void **state) {
  struct fixture *f = *state;
  struct nacre_erase_report report;
  assert_int_equal(erase(f, NACRE_ERASE_REST_AUTO, false, &report), NACRE_ERR_NOT_VOLUME);
  assert_int_equal(store_resize(&f->memory, STORE_BYTES), NACRE_OK);
  assert_int_equal(erase(f, NACRE_ERASE_REST_AUTO, false, &report), NACRE_ERR_NOT_VOLUME);
  size_t len;
  uint8_t *bytes = contents(f, &len);
  assert_true(bytes_all_zero(bytes, len));
  free(bytes);
  assert_int_equal(erase(f, NACRE_ERASE_REST_LEAVE, true, &report), NACRE_OK);
  assert_false(report.identified);
  assert_int_equal(report.range_count, 4);
}

/* The magic of both copies gone: its keys are still there. And a version of the future. */
static void force_takes_what_is_damaged(void **state) {
  struct fixture *f = *state;
  struct nacre_erase_report report;
  struct survivors s;
  make_volume(f);
  remember_keys(f, &s);
  flip(f, 8 + FORMAT_GROUP_1_OFFSET);
  flip(f, 8);
  assert_int_equal(erase(f, NACRE_ERASE_REST_LEAVE, false, &report), NACRE_ERR_UNSUPPORTED);
  flip(f, FORMAT_GROUP_1_OFFSET);
  flip(f, 0);
  assert_int_equal(erase(f, NACRE_ERASE_REST_LEAVE, false, &report), NACRE_ERR_NOT_VOLUME);
  assert_true(count_survivors(f, &s) > 500000);
  assert_int_equal(erase(f, NACRE_ERASE_REST_LEAVE, true, &report), NACRE_OK);
  assert_int_equal(count_survivors(f, &s), 0);
  survivors_free(&s);
}

static void one_copy_is_enough(void **state) {
  struct fixture *f = *state;
  struct nacre_erase_report report;
  make_volume(f);
  flip(f, FORMAT_GROUP_1_OFFSET);
  assert_int_equal(erase(f, NACRE_ERASE_REST_LEAVE, false, &report), NACRE_OK);
  assert_true(report.identified);
  assert_int_equal(store_resize(&f->memory, 0), NACRE_OK);
  make_volume(f);
  flip(f, 0);
  flip(f, FORMAT_GROUP_1_OFFSET + 47); /* the sequence is absurd, and that is all */
  flip(f, FORMAT_GROUP_1_OFFSET + 4000);
  assert_int_equal(erase(f, NACRE_ERASE_REST_LEAVE, false, &report), NACRE_OK);
  assert_false(report.identified);
}

static void a_container_cut_short(void **state) {
  struct fixture *f = *state;
  static const uint64_t sizes[] = {FORMAT_HEADER_BYTES, FORMAT_GROUP_BYTES + 5, FORMAT_GROUP_1_OFFSET + 100};
  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
    struct nacre_erase_report report;
    struct nacre_erase_check check;
    assert_int_equal(store_resize(&f->memory, 0), NACRE_OK);
    make_volume(f);
    assert_int_equal(store_resize(&f->memory, sizes[i]), NACRE_OK);
    assert_int_equal(erase(f, NACRE_ERASE_REST_OVERWRITE, false, &report), NACRE_OK);
    assert_int_equal(verdict(f, &report, &check), NACRE_ERASE_MATCHES);
    assert_int_equal(report.container_bytes, sizes[i]);
  }
}

static void reports_are_told_apart(void **state) {
  struct fixture *f = *state;
  struct nacre_erase_report report, other;
  struct nacre_erase_check check;
  make_volume(f);
  assert_int_equal(erase(f, NACRE_ERASE_REST_OVERWRITE, false, &report), NACRE_OK);
  assert_int_equal(verdict(f, &report, &check), NACRE_ERASE_MATCHES);
  assert_int_equal(check.ranges_equal, 4);
  assert_false(check.volume_there);
  static const uint64_t places[] = {0, FORMAT_GROUP_BYTES - 1, FORMAT_GROUP_BYTES, FORMAT_GROUP_1_OFFSET + 70000};
  for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
    flip(f, places[i]);
    assert_int_equal(verdict(f, &report, &check), NACRE_ERASE_CHANGED);
    assert_int_equal(check.ranges_changed, 1);
    flip(f, places[i]);
  }
  uint64_t size;
  assert_int_equal(store_size(&f->memory, &size), NACRE_OK);
  assert_int_equal(store_resize(&f->memory, size - 4096), NACRE_OK);
  assert_int_equal(verdict(f, &report, &check), NACRE_ERASE_CHANGED);
  assert_int_equal(store_resize(&f->memory, 0), NACRE_OK);
  assert_int_equal(verdict(f, &report, &check), NACRE_ERASE_OTHER);
  make_volume(f);
  assert_int_equal(verdict(f, &report, &check), NACRE_ERASE_OTHER);
  assert_true(check.volume_there);
  assert_memory_not_equal(check.volume_id, report.volume_id, 16);
  assert_int_equal(erase(f, NACRE_ERASE_REST_LEAVE, false, &other), NACRE_OK);
  assert_int_equal(verdict(f, &report, &check), NACRE_ERASE_OTHER);
  assert_int_equal(verdict(f, &other, &check), NACRE_ERASE_MATCHES);
}

/* A certificate is a file that anybody writes. */
static void hostile_reports(void **state) {
  struct fixture *f = *state;
  struct nacre_erase_report report, bad;
  struct nacre_erase_check check = {.struct_size = sizeof check};
  make_volume(f);
  assert_int_equal(erase(f, NACRE_ERASE_REST_LEAVE, false, &report), NACRE_OK);
  bad = report;
  bad.ranges[0].len_bytes = UINT64_MAX;
  assert_int_equal(verdict(f, &bad, &check), NACRE_ERASE_CHANGED);
  bad.ranges[1].offset_bytes = UINT64_MAX - 3;
  assert_int_equal(verdict(f, &bad, &check), NACRE_ERASE_OTHER);
  bad = report;
  bad.range_count = UINT32_MAX;
  assert_int_equal(nacre_erase_verify(&f->target, &bad, NULL, NULL, NULL, &check), NACRE_ERR_ARGUMENT);
  bad.range_count = 0;
  assert_int_equal(nacre_erase_verify(&f->target, &bad, NULL, NULL, NULL, &check), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_erase_verify(&f->target, NULL, NULL, NULL, NULL, &check), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_erase_verify(&f->target, &report, NULL, NULL, NULL, NULL), NACRE_ERR_ARGUMENT);
  const struct nacre_erase_options options = {.struct_size = sizeof options, .rest = (enum nacre_erase_rest)9};
  assert_int_equal(nacre_erase(&f->target, &options, &report), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_erase(&f->target, NULL, NULL), NACRE_ERR_ARGUMENT);
}

/* Broken off in the blocks: the keys are gone, and the next call needs no force. */
struct told {
  uint64_t erased, of_erased, read, of_read;
  bool odd;
};

static void tell(void *arg, const char *what, uint64_t done, uint64_t total) {
  struct told *told = arg;
  const bool reading = strcmp(what, "read back") == 0;
  told->odd = told->odd || done > total || (!reading && strcmp(what, "erase") != 0);
  *(reading ? &told->read : &told->erased) = done;
  *(reading ? &told->of_read : &told->of_erased) = total;
}

/* Of a large device reading back takes as long as writing. */
static void progress_of_both_ways(void **state) {
  struct fixture *f = *state;
  struct told told = {0};
  struct nacre_erase_report report = {.struct_size = sizeof report};
  const struct nacre_erase_options options = {
      .struct_size = sizeof options, .rest = NACRE_ERASE_REST_OVERWRITE, .progress = tell, .progress_arg = &told};
  make_volume(f);
  assert_int_equal(nacre_erase(&f->target, &options, &report), NACRE_OK);
  assert_false(told.odd);
  assert_int_equal(told.of_erased, report.container_bytes);
  assert_int_equal(told.erased, report.container_bytes);
  assert_int_equal(told.of_read, report.ranges[3].len_bytes);
  assert_int_equal(told.read, told.of_read);
}

static void cancelled_in_the_middle(void **state) {
  struct fixture *f = *state;
  struct nacre_erase_report report = {.struct_size = sizeof report};
  struct nacre_erase_options options = {.struct_size = sizeof options};
  nacre_volume *vol;
  make_volume(f);
  assert_int_equal(nacre_cancel_new(&options.cancel), NACRE_OK);
  nacre_cancel_fire(options.cancel);
  assert_int_equal(nacre_erase(&f->target, &options, &report), NACRE_ERR_CANCELLED);
  assert_non_null(strstr(nacre_last_error(), "the keys are destroyed"));
  nacre_cancel_free(options.cancel);
  assert_int_equal(nacre_volume_open(&f->target, NULL, f->creds[0], &vol), NACRE_ERR_DAMAGED);
  assert_int_equal(erase(f, NACRE_ERASE_REST_AUTO, false, &report), NACRE_OK);
  assert_string_equal(report.label, "old");
}

static struct store *purged_memory;

static int purge_all(void *ctx, uint64_t offset, uint64_t len) {
  static const uint8_t zeroes[FORMAT_UNIT_BYTES];
  (void)ctx;
  for (uint64_t at = offset; at < offset + len; at += sizeof zeroes)
    assert_int_equal(store_write(purged_memory, zeroes, sizeof zeroes, at), NACRE_OK);
  return 0;
}

/* A medium that erases for good when it is told to: that comes first, and what names the volume comes back until the
 * end. */
static void a_medium_that_purges(void **state) {
  struct fixture *f = *state;
  static const struct store_medium_ops medium = {.purge = purge_all};
  struct nacre_cancel *cancel;
  struct nacre_erase_report report = {0};
  struct survivors s;
  make_volume(f);
  remember_keys(f, &s);
  purged_memory = &f->memory;
  struct store store = f->memory;
  store.medium = &medium;
  assert_int_equal(nacre_cancel_new(&cancel), NACRE_OK);
  nacre_cancel_fire(cancel);
  const struct erase_request cut = {.cancel = cancel}, whole = {0};
  assert_int_equal(erase_volume(&store, &cut, &report), NACRE_ERR_CANCELLED);
  assert_true(report.purged);
  nacre_cancel_free(cancel);
  report = (struct nacre_erase_report){0};
  assert_int_equal(erase_volume(&store, &whole, &report), NACRE_OK);
  assert_true(report.identified);
  assert_string_equal(report.label, "old");
  assert_int_equal(count_survivors(f, &s), 0);
  survivors_free(&s);
}

static void files_of_the_host(void **state) {
  struct fixture *f = *state;
  char path[] = "/tmp/nacre-erase-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  const struct nacre_target file = {.struct_size = sizeof file, .path = path};
  const struct nacre_create_options create = {.struct_size = sizeof create, .size_bytes = STORE_BYTES, .force = true};
  struct nacre_erase_report report = {.struct_size = sizeof report};
  struct nacre_erase_check check = {.struct_size = sizeof check};
  nacre_volume *vol;
  assert_int_equal(nacre_create(&file, &create, f->creds[0]), NACRE_OK);
  assert_int_equal(nacre_volume_open(&file, NULL, f->creds[0], &vol), NACRE_OK);
  assert_int_equal(nacre_erase(&file, NULL, &report), NACRE_ERR_IN_USE);
  assert_int_equal(nacre_volume_close(vol), NACRE_OK);
  const struct nacre_open_options reading = {.struct_size = sizeof reading, .read_only = true};
  assert_int_equal(nacre_volume_open(&file, &reading, f->creds[0], &vol), NACRE_OK);
  assert_int_equal(nacre_erase(&file, NULL, &report), NACRE_ERR_IN_USE);
  assert_int_equal(nacre_volume_close(vol), NACRE_OK);
  assert_int_equal(nacre_volume_open(&file, NULL, f->creds[0], &vol), NACRE_OK);
  assert_int_equal(nacre_volume_close(vol), NACRE_OK);
  struct nacre_target read_only = {.struct_size = sizeof read_only, .fd = open(path, O_RDONLY), .use_fd = true};
  assert_int_equal(nacre_erase(&read_only, NULL, &report), NACRE_ERR_ARGUMENT);
  (void)close(read_only.fd);
  struct stat before, after;
  assert_int_equal(fstat(fd, &before), 0);
  assert_int_equal(nacre_erase(&file, NULL, &report), NACRE_OK);
  assert_int_equal(fstat(fd, &after), 0);
  assert_int_equal(before.st_size, after.st_size);
  assert_int_equal(nacre_erase_verify(&file, &report, NULL, NULL, NULL, &check), NACRE_OK);
  assert_int_equal(check.verdict, NACRE_ERASE_MATCHES);
  if (report.ranges[2].how == NACRE_ERASED_DISCARDED)
    assert_true(after.st_blocks * 512 <= 2 * (off_t)FORMAT_GROUP_BYTES + 65536);
  (void)close(fd);
  (void)unlink(path);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_fixture, free_fixture)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(nothing_survives),
      TEST(what_was_blocks_is_gone_too),
      TEST(a_store_that_lies),
      TEST(what_is_no_volume_is_refused),
      TEST(force_takes_what_is_damaged),
      TEST(one_copy_is_enough),
      TEST(a_container_cut_short),
      TEST(reports_are_told_apart),
      TEST(hostile_reports),
      TEST(progress_of_both_ways),
      TEST(cancelled_in_the_middle),
      TEST(a_medium_that_purges),
      TEST(files_of_the_host),
  };
  return cmocka_run_group_tests_name("api_erase", tests, NULL, NULL);
}
