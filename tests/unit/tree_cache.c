/* Clean nodes in memory: found by what their pointer says, in a table that grows, and evicted when they are many. */
#include "tree/cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MANY 5000u /* more than twice the buckets that a table begins with */
#define ROOMY ((size_t)1 << 30)

static struct cache cache;
static struct pages *pages;
static size_t node_bytes;

static struct ptr pointer(uint64_t number) {
  struct ptr p = {.unit = number * FORMAT_NODE_UNITS, .epoch = 1, .birth = number + 1};
  memset(p.nonce, (int)number, sizeof p.nonce);
  return p;
}

static struct node *add(uint64_t number, uint32_t refs) {
  struct node *n = node_new(pages, 0);
  assert_non_null(n);
  n->state = NODE_CLEAN;
  n->ptr = pointer(number);
  n->refs = refs;
  cache_add(&cache, n);
  return n;
}

static struct node *find(uint64_t number) {
  struct ptr p = pointer(number);
  return cache_find(&cache, &p);
}

static int start(void **state) {
  (void)state;
  assert_int_equal(pages_new(&pages), NACRE_OK);
  struct node *n = node_new(pages, 0);
  assert_non_null(n);
  node_bytes = node_memory_bytes(n);
  node_free(n);
  return cache_start(&cache, ROOMY) == NACRE_OK ? 0 : -1;
}

static int end(void **state) {
  (void)state;
  cache_end(&cache);
  pages_end(pages);
  return 0;
}

static void test_grows(void **state) {
  (void)state;
  size_t buckets = cache.buckets;
  for (uint64_t i = 0; i < MANY; i++) {
    struct node *n = add(i, 0);
    assert_ptr_equal(find(i), n);
  }
  assert_true(cache.buckets >= 4 * buckets);
  assert_int_equal(cache.count, MANY);
  assert_int_equal(cache.bytes, MANY * node_bytes);
  for (uint64_t i = 0; i < MANY; i++)
    assert_int_equal(find(i)->ptr.birth, i + 1);
  for (uint64_t i = 0; i < MANY; i += 2) {
    struct node *n = find(i);
    cache_remove(&cache, n);
    node_free(n);
  }
  for (uint64_t i = 0; i < MANY; i++)
    assert_int_equal(find(i) != NULL, i % 2 == 1);
  assert_null(find(MANY));
}

/* An address is used again: the pointer says which block is meant. */
static void test_another_block_at_its_address(void **state) {
  (void)state;
  struct node *n = add(7, 0);
  struct ptr other = pointer(7);
  other.tag[3] ^= 1;
  assert_null(cache_find(&cache, &other));
  other = pointer(7);
  other.nonce[0] ^= 1;
  assert_null(cache_find(&cache, &other));
  other = pointer(7);
  other.epoch++;
  assert_null(cache_find(&cache, &other));
  assert_ptr_equal(find(7), n);
  struct node *newer = add(7, 0);
  assert_ptr_equal(find(7), newer);
  assert_int_equal(cache.count, 1);
  assert_int_equal(cache.bytes, node_bytes);
}

static void test_a_stale_one_in_use_is_told(void **state) {
  (void)state;
  struct node *old = add(7, 2);
  assert_int_equal(cache.held_bytes, node_bytes);
  struct node *newer = add(7, 0);
  assert_true(old->superseded && !old->cached && !newer->superseded);
  assert_int_equal(cache.held_bytes, 0);
  assert_ptr_equal(find(7), newer);
  node_free(old);
}

static void test_evicts_what_is_not_used(void **state) {
  (void)state;
  cache.bytes_max = 200 * node_bytes;
  struct node *held = add(0, 1);
  for (uint64_t i = 1; i < MANY; i++) {
    add(i, 0);
    assert_non_null(find(0));
    assert_non_null(find(i));
  }
  assert_true(cache.bytes <= cache.bytes_max + node_bytes);
  assert_int_equal(cache.held_bytes, node_bytes);
  assert_null(find(1));
  held->refs = 0;
  cache_unhold(&cache, held);
  assert_int_equal(cache.held_bytes, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_grows, start, end),
      cmocka_unit_test_setup_teardown(test_another_block_at_its_address, start, end),
      cmocka_unit_test_setup_teardown(test_a_stale_one_in_use_is_told, start, end),
      cmocka_unit_test_setup_teardown(test_evicts_what_is_not_used, start, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
