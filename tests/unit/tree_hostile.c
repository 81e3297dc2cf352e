/* Pointers and extents made by one who has the keys: whatever they name, nothing is given back that is not theirs to
 * give, so that no commit is made that an opening refuses or that hands out a place twice. */
#include "tree_fixture.h"

#define LEAF_RECORDS 2000u

static struct key nth_key(uint64_t i) {
  return key_make(1, FORMAT_RECORD_DIRENT, i);
}

static enum nacre_err put(struct engine *e, uint64_t i, uint8_t fill) {
  uint8_t value[40] = {FORMAT_RECORD_VERSION, fill};
  struct key key = nth_key(i);
  struct txn txn;
  ok(txn_begin(e, TXN_NORMAL, 1, &txn));
  enum nacre_err err = tree_put(&txn, &key, value, sizeof value);
  txn_end(&txn);
  return err;
}

static void give_back(struct engine *e, const struct extent *x) {
  struct txn txn;
  ok(txn_begin(e, TXN_FREEING, 1, &txn));
  data_free(&txn, x);
  txn_end(&txn);
}

static int make(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
  fx_make(f, 64 * MIB, 0, 8 * MIB);
  for (uint64_t i = 0; i < LEAF_RECORDS; i++)
    ok(put(f->e, i, 1));
  ok(engine_commit(f->e));
  fx_reopen(f, 8 * MIB);
  return 0;
}

static int drop(void **state) {
  fx_end(*state);
  free(*state);
  return 0;
}

/* One whole extent, committed. */
static struct extent write_extent(struct fixture *f, uint32_t chunks) {
  const uint8_t chunk[16384] = {7};
  const uint8_t *list[8];
  struct extent x = {0};
  struct txn txn;
  for (uint32_t i = 0; i < chunks; i++)
    list[i] = chunk;
  ok(txn_begin(f->e, TXN_NORMAL, 1, &txn));
  ok(data_write(&txn, list, chunks, 16384, 16384, &x));
  txn_end(&txn);
  assert_int_equal(x.count, chunks);
  ok(put(f->e, LEAF_RECORDS, 9)); /* so that there is something to commit */
  ok(engine_commit(f->e));
  return x;
}

/* It went read-only before anything was committed, and opens as it was. */
static void assert_stopped(struct fixture *f) {
  uint64_t generation = f->e->durable.generation;
  f->e->dirty = true;
  assert_int_equal(engine_commit(f->e), NACRE_ERR_READ_ONLY);
  fx_reopen(f, 8 * MIB);
  assert_false(f->e->fell_back);
  assert_int_equal(f->e->durable.generation, generation);
  ok(put(f->e, 5, 3));
  ok(engine_commit(f->e));
}

/* Two records with the same blocks: the second is refused, while they wait and in the next generations too. */
static void shared_blocks_are_given_back_once(void **state) {
  struct fixture *f = *state;
  for (unsigned commits = 0; commits < 2; commits++) {
    struct extent x = write_extent(f, 4), part;
    give_back(f->e, &x);
    for (unsigned i = 0; i < commits; i++) {
      f->e->dirty = true;
      ok(engine_commit(f->e));
    }
    extent_slice(&x, 1, 2, &part);
    give_back(f->e, &part);
    assert_stopped(f);
  }
}

/* What a record says to be new is of an earlier commit, which the durable root reaches. */
static void no_generation_is_lied_about(void **state) {
  struct fixture *f = *state;
  struct extent x = write_extent(f, 2);
  x.alloc = f->e->tree.generation;
  give_back(f->e, &x);
  assert_stopped(f);
}

/* A record named free blocks, and they became somebody else's in this generation. */
static void what_became_anothers_stays(void **state) {
  struct fixture *f = *state;
  const uint8_t chunk[16384] = {8}, *list[] = {chunk};
  struct extent x;
  struct txn txn;
  ok(txn_begin(f->e, TXN_NORMAL, 1, &txn));
  ok(data_write(&txn, list, 1, 16384, 16384, &x));
  txn_end(&txn);
  x.alloc = x.birth = 1;
  give_back(f->e, &x);
  assert_stopped(f);
}

/* The first leaf's block, which any place can hold, and its pointer lead there. */
static void move_leaf(struct engine *e, uint64_t unit) {
  uint8_t *cipher = malloc(FORMAT_NODE_BYTES);
  assert_int_equal(e->tree.root->level, 1);
  struct ptr *p = &e->tree.root->entries[0].ptr;
  ok(store_read(e->store, cipher, FORMAT_NODE_BYTES, p->unit * FORMAT_UNIT_BYTES));
  ok(store_write(e->store, cipher, FORMAT_NODE_BYTES, unit * FORMAT_UNIT_BYTES));
  p->unit = unit;
  free(cipher);
}

static uint8_t get(struct engine *e, uint64_t i) {
  uint8_t value[40];
  size_t len;
  struct key key = nth_key(i);
  ok(tree_get(e, &key, value, sizeof value, &len));
  return value[1];
}

/* It can be read there, and the log keeps its place. */
static void nodes_in_a_log_set_are_not_given_back(void **state) {
  struct fixture *f = *state;
  const struct superblock_log *log = &f->e->durable.log;
  const struct superblock_extent *set = &log->sets[(log->current + 1) % FORMAT_LOG_SETS];
  move_leaf(f->e, set->unit + set->units - FORMAT_NODE_UNITS);
  assert_int_equal(get(f->e, 0), 1);
  uint64_t pending = alloc_pending_units(&f->e->alloc);
  assert_int_equal(put(f->e, 0, 2), NACRE_ERR_DAMAGED);
  assert_true(alloc_are_used(&f->e->alloc, set->unit, set->units));
  assert_int_equal(alloc_pending_units(&f->e->alloc), pending + FORMAT_NODE_UNITS); /* the root's */
}

/* The container grows, and its new area begins with larger log sets: what a record says of them is not believed. */
static void fresh_log_sets_are_not_given_back(void **state) {
  struct fixture *f = *state;
  uint64_t start = alloc_units_end(&f->e->alloc);
  pthread_mutex_lock(&f->e->state_lock);
  f->e->durable.log.checkpoint_units = 1; /* as if they had become too small */
  pthread_mutex_unlock(&f->e->state_lock);
  ok(space_grow(f->e, 1));
  assert_true(f->e->has_fresh_log);
  struct extent x = {
      .unit = start, .chunk_bytes = 4096, .count = 1, .last_bytes = 4096, .birth = 1, .alloc = f->e->tree.generation};
  give_back(f->e, &x);
  assert_true(f->e->failed);
  assert_true(alloc_are_used(&f->e->alloc, start, 1));
}

#define WITH_ENGINE(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_ENGINE(shared_blocks_are_given_back_once), WITH_ENGINE(no_generation_is_lied_about),
      WITH_ENGINE(what_became_anothers_stays),        WITH_ENGINE(nodes_in_a_log_set_are_not_given_back),
      WITH_ENGINE(fresh_log_sets_are_not_given_back),
  };
  return cmocka_run_group_tests_name("tree hostile", tests, NULL, NULL);
}
