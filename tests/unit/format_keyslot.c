#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"
#include "format/credential.h"
#include "format/keyslot.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* Under the floor for new slots, which the caller checks, so that the tests are quick. */
static const struct nacre_kdf_cost cost = {.memory_bytes = 256u << 10, .passes = 1, .lanes = 2};
static const uint64_t memory_max = NACRE_KDF_MEMORY_MAX_BYTES;
static const uint8_t raw[32] = {1, 2, 3};

static const uint8_t body[500] = "how the world outside gives the key back";

static struct nacre_credential *credential(enum nacre_slot_kind kind, const void *bytes, size_t len) {
  struct nacre_credential *cred;
  assert_int_equal(credential_new(kind, bytes, len, &cred), NACRE_OK);
  assert_int_equal(cred->kind, kind);
  return cred;
}

/* One of each kind; `which` makes two of a kind differ. */
static struct nacre_credential *any_credential(enum nacre_slot_kind kind, uint8_t which) {
  uint8_t bytes[32] = {which, 5, 6};
  struct nacre_credential *cred;
  if (kind == NACRE_SLOT_PASSPHRASE_AND_KEY_FILE) {
    assert_int_equal(credential_new_joined(bytes, 3, bytes, sizeof bytes, &cred), NACRE_OK);
    return cred;
  }
  if (slot_kind_has_body(kind)) {
    assert_int_equal(credential_new_sealed(kind, bytes, body, sizeof body, &cred), NACRE_OK);
    return cred;
  }
  size_t len = kind == NACRE_SLOT_RECOVERY ? CREDENTIAL_RECOVERY_BYTES : sizeof bytes;
  return credential(kind, bytes, len);
}

static void test_each_kind_opens_its_slot(void **state) {
  (void)state;
  uint8_t master[32], back[32], public_key[32];
  env_random(master, sizeof master);
  for (int kind = NACRE_SLOT_PASSPHRASE; kind <= NACRE_SLOT_FIDO2; kind++) {
    struct keyslot slot;
    struct nacre_credential *right = any_credential((enum nacre_slot_kind)kind, 1);
    struct nacre_credential *wrong = any_credential((enum nacre_slot_kind)kind, 2);
    assert_int_equal(keyslot_make(right, &cost, master, &slot, public_key), NACRE_OK);
    assert_int_equal((int)slot.kind, kind);
    assert_int_equal(slot.cost.passes, slot_kind_has_kdf((enum nacre_slot_kind)kind) ? 1 : 0);
    assert_int_equal(keyslot_open(&slot, right, memory_max, back, NULL), NACRE_OK);
    assert_memory_equal(back, master, 32);
    assert_int_equal(keyslot_open(&slot, wrong, memory_max, back, NULL), NACRE_ERR_CREDENTIAL);
    assert_true(bytes_all_zero(back, 32));
    for (int other = NACRE_SLOT_PASSPHRASE; other <= NACRE_SLOT_FIDO2; other++) {
      struct nacre_credential *foreign = any_credential((enum nacre_slot_kind)other, 1);
      if (other != kind)
        assert_int_equal(keyslot_open(&slot, foreign, memory_max, back, NULL), NACRE_ERR_CREDENTIAL);
      credential_free(foreign);
    }
    credential_free(right);
    credential_free(wrong);
  }
}

static void test_two_slots_share_nothing(void **state) {
  (void)state;
  uint8_t master[32] = {9}, public_a[32], public_b[32];
  struct keyslot a, b;
  struct nacre_credential *cred = credential(NACRE_SLOT_RAW_KEY, raw, sizeof raw);
  assert_int_equal(keyslot_make(cred, &cost, master, &a, public_a), NACRE_OK);
  assert_int_equal(keyslot_make(cred, &cost, master, &b, public_b), NACRE_OK);
  assert_memory_not_equal(public_a, public_b, 32);
  assert_memory_not_equal(a.salt, b.salt, sizeof a.salt);
  assert_memory_not_equal(a.commitment, b.commitment, sizeof a.commitment);
  assert_memory_not_equal(a.wrapped_secret, b.wrapped_secret, sizeof a.wrapped_secret);
  assert_memory_not_equal(a.sealed_master, b.sealed_master, sizeof a.sealed_master);
  credential_free(cred);
}

