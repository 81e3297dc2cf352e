/* The engine where memory is short, where another writes too, and where what authenticates lies. */
#include "tree_fixture.h"

#include <unistd.h>
#if NACRE_WITH_LIBCRYPTO
#include <openssl/crypto.h>
#endif

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

/* ---- Another writer ---- */

static void writer_who_began_where_we_did_is_noticed(void **state) {
  (void)state;
  struct fixture ours, theirs;
  fx_make(&ours, 64 * MIB, 0, 8 * MIB);
  put(ours.e, 1, 1);
  ok(engine_commit(ours.e));
  theirs = ours;
  fx_open(&theirs, 8 * MIB);
  put(theirs.e, 1, 2);
  ok(engine_commit(theirs.e));
  put(ours.e, 1, 3);
  assert_int_equal(engine_commit(ours.e), NACRE_ERR_IN_USE);
  assert_int_equal(engine_commit(ours.e), NACRE_ERR_READ_ONLY);
  engine_close(theirs.e);
  fx_reopen(&ours, 8 * MIB);
  assert_int_equal(get(ours.e, 1), 2);
  fx_end(&ours);
}

/* ---- Superblocks ---- */

static void damage(struct fixture *f, uint64_t offset) {
  uint8_t junk[FORMAT_SUPERBLOCK_BYTES];
  env_random(junk, sizeof junk);
  ok(store_write(&f->store, junk, sizeof junk, offset));
}

/* The storage lied: the newest commit's root is not there, and the slot after it was being written. */
static void fallback_lasts_without_a_change(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  for (uint8_t i = 1; i <= 3; i++) {
    put(f.e, 1, i);
    ok(engine_commit(f.e));
  }
  struct superblock newest = f.e->durable;
  engine_close(f.e);
  damage(&f, newest.root.unit * FORMAT_UNIT_BYTES);
  damage(&f, superblock_offset(newest.generation + 1));
  fx_open(&f, 8 * MIB);
  assert_true(f.e->fell_back);
  assert_int_equal(get(f.e, 1), 2);
  uint64_t generation = f.e->tree.generation;
  assert_true(generation > newest.generation + 1);
  fx_reopen(&f, 8 * MIB);
  assert_false(f.e->fell_back);
  assert_true(f.e->tree.generation >= generation);
  assert_int_equal(get(f.e, 1), 2);
  /* Once more, over the gap between the generations. */
  put(f.e, 1, 4);
  ok(engine_commit(f.e));
  newest = f.e->durable;
  fx_reopen(&f, 8 * MIB);
  put(f.e, 1, 5);
  ok(engine_commit(f.e));
  newest = f.e->durable;
  engine_close(f.e);
  damage(&f, newest.root.unit * FORMAT_UNIT_BYTES);
  fx_open(&f, 8 * MIB);
  fx_reopen(&f, 8 * MIB);
  assert_int_equal(get(f.e, 1), 4);
  fx_end(&f);
}

static void no_superblock_is_written_that_would_be_refused(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  struct txn txn;
  for (unsigned i = 0; i < 2 * FORMAT_RING_SLOTS; i++) {
    ok(txn_begin(f.e, TXN_FREEING, 0, &txn));
    engine_count_inodes(&txn, -1);
    txn_end(&txn);
    put(f.e, 1, (uint8_t)i);
    ok(engine_commit(f.e));
  }
  fx_reopen(&f, 8 * MIB);
  f.e->next_ino = 0;
  put(f.e, 1, 100);
  assert_int_equal(engine_commit(f.e), NACRE_ERR_DAMAGED);
  fx_reopen(&f, 8 * MIB);
  assert_int_equal(get(f.e, 1), 2 * FORMAT_RING_SLOTS - 1);
  fx_end(&f);
}

#if NACRE_WITH_LIBCRYPTO
static bool libcrypto_fails;

static void *libcrypto_malloc(size_t len, const char *file, int line) {
  (void)file;
  (void)line;
  return libcrypto_fails ? NULL : malloc(len);
}

static void *libcrypto_realloc(void *p, size_t len, const char *file, int line) {
  (void)file;
  (void)line;
  return libcrypto_fails ? NULL : realloc(p, len);
}

static void libcrypto_free(void *p, const char *file, int line) {
  (void)file;
  (void)line;
  free(p);
}

/* Where the newest superblock can't be tried for want of memory, an older one must not take its place. */
static void no_memory_is_no_damage(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  engine_close(f.e);
  struct engine_keys keys = {.current_epoch = 1};
  keys.epochs[0].epoch = 1;
  ok(aead_key_new(NACRE_CIPHER_AES_256_GCM, raw_keys[2], &keys.epochs[0].superblock));
  struct block_io io;
  struct ring_found ring;
  block_io_start(&io, &f.store, &keys);
  libcrypto_fails = true;
  assert_int_equal(ring_read(&io, &ring), NACRE_ERR_NO_MEMORY);
  libcrypto_fails = false;
  assert_int_equal(ring_read(&io, &ring), NACRE_ERR_DAMAGED);
  block_io_end(&io);
  engine_keys_free(&keys);
  workers_free(f.workers);
  store_close(&f.store);
}
#endif

int main(void) {
#if NACRE_WITH_LIBCRYPTO
  CRYPTO_set_mem_functions(libcrypto_malloc, libcrypto_realloc, libcrypto_free);
#endif
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(writer_who_began_where_we_did_is_noticed),
    cmocka_unit_test(fallback_lasts_without_a_change),
    cmocka_unit_test(no_superblock_is_written_that_would_be_refused),
#if NACRE_WITH_LIBCRYPTO
    cmocka_unit_test(no_memory_is_no_damage),
#endif
    cmocka_unit_test(nodes_in_use_leave_room_for_a_lookup),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
