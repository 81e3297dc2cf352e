/* Backups of the header: taken, refused, put back, and which credentials open the volume afterwards. */
#include <nacre.h>

#include "api/handle.h"
#include "base/env.h"
#include "format/format.h"
#include "ops/header_change.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STORE_BYTES (32u << 20)
#define KEYS 3u

struct fixture {
  struct store memory;
  struct nacre_store_ops ops;
  struct nacre_target target;
  nacre_credential *keys[KEYS];
  nacre_volume *vol;
  uint8_t backup[NACRE_HEADER_BYTES];
};

static bool headers_unreadable;
static struct store *unreadable_memory;

static int read_or_fail(void *ctx, void *buf, size_t len, uint64_t offset) {
  bool header = offset == FORMAT_GROUP_0_OFFSET || offset == FORMAT_GROUP_1_OFFSET;
  return headers_unreadable && header ? EIO : unreadable_memory->ops.read(ctx, buf, len, offset);
}

static void keep_open(void *ctx) {
  (void)ctx;
}

static int make_fixture(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
  for (unsigned i = 0; i < KEYS; i++) {
    uint8_t key[32] = {(uint8_t)(i + 1)};
    if (nacre_credential_raw_key(key, &f->keys[i]) != NACRE_OK)
      return -1;
  }
  if (memory_store_new(0, STORE_BYTES, &f->memory) != NACRE_OK)
    return -1;
  f->ops = f->memory.ops;
  f->ops.close = keep_open;
  f->target = (struct nacre_target){.struct_size = sizeof f->target, .ops = &f->ops, .ctx = f->memory.ctx};
  const struct nacre_create_options create = {.struct_size = sizeof create, .size_bytes = STORE_BYTES, .label = "it"};
  return nacre_create(&f->target, &create, f->keys[0]) == NACRE_OK ? 0 : -1;
}

static int free_fixture(void **state) {
  struct fixture *f = *state;
  for (unsigned i = 0; i < KEYS; i++)
    nacre_credential_free(f->keys[i]);
  store_close(&f->memory);
  free(f);
  return 0;
}

static enum nacre_err open_by(struct fixture *f, unsigned key, const uint8_t *backup, bool force, bool read_only) {
  const struct nacre_open_options options = {.struct_size = sizeof options,
                                             .read_only = read_only,
                                             .header_backup = backup,
                                             .header_backup_bytes = backup ? NACRE_HEADER_BYTES : 0,
                                             .header_backup_force = force};
  return nacre_volume_open(&f->target, &options, f->keys[key], &f->vol);
}

static void close_volume(struct fixture *f) {
  assert_int_equal(nacre_volume_close(f->vol), NACRE_OK);
}

static bool opens(struct fixture *f, unsigned key) {
  enum nacre_err err = open_by(f, key, NULL, false, false);
  if (err == NACRE_OK)
    close_volume(f);
  else
    assert_int_equal(err, NACRE_ERR_CREDENTIAL);
  return err == NACRE_OK;
}

static void take_backup(struct fixture *f) {
  assert_int_equal(nacre_header_backup(&f->target, NULL, NULL, f->backup), NACRE_OK);
}

/* Key 0 goes, key 1 comes. */
static void replace_key(struct fixture *f) {
  assert_int_equal(open_by(f, 0, NULL, false, false), NACRE_OK);
  assert_int_equal(nacre_slot_add(f->vol, f->keys[1], NULL, "second", NULL), NACRE_OK);
  assert_int_equal(nacre_slot_remove(f->vol, 0, false), NACRE_OK);
  assert_int_equal(nacre_mkdir(f->vol, "later", 0700, NULL), NACRE_OK);
  close_volume(f);
}

static void destroy_headers(struct fixture *f) {
  static uint8_t noise[FORMAT_HEADER_BYTES];
  env_random(noise, sizeof noise);
  assert_int_equal(store_write(&f->memory, noise, sizeof noise, FORMAT_GROUP_0_OFFSET), NACRE_OK);
  assert_int_equal(store_write(&f->memory, noise, sizeof noise, FORMAT_GROUP_1_OFFSET), NACRE_OK);
}

static void restore(struct fixture *f, struct nacre_restore_report *report) {
  *report = (struct nacre_restore_report){.struct_size = sizeof *report};
  assert_int_equal(open_by(f, 0, f->backup, false, false), NACRE_OK);
  assert_int_equal(nacre_header_restore(f->vol, false, report), NACRE_OK);
  close_volume(f);
}

static bool has_later(struct fixture *f, unsigned key) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  assert_int_equal(open_by(f, key, NULL, false, false), NACRE_OK);
  bool there = nacre_stat(f->vol, "later", &attr) == NACRE_OK;
  close_volume(f);
  return there;
}

