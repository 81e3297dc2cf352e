/* Volumes through the public interface: made, opened, refused, repaired, their keyslots changed, verified. */
#include <nacre.h>

#include "format/format.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define STORE_BYTES (32u << 20)

/* A container in memory that outlives the volumes on it. */
struct fixture {
  struct store memory;
  struct nacre_store_ops ops;
  struct nacre_target target;
  nacre_credential *cred, *other;
  nacre_volume *vol;
};

static void keep_open(void *ctx) {
  (void)ctx;
}

static int make_fixture(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  uint8_t key[32] = {1};
  *state = f;
  if (nacre_credential_raw_key(key, &f->cred) != NACRE_OK)
    return -1;
  key[0] = 2;
  if (nacre_credential_raw_key(key, &f->other) != NACRE_OK ||
      memory_store_new(0, STORE_BYTES, &f->memory) != NACRE_OK)
    return -1;
  f->ops = f->memory.ops;
  f->ops.close = keep_open;
  f->target = (struct nacre_target){.struct_size = sizeof f->target, .ops = &f->ops, .ctx = f->memory.ctx};
  return 0;
}

static int free_fixture(void **state) {
  struct fixture *f = *state;
  nacre_credential_free(f->cred);
  nacre_credential_free(f->other);
  store_close(&f->memory);
  free(f);
  return 0;
}

static enum nacre_err create(struct fixture *f, bool force) {
  const struct nacre_create_options options = {.struct_size = sizeof options,
                                               .size_bytes = STORE_BYTES,
                                               .label = "label",
                                               .slot_name = "first",
                                               .root_uid = 7,
                                               .root_mode = 0750,
                                               .force = force};
  return nacre_create(&f->target, &options, f->cred);
}

static enum nacre_err open_with(struct fixture *f, const nacre_credential *cred, bool read_only) {
  const struct nacre_open_options options = {.struct_size = sizeof options, .read_only = read_only};
  return nacre_volume_open(&f->target, &options, cred, &f->vol);
}

static void close_volume(struct fixture *f) {
  assert_int_equal(nacre_volume_close(f->vol), NACRE_OK);
  f->vol = NULL;
}

/* With one file "dir/file" of that many bytes. */
static void create_with_file(struct fixture *f, size_t len) {
  nacre_file *file = NULL;
  uint8_t *bytes = malloc(len);
  memset(bytes, 'x', len);
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  assert_int_equal(nacre_mkdir(f->vol, "dir", 0700, NULL), NACRE_OK);
  assert_int_equal(nacre_open(f->vol, "dir/file", NACRE_O_CREATE | NACRE_O_WRITE, 0600, NULL, &file), NACRE_OK);
  assert_int_equal(nacre_write(file, bytes, len, 0), NACRE_OK);
  nacre_close(file);
  close_volume(f);
  free(bytes);
}

static void poke(struct fixture *f, uint64_t offset, const void *bytes, size_t len) {
  assert_int_equal(store_write(&f->memory, bytes, len, offset), NACRE_OK);
}

static void flip(struct fixture *f, uint64_t offset) {
  uint8_t byte;
  assert_int_equal(store_read(&f->memory, &byte, 1, offset), NACRE_OK);
  byte ^= 0x40;
  poke(f, offset, &byte, 1);
}

static void header_take(struct fixture *f, unsigned copy, uint8_t *raw) {
  uint64_t offset = copy == 0 ? FORMAT_GROUP_0_OFFSET : FORMAT_GROUP_1_OFFSET;
  assert_int_equal(store_read(&f->memory, raw, FORMAT_HEADER_BYTES, offset), NACRE_OK);
}

static void header_put(struct fixture *f, unsigned copy, const uint8_t *raw) {
  poke(f, copy == 0 ? FORMAT_GROUP_0_OFFSET : FORMAT_GROUP_1_OFFSET, raw, FORMAT_HEADER_BYTES);
}

/* ---- Making and opening ---- */

