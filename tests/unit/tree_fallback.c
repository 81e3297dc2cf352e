/* The opening that goes back to the commit before the newest: what it leaves when it is cut, what it may not hide,
 * and what it may not destroy. */
#include "tree/lineage.h"
#include "tree_fallen.h"

#include <errno.h>

#define MANY 2000u

static bool is_told(struct engine *e) {
  struct engine_info info;
  engine_get_info(e, &info);
  return info.fell_back;
}

/* ---- A fallback that is cut ---- */

static int (*plain_write)(void *ctx, const void *buf, size_t len, uint64_t offset);
static unsigned writes_left;
static bool last_is_torn = true;

static int write_until_cut(void *ctx, const void *buf, size_t len, uint64_t offset) {
  bool torn = writes_left == 1 && last_is_torn;
  if (writes_left == 0)
    return EIO;
  writes_left--;
  int err = plain_write(ctx, buf, torn ? 512 : len, offset);
  return torn ? EIO : err;
}

/* The opening that falls back is cut after so many writes. Returns whether it was. */
static bool cut_fallback(struct fixture *f, unsigned writes) {
  plain_write = f->store.ops.write;
  f->store.ops.write = write_until_cut;
  writes_left = writes;
  enum nacre_err err = try_open(f, false);
  f->store.ops.write = plain_write;
  if (err == NACRE_OK)
    engine_close(f->e);
  return err != NACRE_OK;
}

/* Whatever was written of it, the next opening is as good, and so is the one that falls back from there. `torn`: the
 * power cut that left the damage met the next superblock, too. */
static void cut_and_fall_back_again(bool torn) {
  bool cut = true;
  for (unsigned writes = 0; cut; writes++) {
    struct fixture f;
    struct superblock newest;
    make_fallen(&f, &newest);
    if (torn)
      damage(&f, superblock_offset(newest.generation + 1));
    const struct lineage_point lost = lineage_point_of(&newest);
    enum lineage_relation relation;
    cut = cut_fallback(&f, writes);
    fx_open(&f, 8 * MIB);
    assert_int_equal(get(f.e, 1), 1);
    ok(lineage_relate(f.e, &lost, &relation));
    assert_int_not_equal(relation, LINEAGE_CONTAINS);
    put(f.e, 1, 3);
    ok(engine_commit(f.e));
    ok(lineage_relate(f.e, &lost, &relation));
    assert_int_not_equal(relation, LINEAGE_CONTAINS);
    newest = f.e->durable;
    engine_close(f.e);
    damage(&f, newest.root.unit * FORMAT_UNIT_BYTES);
    fx_open(&f, 8 * MIB);
    assert_true(is_told(f.e));
    assert_int_equal(get(f.e, 1), 1);
    assert_true(f.e->durable.generation > newest.generation);
    fx_end(&f);
  }
}

static void cut_fallback_can_fall_back(void **state) {
  (void)state;
  cut_and_fall_back_again(false);
}

static void cut_fallback_leaves_no_gap_beside_a_torn_slot(void **state) {
  (void)state;
  cut_and_fall_back_again(true);
}

/* What was skipped is readable again after a cut, and what it reaches is whole, until it can't be taken any more. */
static void skipped_commit_is_whole_or_gone(void **state) {
  (void)state;
  bool cut = true;
  unsigned came_back = 0;
  for (unsigned writes = 0; cut; writes++) {
    struct fixture f;
    struct superblock newest;
    uint8_t root[FORMAT_NODE_BYTES], junk[FORMAT_NODE_BYTES];
    fx_make(&f, 64 * MIB, 0, 8 * MIB);
    for (uint8_t i = 1; i <= 2; i++) {
      for (uint64_t record = 0; record < MANY; record++)
        put(f.e, record, i);
      ok(engine_commit(f.e));
    }
    newest = f.e->durable;
    engine_close(f.e);
    ok(store_read(&f.store, root, sizeof root, newest.root.unit * FORMAT_UNIT_BYTES));
    env_random(junk, sizeof junk);
    ok(store_write(&f.store, junk, sizeof junk, newest.root.unit * FORMAT_UNIT_BYTES));
    cut = cut_fallback(&f, writes);
    if (cut)
      ok(store_write(&f.store, root, sizeof root, newest.root.unit * FORMAT_UNIT_BYTES));
    fx_open(&f, 8 * MIB);
    uint8_t first = get(f.e, 0);
    for (uint64_t record = 0; record < MANY; record++)
      assert_int_equal(get(f.e, record), first);
    came_back += first == 2;
    fx_end(&f);
  }
  assert_true(came_back > 0);
}

