/* The engine where memory is short, where another writes too, and where what authenticates lies. */
#include "tree_fallen.h"

#include <errno.h>
#include <unistd.h>
#if NACRE_WITH_LIBCRYPTO
#include <openssl/crypto.h>
#endif

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

/* However many commits there were since, and however many of them are destroyed. */
static void destroyed_commits_after_a_fallback_are_noticed(void **state) {
  (void)state;
  for (uint8_t since = 0; since <= FORMAT_RING_SLOTS; since++) {
    struct fixture f;
    struct superblock newest;
    make_fallen(&f, &newest);
    fx_open(&f, 8 * MIB);
    for (uint8_t i = 0; i < since; i++) {
      put(f.e, 1, i);
      ok(engine_commit(f.e));
    }
    uint64_t generation = f.e->durable.generation;
    engine_close(f.e);
    damage(&f, superblock_offset(generation));
    for (uint64_t back = 1; back < FORMAT_RING_SLOTS; back++) {
      damage(&f, superblock_offset(generation - back));
      assert_int_equal(try_open(&f, false), NACRE_ERR_DAMAGED);
    }
    f.e = NULL;
    fx_end(&f);
  }
}

static int (*plain_read)(void *ctx, void *buf, size_t len, uint64_t offset);
static uint64_t bad_offset;

static int bad_sector(void *ctx, void *buf, size_t len, uint64_t offset) {
  return offset <= bad_offset && bad_offset - offset < len ? EIO : plain_read(ctx, buf, len, offset);
}

/* A sector under the newest root has gone bad: what was committed before can still be saved. */
static void unreadable_root_leaves_its_parent_to_read(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  for (uint8_t i = 1; i <= 2; i++) {
    put(f.e, 1, i);
    ok(engine_commit(f.e));
  }
  bad_offset = f.e->durable.root.unit * FORMAT_UNIT_BYTES + 5000;
  engine_close(f.e);
  plain_read = f.store.ops.read;
  f.store.ops.read = bad_sector;
  assert_int_equal(try_open(&f, false), NACRE_ERR_IO);
  ok(try_open(&f, true));
  assert_true(f.e->fell_back);
  assert_int_equal(get(f.e, 1), 1);
  engine_close(f.e);
  f.store.ops.read = plain_read;
  ok(try_open(&f, false));
  assert_int_equal(get(f.e, 1), 2);
  fx_end(&f);
}

