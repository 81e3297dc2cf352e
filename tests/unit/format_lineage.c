/* Branch records and the anchor's text. */
#include "base/env.h"
#include "format/lineage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_record(void **state) {
  (void)state;
  struct lineage_record rec = {
      .branch = {1, 2, 3}, .number = 3, .parent_generation = 9, .parent_commit_id = {4, 5}, .time_s = -5};
  struct lineage_record back;
  uint8_t value[LINEAGE_RECORD_BYTES + 1];
  lineage_record_encode(&rec, value);
  assert_int_equal(value[0], 0x81);
  assert_int_equal(lineage_record_decode(value, LINEAGE_RECORD_BYTES, 10, &back), NACRE_OK);
  assert_memory_equal(back.branch, rec.branch, sizeof rec.branch);
  assert_memory_equal(back.parent_commit_id, rec.parent_commit_id, sizeof rec.parent_commit_id);
  assert_true(back.number == 3 && back.parent_generation == 9 && back.time_s == -5);
  for (size_t len = 0; len <= sizeof value; len++)
    assert_true((lineage_record_decode(value, len, 10, &back) == NACRE_OK) == (len == LINEAGE_RECORD_BYTES));
  /* A branch begins behind its parent, and no sooner than there were branches. */
  assert_int_equal(lineage_record_decode(value, LINEAGE_RECORD_BYTES, 9, &back), NACRE_ERR_DAMAGED);
  rec.number = 11;
  lineage_record_encode(&rec, value);
  assert_int_equal(lineage_record_decode(value, LINEAGE_RECORD_BYTES, 10, &back), NACRE_ERR_DAMAGED);
  rec.number = 0;
  lineage_record_encode(&rec, value);
  assert_int_equal(lineage_record_decode(value, LINEAGE_RECORD_BYTES, 10, &back), NACRE_ERR_DAMAGED);
  value[0] = 0x82;
  assert_int_equal(lineage_record_decode(value, LINEAGE_RECORD_BYTES, 10, &back), NACRE_ERR_UNSUPPORTED);
}

static struct lineage_point make_point(uint64_t first, uint64_t generation) {
  struct lineage_point p = {.branch = {.first = first, .number = 2}, .generation = generation, .time_s = -1};
  env_random(p.branch.id, sizeof p.branch.id);
  env_random(p.commit_id, sizeof p.commit_id);
  return p;
}

static void test_anchor(void **state) {
  (void)state;
  struct lineage_anchor anchor = {.latest = make_point(5, 9), .settled = make_point(3, 4)}, back;
  uint8_t secret[32] = {7}, key[32], other[32], text[LINEAGE_ANCHOR_BYTES + 1], again[LINEAGE_ANCHOR_BYTES];
  lineage_anchor_key(secret, key);
  secret[0] = 8;
  lineage_anchor_key(secret, other);
  assert_int_equal(lineage_anchor_seal(&anchor, key, text), NACRE_OK);
  assert_int_equal(lineage_anchor_seal(&anchor, key, again), NACRE_OK);
  assert_memory_not_equal(text, again, 24); /* the nonce is drawn */
  assert_int_equal(lineage_anchor_open(text, LINEAGE_ANCHOR_BYTES, key, &back), NACRE_OK);
  assert_true(lineage_point_equal(&back.latest, &anchor.latest) && back.latest.branch.first == 5);
  assert_true(lineage_point_equal(&back.settled, &anchor.settled) && back.settled.time_s == -1);
  assert_int_equal(lineage_anchor_open(text, LINEAGE_ANCHOR_BYTES, other, &back), NACRE_ERR_DAMAGED);
  for (size_t len = 0; len <= sizeof text; len++)
    if (len != LINEAGE_ANCHOR_BYTES)
      assert_int_equal(lineage_anchor_open(text, len, key, &back), NACRE_ERR_DAMAGED);
  for (size_t i = 0; i < LINEAGE_ANCHOR_BYTES; i++) {
    text[i] ^= 1;
    assert_int_equal(lineage_anchor_open(text, LINEAGE_ANCHOR_BYTES, key, &back), NACRE_ERR_DAMAGED);
    text[i] ^= 1;
  }
}

/* What authenticates may still be nonsense: whoever has the keys can seal anything. */
static void test_anchor_nonsense(void **state) {
  (void)state;
  const uint64_t firsts[] = {0, 10, 1};
  uint8_t key[32] = {1}, text[LINEAGE_ANCHOR_BYTES];
  for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
    struct lineage_anchor anchor = {.latest = make_point(5, 9), .settled = make_point(5, 9)}, back;
    anchor.settled.branch.first = firsts[i]; /* none, behind the generation, fewer than branches */
    assert_int_equal(lineage_anchor_seal(&anchor, key, text), NACRE_OK);
    assert_int_equal(lineage_anchor_open(text, sizeof text, key, &back), NACRE_ERR_DAMAGED);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_record),
      cmocka_unit_test(test_anchor),
      cmocka_unit_test(test_anchor_nonsense),
  };
  return env_start() == NACRE_OK ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
