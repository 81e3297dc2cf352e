/* The engine where memory is short, where another writes too, and where what authenticates lies. */
#include "tree_fixture.h"

#include <unistd.h>

static struct key nth_key(uint64_t i) {
  return key_make(1 + i / 1000, FORMAT_RECORD_DIRENT, i % 1000);
}

static void put(struct engine *e, uint64_t i, uint8_t fill) {
  uint8_t value[10] = {FORMAT_RECORD_VERSION, fill};
  struct key key = nth_key(i);
  struct txn txn;
  ok(txn_begin(e, TXN_FLUSH, 1, &txn));
  ok(tree_put(&txn, &key, value, sizeof value));
  txn_end(&txn);
}

static uint8_t get(struct engine *e, uint64_t i) {
  uint8_t value[10];
  size_t len;
  struct key key = nth_key(i);
  ok(tree_get(e, &key, value, sizeof value, &len));
  return value[1];
}

/* ---- A commit's nodes fill the cache ---- */

#define RECORDS 150000u
#define LEAF_RECORDS 450u /* about */

static int (*plain_sync)(void *ctx);
static struct engine *hooked;

/* While the first commit waits for the storage, the next generation changes a record under each branch: its copies of
 * the branches hold all that was just committed below them. */
static int sync_hook(void *ctx) {
  struct engine *e = hooked;
  hooked = NULL;
  for (uint64_t i = 0; e != NULL && i < RECORDS / 2; i += 100 * LEAF_RECORDS)
    put(e, i, 3);
  return plain_sync(ctx);
}

static void nodes_in_use_leave_room_for_a_lookup(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 256 * MIB, 0, 4 * MIB);
  for (uint64_t i = 0; i < RECORDS; i++) {
    put(f.e, i, 1);
    if (i % 20000 == 0)
      ok(engine_commit(f.e));
  }
  ok(engine_commit(f.e));
  fx_reopen(&f, 4 * MIB);
  for (uint64_t i = 0; i < RECORDS / 2; i += LEAF_RECORDS / 2)
    put(f.e, i, 2);
  plain_sync = f.store.ops.sync;
  f.store.ops.sync = sync_hook;
  hooked = f.e;
  ok(engine_commit(f.e));
  alarm(30); /* a lookup whose nodes push each other out never ends */
  assert_int_equal(get(f.e, RECORDS - 1), 1);
  assert_int_equal(get(f.e, 0), 3);
  put(f.e, RECORDS - 1, 4);
  assert_int_equal(get(f.e, RECORDS * 3 / 4), 1);
  alarm(0);
  ok(engine_commit(f.e));
  fx_end(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nodes_in_use_leave_room_for_a_lookup),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