/* The newest superblock can't be read: what is before it is shown, and said to be that. */
static void unreadable_superblock_is_told(void **state) {
  (void)state;
  struct fixture f;
  struct engine_info info;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  uint64_t parent = 0;
  for (uint8_t i = 1; i <= 2; i++) {
    parent = f.e->durable.root.unit * FORMAT_UNIT_BYTES;
    put(f.e, 1, i);
    ok(engine_commit(f.e));
  }
  bad_offset = superblock_offset(f.e->durable.generation) + 100;
  uint64_t root = f.e->durable.root.unit * FORMAT_UNIT_BYTES;
  engine_close(f.e);
  plain_read = f.store.ops.read;
  f.store.ops.read = bad_sector;
  ok(try_open(&f, true));
  engine_get_info(f.e, &info);
  assert_true(info.ring_damaged);
  assert_int_equal(get(f.e, 1), 1);
  engine_close(f.e);
  ok(try_open(&f, false));
  engine_get_info(f.e, &info);
  assert_true(info.failed && info.read_only);
  engine_close(f.e);
  /* A root that can't be read and a parent that is damaged: nobody knows that all of it is. */
  bad_offset = root + 100;
  damage(&f, parent);
  f.store.ops.read = bad_sector;
  assert_int_equal(try_open(&f, true), NACRE_ERR_IO);
  f.store.ops.read = plain_read;
  ok(try_open(&f, true));
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

/* ---- What authenticates, and lies ---- */

static struct ptr write_node(struct engine *e, struct node *n) {
  struct run run;
  uint8_t *plain = malloc(FORMAT_NODE_BYTES);
  ok(alloc_take(&e->alloc, ALLOC_LOW, FORMAT_NODE_UNITS, FORMAT_NODE_UNITS, FORMAT_NODE_UNITS, &run));
  struct ptr p = {.unit = run.unit, .len_bytes = FORMAT_NODE_BYTES, .birth = 1, .alloc = 1};
  node_encode(n, plain);
  ok(block_seal(&e->io, FORMAT_KIND_NODE, n->level, &p, plain, plain));
  ok(store_write(e->store, plain, FORMAT_NODE_BYTES, p.unit * FORMAT_UNIT_BYTES));
  free(plain);
  node_free(n);
  return p;
}

static struct ptr write_branch(struct engine *e, uint8_t level, uint64_t first, const struct ptr *left,
                               uint64_t second, const struct ptr *right) {
  struct node *n = node_new(e->tree.pages, level);
  struct key keys[] = {nth_key(first), nth_key(second)};
  branch_insert(n, 0, &keys[0], NULL);
  n->entries[0].ptr = *left;
  branch_insert(n, 1, &keys[1], NULL);
  n->entries[1].ptr = *right;
  return write_node(e, n);
}

static struct ptr write_leaf(struct engine *e, uint64_t i, bool empty) {
  struct node *n = node_new(e->tree.pages, 0);
  struct key key = nth_key(i);
  uint8_t value[] = {FORMAT_RECORD_VERSION};
  if (!empty)
    assert_true(leaf_insert(n, 0, &key, value, sizeof value));
  return write_node(e, n);
}

static void take_root(struct engine *e, const struct ptr *root, uint8_t level) {
  uint64_t generation = e->tree.generation;
  tree_end(&e->tree);
  ok(tree_start(&e->tree, &e->alloc, &e->io, MIB));
  e->tree.generation = generation;
  ok(tree_load_root(&e->tree, root, level));
}

static enum nacre_err look(struct engine *e, uint64_t i) {
  uint8_t value[16];
  size_t len;
  struct key key = nth_key(i);
  return tree_get(e, &key, value, sizeof value, &len);
}

/* Found in the cache, where its level is right, the branch would stand in for a leaf: one that names itself (for who
 * has the key, a matter of linear algebra) would be walked for ever. */
static void branch_is_no_leaf(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  struct ptr leaf = write_leaf(f.e, 100, false), other = write_leaf(f.e, 200, false);
  struct ptr branch = write_branch(f.e, 1, 100, &leaf, 200, &other);
  struct ptr lying = write_branch(f.e, 1, 0, &other, 50, &branch);
  struct ptr root = write_branch(f.e, 2, 0, &lying, 100, &branch);
  take_root(f.e, &root, 2);
  ok(look(f.e, 100));
  ok(look(f.e, 200));
  assert_int_equal(look(f.e, 60), NACRE_ERR_DAMAGED);
  ok(look(f.e, 100));
  fx_end(&f);
}

static void leaf_without_records_is_damage(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  struct ptr leaf = write_leaf(f.e, 100, false), empty = write_leaf(f.e, 200, true);
  struct ptr root = write_branch(f.e, 1, 100, &leaf, 200, &empty);
  take_root(f.e, &root, 1);
  ok(look(f.e, 100));
  assert_int_equal(look(f.e, 200), NACRE_ERR_DAMAGED);
  fx_end(&f);
}

/* An extent that names free space must not make a commit that no opening takes. */
static void free_space_is_not_freed(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  put(f.e, 1, 1);
  ok(engine_commit(f.e));
  struct extent x = {.unit = 1000, .chunk_bytes = 16384, .count = 1, .last_bytes = 16384, .birth = 1};
  while (engine_unit_used(f.e, x.unit))
    x.unit++;
  struct txn txn;
  ok(txn_begin(f.e, TXN_FREEING, 1, &txn));
  data_free(&txn, &x);
  txn_end(&txn);
  f.e->dirty = true;
  assert_int_equal(engine_commit(f.e), NACRE_ERR_READ_ONLY);
  fx_reopen(&f, 8 * MIB);
  assert_false(f.e->fell_back);
  assert_int_equal(get(f.e, 1), 1);
  fx_end(&f);
}

/* Each unit of a run again and again: hours of work from a few bytes. */
static void nothing_is_freed_twice(void **state) {
  (void)state;
  struct alloc a;
  ok(alloc_start(&a, 1024, 4));
  ok(alloc_mark(&a, 0, 512));
  ok(alloc_mark_pending(&a, 1, 0, 512));
  assert_int_equal(alloc_mark_pending(&a, 1, 0, 512), NACRE_ERR_DAMAGED);
  alloc_durable(&a, 2);
  assert_int_equal(alloc_used_units(&a, 2), 0);
  alloc_end(&a);
}

#if SIZE_MAX == UINT32_MAX
/* 128 TiB: the bytes of their bitmap are one more than 32 bits count. */
static void map_is_within_what_can_be_addressed(void **state) {
  (void)state;
  struct alloc a;
  ok(alloc_start(&a, 1024, 4));
  assert_int_equal(alloc_grow(&a, 1ull << 35, 0), NACRE_ERR_LIMIT);
  assert_int_equal(alloc_grow(&a, (1ull << 35) + 64, 0), NACRE_ERR_LIMIT);
  ok(alloc_mark(&a, 0, 1024));
  alloc_end(&a);
}

#endif

static void log_sets_have_room_for_the_checkpoint(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  struct superblock sb = f.e->durable;
  struct alloc a;
  ok(alloc_start(&a, sb.units_end, 4));
  ok(spacelog_load(&f.e->io, &sb.log, sb.units_end, sb.generation, &a));
  alloc_end(&a);
  ok(alloc_start(&a, sb.units_end, 4));
  sb.log.checkpoint_units = 1;
  assert_int_equal(spacelog_load(&f.e->io, &sb.log, sb.units_end, sb.generation, &a), NACRE_ERR_DAMAGED);
  alloc_end(&a);
  fx_end(&f);
}

/* A block of the log as an enemy who has the keys would write it: one byte of it changed, sealed anew. */
static void forge(struct engine *e, enum format_kind kind, struct ptr *p, size_t at) {
  uint8_t *plain = malloc(p->len_bytes);
  ok(block_read(&e->io, kind, 0, p, plain));
  plain[at] ^= 1;
  ok(block_seal(&e->io, kind, 0, p, plain, plain));
  ok(store_write(e->store, plain, p->len_bytes, p->unit * FORMAT_UNIT_BYTES));
  free(plain);
}

static void refuses_log(struct engine *e, const struct superblock *sb) {
  struct alloc a;
  ok(alloc_start(&a, sb->units_end, 4));
  assert_int_equal(spacelog_load(&e->io, &sb->log, sb->units_end, sb->generation, &a), NACRE_ERR_DAMAGED);
  alloc_end(&a);
}

/* docs/format.md, section 17: zeroes to the end of the index, of the last segment, and of a record. */
static void log_is_padded_with_zeroes(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  struct superblock sb = f.e->durable;
  struct ptr *record = &sb.log.last, *index = &sb.log.checkpoint;
  assert_int_not_equal(record->unit, 0);
  forge(f.e, FORMAT_KIND_LOG, record, record->len_bytes - 1);
  refuses_log(f.e, &sb);
  forge(f.e, FORMAT_KIND_LOG, record, record->len_bytes - 1); /* as it was */

  forge(f.e, FORMAT_KIND_CHECKPOINT_INDEX, index, index->len_bytes - 1);
  refuses_log(f.e, &sb);
  forge(f.e, FORMAT_KIND_CHECKPOINT_INDEX, index, index->len_bytes - 1);

  uint8_t *plain = malloc(index->len_bytes);
  ok(block_read(&f.e->io, FORMAT_KIND_CHECKPOINT_INDEX, 0, index, plain));
  uint64_t body_bytes = le64_get(plain + 8);
  struct ptr segment = *index;
  segment.unit += index->len_bytes / FORMAT_UNIT_BYTES;
  segment.len_bytes = (uint32_t)(u64_ceil_div(body_bytes, FORMAT_UNIT_BYTES) * FORMAT_UNIT_BYTES);
  assert_true(body_bytes < segment.len_bytes);
  memcpy(segment.nonce, plain + 24, sizeof segment.nonce);
  memcpy(segment.tag, plain + 48, sizeof segment.tag);
  forge(f.e, FORMAT_KIND_CHECKPOINT_SEGMENT, &segment, segment.len_bytes - 1);
  memcpy(plain + 24, segment.nonce, sizeof segment.nonce);
  memcpy(plain + 48, segment.tag, sizeof segment.tag);
  ok(block_seal(&f.e->io, FORMAT_KIND_CHECKPOINT_INDEX, 0, index, plain, plain));
  ok(store_write(f.e->store, plain, index->len_bytes, index->unit * FORMAT_UNIT_BYTES));
  refuses_log(f.e, &sb);
  free(plain);
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
    cmocka_unit_test(destroyed_commits_after_a_fallback_are_noticed),
    cmocka_unit_test(unreadable_root_leaves_its_parent_to_read),
    cmocka_unit_test(unreadable_superblock_is_told),
    cmocka_unit_test(no_superblock_is_written_that_would_be_refused),
    cmocka_unit_test(branch_is_no_leaf),
    cmocka_unit_test(leaf_without_records_is_damage),
    cmocka_unit_test(free_space_is_not_freed),
    cmocka_unit_test(nothing_is_freed_twice),
#if SIZE_MAX == UINT32_MAX
    cmocka_unit_test(map_is_within_what_can_be_addressed),
#endif
    cmocka_unit_test(log_sets_have_room_for_the_checkpoint),
    cmocka_unit_test(log_is_padded_with_zeroes),
#if NACRE_WITH_LIBCRYPTO
    cmocka_unit_test(no_memory_is_no_damage),
#endif
    cmocka_unit_test(nodes_in_use_leave_room_for_a_lookup),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
