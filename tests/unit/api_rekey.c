/* Rotation through the library: what stays, what goes, and what is refused. */
#include "unit/api_fixture.h"

#include "api/handle.h"
#include "base/bytes.h"
#include "base/env.h"
#include "ops/headers.h"
#include "ops/unlock.h"
#include "tree/core.h"

#include <stdio.h>
#include <time.h>

#define FILE_BYTES ((5u << 20) + 777u)
#define SMALL_FILES 60u

static void fill(uint8_t *bytes, size_t len, uint32_t seed) {
  for (size_t i = 0; i < len; i++) {
    seed = seed * 1664525u + 1013904223u;
    bytes[i] = (uint8_t)(seed >> 24);
  }
}

static void write_file(nacre_volume *vol, const char *path, size_t len, uint32_t seed) {
  uint8_t *bytes = malloc(len + 1);
  nacre_file *file;
  fill(bytes, len, seed);
  ok(nacre_open(vol, path, NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file));
  ok(nacre_write(file, bytes, len, 0));
  nacre_close(file);
  free(bytes);
}

static void check_file(nacre_volume *vol, const char *path, size_t len, uint32_t seed) {
  uint8_t *expected = malloc(len + 1), *found = malloc(len + 1);
  nacre_file *file;
  size_t done;
  fill(expected, len, seed);
  ok(nacre_open(vol, path, NACRE_O_READ, 0, NULL, &file));
  ok(nacre_read(file, found, len + 1, 0, &done));
  assert_int_equal(done, len);
  assert_memory_equal(found, expected, len);
  nacre_close(file);
  free(expected);
  free(found);
}

static void small_name(char name[16], unsigned i) {
  (void)snprintf(name, 16, "small%u", i);
}

static void make_content(nacre_volume *vol) {
  char name[16];
  uint8_t value[50000];
  write_file(vol, "large", FILE_BYTES, 1);
  for (unsigned i = 0; i < SMALL_FILES; i++) {
    small_name(name, i);
    write_file(vol, name, 37 * i * i, i);
  }
  fill(value, sizeof value, 5);
  ok(nacre_setxattr(vol, "large", "user.big", value, sizeof value, 0));
  ok(nacre_symlink(vol, "large", "link", NULL));
}

static void check_content(nacre_volume *vol) {
  char name[16], target[16];
  uint8_t expected[50000], value[50000];
  size_t len;
  check_file(vol, "large", FILE_BYTES, 1);
  for (unsigned i = 0; i < SMALL_FILES; i++) {
    small_name(name, i);
    check_file(vol, name, 37 * i * i, i);
  }
  fill(expected, sizeof expected, 5);
  ok(nacre_getxattr(vol, "large", "user.big", value, sizeof value, &len));
  assert_int_equal(len, sizeof value);
  assert_memory_equal(value, expected, len);
  ok(nacre_readlink(vol, "link", target, sizeof target));
  assert_string_equal(target, "large");
  struct nacre_verify_report report = {.struct_size = sizeof report};
  ok(nacre_verify(vol, &report, NULL, NULL, NULL, NULL, NULL));
}

static struct nacre_rekey_status status_of(nacre_volume *vol) {
  struct nacre_rekey_status status = {.struct_size = sizeof status};
  ok(nacre_rekey_get_status(vol, &status));
  return status;
}

static enum nacre_err rekey(nacre_volume *vol, enum nacre_cipher cipher) {
  const struct nacre_rekey_options options = {.struct_size = sizeof options, .cipher = cipher};
  return nacre_rekey(vol, &options, NULL);
}

static enum nacre_err reopen(struct api *a, const nacre_credential *cred) {
  ok(nacre_volume_close(a->vol));
  a->vol = NULL;
  return nacre_volume_open(&a->target, NULL, cred, &a->vol);
}

