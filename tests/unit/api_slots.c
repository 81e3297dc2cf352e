/* Keyslots of every kind through the public interface: made, listed, opened, changed, removed, refused. */
#include "unit/api_fixture.h"
#include "unit/api_kinds.h"

#define OTHER_IDENTITY "AGE-SECRET-KEY-1QQPQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQQE4QYW5"
#define SLOTS_OFFSET 4096u
#define SLOT_BYTES 7168u

static void read_slot(struct api *a, unsigned copy, uint32_t slot, uint8_t raw[SLOT_BYTES]) {
  const uint64_t at = copy * (16u << 20) + SLOTS_OFFSET + (uint64_t)slot * SLOT_BYTES;
  assert_int_equal(a->memory.ops.read(a->memory.ctx, raw, SLOT_BYTES, at), 0);
}

/* Whether any 16 bytes in a row of what the slot was are anywhere in either header. */
static bool survives(struct api *a, const uint8_t *was, size_t len) {
  enum { HEADER = 256 << 10, RUN = 16 };
  uint8_t *raw = malloc(HEADER);
  bool found = false;
  for (unsigned copy = 0; copy < 2; copy++) {
    assert_int_equal(a->memory.ops.read(a->memory.ctx, raw, HEADER, copy * (16u << 20)), 0);
    for (size_t at = 0; at + RUN <= len && !found; at += RUN)
      found = memmem(raw, HEADER, was + at, RUN) != NULL;
  }
  free(raw);
  return found;
}

static void reopen(struct api *a, const nacre_credential *cred, uint32_t slot) {
  struct nacre_volume_info info = {.struct_size = sizeof info};
  ok(nacre_volume_close(a->vol));
  a->vol = NULL;
  ok(nacre_volume_open(&a->target, NULL, cred, &a->vol));
  ok(nacre_volume_get_info(a->vol, &info));
  assert_int_equal(info.slot, slot);
}

static void test_each_kind(void **state) {
  struct api *a = *state;
  for (int kind = 1; kind <= KINDS; kind++) {
    nacre_credential *first = maker(kind, 1), *second = maker(kind, 2);
    nacre_credential *opens = opener(kind, 1), *later = opener(kind, 2);
    struct nacre_slot_info infos[2] = {{.struct_size = sizeof infos[0]}};
    uint8_t was[SLOT_BYTES], is[SLOT_BYTES];
    uint32_t slot = 99, opened = 99;
    size_t count = 2;
    ok(nacre_slot_add(a->vol, first, &cheap, "of a kind", &slot));
    assert_int_equal(slot, 1);
    ok(nacre_slot_list(a->vol, infos, &count));
    assert_int_equal(infos[1].kind, kind);
    assert_string_equal(infos[1].name, "of a kind");
    assert_true(infos[1].created_s > 0);
    ok(nacre_slot_test(&a->target, opens, NULL, &opened));
    assert_int_equal(opened, 1);
    reopen(a, opens, 1);
    read_slot(a, 0, 1, was);
    ok(nacre_slot_change(a->vol, 1, second, &cheap, NULL));
    assert_false(survives(a, was, 216)); /* in either copy, now */
    if (kind != NACRE_SLOT_ESCROW)       /* whose recipient is the same */
      assert_int_equal(nacre_slot_test(&a->target, opens, NULL, &opened), NACRE_ERR_CREDENTIAL);
    ok(nacre_slot_test(&a->target, later, NULL, &opened));
    read_slot(a, 1, 1, is);
    ok(nacre_slot_remove(a->vol, 1, false));
    assert_false(survives(a, is, 216));
    assert_int_equal(nacre_slot_test(&a->target, later, NULL, &opened), NACRE_ERR_CREDENTIAL);
    reopen(a, a->cred, 0);
    nacre_credential_free(first);
    nacre_credential_free(second);
    nacre_credential_free(opens);
    nacre_credential_free(later);
  }
}