static void test_create_open_close(void **state) {
  struct fixture *f = *state;
  struct nacre_attr attr = {.struct_size = sizeof attr};
  struct nacre_volume_info info = {.struct_size = sizeof info};
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  assert_int_equal(nacre_stat(f->vol, "/", &attr), NACRE_OK);
  assert_int_equal(attr.mode, S_IFDIR | 0750);
  assert_int_equal(attr.uid, 7);
  assert_true(attr.ino == NACRE_ROOT_INO);
  assert_int_equal(nacre_volume_get_info(f->vol, &info), NACRE_OK);
  assert_true(info.size_bytes <= STORE_BYTES && info.inodes == 1 && !info.failed && !info.read_only);
  assert_int_equal(info.chunk_bytes, 16384);
  assert_int_equal(info.slot, 0);
  close_volume(f);
}

static void test_create_spares_what_is_there(void **state) {
  struct fixture *f = *state;
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(create(f, false), NACRE_ERR_EXISTS);
  assert_non_null(strstr(nacre_last_error(), "Nacre volume"));
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  close_volume(f);
  assert_int_equal(create(f, true), NACRE_OK);
  uint8_t *zeroes = calloc(1, FORMAT_HEADER_BYTES);
  header_put(f, 0, zeroes);
  assert_int_equal(create(f, false), NACRE_ERR_EXISTS);
  free(zeroes);
}

static void test_create_refuses_nonsense(void **state) {
  struct fixture *f = *state;
  struct nacre_create_options options = {.struct_size = sizeof options, .size_bytes = 1u << 20};
  assert_int_equal(nacre_create(&f->target, &options, f->cred), NACRE_ERR_ARGUMENT);
  options.size_bytes = STORE_BYTES;
  options.chunk_bytes = 5000;
  assert_int_equal(nacre_create(&f->target, &options, f->cred), NACRE_ERR_ARGUMENT);
  options.chunk_bytes = 4096;
  options.cipher = (enum nacre_cipher)99;
  assert_int_equal(nacre_create(&f->target, &options, f->cred), NACRE_ERR_ARGUMENT);
  options.cipher = NACRE_CIPHER_AUTO;
  options.label = "a label of more than 63 bytes, which is what fits into the header of a volume";
  assert_int_equal(nacre_create(&f->target, &options, f->cred), NACRE_ERR_NAME_TOO_LONG);
  assert_int_equal(nacre_create(&f->target, NULL, NULL), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_create(NULL, NULL, f->cred), NACRE_ERR_ARGUMENT);
}

static void test_a_cancelled_create_leaves_no_volume(void **state) {
  struct fixture *f = *state;
  nacre_cancel *cancel = NULL;
  assert_int_equal(nacre_cancel_new(&cancel), NACRE_OK);
  nacre_cancel_fire(cancel);
  const struct nacre_create_options options = {
      .struct_size = sizeof options, .size_bytes = STORE_BYTES, .cancel = cancel};
  assert_int_equal(nacre_create(&f->target, &options, f->cred), NACRE_ERR_CANCELLED);
  assert_int_equal(open_with(f, f->cred, false), NACRE_ERR_NOT_VOLUME);
  nacre_cancel_free(cancel);
}

static void test_wrong_credentials(void **state) {
  struct fixture *f = *state;
  nacre_credential *passphrase = NULL;
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(open_with(f, f->other, false), NACRE_ERR_CREDENTIAL);
  assert_int_equal(nacre_credential_passphrase("secret", 6, &passphrase), NACRE_OK);
  assert_int_equal(open_with(f, passphrase, false), NACRE_ERR_CREDENTIAL);
  assert_int_equal(open_with(f, NULL, false), NACRE_ERR_CREDENTIAL);
  nacre_credential_free(passphrase);
}

static bool ask_late(void *arg, int attempt, nacre_credential **out) {
  uint8_t key[32] = {9};
  if (attempt == 2)
    key[0] = 1; /* the fixture's */
  ++*(int *)arg;
  return nacre_credential_raw_key(key, out) == NACRE_OK;
}