/* ---- What a restatement may hide ---- */

static uint64_t last_write_offset;

/* Every write up to the last one there arrives, and none after it. */
static int write_until_there(void *ctx, const void *buf, size_t len, uint64_t offset) {
  if (writes_left == 0)
    return EIO;
  writes_left -= offset == last_write_offset;
  return plain_write(ctx, buf, len, offset);
}

/* An opening that falls back is cut when the slot of a generation was written so many times. */
static void cut_after_superblock(struct fixture *f, uint64_t generation, unsigned times) {
  plain_write = f->store.ops.write;
  f->store.ops.write = write_until_there;
  writes_left = times;
  last_write_offset = superblock_offset(generation);
  assert_int_not_equal(try_open(f, false), NACRE_OK);
  f->store.ops.write = plain_write;
}

static enum lineage_relation relation_of(struct fixture *f, const struct lineage_point *point) {
  enum lineage_relation relation;
  ok(lineage_relate(f->e, point, &relation));
  return relation;
}

static struct superblock newest_of(struct fixture *f) {
  struct ring_found ring;
  struct engine_keys keys = make_keys();
  struct block_io io;
  block_io_start(&io, &f->store, &keys);
  ok(ring_read(&io, &ring));
  block_io_end(&io);
  engine_keys_free(&keys);
  return ring.newest;
}

/* It is told, now and later; or writing is refused, where what was destroyed leaves a gap. */
static void misses(struct fixture *f, const struct lineage_point *lost) {
  ok(try_open(f, true));
  assert_true(is_told(f->e));
  assert_int_not_equal(relation_of(f, lost), LINEAGE_CONTAINS);
  engine_close(f->e);
  f->e = NULL;
  if (try_open(f, false) == NACRE_ERR_DAMAGED) {
    fx_end(f);
    return;
  }
  assert_int_not_equal(relation_of(f, lost), LINEAGE_CONTAINS);
  put(f->e, 1, 7);
  ok(engine_commit(f->e));
  fx_reopen(f, MIB);
  assert_int_not_equal(relation_of(f, lost), LINEAGE_CONTAINS);
  fx_end(f);
}

/* What was skipped is missed also where the superblock that was restated is destroyed, whenever the opening was cut.
 */
static void restated_superblock_destroyed(void **state) {
  (void)state;
  bool cut = true;
  for (unsigned writes = 3; cut; writes++) {
    struct fixture f;
    struct superblock newest;
    make_fallen(&f, &newest);
    const struct lineage_point lost = lineage_point_of(&newest);
    cut = cut_fallback(&f, writes);
    damage(&f, superblock_offset(newest.generation - 1));
    if (newest_of(&f).generation == newest.generation || !cut) {
      f.e = NULL;
      fx_end(&f);
    } else {
      misses(&f, &lost);
    }
  }
}

/* The first commit after a restatement is damaged, and the restatement restated. */
static void restated_twice(void **state) {
  (void)state;
  struct fixture f;
  struct superblock newest;
  make_fallen(&f, &newest);
  const struct lineage_point lost = lineage_point_of(&newest);
  cut_after_superblock(&f, newest.generation + FORMAT_RING_SLOTS + 2, 2); /* erased, then written */
  const struct superblock second = newest_of(&f);
  assert_int_equal(second.generation, second.ring_from + 1);
  damage(&f, second.root.unit * FORMAT_UNIT_BYTES);
  misses(&f, &lost);
}

