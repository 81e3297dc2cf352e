/* Rotation through the library: what stays, what goes, and what is refused. */
#include "unit/api_content.h"

#include "api/handle.h"
#include "base/bytes.h"
#include "base/env.h"
#include "ops/headers.h"
#include "ops/unlock.h"
#include "tree/core.h"

#include <time.h>

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
    enum nacre_err err = nacre_slot_test(&a->target, keys[i], NULL, &index);
    assert_int_equal(err, i == 7 || i == 31 ? NACRE_ERR_CREDENTIAL : NACRE_OK);
  }
  ok(nacre_slot_test(&a->target, a->cred, NULL, &index));
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

/* A credential that was replaced, and a header from then: with the container of today they open nothing. */
static void test_old_header_opens_nothing(void **state) {
  struct api *a = *state;
  nacre_credential *fresh = raw_key(50);
  uint8_t *old = malloc(FORMAT_HEADER_BYTES), *now = malloc(FORMAT_HEADER_BYTES);
  make_content(a->vol);
  ok(nacre_volume_sync(a->vol));
  read_at(a, 0, old, FORMAT_HEADER_BYTES);
  ok(nacre_slot_change(a->vol, 0, fresh, NULL, NULL));
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

/* The same of a credential that was removed. */
static void test_removed_credential_opens_nothing(void **state) {
  struct api *a = *state;
  nacre_credential *gone = raw_key(51);
  uint8_t *old = malloc(FORMAT_HEADER_BYTES);
  uint32_t index;
  make_content(a->vol);
  ok(nacre_slot_add(a->vol, gone, NULL, "", &index));
  ok(nacre_volume_sync(a->vol));
  read_at(a, 0, old, FORMAT_HEADER_BYTES);
  ok(nacre_slot_remove(a->vol, index, false));
  ok(rekey(a->vol, NACRE_CIPHER_AUTO));
  ok(nacre_volume_close(a->vol));
  assert_int_equal(nacre_volume_open(&a->target, NULL, gone, &a->vol), NACRE_ERR_CREDENTIAL);
  uint8_t *now = malloc(FORMAT_HEADER_BYTES);
  read_at(a, 0, now, FORMAT_HEADER_BYTES);
  put_at(a, 0, old, FORMAT_HEADER_BYTES);
  put_at(a, FORMAT_GROUP_1_OFFSET, old, FORMAT_HEADER_BYTES);
  assert_int_equal(nacre_volume_open(&a->target, NULL, gone, &a->vol), NACRE_ERR_DAMAGED);
  put_at(a, 0, now, FORMAT_HEADER_BYTES);
  put_at(a, FORMAT_GROUP_1_OFFSET, now, FORMAT_HEADER_BYTES);
  ok(nacre_volume_open(&a->target, NULL, a->cred, &a->vol));
  check_content(a->vol);
  nacre_credential_free(gone);
  free(old);
  free(now);
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
  ok(nacre_slot_change(a->vol, 0, fresh, NULL, NULL)); /* draws a pair of its own */
  ok(rekey(a->vol, NACRE_CIPHER_AUTO));
  ok(reopen(a, fresh));
  nacre_credential_free(fresh);
}

/* ---- Breaking off ---- */

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
  for (unsigned i = 0; i < 6000 && status_of(a->vol).running; i++) /* the volume's own thread has tried, too */
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
      WITH_VOLUME(test_removed_credential_opens_nothing),
      WITH_VOLUME(test_every_superblock_is_new),
      WITH_VOLUME(test_forged_public_key),
      WITH_VOLUME(test_is_broken_off_and_carried_on),
      WITH_VOLUME(test_goes_on_by_itself),
      WITH_VOLUME(test_what_cannot_be_read_keeps_both_keys),
      WITH_VOLUME(test_full_volume),
      WITH_VOLUME(test_goes_on_when_there_is_room),
      WITH_VOLUME(test_read_only),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