static void test_asking(void **state) {
  struct fixture *f = *state;
  int asked = 0;
  struct nacre_open_options options = {.struct_size = sizeof options, .ask = ask_late, .ask_arg = &asked};
  assert_int_equal(create(f, false), NACRE_OK);
  options.ask_attempts = 2;
  assert_int_equal(nacre_volume_open(&f->target, &options, NULL, &f->vol), NACRE_ERR_CREDENTIAL);
  assert_int_equal(asked, 2);
  options.ask_attempts = 0;
  asked = 0;
  assert_int_equal(nacre_volume_open(&f->target, &options, NULL, &f->vol), NACRE_OK);
  assert_int_equal(asked, 3);
  close_volume(f);
}

static void test_read_only(void **state) {
  struct fixture *f = *state;
  create_with_file(f, 100);
  flip(f, 5000); /* a keyslot of the first copy, which a read-only opening must not repair */
  uint8_t *before = malloc(STORE_BYTES), *after = malloc(STORE_BYTES);
  uint64_t size = 0;
  assert_int_equal(store_size(&f->memory, &size), NACRE_OK);
  assert_int_equal(store_read(&f->memory, before, size, 0), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, true), NACRE_OK);
  assert_int_equal(nacre_mkdir(f->vol, "new", 0700, NULL), NACRE_ERR_READ_ONLY);
  assert_int_equal(nacre_slot_remove(f->vol, 0, true), NACRE_ERR_READ_ONLY);
  assert_int_equal(nacre_volume_sync(f->vol), NACRE_OK);
  assert_int_equal(nacre_verify(f->vol, NULL, NULL, NULL, NULL, NULL, NULL), NACRE_OK);
  close_volume(f);
  assert_int_equal(store_read(&f->memory, after, size, 0), NACRE_OK);
  assert_memory_equal(before, after, size);
  free(before);
  free(after);
}

static void test_abandon_drops(void **state) {
  struct fixture *f = *state;
  struct nacre_attr attr = {.struct_size = sizeof attr};
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  assert_int_equal(nacre_mkdir(f->vol, "kept", 0700, NULL), NACRE_OK);
  assert_int_equal(nacre_volume_sync(f->vol), NACRE_OK);
  assert_int_equal(nacre_mkdir(f->vol, "dropped", 0700, NULL), NACRE_OK);
  nacre_volume_abandon(f->vol);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  assert_int_equal(nacre_stat(f->vol, "kept", &attr), NACRE_OK);
  assert_int_equal(nacre_stat(f->vol, "dropped", &attr), NACRE_ERR_NOT_FOUND);
  close_volume(f);
}

/* ---- Bad containers ---- */

static void test_not_a_volume(void **state) {
  struct fixture *f = *state;
  assert_int_equal(open_with(f, f->cred, false), NACRE_ERR_NOT_VOLUME);
  assert_non_null(strstr(nacre_last_error(), "empty"));
  assert_int_equal(store_resize(&f->memory, 20u << 20), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_ERR_NOT_VOLUME);
  assert_int_equal(store_resize(&f->memory, 100), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_ERR_NOT_VOLUME);
}

static void test_cut_short(void **state) {
  struct fixture *f = *state;
  create_with_file(f, 3u << 20);
  uint64_t size = 0;
  assert_int_equal(store_size(&f->memory, &size), NACRE_OK);
  assert_int_equal(store_resize(&f->memory, size - 4096), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_ERR_DAMAGED);
  assert_non_null(strstr(nacre_last_error(), "cut short"));
  assert_int_equal(store_resize(&f->memory, 1u << 20), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_ERR_DAMAGED);
  assert_non_null(strstr(nacre_last_error(), "cut short"));
}