static void test_full_of_all_kinds(void **state) {
  struct api *a = *state;
  uint32_t slot;
  for (uint8_t i = 1; i < NACRE_SLOTS_MAX; i++) {
    nacre_credential *cred = maker(i % KINDS + 1, i);
    ok(nacre_slot_add(a->vol, cred, &cheap, NULL, &slot));
    assert_int_equal(slot, i);
    nacre_credential_free(cred);
  }
  assert_int_equal(nacre_slot_add(a->vol, a->cred, NULL, NULL, &slot), NACRE_ERR_TOO_LARGE);
  for (uint8_t i = 1; i < NACRE_SLOTS_MAX; i++) {
    const int kind = i % KINDS + 1;
    nacre_credential *cred = opener(kind, i);
    ok(nacre_slot_test(&a->target, cred, NULL, &slot));
    assert_true(slot == i || kind == NACRE_SLOT_ESCROW);
    nacre_credential_free(cred);
  }
}

static void test_neither_half_opens(void **state) {
  struct api *a = *state;
  nacre_credential *both = maker(NACRE_SLOT_PASSPHRASE_AND_KEY_FILE, 1), *half = NULL;
  const uint8_t key[32] = {1, NACRE_SLOT_PASSPHRASE_AND_KEY_FILE, 7}, wrong[32] = {2};
  uint32_t slot;
  ok(nacre_slot_add(a->vol, both, &cheap, NULL, &slot));
  ok(nacre_credential_passphrase(key, 3, &half));
  assert_int_equal(nacre_slot_test(&a->target, half, NULL, &slot), NACRE_ERR_CREDENTIAL);
  nacre_credential_free(half);
  ok(nacre_credential_key_file(key, sizeof key, &half));
  assert_int_equal(nacre_slot_test(&a->target, half, NULL, &slot), NACRE_ERR_CREDENTIAL);
  nacre_credential_free(half);
  ok(nacre_credential_passphrase_and_key_file(key, 3, wrong, sizeof wrong, &half));
  assert_int_equal(nacre_slot_test(&a->target, half, NULL, &slot), NACRE_ERR_CREDENTIAL);
  nacre_credential_free(half);
  ok(nacre_slot_test(&a->target, both, NULL, &slot));
  nacre_credential_free(both);
}

static void test_escrow(void **state) {
  struct api *a = *state;
  nacre_credential *recipient = maker(NACRE_SLOT_ESCROW, 0), *identity = opener(NACRE_SLOT_ESCROW, 0), *other = NULL;
  uint8_t first[NACRE_SLOT_BODY_MAX_BYTES], second[NACRE_SLOT_BODY_MAX_BYTES];
  size_t first_len = 0, second_len = 0;
  uint32_t slot;
  assert_int_equal(nacre_slot_test(&a->target, identity, NULL, &slot), NACRE_ERR_CREDENTIAL);
  assert_non_null(strstr(nacre_last_error(), "no slot for the age identity"));
  ok(nacre_slot_add(a->vol, recipient, NULL, NULL, &slot));
  ok(nacre_slot_add(a->vol, recipient, NULL, NULL, &slot));
  ok(nacre_slot_body(&a->target, 1, first, sizeof first, &first_len));
  ok(nacre_slot_body(&a->target, 2, second, sizeof second, &second_len));
  assert_memory_equal(first, "age-encryption.org/v1\n", 22);
  assert_memory_not_equal(first, second, first_len); /* a key each */
  assert_int_equal(nacre_slot_test(&a->target, recipient, NULL, &slot), NACRE_ERR_CREDENTIAL);
  assert_non_null(strstr(nacre_last_error(), "wrong"));
  ok(nacre_credential_escrow_identity(OTHER_IDENTITY, &other));
  assert_int_equal(nacre_slot_test(&a->target, other, NULL, &slot), NACRE_ERR_CREDENTIAL);
  assert_non_null(strstr(nacre_last_error(), "wrong age identity"));
  assert_int_equal(nacre_slot_add(a->vol, identity, NULL, NULL, &slot), NACRE_ERR_ARGUMENT);
  struct nacre_open_options options = {.struct_size = sizeof options, .use_slot = true, .slot = 2};
  ok(nacre_volume_close(a->vol));
  ok(nacre_volume_open(&a->target, &options, identity, &a->vol));
  struct nacre_volume_info info = {.struct_size = sizeof info};
  ok(nacre_volume_get_info(a->vol, &info));
  assert_int_equal(info.slot, 2);
  nacre_credential_free(recipient);
  nacre_credential_free(identity);
  nacre_credential_free(other);
}

