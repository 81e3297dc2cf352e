/* A ring with a gap that is accepted: where the generations go on, and superblocks that were gone and come back. */
#include "tree_fixture.h"

#include <errno.h>

#define RECORDS 300u

static void put(struct engine *e, uint64_t i, uint8_t fill) {
  uint8_t value[100] = {FORMAT_RECORD_VERSION, fill};
  struct key key = key_make(1, FORMAT_RECORD_DIRENT, i);
  struct txn txn;
  ok(txn_begin(e, TXN_NORMAL, 1, &txn));
  ok(tree_put(&txn, &key, value, sizeof value));
  txn_end(&txn);
}

static uint8_t get(struct engine *e, uint64_t i) {
  uint8_t value[100];
  size_t len;
  struct key key = key_make(1, FORMAT_RECORD_DIRENT, i);
  ok(tree_get(e, &key, value, sizeof value, &len));
  return value[1];
}

static enum nacre_err try_accepting(struct fixture *f) {
  struct engine_keys keys = make_keys();
  struct engine_options options = {.memory_bytes = MIB, .header_sequence = 1, .accept_gap = true};
  return engine_open(&f->store, &keys, f->workers, &options, &f->e);
}

/* Each commit changes every record. Returns the newest one's generation. */
static uint64_t make_commits(struct fixture *f) {
  fx_make(f, 64 * MIB, 0, 8 * MIB);
  for (uint8_t commit = 1; commit <= 12; commit++) {
    for (uint64_t i = 0; i < RECORDS; i++)
      put(f->e, i, commit);
    ok(engine_commit(f->e));
  }
  uint64_t newest = f->e->durable.generation;
  engine_close(f->e);
  return newest;
}

static void destroy(struct fixture *f, uint64_t generation) {
  uint8_t junk[FORMAT_SUPERBLOCK_BYTES];
  env_random(junk, sizeof junk);
  ok(store_write(&f->store, junk, sizeof junk, superblock_offset(generation)));
}

static void generations_go_on_behind_what_may_have_been(void **state) {
  (void)state;
  struct fixture f;
  struct engine_info info;
  uint64_t newest = make_commits(&f);
  destroy(&f, newest - 2);
  assert_int_equal(try_open(&f, false), NACRE_ERR_DAMAGED);
  ok(try_accepting(&f));
  engine_get_info(f.e, &info);
  assert_true(info.fell_back && !info.ring_damaged && !info.read_only);
  assert_int_equal(f.e->ring_from, newest + 1 + FORMAT_RING_SLOTS);
  assert_int_equal(f.e->durable.generation, f.e->ring_from + FORMAT_RING_SLOTS);
  assert_int_equal(f.e->durable.branch.first, f.e->ring_from);
  assert_int_equal(get(f.e, 7), 12);
  engine_close(f.e);
  /* It is as any other from here on, and where there is no gap nothing is accepted. */
  ok(try_accepting(&f));
  engine_get_info(f.e, &info);
  assert_false(info.fell_back);
  assert_int_equal(f.e->ring_from, newest + 1 + FORMAT_RING_SLOTS);
  fx_end(&f);
}

/* An I/O error is no gap: what can't be read is not written over. */
static uint64_t bad_offset;
static int (*plain_read)(void *ctx, void *buf, size_t len, uint64_t offset);

static int bad_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  return offset == bad_offset ? EIO : plain_read(ctx, buf, len, offset);
}

static void what_cannot_be_read_is_not_accepted(void **state) {
  (void)state;
  struct fixture f;
  struct engine_info info;
  uint64_t newest = make_commits(&f);
  destroy(&f, newest - 2);
  bad_offset = superblock_offset(newest - 3);
  plain_read = f.store.ops.read;
  f.store.ops.read = bad_read;
  ok(try_accepting(&f));
  engine_get_info(f.e, &info);
  assert_true(info.read_only && info.ring_damaged);
  assert_int_equal(f.e->durable.generation, newest);
  f.store.ops.read = plain_read;
  fx_end(&f);
}

/* Superblocks that this opening does not get to see, though they are there until it writes to their slots. */
static bool hidden[FORMAT_RING_SLOTS];

static int blind_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  for (uint64_t slot = 0; slot < FORMAT_RING_SLOTS; slot++) {
    if (!hidden[slot] || offset != superblock_offset(slot))
      continue;
    memset(buf, 0, len);
    return 0;
  }
  return plain_read(ctx, buf, len, offset);
}

static int (*plain_write)(void *ctx, const void *buf, size_t len, uint64_t offset);
static unsigned writes_left;

static int failing_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  if (writes_left == 0)
    return EIO;
  writes_left--;
  for (uint64_t slot = 0; slot < FORMAT_RING_SLOTS; slot++)
    hidden[slot] = hidden[slot] && offset != superblock_offset(slot);
  return plain_write(ctx, buf, len, offset);
}

static void assert_one_state(struct fixture *f) {
  uint8_t first = get(f->e, 0);
  assert_in_range(first, 10, 12);
  for (uint64_t i = 1; i < RECORDS; i++)
    assert_int_equal(get(f->e, i), first);
}

/* They come back when the opening that accepted the gap was cut after so many writes: whatever stands in the ring
 * then is a commit, whole. More than two can't be without: what they had given back was used again. */
static void superblocks_that_come_back(void **state) {
  (void)state;
  bool done = false;
  for (unsigned writes = 0; !done; writes++) {
    struct fixture f;
    uint64_t newest = make_commits(&f);
    hidden[newest % FORMAT_RING_SLOTS] = hidden[(newest - 1) % FORMAT_RING_SLOTS] = true;
    writes_left = writes;
    plain_read = f.store.ops.read;
    plain_write = f.store.ops.write;
    f.store.ops.read = blind_read;
    f.store.ops.write = failing_write;
    enum nacre_err err = try_accepting(&f);
    done = err == NACRE_OK;
    if (done)
      engine_close(f.e);
    else
      assert_int_equal(err, NACRE_ERR_IO);
    f.store.ops.read = plain_read;
    f.store.ops.write = plain_write;
    ok(try_open(&f, true));
    struct ring_found ring;
    ok(ring_read(&f.e->io, &ring));
    assert_int_equal(f.e->durable.generation, ring.highest); /* the newest there is was good */
    assert_one_state(&f);
    engine_close(f.e);
    ok(try_accepting(&f));
    assert_one_state(&f);
    fx_end(&f);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(generations_go_on_behind_what_may_have_been),
      cmocka_unit_test(what_cannot_be_read_is_not_accepted),
      cmocka_unit_test(superblocks_that_come_back),
  };
  return cmocka_run_group_tests_name("tree gap", tests, NULL, NULL);
}