/* What the header holds, seen from below. The caller frees it. */
static struct unlocked unlocked_of(struct api *a, const nacre_credential *cred) {
  const struct unlock_options options = {.kdf_memory_max_bytes = 1u << 30};
  struct headers *h = calloc(1, sizeof *h);
  struct unlocked u;
  ok(headers_read(&a->memory, h));
  ok(unlock(h, cred, &options, &u));
  assert_memory_equal(h->raw[0], h->raw[1], FORMAT_HEADER_BYTES);
  headers_free(h);
  free(h);
  return u;
}

static void test_rotates(void **state) {
  struct api *a = *state;
  make_content(a->vol);
  ok(nacre_volume_sync(a->vol));
  struct unlocked before = unlocked_of(a, a->cred);
  struct nacre_rekey_report report = {.struct_size = sizeof report};
  ok(nacre_rekey(a->vol, NULL, &report));
  assert_false(report.resumed);
  assert_int_equal(report.epoch, 2);
  assert_true(report.rewritten_bytes > FILE_BYTES && report.rewritten_bytes < 3 * FILE_BYTES);
  struct nacre_rekey_status status = status_of(a->vol);
  assert_false(status.under_way || status.running);
  assert_int_equal(status.epoch, 2);
  check_content(a->vol);
  struct unlocked after = unlocked_of(a, a->cred);
  assert_int_equal(after.sealed->current_epoch, 2);
  assert_null(header_older_epoch(after.sealed));
  assert_memory_not_equal(after.master_key, before.master_key, 32);
  assert_memory_not_equal(header_current_epoch(after.sealed)->volume_key,
                          header_current_epoch(before.sealed)->volume_key, 32);
  assert_memory_equal(after.sealed->identity_secret, before.sealed->identity_secret, 32);
  unlocked_free(&before);
  unlocked_free(&after);
  ok(reopen(a, a->cred));
  check_content(a->vol);
  for (unsigned i = 0; i < 10; i++) /* the table of epochs has eight places */
    ok(rekey(a->vol, NACRE_CIPHER_AUTO));
  ok(reopen(a, a->cred));
  assert_int_equal(status_of(a->vol).epoch, 12);
  check_content(a->vol);
}

static void test_changes_the_cipher(void **state) {
  struct api *a = *state;
  static const enum nacre_cipher ciphers[] = {NACRE_CIPHER_XCHACHA20_POLY1305, NACRE_CIPHER_AEGIS_256,
                                              NACRE_CIPHER_AES_256_GCM};
  struct nacre_volume_info info = {.struct_size = sizeof info};
  make_content(a->vol);
  for (size_t i = 0; i < 3; i++) {
    if (!nacre_cipher_available(ciphers[i])) {
      assert_int_equal(rekey(a->vol, ciphers[i]), NACRE_ERR_UNSUPPORTED);
      continue;
    }
    ok(rekey(a->vol, ciphers[i]));
    ok(nacre_volume_get_info(a->vol, &info));
    assert_int_equal(info.cipher, ciphers[i]);
    ok(reopen(a, a->cred));
    check_content(a->vol);
  }
  assert_int_equal(rekey(a->vol, (enum nacre_cipher)9), NACRE_ERR_ARGUMENT);
}

/* ---- Slots ---- */

static nacre_credential *raw_key(uint8_t byte) {
  uint8_t key[32];
  nacre_credential *cred;
  memset(key, byte, sizeof key);
  ok(nacre_credential_raw_key(key, &cred));
  return cred;
}