static void test_too_new(void **state) {
  struct fixture *f = *state;
  const uint8_t nine[4] = {9};
  uint8_t *raw = malloc(FORMAT_HEADER_BYTES);
  struct nacre_public_info info = {.struct_size = sizeof info};
  assert_int_equal(create(f, false), NACRE_OK);
  header_take(f, 0, raw);
  poke(f, 8, nine, 4);
  assert_int_equal(open_with(f, f->cred, true), NACRE_OK); /* the other copy is as it was */
  close_volume(f);
  poke(f, FORMAT_GROUP_1_OFFSET + 8, nine, 4);
  assert_int_equal(open_with(f, f->cred, false), NACRE_ERR_UNSUPPORTED);
  assert_int_equal(nacre_probe(&f->target, &info), NACRE_ERR_UNSUPPORTED);
  assert_int_equal(info.format_version, 9);
  header_put(f, 0, raw);
  header_put(f, 1, raw);
  poke(f, 12, nine, 4);
  poke(f, FORMAT_GROUP_1_OFFSET + 12, nine, 4);
  assert_int_equal(open_with(f, f->cred, false), NACRE_ERR_UNSUPPORTED);
  assert_non_null(strstr(nacre_last_error(), "cipher"));
  free(raw);
}

/* Wherever a copy is damaged, the other one opens the volume and mends it. */
static void test_one_copy_is_enough(void **state) {
  static const uint64_t places[] = {0, 20, 120, 4096 + 10, 140000, 200000, FORMAT_HEADER_BYTES - 1};
  struct fixture *f = *state;
  uint8_t *good = malloc(FORMAT_HEADER_BYTES), *now = malloc(FORMAT_HEADER_BYTES);
  assert_int_equal(create(f, false), NACRE_OK);
  header_take(f, 0, good);
  for (unsigned copy = 0; copy < 2; copy++) {
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
      flip(f, (copy == 0 ? FORMAT_GROUP_0_OFFSET : FORMAT_GROUP_1_OFFSET) + places[i]);
      assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
      close_volume(f);
      header_take(f, copy, now);
      assert_memory_equal(now, good, FORMAT_HEADER_BYTES);
    }
  }
  flip(f, FORMAT_GROUP_0_OFFSET + 200000);
  flip(f, FORMAT_GROUP_1_OFFSET + 200000);
  assert_int_equal(open_with(f, f->cred, false), NACRE_ERR_DAMAGED);
  free(good);
  free(now);
}

/* Both copies of an earlier header: the superblock demands a newer one, so a removed slot stays removed. */
static void test_an_old_header_is_refused(void **state) {
  struct fixture *f = *state;
  uint8_t *old = malloc(FORMAT_HEADER_BYTES), *now = malloc(FORMAT_HEADER_BYTES);
  uint32_t slot = 0;
  assert_int_equal(create(f, false), NACRE_OK);
  header_take(f, 0, old);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  assert_int_equal(nacre_slot_add(f->vol, f->other, NULL, NULL, &slot), NACRE_OK);
  assert_int_equal(nacre_slot_remove(f->vol, 0, false), NACRE_OK);
  close_volume(f);
  header_take(f, 0, now);
  header_put(f, 0, old);
  assert_int_equal(open_with(f, f->cred, false), NACRE_ERR_CREDENTIAL); /* the newer copy has no such slot */
  assert_int_equal(open_with(f, f->other, false), NACRE_OK);
  close_volume(f);
  header_put(f, 0, old);
  header_put(f, 1, old);
  assert_int_equal(open_with(f, f->cred, false), NACRE_ERR_ROLLED_BACK);
  assert_int_equal(open_with(f, f->cred, true), NACRE_ERR_ROLLED_BACK);
  header_put(f, 0, now);
  assert_int_equal(open_with(f, f->other, false), NACRE_OK);
  close_volume(f);
  free(old);
  free(now);
}

/* A change whose superblock was never written, taken back by whoever owns the storage, leaves an authentic header of
 * the sequence that the next change takes too. It must not stand in for that one. */