static void backups_are_the_header(void **state) {
  struct fixture *f = *state;
  uint8_t checked[NACRE_HEADER_BYTES], copy[NACRE_HEADER_BYTES];
  take_backup(f);
  assert_int_equal(nacre_header_backup(&f->target, f->keys[0], NULL, checked), NACRE_OK);
  assert_memory_equal(checked, f->backup, sizeof checked);
  assert_int_equal(store_read(&f->memory, copy, sizeof copy, FORMAT_GROUP_1_OFFSET), NACRE_OK);
  assert_memory_equal(copy, f->backup, sizeof copy);
  assert_int_equal(nacre_header_backup(&f->target, f->keys[1], NULL, checked), NACRE_ERR_CREDENTIAL);
  assert_int_equal(nacre_header_backup(&f->target, NULL, NULL, NULL), NACRE_ERR_ARGUMENT);

  /* The copies differ in what nobody can judge without a credential. */
  struct nacre_public_info info = {.struct_size = sizeof info};
  assert_int_equal(nacre_probe(&f->target, &info), NACRE_OK);
  assert_true(info.header_copies_equal);
  copy[5000] ^= 1;
  assert_int_equal(store_write(&f->memory, copy, sizeof copy, FORMAT_GROUP_0_OFFSET), NACRE_OK);
  assert_int_equal(nacre_probe(&f->target, &info), NACRE_OK);
  assert_int_equal(info.header_copies_valid, 2);
  assert_false(info.header_copies_equal);
  assert_int_equal(nacre_header_backup(&f->target, NULL, NULL, checked), NACRE_ERR_DAMAGED);
  assert_int_equal(nacre_header_backup(&f->target, f->keys[0], NULL, checked), NACRE_OK);
  assert_memory_equal(checked, f->backup, sizeof checked);
  /* One of them is there alone. */
  copy[0] ^= 1;
  assert_int_equal(store_write(&f->memory, copy, sizeof copy, FORMAT_GROUP_0_OFFSET), NACRE_OK);
  assert_int_equal(nacre_header_backup(&f->target, NULL, NULL, checked), NACRE_OK);
  assert_memory_equal(checked, f->backup, sizeof checked);
  assert_int_equal(nacre_probe(&f->target, &info), NACRE_OK);
  assert_int_equal(info.header_copies_valid, 1);
  assert_false(info.header_copies_equal);
  destroy_headers(f);
  assert_int_equal(nacre_header_backup(&f->target, NULL, NULL, checked), NACRE_ERR_NOT_VOLUME);
}

static void an_old_one_brings_keys_back(void **state) {
  struct fixture *f = *state;
  struct nacre_restore_report report = {.struct_size = sizeof report};
  take_backup(f);
  replace_key(f);
  assert_false(opens(f, 0));
  assert_int_equal(open_by(f, 1, f->backup, false, false), NACRE_ERR_CREDENTIAL);

  /* Nothing of the container's changes by looking. */
  assert_int_equal(open_by(f, 0, f->backup, false, true), NACRE_OK);
  assert_int_equal(nacre_header_restore(f->vol, true, &report), NACRE_OK);
  assert_int_equal(nacre_header_restore(f->vol, false, &report), NACRE_ERR_READ_ONLY);
  close_volume(f);
  assert_int_equal(report.backup_sequence, 1);
  assert_int_equal(report.demanded_sequence, 3);
  assert_int_equal(report.new_sequence, 4);
  assert_true(report.header_there);
  assert_int_equal(report.slots, 1);
  assert_int_equal(report.returning, 1);
  assert_int_equal(report.vanishing, 2);
  assert_false(opens(f, 0));
  assert_true(opens(f, 1));

  /* Nor by writing to the volume. */
  uint32_t index;
  assert_int_equal(open_by(f, 0, f->backup, false, false), NACRE_OK);
  assert_int_equal(nacre_mkdir(f->vol, "meanwhile", 0700, NULL), NACRE_OK);
  assert_int_equal(nacre_slot_add(f->vol, f->keys[2], NULL, NULL, &index), NACRE_ERR_READ_ONLY);
  close_volume(f);
  assert_false(opens(f, 0));
  assert_true(opens(f, 1));

  uint8_t between[NACRE_HEADER_BYTES];
  assert_int_equal(nacre_header_backup(&f->target, NULL, NULL, between), NACRE_OK);
  restore(f, &report);
  assert_true(opens(f, 0));
  assert_false(opens(f, 1));
  assert_true(has_later(f, 0));
  /* It is a header like any other from here on; and what it took the place of is older now. */
  assert_int_equal(open_by(f, 0, NULL, false, false), NACRE_OK);
  assert_int_equal(nacre_header_restore(f->vol, false, &report), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_slot_add(f->vol, f->keys[2], NULL, NULL, &index), NACRE_OK);
  close_volume(f);
  assert_true(opens(f, 2));
  assert_int_equal(store_write(&f->memory, between, sizeof between, FORMAT_GROUP_0_OFFSET), NACRE_OK);
  assert_int_equal(store_write(&f->memory, between, sizeof between, FORMAT_GROUP_1_OFFSET), NACRE_OK);
  assert_int_equal(open_by(f, 1, NULL, false, false), NACRE_ERR_ROLLED_BACK);
}