static void test_keeps_and_drops_slots(void **state) {
  struct api *a = *state;
  nacre_credential *keys[32] = {NULL};
  uint32_t index;
  for (uint8_t i = 1; i < 32; i++) {
    keys[i] = raw_key((uint8_t)(100 + i));
    ok(nacre_slot_add(a->vol, keys[i], NULL, "one of many", &index));
    assert_int_equal(index, i);
  }
  struct nacre_rekey_options options = {.struct_size = sizeof options, .drop_slots = 1u << 7 | 1u << 31};
  ok(nacre_rekey(a->vol, &options, NULL));
  for (unsigned i = 1; i < 32; i++) {
    enum nacre_err err = nacre_slot_test(&a->target, keys[i], 0, &index);
    assert_int_equal(err, i == 7 || i == 31 ? NACRE_ERR_CREDENTIAL : NACRE_OK);
  }
  ok(nacre_slot_test(&a->target, a->cred, 0, &index));
  assert_int_equal(nacre_rekey(a->vol, &options, NULL), NACRE_ERR_NOT_FOUND); /* 7 is empty now */
  options.drop_slots = ~(1u << 7 | 1u << 31);
  assert_int_equal(nacre_rekey(a->vol, &options, NULL), NACRE_ERR_WEAK);
  options.drop_slots = 0;
  options.slots_only = true;
  options.cipher = NACRE_CIPHER_AES_256_GCM;
  assert_int_equal(nacre_rekey(a->vol, &options, NULL), NACRE_ERR_ARGUMENT);
  ok(reopen(a, keys[30]));
  for (unsigned i = 1; i < 32; i++)
    nacre_credential_free(keys[i]);
}

static void test_slots_only(void **state) {
  struct api *a = *state;
  make_content(a->vol);
  ok(nacre_volume_sync(a->vol));
  struct unlocked before = unlocked_of(a, a->cred);
  const struct nacre_rekey_options options = {.struct_size = sizeof options, .slots_only = true};
  struct nacre_rekey_report report = {.struct_size = sizeof report};
  ok(nacre_rekey(a->vol, &options, &report));
  assert_int_equal(report.epoch, 1);
  assert_true(report.rewritten_bytes < 1u << 20);
  struct unlocked after = unlocked_of(a, a->cred);
  assert_memory_not_equal(after.master_key, before.master_key, 32);
  assert_memory_equal(header_current_epoch(after.sealed)->volume_key, header_current_epoch(before.sealed)->volume_key,
                      32);
  unlocked_free(&before);
  unlocked_free(&after);
  ok(reopen(a, a->cred));
  check_content(a->vol);
}

/* ---- Old headers and old keys ---- */

static void read_at(struct api *a, uint64_t offset, uint8_t *to, size_t len) {
  assert_int_equal(a->ops.read(a->target.ctx, to, len, offset), 0);
}

static void put_at(struct api *a, uint64_t offset, const uint8_t *from, size_t len) {
  assert_int_equal(a->ops.write(a->target.ctx, from, len, offset), 0);
}

/* A credential that was replaced, and a header from then: with the container of today they open nothing. */
static void test_old_header_opens_nothing(void **state) {
  struct api *a = *state;
  nacre_credential *fresh = raw_key(50);
  uint8_t *old = malloc(FORMAT_HEADER_BYTES), *now = malloc(FORMAT_HEADER_BYTES);
  make_content(a->vol);
  ok(nacre_volume_sync(a->vol));
  read_at(a, 0, old, FORMAT_HEADER_BYTES);
  ok(nacre_slot_change(a->vol, 0, fresh, NULL));
  ok(rekey(a->vol, NACRE_CIPHER_AUTO));
  ok(nacre_volume_close(a->vol));
  read_at(a, 0, now, FORMAT_HEADER_BYTES);
  put_at(a, 0, old, FORMAT_HEADER_BYTES);
  put_at(a, FORMAT_GROUP_1_OFFSET, old, FORMAT_HEADER_BYTES);
  /* Its key opens no superblock, to begin with. */
  assert_int_equal(nacre_volume_open(&a->target, NULL, a->cred, &a->vol), NACRE_ERR_DAMAGED);
  assert_int_equal(nacre_volume_open(&a->target, NULL, fresh, &a->vol), NACRE_ERR_CREDENTIAL);
  put_at(a, FORMAT_GROUP_1_OFFSET, now, FORMAT_HEADER_BYTES);
  assert_int_equal(nacre_volume_open(&a->target, NULL, a->cred, &a->vol), NACRE_ERR_DAMAGED);
  ok(nacre_volume_open(&a->target, NULL, fresh, &a->vol));
  check_content(a->vol);
  nacre_credential_free(fresh);
  free(old);
  free(now);
}