/* The public key that is handed out is what a rotation seals a new master key to. */
static void test_resealing_by_public_key(void **state) {
  (void)state;
  uint8_t master[32] = {9}, next[32] = {10}, back[32], public_key[32];
  struct keyslot slot;
  struct nacre_credential *cred = credential(NACRE_SLOT_RAW_KEY, raw, sizeof raw);
  assert_int_equal(keyslot_make(cred, &cost, master, &slot, public_key), NACRE_OK);
  assert_int_equal(kdf_seal_key(public_key, next, slot.sealed_master), NACRE_OK);
  assert_int_equal(keyslot_open(&slot, cred, memory_max, back, NULL), NACRE_OK);
  assert_memory_equal(back, next, 32);
  credential_free(cred);
}

static void flip_all(struct keyslot *slot, uint8_t *field, size_t len, const struct nacre_credential *cred,
                     enum nacre_err expected) {
  uint8_t back[32];
  for (size_t bit = 0; bit < len * 8; bit++) {
    field[bit / 8] ^= (uint8_t)(1u << bit % 8);
    assert_int_equal(keyslot_open(slot, cred, memory_max, back, NULL), expected);
    assert_true(bytes_all_zero(back, 32));
    field[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
}

/* Before the commitment a flip looks like a wrong credential, behind it like damage. */
static void test_every_flip_is_noticed(void **state) {
  (void)state;
  uint8_t master[32] = {9}, public_key[32], back[32];
  struct keyslot slot;
  struct nacre_credential *cred = credential(NACRE_SLOT_RAW_KEY, raw, sizeof raw);
  assert_int_equal(keyslot_make(cred, &cost, master, &slot, public_key), NACRE_OK);
  flip_all(&slot, slot.salt, sizeof slot.salt, cred, NACRE_ERR_CREDENTIAL);
  flip_all(&slot, slot.commitment, sizeof slot.commitment, cred, NACRE_ERR_CREDENTIAL);
  flip_all(&slot, slot.wrap_nonce, sizeof slot.wrap_nonce, cred, NACRE_ERR_DAMAGED);
  flip_all(&slot, slot.wrapped_secret, sizeof slot.wrapped_secret, cred, NACRE_ERR_DAMAGED);
  flip_all(&slot, slot.sealed_master, sizeof slot.sealed_master, cred, NACRE_ERR_DAMAGED);
  slot.cost.lanes = 1; /* means nothing for a raw key, but is bound */
  assert_int_equal(keyslot_open(&slot, cred, memory_max, back, NULL), NACRE_ERR_DAMAGED);
  credential_free(cred);
}

/* Another body behind the same wrap: longer, shorter, changed, another kind's. */
static void test_the_body_is_bound(void **state) {
  (void)state;
  uint8_t master[32] = {9}, public_key[32], back[32];
  struct keyslot slot;
  struct nacre_credential *cred = any_credential(NACRE_SLOT_UNATTENDED, 1);
  struct nacre_credential *bare;
  assert_int_equal(keyslot_make(cred, &cost, master, &slot, public_key), NACRE_OK);
  assert_int_equal(slot.body_len, sizeof body);
  assert_memory_equal(slot.body, body, sizeof body);
  slot.body_len--;
  assert_int_equal(keyslot_open(&slot, cred, memory_max, back, NULL), NACRE_ERR_DAMAGED);
  slot.body_len += 2;
  assert_int_equal(keyslot_open(&slot, cred, memory_max, back, NULL), NACRE_ERR_DAMAGED);
  slot.body_len--;
  flip_all(&slot, slot.body, 20, cred, NACRE_ERR_DAMAGED);
  flip_all(&slot, slot.body + sizeof body - 1, 1, cred, NACRE_ERR_DAMAGED);
  assert_int_equal(credential_new_sealed(NACRE_SLOT_UNATTENDED, cred->secret, NULL, 0, &bare), NACRE_OK);
  assert_int_equal(keyslot_open(&slot, bare, memory_max, back, NULL), NACRE_OK);
  assert_memory_equal(back, master, 32);
  /* The key alone opens, but makes none. */
  assert_int_equal(keyslot_make(bare, &cost, master, &slot, public_key), NACRE_ERR_ARGUMENT);
  assert_int_equal(slot.kind, NACRE_SLOT_EMPTY);
  credential_free(bare);
  credential_free(cred);
}

/* The same bytes cut elsewhere are other credentials. */
static void test_joined_is_unambiguous(void **state) {
  (void)state;
  struct nacre_credential *a, *b, *c;
  assert_int_equal(credential_new_joined("ab", 2, "c", 1, &a), NACRE_OK);
  assert_int_equal(credential_new_joined("a", 1, "bc", 2, &b), NACRE_OK);
  assert_int_equal(credential_new_joined("ab", 2, "d", 1, &c), NACRE_OK);
  assert_int_equal(a->len, 64);
  assert_memory_not_equal(a->secret, b->secret, 64);
  assert_memory_not_equal(a->secret, c->secret, 64);
  credential_free(a);
  credential_free(b);
  credential_free(c);
  assert_int_equal(credential_new_joined("", 0, "c", 1, &a), NACRE_ERR_ARGUMENT);
  assert_int_equal(credential_new_joined("a", 1, "", 0, &a), NACRE_ERR_ARGUMENT);
  assert_null(a);
}

static void test_sealed_outside_limits(void **state) {
  (void)state;
  static const uint8_t long_body[FORMAT_SLOT_BODY_MAX_BYTES + 1] = {0};
  struct nacre_credential *cred;
  assert_int_equal(credential_new_sealed(NACRE_SLOT_ESCROW, raw, long_body, sizeof long_body - 1, &cred), NACRE_OK);
  credential_free(cred);
  assert_int_equal(credential_new_sealed(NACRE_SLOT_ESCROW, raw, long_body, sizeof long_body, &cred),
                   NACRE_ERR_TOO_LARGE);
  assert_int_equal(credential_new_sealed(NACRE_SLOT_RAW_KEY, raw, long_body, 1, &cred), NACRE_ERR_ARGUMENT);
  assert_int_equal(credential_new_sealed((enum nacre_slot_kind)9, raw, long_body, 1, &cred), NACRE_ERR_ARGUMENT);
  assert_null(cred);
}

static void test_hostile_costs(void **state) {
  (void)state;
  static const struct {
    struct nacre_kdf_cost cost;
    enum nacre_err err;
  } cases[] = {
      {{1ull << 40, 1, 4}, NACRE_ERR_LIMIT},
      {{UINT64_MAX, 1, 4}, NACRE_ERR_LIMIT},
      {{1u << 20, UINT32_MAX, 1}, NACRE_ERR_LIMIT},
      {{1ull << 32, 1, 1u << 19}, NACRE_ERR_LIMIT},
      {{256u << 10, 0, 2}, NACRE_ERR_DAMAGED},
      {{256u << 10, 1, 0}, NACRE_ERR_DAMAGED},
      {{0, 1, 2}, NACRE_ERR_DAMAGED},
      {{(256u << 10) + 1, 1, 2}, NACRE_ERR_DAMAGED},
      {{256u << 10, 2, 2}, NACRE_ERR_CREDENTIAL}, /* possible, but not the ones it was made with */
  };
  uint8_t master[32] = {9}, public_key[32], back[32];
  struct keyslot slot;
  struct nacre_credential *cred = credential(NACRE_SLOT_PASSPHRASE, "hello", 5);
  assert_int_equal(keyslot_make(cred, &cost, master, &slot, public_key), NACRE_OK);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    slot.cost = cases[i].cost;
    assert_int_equal(keyslot_open(&slot, cred, memory_max, back, NULL), cases[i].err);
  }
  slot.cost = cost;
  assert_int_equal(keyslot_open(&slot, cred, 128u << 10, back, NULL), NACRE_ERR_LIMIT);
  assert_int_equal(keyslot_open(&slot, cred, memory_max, back, NULL), NACRE_OK);
  slot.kind = NACRE_SLOT_EMPTY;
  assert_int_equal(keyslot_open(&slot, cred, memory_max, back, NULL), NACRE_ERR_CREDENTIAL);
  credential_free(cred);
}

static void test_credential_limits(void **state) {
  (void)state;
  static const struct {
    size_t len;
    enum nacre_slot_kind kind;
    enum nacre_err err;
  } cases[] = {
      {0, NACRE_SLOT_PASSPHRASE, NACRE_ERR_ARGUMENT},
      {1, NACRE_SLOT_PASSPHRASE, NACRE_OK},
      {1u << 20, NACRE_SLOT_PASSPHRASE, NACRE_OK},
      {(1u << 20) + 1, NACRE_SLOT_PASSPHRASE, NACRE_ERR_ARGUMENT},
      {0, NACRE_SLOT_KEY_FILE, NACRE_ERR_ARGUMENT},
      {16u << 20, NACRE_SLOT_KEY_FILE, NACRE_OK},
      {(16u << 20) + 1, NACRE_SLOT_KEY_FILE, NACRE_ERR_ARGUMENT},
      {20, NACRE_SLOT_RECOVERY, NACRE_OK},
      {19, NACRE_SLOT_RECOVERY, NACRE_ERR_ARGUMENT},
      {32, NACRE_SLOT_RAW_KEY, NACRE_OK},
      {33, NACRE_SLOT_RAW_KEY, NACRE_ERR_ARGUMENT},
      {10, NACRE_SLOT_EMPTY, NACRE_ERR_ARGUMENT},
      {10, (enum nacre_slot_kind)9, NACRE_ERR_ARGUMENT},
  };
  uint8_t *bytes = calloc(1, (16u << 20) + 1);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct nacre_credential *cred;
    assert_int_equal(credential_new(cases[i].kind, bytes, cases[i].len, &cred), cases[i].err);
    assert_int_equal(cred != NULL, cases[i].err == NACRE_OK);
    credential_free(cred);
  }
  free(bytes);
  struct nacre_credential *file = credential(NACRE_SLOT_KEY_FILE, "abc", 3);
  uint8_t hash[64];
  kdf_hash512("abc", 3, hash);
  assert_int_equal(file->len, 64);
  assert_memory_equal(file->secret, hash, 64);
  credential_free(file);
  credential_free(NULL);
}