static void without_any_header(void **state) {
  struct fixture *f = *state;
  struct nacre_restore_report report;
  take_backup(f);
  replace_key(f);
  destroy_headers(f);
  assert_int_equal(open_by(f, 1, NULL, false, false), NACRE_ERR_NOT_VOLUME);
  restore(f, &report);
  assert_false(report.header_there);
  assert_int_equal(report.returning, 1);
  assert_int_equal(report.vanishing, 0);
  assert_int_equal(report.new_sequence, 4);
  assert_true(has_later(f, 0));
  assert_false(opens(f, 1));
}

static void one_that_is_no_backup(void **state) {
  struct fixture *f = *state;
  take_backup(f);
  const struct nacre_open_options shorter = {
      .struct_size = sizeof shorter, .header_backup = f->backup, .header_backup_bytes = NACRE_HEADER_BYTES - 1};
  assert_int_equal(nacre_volume_open(&f->target, &shorter, f->keys[0], &f->vol), NACRE_ERR_NOT_VOLUME);
  static const struct {
    size_t offset;
    uint8_t flip;
    enum nacre_err err;
  } harms[] = {
      {0, 1, NACRE_ERR_NOT_VOLUME},
      {8, 1, NACRE_ERR_UNSUPPORTED},   /* the version */
      {12, 8, NACRE_ERR_UNSUPPORTED},  /* the cipher */
      {34, 16, NACRE_ERR_UNSUPPORTED}, /* a feature */
      {40, 1, NACRE_ERR_DAMAGED},      /* the sequence */
      {48, 1, NACRE_ERR_DAMAGED},      /* the label */
      {4000, 1, NACRE_ERR_DAMAGED},
      {4096 + 40, 1, NACRE_ERR_CREDENTIAL}, /* the slot's commitment */
      {4096 + FORMAT_SLOT_BYTES * 20, 1, NACRE_ERR_DAMAGED},
      {NACRE_HEADER_BYTES - 1, 1, NACRE_ERR_DAMAGED},
  };
  for (size_t i = 0; i < sizeof harms / sizeof harms[0]; i++) {
    f->backup[harms[i].offset] ^= harms[i].flip;
    assert_int_equal(open_by(f, 0, f->backup, false, false), harms[i].err);
    assert_int_equal(open_by(f, 0, f->backup, true, false), harms[i].err);
    f->backup[harms[i].offset] ^= harms[i].flip;
  }
  assert_true(opens(f, 0));
}

static void another_volumes_backup(void **state) {
  struct fixture *f = *state, *g;
  assert_int_equal(make_fixture((void **)&g), 0);
  take_backup(g);
  assert_int_equal(open_by(f, 0, g->backup, false, false), NACRE_ERR_DAMAGED);
  assert_non_null(strstr(nacre_last_error(), "does not go with"));
  /* Nor where its public part was made to look right, which its MAC does not survive. */
  take_backup(f);
  memcpy(g->backup + 16, f->backup + 16, 16);
  assert_int_equal(open_by(f, 0, g->backup, true, false), NACRE_ERR_DAMAGED);
  assert_true(opens(f, 0));
  (void)free_fixture((void **)&g);
}

/* What a rotation does to the header: a further epoch, and later the older one dropped. */
static void add_epoch(struct fixture *f, bool drop_older) {
  struct header_change c;
  pthread_mutex_lock(&f->vol->v->change_lock);
  assert_int_equal(header_change_begin(f->vol->v, &c), NACRE_OK);
  c.new_epochs = true;
  if (drop_older) {
    c.sealed->epochs[0] = (struct header_epoch){0};
  } else {
    c.sealed->epochs[1] = c.sealed->epochs[0];
    c.sealed->epochs[1].epoch = 2;
    env_random(c.sealed->epochs[1].volume_key, sizeof c.sealed->epochs[1].volume_key);
    c.sealed->current_epoch = 2;
    env_random(c.master_key, 32);
    for (unsigned i = 0; i < FORMAT_SLOTS; i++)
      if (c.header->slots[i].kind != NACRE_SLOT_EMPTY)
        assert_int_equal(kdf_seal_key(c.sealed->slots[i].public_key, c.master_key, c.header->slots[i].sealed_master),
                         NACRE_OK);
  }
  assert_int_equal(header_change_commit(f->vol->v, &c), NACRE_OK);
  header_change_free(&c);
  pthread_mutex_unlock(&f->vol->v->change_lock);
}

