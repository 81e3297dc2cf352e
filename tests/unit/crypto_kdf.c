#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "crypto/kdf.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <argon2.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct nacre_kdf_cost small_cost = {.memory_bytes = 1u << 20, .passes = 2, .lanes = 4};

static void from_hex(const char *hex, uint8_t *out, size_t len) {
  size_t done;
  assert_int_equal(sodium_hex2bin(out, len, hex, strlen(hex), NULL, &done, NULL), 0);
  assert_int_equal(done, len);
}

static void test_subkeys_differ_by_all_inputs(void **state) {
  (void)state;
  uint8_t key[32] = {1}, a[32], b[32];
  kdf_subkey(key, "node", "x", 1, a);
  kdf_subkey(key, "node", "x", 1, b);
  assert_memory_equal(a, b, 32);
  kdf_subkey(key, "data", "x", 1, b);
  assert_memory_not_equal(a, b, 32);
  kdf_subkey(key, "node", "y", 1, b);
  assert_memory_not_equal(a, b, 32);
  kdf_subkey(key, "nodex", NULL, 0, b); /* a longer label is not a label and its context */
  assert_memory_not_equal(a, b, 32);
  key[31] = 1;
  kdf_subkey(key, "node", "x", 1, b);
  assert_memory_not_equal(a, b, 32);
}

/* The documented bytes: length, label, context under a keyed BLAKE2b. */
static void test_subkey_is_keyed_blake2b(void **state) {
  (void)state;
  uint8_t key[32] = {9}, out[64], expected[64];
  kdf_subkey(key, "node", "ctx", 3, out);
  crypto_generichash(expected, 32, (const uint8_t *)"\x04nodectx", 8, key, 32);
  assert_memory_equal(out, expected, 32);
  kdf_mac(key, "\x04nodectx", 8, out);
  assert_memory_equal(out, expected, 32);
  kdf_expand(key, "raw", "material", 8, out);
  crypto_generichash(expected, 64, (const uint8_t *)"\x03rawmaterial", 12, key, 32);
  assert_memory_equal(out, expected, 64);
}

/* RFC 7693, appendix A, gives BLAKE2b-512 of "abc". */
static void test_hashes(void **state) {
  (void)state;
  uint8_t hash[64], expected[64];
  from_hex("ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
           "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
           expected, 64);
  kdf_hash512("abc", 3, hash);
  assert_memory_equal(hash, expected, 64);
  kdf_hash("abc", 3, hash);
  crypto_generichash(expected, 32, (const uint8_t *)"abc", 3, NULL, 0);
  assert_memory_equal(hash, expected, 32);
}

/* The SipHash-2-4 paper's vector: key 00..0f, message 00..0e. */
static void test_name_hash(void **state) {
  (void)state;
  uint8_t seed[16], name[15];
  for (uint8_t i = 0; i < 16; i++)
    seed[i] = i;
  memcpy(name, seed, sizeof name);
  assert_true(kdf_name_hash(seed, name, sizeof name) == 0xa129ca6149be45e5u);
}

/* With no label it is Argon2id as anyone else computes it: version 1.3, memory in KiB, real lanes. */
static void test_argon2id_is_the_standard_one(void **state) {
  (void)state;
  const uint8_t salt[KDF_SALT_BYTES] = "0123456789abcdef0123456789abcde";
  uint8_t out[64], expected[64];
  assert_int_equal(kdf_argon2id(&small_cost, salt, "", "secret", 6, out), NACRE_OK);
  assert_int_equal(argon2id_hash_raw(2, 1024, 4, "secret", 6, salt, sizeof salt, expected, sizeof expected), 0);
  assert_memory_equal(out, expected, 64);
  /* libsodium has one lane and 16 bytes of salt, all else is the same. */
  assert_int_equal(argon2id_hash_raw(2, 1024, 1, "secret", 6, salt, 16, expected, sizeof expected), 0);
  assert_int_equal(crypto_pwhash(out, sizeof out, "secret", 6, salt, 2, 1u << 20, crypto_pwhash_ALG_ARGON2ID13), 0);
  assert_memory_equal(out, expected, 64);
}

static void test_argon2id_depends_on_all_inputs(void **state) {
  (void)state;
  uint8_t salt[KDF_SALT_BYTES] = {1}, out[64], other[64];
  assert_int_equal(kdf_argon2id(&small_cost, salt, "label", "secret", 6, out), NACRE_OK);
  assert_int_equal(kdf_argon2id(&small_cost, salt, "label", "secret", 6, other), NACRE_OK);
  assert_memory_equal(out, other, 64);
  assert_int_equal(kdf_argon2id(&small_cost, salt, "labeL", "secret", 6, other), NACRE_OK);
  assert_memory_not_equal(out, other, 64);
  assert_int_equal(kdf_argon2id(&small_cost, salt, "label", "secreT", 6, other), NACRE_OK);
  assert_memory_not_equal(out, other, 64);
  struct nacre_kdf_cost costs[3] = {small_cost, small_cost, small_cost};
  costs[0].passes = 3;
  costs[1].lanes = 2;
  costs[2].memory_bytes *= 2;
  for (size_t i = 0; i < 3; i++) {
    assert_int_equal(kdf_argon2id(&costs[i], salt, "label", "secret", 6, other), NACRE_OK);
    assert_memory_not_equal(out, other, 64);
  }
}