/* All of the container but its two groups, in the caller's hands. */
static uint8_t *blocks_of(struct api *a, uint64_t *size) {
  assert_int_equal(a->ops.size(a->target.ctx, size), 0);
  uint8_t *bytes = malloc(*size);
  read_at(a, 0, bytes, *size);
  return bytes;
}

static bool in_group(uint64_t offset) {
  return offset < FORMAT_GROUP_BYTES ||
         (offset >= FORMAT_GROUP_1_OFFSET && offset < FORMAT_GROUP_1_OFFSET + FORMAT_GROUP_BYTES);
}

/* Nothing of what the container held is where it was: not what was in use, nor what had been freed before. */
static void test_no_old_block_is_left(void **state) {
  struct api *a = *state;
  uint64_t before_size, after_size;
  make_content(a->vol);
  write_file(a->vol, "passing", 3 * FILE_BYTES, 4);
  ok(nacre_volume_sync(a->vol));
  ok(nacre_unlink(a->vol, "passing"));
  write_file(a->vol, "large", FILE_BYTES, 1);
  for (unsigned i = 0; i < 3; i++) {
    write_file(a->vol, "other", 5000, i);
    ok(nacre_volume_sync(a->vol));
  }
  uint8_t *before = blocks_of(a, &before_size);
  struct nacre_rekey_report report = {.struct_size = sizeof report};
  ok(nacre_rekey(a->vol, NULL, &report));
  assert_true(report.wiped_bytes > FILE_BYTES);
  uint8_t *after = blocks_of(a, &after_size);
  for (uint64_t at = 0; at < before_size && at < after_size; at += FORMAT_UNIT_BYTES) {
    const bool same = memcmp(before + at, after + at, FORMAT_UNIT_BYTES) == 0;
    if (same && !in_group(at) && !bytes_all_zero(before + at, FORMAT_UNIT_BYTES))
      fail_msg("unit %llu is as it was before", (unsigned long long)(at / FORMAT_UNIT_BYTES));
  }
  ok(reopen(a, a->cred));
  check_content(a->vol);
  /* With the groups of then, and the credential, there is nothing to be found. */
  ok(nacre_volume_close(a->vol));
  put_at(a, 0, before, FORMAT_GROUP_BYTES);
  put_at(a, FORMAT_GROUP_1_OFFSET, before + FORMAT_GROUP_1_OFFSET, FORMAT_GROUP_BYTES);
  assert_int_equal(nacre_volume_open(&a->target, NULL, a->cred, &a->vol), NACRE_ERR_DAMAGED);
  put_at(a, 0, after, FORMAT_GROUP_BYTES);
  put_at(a, FORMAT_GROUP_1_OFFSET, after + FORMAT_GROUP_1_OFFSET, FORMAT_GROUP_BYTES);
  ok(nacre_volume_open(&a->target, NULL, a->cred, &a->vol));
  free(before);
  free(after);
}

/* That no block of the tree is of the old epoch, verify shows: its key is gone. */
static void test_every_superblock_is_new(void **state) {
  struct api *a = *state;
  struct superblock slots[FORMAT_RING_SLOTS];
  bool unreadable;
  make_content(a->vol);
  ok(rekey(a->vol, NACRE_CIPHER_AUTO));
  ok(ring_read_slots(&a->vol->v->engine->io, slots, &unreadable));
  for (unsigned i = 0; i < FORMAT_RING_SLOTS; i++) {
    assert_int_equal(slots[i].generation % FORMAT_RING_SLOTS, i);
    assert_int_equal(slots[i].epoch, 2);
    assert_int_equal(slots[i].root.epoch, 2);
    assert_int_equal(slots[i].log.checkpoint.epoch, 2);
    assert_true(slots[i].log.last.unit == 0 || slots[i].log.last.epoch == 2);
  }
  check_content(a->vol);
}