/* An older image, restated until its generations are above what was seen, is an older image still. */
static void restated_beyond_what_was_seen(void **state) {
  (void)state;
  struct fixture f;
  struct superblock newest;
  make_fallen(&f, &newest);
  struct lineage_point seen = lineage_point_of(&newest);
  seen.generation += 38; /* of the same branch */
  env_random(seen.commit_id, sizeof seen.commit_id);
  for (struct superblock found = newest; found.generation <= seen.generation; found = newest_of(&f)) {
    cut_after_superblock(&f, found.generation + FORMAT_RING_SLOTS + 1, 1);
    if (newest_of(&f).generation <= seen.generation)
      damage(&f, newest_of(&f).log.checkpoint.unit * FORMAT_UNIT_BYTES);
  }
  damage(&f, superblock_offset(newest.generation - 1));
  misses(&f, &seen);
}

/* ---- What it must not destroy ---- */

/* However often: what is restated is not written over, and opens in the end. */
static void restate_again_and_again(bool torn) {
  struct fixture f;
  struct superblock newest;
  last_is_torn = torn;
  make_fallen(&f, &newest);
  for (unsigned i = 0; i < 3 * FORMAT_RING_SLOTS; i++) {
    for (unsigned writes = 1; newest_of(&f).generation == newest.generation; writes++)
      assert_true(writes < 50 && cut_fallback(&f, writes));
    newest = newest_of(&f);
    damage(&f, newest.log.checkpoint.unit * FORMAT_UNIT_BYTES);
  }
  last_is_torn = true;
  fx_open(&f, MIB);
  assert_true(is_told(f.e));
  assert_int_equal(get(f.e, 1), 1);
  fx_end(&f);
}

static void restated_again_and_again(void **state) {
  (void)state;
  restate_again_and_again(true);
}

/* Each cut falls behind the superblock and before the first that is erased: no slot gets free for the next one. */
static void restated_until_no_slot_is_left(void **state) {
  (void)state;
  restate_again_and_again(false);
}

static struct fixture *other;
static int (*true_read)(void *ctx, void *buf, size_t len, uint64_t offset);
static unsigned reads, meet_at;
static bool wrote_meanwhile;

static int read_and_meet(void *ctx, void *buf, size_t len, uint64_t offset) {
  if (++reads == meet_at) {
    struct fixture o = *other;
    o.store.ops.read = true_read;
    if (try_open(&o, false) == NACRE_OK) {
      put(o.e, 1, 77);
      ok(engine_commit(o.e));
      wrote_meanwhile = true;
      engine_close(o.e);
    }
  }
  return true_read(ctx, buf, len, offset);
}

/* Another machine goes on where the same fallback was cut: its commits stay, whoever comes second. */
static void another_writer_meanwhile(void **state) {
  (void)state;
  unsigned met = 0;
  for (meet_at = 1; meet_at < 60; meet_at++) {
    struct fixture f, o;
    struct superblock newest;
    make_fallen(&f, &newest);
    cut_after_superblock(&f, newest.generation + FORMAT_RING_SLOTS + 1, 1);
    o = f;
    other = &o;
    true_read = f.store.ops.read;
    f.store.ops.read = read_and_meet;
    reads = 0;
    wrote_meanwhile = false;
    const enum nacre_err err = try_open(&f, false);
    f.store.ops.read = true_read;
    const bool both = wrote_meanwhile && err == NACRE_OK;
    if (both)
      assert_int_equal(get(f.e, 1), 77); /* it came first */
    if (err == NACRE_OK)
      engine_close(f.e);
    ok(try_open(&f, false));
    assert_int_equal(get(f.e, 1), wrote_meanwhile ? 77 : 1);
    met += wrote_meanwhile && err != NACRE_OK;
    fx_end(&f);
  }
  assert_true(met > 0);
}

static uint64_t flaky_offset;
static unsigned flaky_reads, flaky_at;