/* ---- Recovery text ---- */

static void test_recovery_round_trip(void **state) {
  (void)state;
  for (unsigned i = 0; i < 1000; i++) {
    uint8_t secret[20], back[20];
    char text[NACRE_RECOVERY_TEXT_BYTES];
    env_random(secret, sizeof secret);
    if (i < 2)
      memset(secret, i == 0 ? 0 : 0xff, sizeof secret);
    assert_int_equal(recovery_encode(secret, text), NACRE_OK);
    assert_int_equal(strlen(text), 47);
    assert_null(strpbrk(text, "ILOUilou"));
    assert_int_equal(recovery_decode(text, back), NACRE_OK);
    assert_memory_equal(back, secret, sizeof secret);
  }
}

static void test_recovery_is_forgiving(void **state) {
  (void)state;
  uint8_t secret[20], back[20];
  char text[NACRE_RECOVERY_TEXT_BYTES], typed[4 * NACRE_RECOVERY_TEXT_BYTES];
  memset(secret, 0, sizeof secret);
  secret[4] = 1; /* ones and zeroes, which get confused with letters */
  assert_int_equal(recovery_encode(secret, text), NACRE_OK);
  assert_non_null(strchr(text, '1'));
  size_t len = 0;
  for (const char *c = text; *c != '\0'; c++) {
    if (*c == '-')
      continue;
    typed[len] = (char)tolower((unsigned char)*c);
    if (*c == '0')
      typed[len] = 'o';
    if (*c == '1')
      typed[len] = 'l';
    len++;
    typed[len] = " \t\n-"[len % 4];
    len++;
  }
  typed[len] = '\0';
  assert_int_equal(recovery_decode(typed, back), NACRE_OK);
  assert_memory_equal(back, secret, sizeof secret);
}