/* Somebody who had the keys puts his own public key in a slot's place, so that the next rotation is for him. */
static void forge_public_key(struct api *a) {
  const struct unlock_options options = {.kdf_memory_max_bytes = 1u << 30};
  struct headers *h = calloc(1, sizeof *h);
  struct unlocked u;
  uint8_t secret[32], *raw = malloc(FORMAT_HEADER_BYTES);
  ok(headers_read(&a->memory, h));
  ok(unlock(h, a->cred, &options, &u));
  kdf_keypair(u.sealed->slots[0].public_key, secret);
  h->copy[0].sequence++;
  ok(header_encode(&h->copy[0], u.sealed, u.master_key, raw));
  ok(headers_write(&a->memory, raw));
  unlocked_free(&u);
  headers_free(h);
  free(h);
  free(raw);
}

static void test_forged_public_key(void **state) {
  struct api *a = *state;
  nacre_credential *fresh = raw_key(9);
  ok(nacre_volume_close(a->vol));
  forge_public_key(a);
  ok(nacre_volume_open(&a->target, NULL, a->cred, &a->vol));
  assert_int_equal(rekey(a->vol, NACRE_CIPHER_AUTO), NACRE_ERR_DAMAGED);
  assert_non_null(strstr(nacre_last_error(), "is not its own"));
  assert_false(status_of(a->vol).under_way);
  ok(nacre_slot_change(a->vol, 0, fresh, NULL)); /* draws a pair of its own */
  ok(rekey(a->vol, NACRE_CIPHER_AUTO));
  ok(reopen(a, fresh));
  nacre_credential_free(fresh);
}

/* ---- Breaking off ---- */

struct stopper {
  nacre_cancel *cancel;
  const char *what; /* NULL: whichever is told of */
  unsigned calls, at;
};

static void stop_at(void *arg, const char *what, uint64_t done, uint64_t total) {
  struct stopper *s = arg;
  assert_true(strcmp(what, "rekey") == 0 || strcmp(what, "wipe") == 0);
  assert_true(total > 0 && done > 0);
  if (s->what != NULL && strcmp(s->what, what) != 0)
    return;
  if (++s->calls == s->at)
    nacre_cancel_fire(s->cancel);
}

static enum nacre_err rekey_stopped(nacre_volume *vol, const char *what, unsigned at) {
  struct stopper s = {.what = what, .at = at};
  ok(nacre_cancel_new(&s.cancel));
  const struct nacre_rekey_options options = {
      .struct_size = sizeof options, .progress = stop_at, .progress_arg = &s, .cancel = s.cancel};
  enum nacre_err err = nacre_rekey(vol, &options, NULL);
  nacre_cancel_free(s.cancel);
  return err;
}

static void test_is_broken_off_and_carried_on(void **state) {
  struct api *a = *state;
  make_content(a->vol);
  assert_int_equal(rekey_stopped(a->vol, NULL, 1), NACRE_ERR_CANCELLED);
  assert_true(status_of(a->vol).under_way);
  assert_false(status_of(a->vol).running);
  check_content(a->vol);
  struct unlocked u = unlocked_of(a, a->cred);
  assert_non_null(header_older_epoch(u.sealed));
  unlocked_free(&u);
  assert_int_equal(rekey(a->vol, NACRE_CIPHER_AES_256_GCM), NACRE_ERR_IN_USE);
  ok(reopen(a, a->cred)); /* no threads: nobody carries on */
  assert_true(status_of(a->vol).under_way);
  check_content(a->vol);
  write_file(a->vol, "new", 100000, 9);
  assert_int_equal(rekey_stopped(a->vol, NULL, 2), NACRE_ERR_CANCELLED);
  struct nacre_rekey_report report = {.struct_size = sizeof report};
  ok(nacre_rekey(a->vol, NULL, &report));
  assert_true(report.resumed);
  assert_false(status_of(a->vol).under_way);
  check_content(a->vol);
  check_file(a->vol, "new", 100000, 9);
}