static int read_wrong_once(void *ctx, void *buf, size_t len, uint64_t offset) {
  int err = true_read(ctx, buf, len, offset);
  if (offset == flaky_offset && ++flaky_reads == flaky_at)
    ((uint8_t *)buf)[100] ^= 1;
  return err;
}

/* A slot that reads wrong for once is not erased for that. */
static void slot_that_reads_wrong_once(void **state) {
  (void)state;
  for (flaky_at = 2; flaky_at < 8; flaky_at++) {
    struct fixture f;
    struct superblock newest;
    make_fallen(&f, &newest);
    cut_after_superblock(&f, newest.generation + FORMAT_RING_SLOTS + 1, 1);
    flaky_offset = superblock_offset(newest.generation + FORMAT_RING_SLOTS + 1);
    flaky_reads = 0;
    true_read = f.store.ops.read;
    f.store.ops.read = read_wrong_once;
    if (try_open(&f, false) == NACRE_OK)
      engine_close(f.e);
    f.store.ops.read = true_read;
    fx_open(&f, MIB);
    assert_int_equal(get(f.e, 1), 1);
    fx_end(&f);
  }
}

/* The slot of what was restated reads wrong for once when the opening that was cut goes on: it is kept all the same,
 * for the restatement may be damaged in its turn. */
static void parents_slot_that_reads_wrong_once(void **state) {
  (void)state;
  unsigned fell = 0;
  for (unsigned writes = 0; writes < 20; writes++) {
    struct fixture f;
    struct superblock newest;
    make_fallen(&f, &newest);
    cut_after_superblock(&f, newest.generation + FORMAT_RING_SLOTS + 1, 1);
    const struct superblock restated = newest_of(&f);
    flaky_offset = superblock_offset(newest.generation - 1);
    flaky_reads = 0;
    flaky_at = 1;
    true_read = f.store.ops.read;
    f.store.ops.read = read_wrong_once;
    (void)cut_fallback(&f, writes);
    f.store.ops.read = true_read;
    assert_true(flaky_reads > 0);
    if (newest_of(&f).generation == restated.generation) {
      damage(&f, restated.log.checkpoint.unit * FORMAT_UNIT_BYTES);
      fell++;
    }
    fx_open(&f, MIB);
    assert_int_equal(get(f.e, 1), 1);
    fx_end(&f);
  }
  assert_true(fell > FORMAT_RING_SLOTS);
}

static uint64_t deaf_offset;

static int write_but_there(void *ctx, const void *buf, size_t len, uint64_t offset) {
  return offset == deaf_offset ? 0 : plain_write(ctx, buf, len, offset);
}

/* One place in the log never takes a write, and doesn't say so: that costs a commit, not the volume. */
static void bad_place_in_the_log(bool checkpoint) {
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  put(f.e, 1, 1);
  ok(engine_commit(f.e));
  plain_write = f.store.ops.write;
  const struct superblock_log *log = &f.e->durable.log;
  deaf_offset =
      (checkpoint ? log->sets[(log->current + 1) % FORMAT_LOG_SETS].unit : log->next_unit) * FORMAT_UNIT_BYTES;
  if (checkpoint)
    committer_want_checkpoint(f.e);
  f.store.ops.write = f.e->store->ops.write = write_but_there;
  put(f.e, 1, 2);
  ok(engine_commit(f.e));
  for (unsigned i = 0; i < 3; i++) {
    fx_reopen(&f, MIB);
    assert_int_equal(is_told(f.e), i == 0);
    assert_int_equal(get(f.e, 1), 1);
  }
  fx_end(&f);
}

static void bad_place_for_a_record(void **state) {
  (void)state;
  bad_place_in_the_log(false);
}

static void bad_place_for_a_checkpoint(void **state) {
  (void)state;
  bad_place_in_the_log(true);
}