static void expect_group(const char *text, size_t at) {
  uint8_t back[20];
  char expected[64];
  (void)snprintf(expected, sizeof expected, "group %zu of the recovery key is mistyped", at / 6 + 1);
  assert_int_equal(recovery_decode(text, back), NACRE_ERR_CREDENTIAL);
  assert_string_equal(err_message(), expected);
  assert_true(bytes_all_zero(back, sizeof back));
}

/* Every other character in every place, and every two different neighbours swapped. */
static void test_recovery_names_the_mistyped_group(void **state) {
  (void)state;
  static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
  uint8_t secret[20];
  char text[NACRE_RECOVERY_TEXT_BYTES];
  env_random(secret, sizeof secret);
  assert_int_equal(recovery_encode(secret, text), NACRE_OK);
  for (size_t at = 0; at < 47; at++) {
    if (text[at] == '-')
      continue;
    char was = text[at];
    for (const char *c = alphabet; *c != '\0'; c++) {
      text[at] = *c;
      if (*c != was)
        expect_group(text, at);
    }
    text[at] = was;
    char next = text[at + 1];
    if (next == '-' || next == '\0' || next == was)
      continue;
    text[at] = next;
    text[at + 1] = was;
    expect_group(text, at);
    text[at] = was;
    text[at + 1] = next;
  }
}