/* Until free space is wiped the rotation is not over, and the old key not given up. */
static void test_is_broken_off_while_it_wipes(void **state) {
  struct api *a = *state;
  struct nacre_rekey_report report = {.struct_size = sizeof report};
  make_content(a->vol);
  write_file(a->vol, "passing", FILE_BYTES, 4);
  ok(nacre_volume_sync(a->vol));
  ok(nacre_unlink(a->vol, "passing"));
  assert_int_equal(rekey_stopped(a->vol, "wipe", 2), NACRE_ERR_CANCELLED);
  assert_true(status_of(a->vol).under_way);
  ok(reopen(a, a->cred));
  check_content(a->vol);
  struct unlocked u = unlocked_of(a, a->cred);
  assert_non_null(header_older_epoch(u.sealed));
  unlocked_free(&u);
  ok(nacre_rekey(a->vol, NULL, &report));
  assert_true(report.resumed && report.rewritten_bytes == 0 && report.wiped_bytes > 0);
  assert_false(status_of(a->vol).under_way);
  check_content(a->vol);
}

static void wait_for_the_end(nacre_volume *vol) {
  for (unsigned i = 0; i < 6000 && status_of(vol).under_way; i++)
    nanosleep(&(const struct timespec){.tv_nsec = 10000000}, NULL);
  assert_false(status_of(vol).under_way);
}

static void test_goes_on_by_itself(void **state) {
  struct api *a = *state;
  struct nacre_open_options options = {.struct_size = sizeof options, .threads = 1, .hold_rekey = true};
  make_content(a->vol);
  assert_int_equal(rekey_stopped(a->vol, NULL, 1), NACRE_ERR_CANCELLED);
  ok(nacre_volume_close(a->vol));
  ok(nacre_volume_open(&a->target, &options, a->cred, &a->vol));
  assert_false(status_of(a->vol).running);
  ok(nacre_volume_close(a->vol));
  options.hold_rekey = false;
  ok(nacre_volume_open(&a->target, &options, a->cred, &a->vol));
  wait_for_the_end(a->vol);
  check_content(a->vol);
}

/* ---- Trouble ---- */

/* Flip a bit of the large file's first chunk. */
static void spoil(struct api *a) {
  struct engine_info info;
  struct nacre_attr attr = {.struct_size = sizeof attr};
  uint8_t block[FORMAT_UNIT_BYTES], value[EXTENT_VALUE_MAX_BYTES];
  struct extent x;
  size_t len;
  ok(nacre_stat(a->vol, "large", &attr));
  engine_get_info(a->vol->v->engine, &info);
  const struct key key = key_make(attr.ino, FORMAT_RECORD_EXTENT, 0);
  ok(tree_get(a->vol->v->engine, &key, value, sizeof value, &len));
  ok(extent_decode(value, len, info.units_end, &x));
  read_at(a, x.unit * FORMAT_UNIT_BYTES, block, sizeof block);
  block[7] ^= 1;
  put_at(a, x.unit * FORMAT_UNIT_BYTES, block, sizeof block);
}

/* How many are under an older key. */
static unsigned old_extents(struct api *a) {
  struct rewrite_leaf leaf = {.last = false};
  unsigned count = 0;
  while (!leaf.last) {
    ok(engine_rewrite_look(a->vol->v->engine, &leaf));
    count += leaf.count;
  }
  return count;
}

static void test_what_cannot_be_read_keeps_both_keys(void **state) {
  struct api *a = *state;
  make_content(a->vol);
  ok(nacre_volume_sync(a->vol));
  spoil(a);
  assert_int_equal(rekey(a->vol, NACRE_CIPHER_AUTO), NACRE_ERR_DAMAGED);
  assert_non_null(strstr(nacre_last_error(), "1 places cannot be read"));
  assert_true(status_of(a->vol).under_way);
  assert_int_equal(status_of(a->vol).stopped, NACRE_ERR_DAMAGED);
  assert_int_equal(old_extents(a), 1); /* all else is done */
  ok(reopen(a, a->cred));
  assert_int_equal(rekey(a->vol, NACRE_CIPHER_AUTO), NACRE_ERR_DAMAGED);
  spoil(a); /* as it was */
  ok(rekey(a->vol, NACRE_CIPHER_AUTO));
  check_content(a->vol);
  ok(reopen(a, a->cred));
  spoil(a);
  assert_int_equal(rekey(a->vol, NACRE_CIPHER_AUTO), NACRE_ERR_DAMAGED);
  ok(nacre_unlink(a->vol, "large"));
  ok(rekey(a->vol, NACRE_CIPHER_AUTO));
  assert_false(status_of(a->vol).under_way);
}