/* Nothing is erased on the word of a medium that loses the restatement's log, too. */
static void restatement_that_is_lost(void **state) {
  (void)state;
  struct fixture f;
  struct superblock newest;
  make_fallen(&f, &newest);
  plain_write = f.store.ops.write;
  deaf_offset = newest.log.sets[(newest.log.current + 1) % FORMAT_LOG_SETS].unit * FORMAT_UNIT_BYTES;
  f.store.ops.write = write_but_there;
  assert_int_equal(try_open(&f, false), NACRE_ERR_IO);
  fx_open(&f, MIB); /* another set's turn */
  assert_true(is_told(f.e));
  assert_int_equal(get(f.e, 1), 1);
  fx_end(&f);
}

/* Two commits undone: the opening that was cut told nobody, so the next one does. */
static void undone_commits_are_told(void **state) {
  (void)state;
  bool cut = true;
  for (unsigned writes = 1; cut; writes++) {
    struct fixture f;
    struct superblock second = {0};
    fx_make(&f, 64 * MIB, 0, 8 * MIB);
    for (uint8_t i = 1; i <= 3; i++) {
      if (i == 3)
        second = f.e->durable;
      put(f.e, 1, i);
      ok(engine_commit(f.e));
    }
    const uint64_t third = f.e->durable.generation;
    engine_close(f.e);
    damage(&f, superblock_offset(third));
    damage(&f, second.root.unit * FORMAT_UNIT_BYTES);
    cut = cut_fallback(&f, writes);
    const enum nacre_err err = try_open(&f, false);
    if (err == NACRE_OK && cut)
      assert_true(is_told(f.e));
    if (err != NACRE_OK)
      f.e = NULL;
    fx_end(&f);
  }
}

/* What was skipped demanded a later header: also who opens with any header leaves that as it is. */
static void later_header_stays_demanded(void **state) {
  (void)state;
  struct fixture f;
  const uint8_t mac[32] = {9};
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  put(f.e, 1, 1);
  ok(engine_commit(f.e));
  ok(engine_commit_header(f.e, 5, mac));
  const struct superblock newest = f.e->durable;
  engine_close(f.e);
  damage(&f, newest.log.last.unit * FORMAT_UNIT_BYTES);
  assert_int_equal(try_open(&f, false), NACRE_ERR_ROLLED_BACK);
  struct engine_keys keys = make_keys();
  struct engine_options options = {.memory_bytes = MIB, .header_sequence = 5, .any_header = true};
  memcpy(options.header_mac, mac, sizeof mac);
  struct engine_options reading = options;
  struct engine_info info;
  reading.read_only = true;
  ok(engine_open(&f.store, &keys, f.workers, &reading, &f.e));
  engine_get_info(f.e, &info);
  assert_int_equal(info.header_sequence_min, 5);
  engine_close(f.e);
  keys = make_keys();
  ok(engine_open(&f.store, &keys, f.workers, &options, &f.e));
  assert_true(is_told(f.e));
  engine_close(f.e);
  assert_int_equal(try_open(&f, false), NACRE_ERR_ROLLED_BACK);
  f.e = NULL;
  fx_end(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(cut_fallback_can_fall_back),
      cmocka_unit_test(cut_fallback_leaves_no_gap_beside_a_torn_slot),
      cmocka_unit_test(skipped_commit_is_whole_or_gone),
      cmocka_unit_test(restated_superblock_destroyed),
      cmocka_unit_test(restated_twice),
      cmocka_unit_test(restated_beyond_what_was_seen),
      cmocka_unit_test(restated_again_and_again),
      cmocka_unit_test(restated_until_no_slot_is_left),
      cmocka_unit_test(another_writer_meanwhile),
      cmocka_unit_test(slot_that_reads_wrong_once),
      cmocka_unit_test(parents_slot_that_reads_wrong_once),
      cmocka_unit_test(bad_place_for_a_record),
      cmocka_unit_test(bad_place_for_a_checkpoint),
      cmocka_unit_test(restatement_that_is_lost),
      cmocka_unit_test(undone_commits_are_told),
      cmocka_unit_test(later_header_stays_demanded),
  };
  return cmocka_run_group_tests_name("tree fallback", tests, NULL, NULL);
}