/* A backup from before: the credential opens both, or the present header is opened by another alone; a ring that
 * shows the gap, and one too young for it. */
static void one_of_an_older_epoch(void **state) {
  struct fixture *f = *state;
  for (unsigned same_key = 0; same_key < 2; same_key++) {
    for (unsigned commits = 0; commits < 12; commits++) {
      assert_int_equal(store_resize(&f->memory, 0), NACRE_OK);
      const struct nacre_create_options create = {.struct_size = sizeof create, .size_bytes = STORE_BYTES};
      assert_int_equal(nacre_create(&f->target, &create, f->keys[0]), NACRE_OK);
      take_backup(f);
      assert_int_equal(open_by(f, 0, NULL, false, false), NACRE_OK);
      uint32_t index;
      if (!same_key) {
        assert_int_equal(nacre_slot_add(f->vol, f->keys[1], NULL, NULL, &index), NACRE_OK);
        assert_int_equal(nacre_slot_remove(f->vol, 0, false), NACRE_OK);
      }
      add_epoch(f, false);
      for (unsigned i = 0; i < commits; i++) {
        char name[2] = {(char)('a' + i), '\0'};
        assert_int_equal(nacre_mkdir(f->vol, name, 0700, NULL), NACRE_OK);
        assert_int_equal(nacre_volume_sync(f->vol), NACRE_OK);
      }
      nacre_volume_abandon(f->vol);
      size_t len = STORE_BYTES;
      uint64_t size;
      uint8_t *before = malloc(len), *after = malloc(len);
      assert_int_equal(store_size(&f->memory, &size), NACRE_OK);
      assert_int_equal(store_read(&f->memory, before, (size_t)size, 0), NACRE_OK);
      assert_int_equal(open_by(f, 0, f->backup, false, false), NACRE_ERR_ROLLED_BACK);
      const char *says = commits == 0 ? "may have keys" : same_key ? "is from before a rotation" : "or the volume";
      assert_non_null(strstr(nacre_last_error(), says));
      assert_int_equal(open_by(f, 0, f->backup, false, true), NACRE_ERR_ROLLED_BACK);
      assert_int_equal(store_read(&f->memory, after, (size_t)size, 0), NACRE_OK);
      assert_memory_equal(before, after, (size_t)size);
      free(before);
      free(after);
      assert_true(opens(f, same_key ? 0 : 1));
    }
  }
}

/* One from the midst of a rotation has the keys of the newest superblocks. */
static void one_of_the_midst(void **state) {
  struct fixture *f = *state;
  struct nacre_restore_report report;
  assert_int_equal(open_by(f, 0, NULL, false, false), NACRE_OK);
  add_epoch(f, false);
  close_volume(f);
  take_backup(f);
  replace_key(f);
  restore(f, &report);
  assert_true(report.older_key);
  assert_true(has_later(f, 0));
}

/* A header that nobody can open, later than all: only force passes over it. */
static void a_present_header_that_is_forged(void **state) {
  struct fixture *f = *state;
  struct nacre_restore_report report = {.struct_size = sizeof report};
  take_backup(f);
  uint8_t forged[NACRE_HEADER_BYTES];
  memcpy(forged, f->backup, sizeof forged);
  forged[40] = 9;
  forged[4096 + 136] ^= 1; /* another master key, by the looks of it */
  assert_int_equal(store_write(&f->memory, forged, sizeof forged, FORMAT_GROUP_0_OFFSET), NACRE_OK);
  assert_int_equal(store_write(&f->memory, forged, sizeof forged, FORMAT_GROUP_1_OFFSET), NACRE_OK);
  assert_int_equal(open_by(f, 0, f->backup, false, false), NACRE_ERR_ROLLED_BACK);
  assert_int_equal(open_by(f, 0, f->backup, true, false), NACRE_OK);
  assert_int_equal(nacre_header_restore(f->vol, false, &report), NACRE_OK);
  assert_int_equal(report.new_sequence, 10);
  close_volume(f);
  assert_true(opens(f, 0));
  /* A sequence that no volume has is no sequence: nothing counts on from it. */
  take_backup(f);
  memset(forged + 40, 0xff, 8);
  assert_int_equal(store_write(&f->memory, forged, sizeof forged, FORMAT_GROUP_0_OFFSET), NACRE_OK);
  restore(f, &report);
  assert_int_equal(report.new_sequence, 11);
  assert_true(opens(f, 0));
}