static void fill_up(nacre_volume *vol) {
  nacre_file *file;
  uint8_t bytes[65536];
  fill(bytes, sizeof bytes, 3);
  ok(nacre_open(vol, "filler", NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file));
  enum nacre_err err = NACRE_OK;
  for (uint64_t at = 0; err == NACRE_OK; at += sizeof bytes)
    err = nacre_write(file, bytes, sizeof bytes, at);
  assert_int_equal(err, NACRE_ERR_NO_SPACE);
  nacre_close(file);
}

static void make_room(nacre_volume *vol) {
  nacre_file *file;
  ok(nacre_open(vol, "filler", NACRE_O_WRITE, 0, NULL, &file));
  ok(nacre_ftruncate(file, 1u << 20));
  nacre_close(file);
}

/* Without room for a step it waits for some. */
static void test_full_volume(void **state) {
  struct api *a = *state;
  make_content(a->vol);
  fill_up(a->vol);
  assert_int_equal(rekey(a->vol, NACRE_CIPHER_AUTO), NACRE_ERR_NO_SPACE);
  assert_true(status_of(a->vol).under_way);
  check_content(a->vol);
  make_room(a->vol);
  ok(nacre_rekey(a->vol, NULL, NULL));
  assert_false(status_of(a->vol).under_way);
  check_content(a->vol);
}

static void test_goes_on_when_there_is_room(void **state) {
  struct api *a = *state;
  const struct nacre_open_options options = {.struct_size = sizeof options, .threads = 1};
  make_content(a->vol);
  fill_up(a->vol);
  ok(nacre_volume_close(a->vol));
  ok(nacre_volume_open(&a->target, &options, a->cred, &a->vol));
  assert_int_equal(rekey(a->vol, NACRE_CIPHER_AUTO), NACRE_ERR_NO_SPACE);
  check_content(a->vol);
  while (status_of(a->vol).running) /* the volume's own thread has tried, too */
    nanosleep(&(const struct timespec){.tv_nsec = 10000000}, NULL);
  assert_int_equal(status_of(a->vol).stopped, NACRE_ERR_NO_SPACE);
  make_room(a->vol);
  wait_for_the_end(a->vol);
  check_content(a->vol);
}

static void test_read_only(void **state) {
  struct api *a = *state;
  const struct nacre_open_options options = {.struct_size = sizeof options, .read_only = true};
  ok(nacre_volume_close(a->vol));
  ok(nacre_volume_open(&a->target, &options, a->cred, &a->vol));
  assert_int_equal(rekey(a->vol, NACRE_CIPHER_AUTO), NACRE_ERR_READ_ONLY);
  assert_int_equal(nacre_rekey(NULL, NULL, NULL), NACRE_ERR_ARGUMENT);
}

#define WITH_VOLUME(test) cmocka_unit_test_setup_teardown(test, api_make, api_free)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_VOLUME(test_rotates),
      WITH_VOLUME(test_changes_the_cipher),
      WITH_VOLUME(test_keeps_and_drops_slots),
      WITH_VOLUME(test_slots_only),
      WITH_VOLUME(test_old_header_opens_nothing),
      WITH_VOLUME(test_no_old_block_is_left),
      WITH_VOLUME(test_every_superblock_is_new),
      WITH_VOLUME(test_forged_public_key),
      WITH_VOLUME(test_is_broken_off_and_carried_on),
      WITH_VOLUME(test_is_broken_off_while_it_wipes),
      WITH_VOLUME(test_goes_on_by_itself),
      WITH_VOLUME(test_what_cannot_be_read_keeps_both_keys),
      WITH_VOLUME(test_full_volume),
      WITH_VOLUME(test_goes_on_when_there_is_room),
      WITH_VOLUME(test_read_only),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
