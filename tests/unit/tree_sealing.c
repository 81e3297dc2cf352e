/* What sealing hands out and counts: write sessions, counters, how much a key has sealed. */
#include "tree_fixture.h"

#include "base/bytes.h"

#define MEMORY (8 * MIB)

static void write_chunks(struct engine *e, uint64_t ino, uint32_t count) {
  static uint8_t chunk[16384];
  const uint8_t *chunks[64];
  struct extent x;
  struct txn txn;
  assert_true(count <= 64);
  for (uint32_t i = 0; i < count; i++)
    chunks[i] = chunk;
  ok(space_reserve(e, count * 4 + engine_metadata_units(1)));
  ok(txn_begin(e, TXN_FLUSH, 1, &txn));
  ok(data_write(&txn, chunks, count, sizeof chunk, sizeof chunk, &x));
  assert_int_equal(x.count, count);
  struct key key = key_make(ino, FORMAT_RECORD_EXTENT, 0);
  uint8_t value[EXTENT_VALUE_MAX_BYTES];
  ok(tree_put(&txn, &key, value, extent_encode(&x, value)));
  txn_end(&txn);
  space_release(e, count * 4 + engine_metadata_units(1));
}

struct count {
  uint64_t blocks, bytes;
};

static struct count sealed(struct engine *e) {
  struct engine_info info;
  engine_get_info(e, &info);
  return (struct count){info.sealed_blocks, info.sealed_bytes};
}

static void assert_count(struct count c, uint64_t blocks, uint64_t bytes) {
  assert_int_equal(c.blocks, blocks);
  assert_int_equal(c.bytes, bytes);
}

static void counts_what_a_commit_seals(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, MEMORY);
  struct count before = sealed(f.e);
  /* Eight commits of a new container: each a superblock, and a root, a record or a checkpoint in two blocks. */
  assert_true(before.blocks >= 16 && before.bytes >= 8 * SUPERBLOCK_PLAIN_BYTES + FORMAT_NODE_BYTES);
  write_chunks(f.e, 100, 10);
  ok(engine_commit(f.e));
  /* The chunks, the one leaf, the log record and the superblock. */
  struct count after = sealed(f.e);
  assert_count(after, before.blocks + 13, before.bytes + 11 * 16384 + FORMAT_UNIT_BYTES + SUPERBLOCK_PLAIN_BYTES);
  fx_end(&f);
}

static void count_goes_on_after_reopening(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, MEMORY);
  write_chunks(f.e, 100, 10);
  ok(engine_commit(f.e));
  struct count committed = sealed(f.e);
  write_chunks(f.e, 200, 5);
  assert_int_equal(sealed(f.e).blocks, committed.blocks + 5);
  fx_reopen(&f, MEMORY);
  assert_count(sealed(f.e), committed.blocks, committed.bytes);
  fx_end(&f);
}

/* The newest commit can't be used, but its blocks were sealed. */
static void count_survives_a_fallback(void **state) {
  (void)state;
  struct fixture f;
  uint8_t junk[4096] = {1};
  fx_make(&f, 64 * MIB, 0, MEMORY);
  write_chunks(f.e, 100, 10);
  ok(engine_commit(f.e));
  struct count committed = sealed(f.e);
  uint64_t root = f.e->durable.root.unit;
  engine_close(f.e);
  ok(store_write(&f.store, junk, sizeof junk, root * FORMAT_UNIT_BYTES));
  fx_open(&f, MEMORY);
  assert_true(f.e->fell_back);
  assert_true(sealed(f.e).blocks > committed.blocks && sealed(f.e).bytes > committed.bytes);
  fx_end(&f);
}

static void new_epoch_counts_from_zero(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, MEMORY);
  write_chunks(f.e, 100, 10);
  ok(engine_commit(f.e));
  engine_close(f.e);
  for (unsigned opening = 0; opening < 2; opening++) {
    struct engine_keys keys = make_keys(), other = make_keys();
    keys.epochs[1] = other.epochs[0];
    keys.epochs[1].epoch = keys.current_epoch = 2;
    struct engine_options options = {.memory_bytes = MEMORY, .header_sequence = 1};
    ok(engine_open(&f.store, &keys, f.workers, &options, &f.e));
    if (opening == 0) {
      assert_count(sealed(f.e), 0, 0);
      write_chunks(f.e, 200, 1);
      ok(engine_commit(f.e));
      engine_close(f.e);
    } else {
      assert_count(sealed(f.e), 4, 2 * 16384 + FORMAT_UNIT_BYTES + SUPERBLOCK_PLAIN_BYTES);
    }
  }
  fx_end(&f);
}

/* Whoever has the key can write any count. */
static void count_stops_at_its_end(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, MEMORY);
  block_count_sealed(&f.e->io, UINT64_MAX - 3, UINT64_MAX - 3);
  assert_count(sealed(f.e), UINT64_MAX, UINT64_MAX);
  write_chunks(f.e, 100, 10);
  ok(engine_commit(f.e));
  fx_reopen(&f, MEMORY);
  assert_count(sealed(f.e), UINT64_MAX, UINT64_MAX);
  fx_end(&f);
}

/* ---- Sessions ---- */

struct nonce {
  uint8_t bytes[AEAD_NONCE_BYTES];
};

static struct nonce take(struct engine *e, uint32_t count, uint64_t bytes) {
  struct nonce n = {{0}};
  block_take_nonces(&e->io, count, bytes, n.bytes);
  return n;
}

static bool same_session(const struct nonce *a, const struct nonce *b) {
  return memcmp(a->bytes, b->bytes, 16) == 0;
}

static void counters_are_consumed_in_runs(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, MEMORY);
  struct nonce a = take(f.e, 7, 7), b = take(f.e, 1, 1), c = take(f.e, 1, 1);
  assert_true(same_session(&a, &b) && same_session(&b, &c));
  assert_int_equal(le64_get(b.bytes + 16), le64_get(a.bytes + 16) + 7);
  assert_int_equal(le64_get(c.bytes + 16), le64_get(b.bytes + 16) + 1);
  fx_end(&f);
}

static void sessions_are_drawn_anew(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, MEMORY);
  struct nonce opened = take(f.e, 1, 1);
  write_chunks(f.e, 100, 1);
  ok(engine_commit(f.e));
  struct nonce committed = take(f.e, 1, 1);
  assert_false(same_session(&opened, &committed));
  ok(engine_commit(f.e)); /* of nothing */
  struct nonce idle = take(f.e, 1, 1);
  assert_false(same_session(&committed, &idle));
  fx_reopen(&f, MEMORY);
  struct nonce reopened = take(f.e, 1, 1);
  assert_false(same_session(&idle, &reopened));
  fx_end(&f);
}

static void session_ends_after_a_gib(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, MEMORY);
  struct nonce first = take(f.e, 1, MIB), now = first;
  unsigned taken = 1;
  while (same_session(&first, &now)) {
    now = take(f.e, 1, MIB);
    assert_true(taken++ <= 1024);
  }
  assert_int_equal(taken, 1025);
  assert_int_equal(le64_get(now.bytes + 16), 0);
  fx_end(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(counts_what_a_commit_seals), cmocka_unit_test(count_goes_on_after_reopening),
      cmocka_unit_test(count_survives_a_fallback),  cmocka_unit_test(new_epoch_counts_from_zero),
      cmocka_unit_test(count_stops_at_its_end),     cmocka_unit_test(counters_are_consumed_in_runs),
      cmocka_unit_test(sessions_are_drawn_anew),    cmocka_unit_test(session_ends_after_a_gib),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