static void test_argon2id_refuses_the_impossible(void **state) {
  (void)state;
  uint8_t salt[KDF_SALT_BYTES] = {0}, out[64];
  struct nacre_kdf_cost cost = small_cost;
  cost.passes = 0;
  assert_int_equal(kdf_argon2id(&cost, salt, "", "", 0, out), NACRE_ERR_ARGUMENT);
  cost = small_cost;
  cost.memory_bytes = 1ull << 60;
  assert_int_equal(kdf_argon2id(&cost, salt, "", "", 0, out), NACRE_ERR_ARGUMENT);
  cost.memory_bytes = 3ull << 40; /* Argon2 can, this machine can't */
  assert_int_equal(kdf_argon2id(&cost, salt, "", "", 0, out), NACRE_ERR_NO_MEMORY);
}

struct cost_case {
  struct nacre_kdf_cost cost;
  enum nacre_err as_new, on_open;
};

static void test_costs_are_checked(void **state) {
  (void)state;
  const uint64_t mib = 1u << 20, gib = 1u << 30;
  const struct cost_case cases[] = {
      {{256 * mib, 4, 4}, NACRE_OK, NACRE_OK},
      {{32 * mib, 1, 1}, NACRE_OK, NACRE_OK},
      {{31 * mib, 1, 1}, NACRE_ERR_WEAK, NACRE_OK},
      {{4 * gib, 64, 4}, NACRE_OK, NACRE_OK},
      {{4 * gib, 65, 4}, NACRE_ERR_ARGUMENT, NACRE_ERR_LIMIT},
      {{4 * gib + 1024, 1, 4}, NACRE_OK, NACRE_ERR_LIMIT},
      {{UINT64_MAX, 1, 4}, NACRE_ERR_ARGUMENT, NACRE_ERR_LIMIT},
      {{64 * mib, UINT32_MAX, 4}, NACRE_ERR_ARGUMENT, NACRE_ERR_LIMIT},
      {{64 * mib, 0, 4}, NACRE_ERR_ARGUMENT, NACRE_ERR_DAMAGED},
      {{64 * mib, 1, 0}, NACRE_ERR_ARGUMENT, NACRE_ERR_DAMAGED},
      {{64 * mib, 1, 65}, NACRE_ERR_ARGUMENT, NACRE_ERR_LIMIT},
      {{64 * mib, 1, UINT32_MAX}, NACRE_ERR_ARGUMENT, NACRE_ERR_LIMIT},
      {{64 * mib + 1, 1, 4}, NACRE_ERR_ARGUMENT, NACRE_ERR_DAMAGED},
      {{16 * 1024, 1, 4}, NACRE_ERR_WEAK, NACRE_ERR_DAMAGED},
      {{0, 1, 4}, NACRE_ERR_WEAK, NACRE_ERR_DAMAGED},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(kdf_check_new(&cases[i].cost), cases[i].as_new);
    assert_int_equal(kdf_check_open(&cases[i].cost, NACRE_KDF_MEMORY_MAX_BYTES), cases[i].on_open);
  }
  assert_int_equal(kdf_check_open(&cases[0].cost, 255 * mib), NACRE_ERR_LIMIT);
}

static void test_calibration_fills_what_is_missing(void **state) {
  (void)state;
  struct nacre_kdf_cost cost = {0};
  assert_int_equal(kdf_calibrate(&cost), NACRE_OK);
  assert_int_equal(cost.lanes, 4);
  assert_true(cost.memory_bytes >= NACRE_KDF_MEMORY_MIN_BYTES && cost.memory_bytes <= 256u << 20);
  assert_true(cost.passes >= 1 && cost.passes <= 20);
  assert_int_equal(kdf_check_new(&cost), NACRE_OK);
  assert_int_equal(kdf_check_open(&cost, NACRE_KDF_MEMORY_MAX_BYTES), NACRE_OK);

  struct nacre_kdf_cost given = {.memory_bytes = 48u << 20, .passes = 2, .lanes = 3};
  assert_int_equal(kdf_calibrate(&given), NACRE_OK);
  assert_true(given.memory_bytes == 48u << 20 && given.passes == 2 && given.lanes == 3);
  given.memory_bytes = 1u << 20;
  assert_int_equal(kdf_calibrate(&given), NACRE_ERR_WEAK);
  given = (struct nacre_kdf_cost){.lanes = 1000};
  assert_int_equal(kdf_calibrate(&given), NACRE_ERR_ARGUMENT);
}