static void test_recovery_other_mistakes(void **state) {
  (void)state;
  uint8_t secret[20], back[20];
  char text[NACRE_RECOVERY_TEXT_BYTES], bad[2 * NACRE_RECOVERY_TEXT_BYTES];
  env_random(secret, sizeof secret);
  secret[0] = 1;
  secret[3] = 77;
  assert_int_equal(recovery_encode(secret, text), NACRE_OK);
  memcpy(bad, text + 6, 6); /* two groups in the wrong order */
  memcpy(bad + 6, text, 6);
  memcpy(bad + 12, text + 12, sizeof text - 12);
  expect_group(bad, 0);
  (void)snprintf(bad, sizeof bad, "%.46s", text);
  assert_int_equal(recovery_decode(bad, back), NACRE_ERR_CREDENTIAL);
  assert_string_equal(err_message(), "the recovery key has 39 characters of 40: group 8 is not complete");
  (void)snprintf(bad, sizeof bad, "%s0", text);
  assert_int_equal(recovery_decode(bad, back), NACRE_ERR_CREDENTIAL);
  assert_int_equal(recovery_decode("", back), NACRE_ERR_CREDENTIAL);
  memcpy(bad, text, sizeof text);
  bad[13] = 'U';
  assert_int_equal(recovery_decode(bad, back), NACRE_ERR_CREDENTIAL);
  assert_string_equal(err_message(), "group 3 of the recovery key has a character that none has");
  bad[13] = '\xe4';
  assert_int_equal(recovery_decode(bad, back), NACRE_ERR_CREDENTIAL);
}

static int start(void **state) {
  (void)state;
  return env_start() == NACRE_OK ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_kind_opens_its_slot), cmocka_unit_test(test_two_slots_share_nothing),
      cmocka_unit_test(test_resealing_by_public_key),  cmocka_unit_test(test_every_flip_is_noticed),
      cmocka_unit_test(test_the_body_is_bound),        cmocka_unit_test(test_joined_is_unambiguous),
      cmocka_unit_test(test_sealed_outside_limits),    cmocka_unit_test(test_hostile_costs),
      cmocka_unit_test(test_credential_limits),        cmocka_unit_test(test_recovery_round_trip),
      cmocka_unit_test(test_recovery_is_forgiving),    cmocka_unit_test(test_recovery_names_the_mistyped_group),
      cmocka_unit_test(test_recovery_other_mistakes),
  };
  return cmocka_run_group_tests(tests, start, NULL);
}