/* The whole of a rotation leaves no superblock of the older keys; new credentials alone leave all of them. */
static void one_of_before_a_rotation(void **state) {
  struct fixture *f = *state;
  struct nacre_restore_report report;
  for (unsigned full = 0; full < 2; full++) {
    const struct nacre_rekey_options options = {.struct_size = sizeof options, .slots_only = !full};
    take_backup(f);
    assert_int_equal(open_by(f, 0, NULL, false, false), NACRE_OK);
    assert_int_equal(nacre_rekey(f->vol, &options, NULL), NACRE_OK);
    close_volume(f);
    if (!full) {
      restore(f, &report);
      assert_false(report.older_key);
      continue;
    }
    assert_int_equal(open_by(f, 0, f->backup, false, false), NACRE_ERR_ROLLED_BACK);
    assert_non_null(strstr(nacre_last_error(), "is from before a rotation"));
    assert_int_equal(open_by(f, 0, f->backup, true, false), NACRE_ERR_ROLLED_BACK);
    replace_key(f);
    assert_int_equal(open_by(f, 0, f->backup, true, false), NACRE_ERR_ROLLED_BACK);
    assert_non_null(strstr(nacre_last_error(), "or the volume is damaged"));
    destroy_headers(f);
    assert_int_equal(open_by(f, 0, f->backup, true, false), NACRE_ERR_DAMAGED);
  }
}

static void destroy_ring(struct fixture *f) {
  uint8_t noise[FORMAT_SUPERBLOCK_BYTES];
  for (uint64_t i = 0; i < FORMAT_RING_SLOTS; i++) {
    env_random(noise, sizeof noise);
    assert_int_equal(store_write(&f->memory, noise, sizeof noise, superblock_offset(i)), NACRE_OK);
  }
}

/* What was destroyed is not taken for what was rotated, where the keys of then and of now show that they are one
 * epoch's: by the master key itself, or by a credential that opens both headers. */
static void one_of_a_volume_without_superblocks(void **state) {
  struct fixture *f = *state;
  const struct nacre_rekey_options options = {.struct_size = sizeof options, .slots_only = true};
  take_backup(f);
  assert_int_equal(open_by(f, 0, NULL, false, false), NACRE_OK);
  assert_int_equal(nacre_rekey(f->vol, &options, NULL), NACRE_OK);
  close_volume(f);
  uint8_t earlier[NACRE_HEADER_BYTES];
  memcpy(earlier, f->backup, sizeof earlier);
  take_backup(f);
  replace_key(f);
  assert_int_equal(open_by(f, 1, NULL, false, false), NACRE_OK);
  assert_int_equal(nacre_slot_add(f->vol, f->keys[0], NULL, NULL, NULL), NACRE_OK);
  close_volume(f);
  destroy_ring(f);
  assert_int_equal(open_by(f, 0, f->backup, false, false), NACRE_ERR_DAMAGED);
  assert_int_equal(open_by(f, 0, earlier, false, false), NACRE_ERR_DAMAGED);
  assert_non_null(strstr(nacre_last_error(), "no superblock"));
}

/* What can't be read may be there the next time. */
static void a_present_header_that_cant_be_read(void **state) {
  struct fixture *f = *state;
  take_backup(f);
  unreadable_memory = &f->memory;
  f->ops.read = read_or_fail;
  headers_unreadable = true;
  assert_int_equal(open_by(f, 0, f->backup, false, false), NACRE_ERR_IO);
  assert_int_equal(open_by(f, 0, f->backup, true, false), NACRE_OK);
  assert_int_equal(nacre_header_restore(f->vol, false, NULL), NACRE_OK);
  close_volume(f);
  headers_unreadable = false;
  assert_true(opens(f, 0));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_fixture, free_fixture)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(backups_are_the_header),
      TEST(an_old_one_brings_keys_back),
      TEST(without_any_header),
      TEST(one_that_is_no_backup),
      TEST(another_volumes_backup),
      TEST(one_of_an_older_epoch),
      TEST(one_of_the_midst),
      TEST(one_of_before_a_rotation),
      TEST(one_of_a_volume_without_superblocks),
      TEST(a_present_header_that_cant_be_read),
      TEST(a_present_header_that_is_forged),
  };
  return cmocka_run_group_tests_name("api_header", tests, NULL, NULL);
}