static void test_a_twin_header_is_refused(void **state) {
  struct fixture *f = *state;
  uint8_t *before = malloc(STORE_BYTES), *twin = malloc(FORMAT_HEADER_BYTES);
  uint64_t size = 0;
  uint32_t slot = 0;
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(store_size(&f->memory, &size), NACRE_OK);
  assert_int_equal(store_read(&f->memory, before, size, 0), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  assert_int_equal(nacre_slot_add(f->vol, f->other, NULL, NULL, &slot), NACRE_OK);
  close_volume(f);
  header_take(f, 0, twin);
  poke(f, 0, before, size);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  assert_int_equal(nacre_slot_change(f->vol, 0, f->cred, NULL, NULL), NACRE_OK);
  close_volume(f);
  header_put(f, 0, twin);
  header_put(f, 1, twin);
  assert_int_equal(open_with(f, f->other, false), NACRE_ERR_ROLLED_BACK);
  free(before);
  free(twin);
}

/* A change that was cut between the copies is completed by the next opening. */
static void test_a_cut_change_is_completed(void **state) {
  struct fixture *f = *state;
  uint8_t *old = malloc(FORMAT_HEADER_BYTES), *now = malloc(FORMAT_HEADER_BYTES),
          *mended = malloc(FORMAT_HEADER_BYTES);
  uint32_t slot = 0;
  assert_int_equal(create(f, false), NACRE_OK);
  header_take(f, 1, old);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  assert_int_equal(nacre_slot_add(f->vol, f->other, NULL, NULL, &slot), NACRE_OK);
  close_volume(f);
  header_take(f, 0, now);
  header_put(f, 1, old);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  close_volume(f);
  header_take(f, 1, mended);
  assert_memory_equal(mended, now, FORMAT_HEADER_BYTES);
  free(old);
  free(now);
  free(mended);
}

/* ---- Keyslots ---- */

static void test_slots(void **state) {
  struct fixture *f = *state;
  struct nacre_slot_info infos[4] = {{.struct_size = sizeof infos[0]}};
  size_t count = 4;
  uint32_t slot = 99;
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  assert_int_equal(nacre_slot_remove(f->vol, 0, false), NACRE_ERR_WEAK);
  assert_int_equal(nacre_slot_remove(f->vol, 5, false), NACRE_ERR_NOT_FOUND);
  assert_int_equal(nacre_slot_add(f->vol, f->other, NULL, "second", &slot), NACRE_OK);
  assert_int_equal(slot, 1);
  assert_int_equal(nacre_slot_list(f->vol, infos, &count), NACRE_OK);
  assert_true(count == 2);
  assert_string_equal(infos[0].name, "first");
  assert_string_equal(infos[1].name, "second");
  assert_int_equal(infos[1].kind, NACRE_SLOT_RAW_KEY);
  assert_int_equal(nacre_slot_test(&f->target, f->other, NULL, &slot), NACRE_OK);
  assert_int_equal(slot, 1);

  nacre_credential *third = NULL;
  const uint8_t key[32] = {3};
  assert_int_equal(nacre_credential_raw_key(key, &third), NACRE_OK);
  assert_int_equal(nacre_slot_change(f->vol, 1, third, NULL, NULL), NACRE_OK);
  assert_int_equal(nacre_slot_test(&f->target, f->other, NULL, &slot), NACRE_ERR_CREDENTIAL);
  assert_int_equal(nacre_slot_test(&f->target, third, NULL, &slot), NACRE_OK);
  count = 1;
  assert_int_equal(nacre_slot_list(f->vol, infos, &count), NACRE_OK);
  assert_true(count == 2);
  close_volume(f);
  assert_int_equal(open_with(f, third, false), NACRE_OK);
  assert_int_equal(nacre_slot_remove(f->vol, 0, false), NACRE_OK);
  assert_int_equal(nacre_slot_remove(f->vol, 1, true), NACRE_OK);
  close_volume(f);
  assert_int_equal(open_with(f, third, false), NACRE_ERR_CREDENTIAL);
  nacre_credential_free(third);
}

static void test_all_slots(void **state) {
  struct fixture *f = *state;
  uint32_t slot = 0;
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  for (unsigned i = 1; i < NACRE_SLOTS_MAX; i++)
    assert_int_equal(nacre_slot_add(f->vol, f->other, NULL, NULL, &slot), NACRE_OK);
  assert_int_equal(slot, NACRE_SLOTS_MAX - 1);
  assert_int_equal(nacre_slot_add(f->vol, f->other, NULL, NULL, &slot), NACRE_ERR_TOO_LARGE);
  close_volume(f);
}

static void test_passphrase_and_recovery_key(void **state) {
  struct fixture *f = *state;
  const struct nacre_kdf_cost weak = {.memory_bytes = 1u << 20, .passes = 1, .lanes = 1};
  const struct nacre_kdf_cost cheap = {.memory_bytes = NACRE_KDF_MEMORY_MIN_BYTES, .passes = 1, .lanes = 1};
  nacre_credential *passphrase = NULL, *recovery = NULL;
  char text[NACRE_RECOVERY_TEXT_BYTES];
  uint32_t slot = 0;
  assert_int_equal(nacre_recovery_generate(text), NACRE_OK);
  assert_int_equal(nacre_credential_recovery(text, &recovery), NACRE_OK);
  assert_int_equal(nacre_credential_passphrase("correct horse", 13, &passphrase), NACRE_OK);
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  assert_int_equal(nacre_slot_add(f->vol, passphrase, &weak, NULL, &slot), NACRE_ERR_WEAK);
  assert_int_equal(nacre_slot_add(f->vol, passphrase, &cheap, NULL, &slot), NACRE_OK);
  assert_int_equal(nacre_slot_add(f->vol, recovery, NULL, NULL, &slot), NACRE_OK);
  close_volume(f);
  assert_int_equal(open_with(f, recovery, false), NACRE_OK);
  close_volume(f);
  assert_int_equal(open_with(f, passphrase, false), NACRE_OK);
  close_volume(f);
  const struct nacre_unlock_options little = {.struct_size = sizeof little, .kdf_memory_max_bytes = 16u << 20};
  assert_int_equal(nacre_slot_test(&f->target, passphrase, &little, &slot), NACRE_ERR_LIMIT);
  struct nacre_open_options options = {.struct_size = sizeof options, .use_slot = true, .slot = 0};
  assert_int_equal(nacre_volume_open(&f->target, &options, passphrase, &f->vol), NACRE_ERR_CREDENTIAL);
  nacre_credential_free(passphrase);
  nacre_credential_free(recovery);
}

static void test_probe(void **state) {
  struct fixture *f = *state;
  struct nacre_public_info info = {.struct_size = sizeof info};
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(nacre_probe(&f->target, &info), NACRE_OK);
  assert_string_equal(info.label, "label");
  assert_int_equal(info.header_copies_valid, 2);
  assert_int_equal(info.slots[0].kind, NACRE_SLOT_RAW_KEY);
  assert_int_equal(info.slots[1].kind, NACRE_SLOT_EMPTY);
  flip(f, 0);
  assert_int_equal(nacre_probe(&f->target, &info), NACRE_OK);
  assert_int_equal(info.header_copies_valid, 1);
}

/* ---- Verifying ---- */

struct problems {
  unsigned count;
  char path[100];
};

static void on_problem(void *arg, const char *path, const char *problem) {
  struct problems *p = arg;
  (void)problem;
  p->count++;
  if (path)
    snprintf(p->path, sizeof p->path, "%s", path);
}

static void test_verify_finds_damage(void **state) {
  struct fixture *f = *state;
  struct nacre_verify_report report = {.struct_size = sizeof report};
  struct problems problems = {0};
  create_with_file(f, 4u << 20);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  assert_int_equal(nacre_verify(f->vol, &report, on_problem, &problems, NULL, NULL, NULL), NACRE_OK);
  assert_true(report.files == 1 && report.directories == 2 && report.inodes == 3 && report.chunks == 256);
  assert_true(problems.count == 0 && report.data_bytes == 4u << 20);
  close_volume(f);

  /* Most of what lies behind the first group is the file. */
  flip(f, 2u << 20);
  flip(f, 3u << 20);
  assert_int_equal(open_with(f, f->cred, true), NACRE_OK);
  assert_int_equal(nacre_verify(f->vol, &report, on_problem, &problems, NULL, NULL, NULL), NACRE_ERR_DAMAGED);
  assert_true(report.problems == problems.count && problems.count > 0);
  assert_string_equal(problems.path, "/dir/file");
  close_volume(f);
}

static void test_verify_can_be_cancelled(void **state) {
  struct fixture *f = *state;
  nacre_cancel *cancel = NULL;
  create_with_file(f, 1u << 20);
  assert_int_equal(nacre_cancel_new(&cancel), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  nacre_cancel_fire(cancel);
  assert_int_equal(nacre_verify(f->vol, NULL, NULL, NULL, NULL, NULL, cancel), NACRE_ERR_CANCELLED);
  assert_int_equal(nacre_mkdir(f->vol, "after", 0700, NULL), NACRE_OK);
  close_volume(f);
  nacre_cancel_free(cancel);
}

/* ---- Handles ---- */

static void test_fork(void **state) {
  struct fixture *f = *state;
  nacre_file *file = NULL;
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  assert_int_equal(nacre_open(f->vol, "file", NACRE_O_CREATE | NACRE_O_WRITE, 0600, NULL, &file), NACRE_OK);
  pid_t child = fork();
  if (child == 0) {
    bool refused = nacre_volume_sync(f->vol) == NACRE_ERR_FORKED && nacre_write(file, "x", 1, 0) == NACRE_ERR_FORKED;
    nacre_close(file);
    nacre_volume_abandon(f->vol);
    _exit(refused && nacre_volume_close(f->vol) == NACRE_ERR_FORKED ? 0 : 1);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  assert_int_equal(nacre_write(file, "x", 1, 0), NACRE_OK);
  nacre_close(file);
  close_volume(f);
}

static void test_files_are_locked(void **state) {
  struct fixture *f = *state;
  char path[] = "/tmp/nacre-unit-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  close(fd);
  f->target = (struct nacre_target){.struct_size = sizeof f->target, .path = path};
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(create(f, false), NACRE_ERR_EXISTS);
  assert_int_equal(open_with(f, f->cred, false), NACRE_OK);
  nacre_volume *first = f->vol;
  assert_int_equal(open_with(f, f->cred, false), NACRE_ERR_IN_USE);
  assert_int_equal(create(f, true), NACRE_ERR_IN_USE);
  struct nacre_public_info info = {.struct_size = sizeof info};
  uint32_t slot = 9;
  assert_int_equal(nacre_probe(&f->target, &info), NACRE_OK);
  assert_true(info.in_use);
  assert_int_equal(nacre_slot_test(&f->target, f->cred, NULL, &slot), NACRE_OK);
  f->vol = first;
  close_volume(f);
  assert_int_equal(unlink(path), 0);
}

/* What the store asks of the system before it reads: here nothing is ever in memory. */
ssize_t preadv2(int fd, const struct iovec *parts, int count, off_t offset, int flags) {
  (void)fd, (void)parts, (void)count, (void)offset, (void)flags;
  errno = EAGAIN;
  return -1;
}

static void count_wait(void *arg) {
  ++*(atomic_uint *)arg;
}

static void test_waits_for_the_medium_are_told(void **state) {
  struct fixture *f = *state;
  char path[] = "/tmp/nacre-unit-XXXXXX";
  int fd = mkstemp(path);
  atomic_uint waits = 0;
  const struct nacre_open_options options = {
      .struct_size = sizeof options, .waiting = count_wait, .waiting_arg = &waits};
  assert_true(fd >= 0);
  close(fd);
  f->target = (struct nacre_target){.struct_size = sizeof f->target, .path = path};
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(nacre_volume_open(&f->target, &options, f->cred, &f->vol), NACRE_OK);
  assert_true(waits > 0);
  close_volume(f);
  assert_int_equal(unlink(path), 0);
}

static void test_structs_of_other_versions(void **state) {
  struct fixture *f = *state;
  struct {
    struct nacre_open_options options;
    uint64_t later;
  } newer = {.options = {.struct_size = sizeof newer}};
  size_t unset = 0;
  assert_int_equal(create(f, false), NACRE_OK);
  assert_int_equal(nacre_volume_open(&f->target, &newer.options, f->cred, &f->vol), NACRE_OK);
  assert_int_equal(nacre_volume_get_info(f->vol, (struct nacre_volume_info *)(void *)&unset), NACRE_ERR_ARGUMENT);
  struct nacre_attr attr = {.struct_size = offsetof(struct nacre_attr, uid), .uid = 99};
  assert_int_equal(nacre_stat(f->vol, "", &attr), NACRE_OK);
  assert_true(attr.mode == (S_IFDIR | 0750) && attr.uid == 99);
  close_volume(f);
  newer.later = 1;
  assert_int_equal(nacre_volume_open(&f->target, &newer.options, f->cred, &f->vol), NACRE_ERR_ARGUMENT);
}

static void test_errors_have_names(void **state) {
  (void)state;
  for (int i = NACRE_OK; i <= NACRE_ERR_OTHER_VOLUME; i++) {
    assert_string_not_equal(nacre_strerror((enum nacre_err)i), "unknown error");
    assert_true((nacre_err_to_errno((enum nacre_err)i) == 0) == (i == NACRE_OK));
  }
  assert_string_equal(nacre_strerror((enum nacre_err)999), "unknown error");
  assert_int_equal(nacre_err_to_errno((enum nacre_err)999), EIO);
  assert_null(nacre_cipher_name(NACRE_CIPHER_AUTO));
  assert_string_equal(nacre_cipher_name(NACRE_CIPHER_XCHACHA20_POLY1305), "xchacha20-poly1305");
}

static void test_bench(void **state) {
  double seal = 0, opened = 0, ms = 0;
  struct nacre_kdf_cost cost = {.memory_bytes = 8u << 20, .passes = 1, .lanes = 1};
  (void)state;
  assert_int_equal(nacre_bench_cipher(NACRE_CIPHER_AUTO, 4096, 5, &seal, &opened), NACRE_OK);
  assert_true(seal > 0 && opened > 0);
  assert_int_equal(nacre_bench_kdf(&cost, &ms), NACRE_OK);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, make_fixture, free_fixture)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_STORE(test_create_open_close),
      WITH_STORE(test_create_spares_what_is_there),
      WITH_STORE(test_create_refuses_nonsense),
      WITH_STORE(test_a_cancelled_create_leaves_no_volume),
      WITH_STORE(test_wrong_credentials),
      WITH_STORE(test_asking),
      WITH_STORE(test_read_only),
      WITH_STORE(test_abandon_drops),
      WITH_STORE(test_not_a_volume),
      WITH_STORE(test_cut_short),
      WITH_STORE(test_too_new),
      WITH_STORE(test_one_copy_is_enough),
      WITH_STORE(test_an_old_header_is_refused),
      WITH_STORE(test_a_twin_header_is_refused),
      WITH_STORE(test_a_cut_change_is_completed),
      WITH_STORE(test_slots),
      WITH_STORE(test_all_slots),
      WITH_STORE(test_passphrase_and_recovery_key),
      WITH_STORE(test_probe),
      WITH_STORE(test_verify_finds_damage),
      WITH_STORE(test_verify_can_be_cancelled),
      WITH_STORE(test_fork),
      WITH_STORE(test_files_are_locked),
      WITH_STORE(test_waits_for_the_medium_are_told),
      WITH_STORE(test_structs_of_other_versions),
      cmocka_unit_test(test_errors_have_names),
      cmocka_unit_test(test_bench),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