static void test_bodies(void **state) {
  struct api *a = *state;
  nacre_credential *cred = maker(NACRE_SLOT_UNATTENDED, 1), *bare = opener(NACRE_SLOT_UNATTENDED, 1);
  char buf[64];
  size_t len = 0;
  uint32_t slot;
  ok(nacre_slot_add(a->vol, cred, NULL, NULL, &slot));
  ok(nacre_slot_body(&a->target, slot, buf, sizeof buf, &len));
  assert_int_equal(len, sizeof body);
  assert_string_equal(buf, body);
  assert_int_equal(nacre_slot_body(&a->target, slot, buf, 3, &len), NACRE_ERR_RANGE);
  assert_int_equal(len, sizeof body);
  assert_int_equal(nacre_slot_body(&a->target, slot, NULL, 0, &len), NACRE_ERR_RANGE);
  assert_int_equal(nacre_slot_body(&a->target, 0, buf, sizeof buf, &len), NACRE_ERR_NOT_FOUND);
  assert_int_equal(nacre_slot_body(&a->target, 9, buf, sizeof buf, &len), NACRE_ERR_NOT_FOUND);
  assert_int_equal(nacre_slot_body(&a->target, NACRE_SLOTS_MAX, buf, sizeof buf, &len), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_slot_body(&a->target, slot, NULL, 1, &len), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_slot_body(&a->target, slot, buf, sizeof buf, NULL), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_slot_add(a->vol, bare, NULL, NULL, &slot), NACRE_ERR_ARGUMENT);
  nacre_credential_free(cred);
  nacre_credential_free(bare);
}

static void test_arguments(void **state) {
  (void)state;
  static const uint8_t big[NACRE_SLOT_BODY_MAX_BYTES + 1], key[32];
  nacre_credential *cred = NULL;
  assert_int_equal(nacre_credential_escrow_recipient("age1nothing", &cred), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_credential_escrow_recipient(NULL, &cred), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_credential_escrow_identity(RECIPIENT, &cred), NACRE_ERR_CREDENTIAL);
  assert_int_equal(nacre_credential_escrow_identity(IDENTITY, NULL), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_credential_slot_key(NACRE_SLOT_PASSPHRASE, key, &cred), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_credential_slot_key(NACRE_SLOT_FIDO2, NULL, &cred), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_credential_sealed_outside(NACRE_SLOT_FIDO2, key, big, 0, &cred), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_credential_sealed_outside(NACRE_SLOT_FIDO2, key, NULL, 1, &cred), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_credential_sealed_outside(NACRE_SLOT_FIDO2, key, big, sizeof big, &cred),
                   NACRE_ERR_TOO_LARGE);
  assert_int_equal(nacre_credential_sealed_outside(NACRE_SLOT_RECOVERY, key, big, 1, &cred), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_credential_passphrase_and_key_file(NULL, 1, key, 1, &cred), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_credential_passphrase_and_key_file(key, 1, key, 0, &cred), NACRE_ERR_ARGUMENT);
  assert_null(cred);
}

static void test_expected_volume(void **state) {
  struct api *a = *state;
  struct nacre_volume_info info = {.struct_size = sizeof info};
  struct nacre_open_options options = {.struct_size = sizeof options, .use_expect_fingerprint = true};
  ok(nacre_volume_get_info(a->vol, &info));
  ok(nacre_volume_close(a->vol));
  memcpy(options.expect_fingerprint, info.fingerprint, 32);
  ok(nacre_volume_open(&a->target, &options, a->cred, &a->vol));
  ok(nacre_volume_close(a->vol));
  options.expect_fingerprint[31] ^= 1;
  assert_int_equal(nacre_volume_open(&a->target, &options, a->cred, &a->vol), NACRE_ERR_OTHER_VOLUME);
  options.use_expect_fingerprint = false;
  ok(nacre_volume_open(&a->target, &options, a->cred, &a->vol));
}

#define WITH_VOLUME(test) cmocka_unit_test_setup_teardown(test, api_make, api_free)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_VOLUME(test_each_kind),
      WITH_VOLUME(test_full_of_all_kinds),
      WITH_VOLUME(test_neither_half_opens),
      WITH_VOLUME(test_escrow),
      WITH_VOLUME(test_bodies),
      cmocka_unit_test(test_arguments),
      WITH_VOLUME(test_expected_volume),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