static void test_choice_for_an_aim(void **state) {
  (void)state;
  const struct nacre_kdf_aim little = {.memory_max_bytes = 40u << 20, .passes_min = 3, .target_ms = 1};
  struct nacre_kdf_cost cost = {0};
  uint64_t had = 0;
  assert_int_equal(kdf_choose(&little, &cost, &had), NACRE_OK);
  assert_true(had > 32u << 20 && had <= env_ram_bytes());
  assert_true(cost.memory_bytes <= 40u << 20 && cost.memory_bytes >= NACRE_KDF_MEMORY_MIN_BYTES);
  assert_int_equal(cost.passes, 3); /* at least, though they take longer */
  const struct nacre_kdf_aim less = {.memory_max_bytes = 1};
  cost = (struct nacre_kdf_cost){.passes = 1};
  assert_int_equal(kdf_choose(&less, &cost, NULL), NACRE_OK);
  assert_true(cost.memory_bytes == NACRE_KDF_MEMORY_MIN_BYTES); /* the floor goes before an aim */
  const struct nacre_kdf_aim many = {.passes_min = UINT32_MAX};
  cost = (struct nacre_kdf_cost){.memory_bytes = NACRE_KDF_MEMORY_MIN_BYTES};
  assert_int_equal(kdf_choose(&many, &cost, NULL), NACRE_OK);
  assert_int_equal(kdf_check_open(&cost, NACRE_KDF_MEMORY_MAX_BYTES), NACRE_OK); /* and so do the ceilings */
}

static uint64_t address_space_bytes(void) {
  char text[128];
  FILE *file = fopen("/proc/self/statm", "re");
  assert_non_null(file);
  assert_non_null(fgets(text, sizeof text, file));
  assert_int_equal(fclose(file), 0);
  return strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Where there is room for the memory, and for some of the lanes' stacks: the same, without them. */
static void test_lanes_without_threads(void **state) {
  (void)state;
  const struct nacre_kdf_cost cost = {.memory_bytes = 32u << 20, .passes = 2, .lanes = 16};
  const uint8_t salt[KDF_SALT_BYTES] = {9};
  uint8_t free_of_limits[64];
  int status;
  assert_int_equal(kdf_argon2id(&cost, salt, "label", "secret", 6, free_of_limits), NACRE_OK);
  if (address_space_bytes() > 1ull << 40)
    skip(); /* a sanitizer's */
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    const uint64_t room = address_space_bytes() + cost.memory_bytes + (20u << 20);
    const struct rlimit limit = {.rlim_cur = room, .rlim_max = room};
    uint8_t derived[64];
    _exit(setrlimit(RLIMIT_AS, &limit) != 0                                      ? 2
          : kdf_argon2id(&cost, salt, "label", "secret", 6, derived) != NACRE_OK ? 3
          : memcmp(derived, free_of_limits, sizeof derived) != 0                 ? 4
                                                                                 : 0);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

static void test_sealing_to_a_public_key(void **state) {
  (void)state;
  uint8_t public_key[32], secret_key[32], other_public[32], other_secret[32], key[32], back[32];
  uint8_t sealed[KDF_SEALED_KEY_BYTES], again[KDF_SEALED_KEY_BYTES];
  env_random(key, sizeof key);
  kdf_keypair(public_key, secret_key);
  kdf_keypair(other_public, other_secret);
  assert_int_equal(kdf_seal_key(public_key, key, sealed), NACRE_OK);
  assert_int_equal(kdf_seal_key(public_key, key, again), NACRE_OK);
  assert_memory_not_equal(sealed, again, sizeof sealed);
  assert_int_equal(kdf_unseal_key(secret_key, sealed, back), NACRE_OK);
  assert_memory_equal(back, key, 32);
  assert_int_equal(kdf_unseal_key(other_secret, sealed, back), NACRE_ERR_CREDENTIAL);
  assert_true(bytes_all_zero(back, 32));
  for (size_t i = 0; i < sizeof sealed; i++) {
    sealed[i] ^= 0x04;
    assert_int_equal(kdf_unseal_key(secret_key, sealed, back), NACRE_ERR_CREDENTIAL);
    sealed[i] ^= 0x04;
  }
  memset(public_key, 0, sizeof public_key); /* a point of low order */
  assert_int_equal(kdf_seal_key(public_key, key, sealed), NACRE_ERR_DAMAGED);
}

static int start(void **state) {
  (void)state;
  return env_start() == NACRE_OK ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_subkeys_differ_by_all_inputs),
      cmocka_unit_test(test_subkey_is_keyed_blake2b),
      cmocka_unit_test(test_hashes),
      cmocka_unit_test(test_name_hash),
      cmocka_unit_test(test_argon2id_is_the_standard_one),
      cmocka_unit_test(test_argon2id_depends_on_all_inputs),
      cmocka_unit_test(test_argon2id_refuses_the_impossible),
      cmocka_unit_test(test_costs_are_checked),
      cmocka_unit_test(test_calibration_fills_what_is_missing),
      cmocka_unit_test(test_choice_for_an_aim),
      cmocka_unit_test(test_lanes_without_threads),
      cmocka_unit_test(test_sealing_to_a_public_key),
  };
  return cmocka_run_group_tests(tests, start, NULL);
}
