/* Which keyslots are tried, in what order, and when that ends. The derivations are recorded, and cost nothing. */
#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "format/credential.h"
#include "ops/unlock.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <stdlib.h>

#define GIB (1ull << 30)
#define MIB (1ull << 20)

static struct nacre_kdf_cost tried[2 * FORMAT_SLOTS];
static size_t tries;

enum nacre_err __wrap_kdf_argon2id(const struct nacre_kdf_cost *cost, const uint8_t salt[KDF_SALT_BYTES],
                                   const char *label, const void *secret, size_t secret_len, uint8_t out[64]);
enum nacre_err __wrap_kdf_argon2id(const struct nacre_kdf_cost *cost, const uint8_t salt[KDF_SALT_BYTES],
                                   const char *label, const void *secret, size_t secret_len, uint8_t out[64]) {
  tried[tries++] = *cost;
  kdf_expand(salt, label, secret, secret_len, out);
  return NACRE_OK;
}

struct fixture {
  struct headers h;
  struct nacre_credential *cred;
};

static int make_fixture(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
  tries = 0;
  assert_int_equal(env_start(), NACRE_OK);
  f->h.size_bytes = headers_container_min_bytes();
  for (unsigned copy = 0; copy < HEADERS_COPIES; copy++) {
    f->h.raw[copy] = calloc(1, FORMAT_HEADER_BYTES);
    f->h.copy[copy].sequence = 1;
  }
  assert_int_equal(credential_new(NACRE_SLOT_PASSPHRASE, "wrong", 5, &f->cred), NACRE_OK);
  return 0;
}

static int free_fixture(void **state) {
  struct fixture *f = *state;
  headers_free(&f->h);
  credential_free(f->cred);
  free(f);
  return 0;
}

static void put_slot(struct fixture *f, unsigned copy, uint32_t slot, enum nacre_slot_kind kind,
                     uint64_t memory_bytes, uint32_t passes) {
  struct keyslot *s = &f->h.copy[copy].slots[slot];
  s->kind = kind;
  if (slot_kind_has_kdf(kind))
    s->cost = (struct nacre_kdf_cost){.memory_bytes = memory_bytes, .passes = passes, .lanes = 4};
  s->salt[0] = (uint8_t)slot;
  s->salt[1] = (uint8_t)copy;
}

static enum nacre_err try_all(struct fixture *f, const struct unlock_options *options) {
  struct unlocked u;
  tries = 0;
  const enum nacre_err err = unlock(&f->h, f->cred, options, &u);
  unlocked_free(&u);
  return err;
}

static const struct unlock_options plain = {.kdf_memory_max_bytes = 4 * GIB};

static void test_cheapest_first_and_no_other_kind(void **state) {
  struct fixture *f = *state;
  static const uint32_t passes[] = {5, 2, 9, 1, 3};
  f->h.state[1] = NACRE_ERR_DAMAGED;
  for (uint32_t i = 0; i < 5; i++)
    put_slot(f, 0, 4 * i, NACRE_SLOT_PASSPHRASE, 64 * MIB, passes[i]);
  put_slot(f, 0, 1, NACRE_SLOT_KEY_FILE, 64 * MIB, 1);
  put_slot(f, 0, 2, NACRE_SLOT_PASSPHRASE_AND_KEY_FILE, 64 * MIB, 1);
  put_slot(f, 0, 3, NACRE_SLOT_RAW_KEY, 0, 0);
  assert_int_equal(try_all(f, &plain), NACRE_ERR_CREDENTIAL);
  assert_int_equal(tries, 5);
  for (size_t i = 1; i < tries; i++)
    assert_true(tried[i - 1].passes < tried[i].passes);
  struct unlock_options one = plain;
  one.use_slot = true;
  one.slot = 8;
  assert_int_equal(try_all(f, &one), NACRE_ERR_CREDENTIAL);
  assert_int_equal(tries, 1);
  assert_int_equal(tried[0].passes, 9);
  one.slot = 1;
  assert_int_equal(try_all(f, &one), NACRE_ERR_CREDENTIAL);
  assert_int_equal(tries, 0);
}

/* 32 dear slots cost no more than one may: 4 GiB times 64 passes. */
static void test_work_is_capped_in_total(void **state) {
  struct fixture *f = *state;
  for (uint32_t i = 0; i < FORMAT_SLOTS; i++) {
    put_slot(f, 0, i, NACRE_SLOT_PASSPHRASE, 4 * GIB, 20);
    put_slot(f, 1, i, NACRE_SLOT_PASSPHRASE, 4 * GIB, 20);
  }
  assert_int_equal(try_all(f, &plain), NACRE_ERR_LIMIT);
  assert_int_equal(tries, 3); /* 240 of 256 GiB */
  put_slot(f, 0, 31, NACRE_SLOT_PASSPHRASE, GIB, 4);
  assert_int_equal(try_all(f, &plain), NACRE_ERR_LIMIT);
  assert_int_equal(tries, 4);
  assert_int_equal(tried[0].passes, 4);
}

/* Copies that agree cost once; a slot that only one has is tried as well. */
static void test_equal_copies_are_tried_once(void **state) {
  struct fixture *f = *state;
  for (uint32_t i = 0; i < 4; i++) {
    put_slot(f, 0, i, NACRE_SLOT_PASSPHRASE, 64 * MIB, 1);
    f->h.copy[1].slots[i] = f->h.copy[0].slots[i];
  }
  assert_int_equal(try_all(f, &plain), NACRE_ERR_CREDENTIAL);
  assert_int_equal(tries, 4);
  f->h.copy[1].slots[2].body_len = 1; /* differs in no more than its body */
  assert_int_equal(try_all(f, &plain), NACRE_ERR_CREDENTIAL);
  assert_int_equal(tries, 5);
}

/* What asks for more than the caller allows is passed over, and said. */
static void test_one_over_the_ceiling(void **state) {
  struct fixture *f = *state;
  f->h.state[1] = NACRE_ERR_DAMAGED;
  put_slot(f, 0, 0, NACRE_SLOT_PASSPHRASE, 2 * GIB, 1);
  put_slot(f, 0, 1, NACRE_SLOT_PASSPHRASE, 64 * MIB, 3);
  struct unlock_options small = plain;
  small.kdf_memory_max_bytes = GIB;
  assert_int_equal(try_all(f, &small), NACRE_ERR_LIMIT);
  assert_int_equal(tries, 1);
  assert_true(tried[0].memory_bytes == 64 * MIB);
}

#define WITH_HEADERS(test) cmocka_unit_test_setup_teardown(test, make_fixture, free_fixture)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_HEADERS(test_cheapest_first_and_no_other_kind),
      WITH_HEADERS(test_work_is_capped_in_total),
      WITH_HEADERS(test_equal_copies_are_tried_once),
      WITH_HEADERS(test_one_over_the_ceiling),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
