#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "format/ptr.h"
#include "format/superblock.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>

#define UNITS_END 20032u

static struct ptr make_ptr(uint64_t unit, uint32_t len) {
  struct ptr p = {.unit = unit, .len_bytes = len, .epoch = 3, .birth = 5, .alloc = 9};
  env_random(p.nonce, sizeof p.nonce);
  env_random(p.tag, sizeof p.tag);
  return p;
}

static void assert_same_ptr(const struct ptr *a, const struct ptr *b) {
  assert_true(a->unit == b->unit && a->len_bytes == b->len_bytes && a->epoch == b->epoch);
  assert_true(a->birth == b->birth && a->alloc == b->alloc);
  assert_memory_equal(a->nonce, b->nonce, sizeof a->nonce);
  assert_memory_equal(a->tag, b->tag, sizeof a->tag);
}

static void test_ptr_round_trip(void **state) {
  (void)state;
  uint8_t raw[FORMAT_PTR_BYTES];
  struct ptr p = make_ptr(177, 16384), back;
  ptr_encode(&p, raw);
  assert_int_equal(ptr_decode(raw, 181, &back), NACRE_OK);
  assert_same_ptr(&p, &back);
  assert_true(le64_get(raw) == 177 && le32_get(raw + 8) == 16384 && le32_get(raw + 20) == 3);
  assert_true(le64_get(raw + 24) == 5 && le64_get(raw + 32) == 9);
  assert_memory_equal(raw + 40, p.nonce, 24);
  assert_memory_equal(raw + 64, p.tag, 32);
}

static void test_ptr_refuses(void **state) {
  (void)state;
  static const struct {
    size_t at;
    uint8_t value;
  } bytes[] = {{12, 1}, {13, 1}, {14, 1}, {15, 1}, {16, 1}, {19, 1}};
  uint8_t raw[FORMAT_PTR_BYTES];
  struct ptr p = make_ptr(177, 16384), back;
  ptr_encode(&p, raw);
  for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
    raw[bytes[i].at] = bytes[i].value;
    assert_int_equal(ptr_decode(raw, 1000, &back), NACRE_ERR_DAMAGED);
    raw[bytes[i].at] = 0;
  }
  static const struct {
    uint64_t unit;
    uint32_t len;
    uint64_t birth, alloc, units_end;
  } cases[] = {
      {177, 16384, 5, 9, 180},                     /* ends one unit too late */
      {177, 16384, 5, 9, 177},                     /* starts at the end */
      {177, 16384, 5, 9, 0},                       /* no room at all */
      {177, 0, 5, 9, 1000},                        /* nothing */
      {177, 16385, 5, 9, 1000},                    /* no multiple of a unit */
      {177, UINT32_MAX, 5, 9, UINT64_MAX},         /* the same, huge */
      {177, 4096, 10, 9, 1000},                    /* born after it was written */
      {0, 4096, 5, 9, 1000},                       /* the header */
      {127, 4096, 5, 9, 1000},                     /* the end of the first group */
      {4093, 16384, 5, 9, 10000},                  /* into the second */
      {4100, 16384, 5, 9, 10000},                  /* within it */
      {4223, 16384, 5, 9, 10000},                  /* out of it */
      {UINT64_MAX, 4096, 5, 9, 1000},              /* far out */
      {UINT64_MAX, 0xfffff000u, 5, 9, UINT64_MAX}, /* an end that overflows */
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    p.unit = cases[i].unit;
    p.len_bytes = cases[i].len;
    p.birth = cases[i].birth;
    p.alloc = cases[i].alloc;
    ptr_encode(&p, raw);
    assert_int_equal(ptr_decode(raw, cases[i].units_end, &back), NACRE_ERR_DAMAGED);
  }
}

static void test_aad_has_all_its_parts(void **state) {
  (void)state;
  uint8_t aad[PTR_AAD_BYTES];
  const uint8_t expected[PTR_AAD_BYTES] = {FORMAT_KIND_DATA, 4, FORMAT_VERSION, 0, 7, 0, 0, 0, 0, 64, 0, 0, 2, 1};
  ptr_aad(FORMAT_KIND_DATA, 4, 7, 16384, 0x102, aad);
  assert_memory_equal(aad, expected, sizeof aad);
}

static struct superblock make_superblock(void) {
  struct superblock sb = {
      .generation = 12,
      .ring_from = 12,
      .header_sequence_min = 3,
      .time_s = -1,
      .units_end = UNITS_END,
      .units_limit = 1u << 20,
      .next_ino = 100,
      .inodes = 50,
      .used_units = 9000,
      .sealed_blocks = 1ull << 50,
      .sealed_bytes = UINT64_MAX,
      .chunk_bytes = 16384,
      .node_bytes = FORMAT_NODE_BYTES,
      .root_level = 2,
      .branch = {.id = {9, 8, 7}, .first = 10, .number = 4},
      .point_generation = 11,
      .point_commit_id = {1, 2, 3},
      .log =
          {
              .sets = {{5000, 100}, {6000, 100}, {7000, 200}},
              .checkpoint_units = 60,
              .current = 1,
              .next_unit = 6063,
          },
  };
  env_random(sb.commit_id, sizeof sb.commit_id);
  env_random(sb.header_mac, sizeof sb.header_mac);
  env_random(sb.parent_commit_id, sizeof sb.parent_commit_id);
  sb.root = make_ptr(8000, FORMAT_NODE_BYTES);
  sb.log.checkpoint = make_ptr(6000, 4096);
  sb.log.last = make_ptr(6062, 4096);
  return sb;
}

static void test_superblock_round_trip(void **state) {
  (void)state;
  uint8_t plain[SUPERBLOCK_PLAIN_BYTES], again[SUPERBLOCK_PLAIN_BYTES];
  struct superblock sb = make_superblock(), back;
  superblock_encode(&sb, plain);
  assert_int_equal(superblock_decode(plain, &back), NACRE_OK);
  assert_true(back.generation == 12 && back.header_sequence_min == 3 && back.ring_from == 12 && back.time_s == -1);
  assert_true(back.units_end == UNITS_END && back.units_limit == 1u << 20 && back.next_ino == 100);
  assert_true(back.inodes == 50 && back.used_units == 9000 && back.root_level == 2);
  assert_true(back.sealed_blocks == 1ull << 50 && back.sealed_bytes == UINT64_MAX);
  assert_true(le64_get(plain + 536) == 1ull << 50 && le64_get(plain + 544) == UINT64_MAX);
  assert_true(back.branch.first == 10 && back.branch.number == 4);
  assert_memory_equal(back.branch.id, sb.branch.id, 16);
  assert_true(back.point_generation == 11 && le64_get(plain + 584) == 11);
  assert_memory_equal(back.point_commit_id, sb.point_commit_id, 16);
  assert_memory_equal(back.commit_id, sb.commit_id, 16);
  assert_memory_equal(back.header_mac, sb.header_mac, 32);
  assert_memory_equal(back.parent_commit_id, sb.parent_commit_id, 16);
  assert_same_ptr(&back.root, &sb.root);
  assert_same_ptr(&back.log.checkpoint, &sb.log.checkpoint);
  assert_same_ptr(&back.log.last, &sb.log.last);
  assert_true(back.log.sets[2].unit == 7000 && back.log.sets[2].units == 200 && back.log.current == 1);
  assert_true(back.log.checkpoint_units == 60 && back.log.next_unit == 6063);
  superblock_encode(&back, again);
  assert_memory_equal(plain, again, sizeof plain);
}

static void test_superblock_without_log_or_checkpoint(void **state) {
  (void)state;
  uint8_t plain[SUPERBLOCK_PLAIN_BYTES];
  struct superblock sb = make_superblock(), back;
  sb.log.checkpoint = (struct ptr){0};
  sb.log.last = (struct ptr){0};
  sb.log.next_unit = 6060;
  superblock_encode(&sb, plain);
  assert_int_equal(superblock_decode(plain, &back), NACRE_OK);
  assert_true(back.log.last.unit == 0 && back.log.checkpoint.unit == 0);
}

static void test_superblock_features(void **state) {
  (void)state;
  uint8_t plain[SUPERBLOCK_PLAIN_BYTES];
  struct superblock sb = make_superblock(), back;
  sb.compat = 1ull << 40; /* to be ignored, with whatever it keeps behind what is known */
  superblock_encode(&sb, plain);
  plain[SUPERBLOCK_PLAIN_BYTES - 1] = 1;
  assert_int_equal(superblock_decode(plain, &back), NACRE_OK);
  assert_true(back.compat == 1ull << 40);
  sb.incompat = 1ull << 63;
  superblock_encode(&sb, plain);
  assert_int_equal(superblock_decode(plain, &back), NACRE_ERR_UNSUPPORTED);
}

typedef void (*spoil_fn)(struct superblock *sb);

static void spoil_generation(struct superblock *sb) {
  sb->generation = 0;
}
static void spoil_young_root(struct superblock *sb) {
  sb->generation = 8;
}
static void spoil_end_small(struct superblock *sb) {
  sb->units_end = 3968;
}
static void spoil_end_odd(struct superblock *sb) {
  sb->units_end = UNITS_END + 1;
}
static void spoil_end_past_limit(struct superblock *sb) {
  sb->units_limit = UNITS_END - 1;
}
static void spoil_limit(struct superblock *sb) {
  sb->units_limit = FORMAT_UNITS_MAX + 1;
}
static void spoil_used(struct superblock *sb) {
  sb->used_units = UNITS_END + 1;
}
static void spoil_next_ino(struct superblock *sb) {
  sb->next_ino = 0;
}
static void spoil_inodes(struct superblock *sb) {
  sb->inodes = 100;
}
static void spoil_chunk(struct superblock *sb) {
  sb->chunk_bytes = 8192;
}
static void spoil_node(struct superblock *sb) {
  sb->node_bytes = 32768;
}
static void spoil_level(struct superblock *sb) {
  sb->root_level = FORMAT_LEVELS_MAX;
}
static void spoil_branch_none(struct superblock *sb) {
  sb->branch.first = 0;
}
static void spoil_branch_future(struct superblock *sb) {
  sb->branch.first = 13;
}
static void spoil_branch_number(struct superblock *sb) {
  sb->branch.number = 0;
}
static void spoil_point_before(struct superblock *sb) {
  sb->point_generation = 9;
}
static void spoil_point_future(struct superblock *sb) {
  sb->point_generation = 13;
}
static void spoil_point_other(struct superblock *sb) {
  sb->point_generation = 12;
}
static void spoil_point_itself(struct superblock *sb) {
  memcpy(sb->point_commit_id, sb->commit_id, sizeof sb->point_commit_id);
}
static void spoil_point_in_midst(struct superblock *sb) {
  sb->ring_from = 11;
}
static void spoil_branch_count(struct superblock *sb) {
  sb->branch.number = 12;
}
static void spoil_no_root(struct superblock *sb) {
  sb->root.unit = 0;
}
static void spoil_root_len(struct superblock *sb) {
  sb->root.len_bytes = 4096;
}
static void spoil_root_outside(struct superblock *sb) {
  sb->root.unit = UNITS_END - 3;
}
static void spoil_set_outside(struct superblock *sb) {
  sb->log.sets[0].unit = UNITS_END - 50;
}
static void spoil_set_overflow(struct superblock *sb) {
  sb->log.sets[0].units = UINT64_MAX;
}
static void spoil_set_none(struct superblock *sb) {
  sb->log.sets[2] = (struct superblock_extent){0};
}
static void spoil_set_on_ring(struct superblock *sb) {
  sb->log.sets[0].unit = FORMAT_GROUP_1_OFFSET / FORMAT_UNIT_BYTES;
}
static void spoil_set_on_header(struct superblock *sb) {
  sb->log.sets[0].unit = 1;
}
static void spoil_sets_overlap(struct superblock *sb) {
  sb->log.sets[0].unit = 5950;
}
static void spoil_checkpoint_units(struct superblock *sb) {
  sb->log.checkpoint_units = 101;
}
static void spoil_current(struct superblock *sb) {
  sb->log.current = FORMAT_LOG_SETS;
}
static void spoil_checkpoint(struct superblock *sb) {
  sb->log.checkpoint.unit = 7000;
}
static void spoil_last(struct superblock *sb) {
  sb->log.last.unit = 6010;
}
static void spoil_next_unit(struct superblock *sb) {
  sb->log.next_unit = 6101;
}

static void test_superblock_contradictions(void **state) {
  (void)state;
  static const spoil_fn spoils[] = {
      spoil_generation,     spoil_young_root,
      spoil_point_before,   spoil_point_future,
      spoil_point_other,    spoil_point_itself,
      spoil_end_small,      spoil_end_odd,
      spoil_end_past_limit, spoil_limit,
      spoil_used,           spoil_next_ino,
      spoil_inodes,         spoil_chunk,
      spoil_node,           spoil_level,
      spoil_no_root,        spoil_root_len,
      spoil_root_outside,   spoil_set_outside,
      spoil_set_overflow,   spoil_set_none,
      spoil_set_on_ring,    spoil_set_on_header,
      spoil_sets_overlap,   spoil_checkpoint_units,
      spoil_current,        spoil_checkpoint,
      spoil_last,           spoil_next_unit,
      spoil_branch_none,    spoil_branch_future,
      spoil_branch_number,  spoil_branch_count,
      spoil_point_in_midst,
  };
  for (size_t i = 0; i < sizeof spoils / sizeof spoils[0]; i++) {
    uint8_t plain[SUPERBLOCK_PLAIN_BYTES];
    struct superblock sb = make_superblock(), back;
    spoils[i](&sb);
    superblock_encode(&sb, plain);
    assert_int_equal(superblock_decode(plain, &back), NACRE_ERR_DAMAGED);
  }
}

/* Each reserved byte counts, and no bytes at all may do worse than be refused. */
static void test_superblock_hostile_bytes(void **state) {
  (void)state;
  uint8_t plain[SUPERBLOCK_PLAIN_BYTES];
  struct superblock sb = make_superblock(), back;
  superblock_encode(&sb, plain);
  for (size_t at = 608; at < sizeof plain; at++) {
    plain[at] = 1;
    assert_int_equal(superblock_decode(plain, &back), NACRE_ERR_DAMAGED);
    plain[at] = 0;
  }
  for (unsigned i = 0; i < 20000; i++) {
    uint8_t noise[4];
    superblock_encode(&sb, plain);
    env_random(noise, sizeof noise);
    plain[24 + (noise[0] | noise[1] << 8) % 472] = noise[2];
    plain[24 + (noise[1] | noise[2] << 8) % 472] = noise[3];
    enum nacre_err err = superblock_decode(plain, &back);
    assert_true(err == NACRE_OK || err == NACRE_ERR_DAMAGED);
    if (err == NACRE_OK)
      assert_true(back.log.current < FORMAT_LOG_SETS && back.root.unit < back.units_end);
  }
}

static void test_ring_slots_are_apart(void **state) {
  (void)state;
  for (uint64_t g = 0; g < FORMAT_RING_SLOTS; g++) {
    uint64_t at = superblock_offset(g);
    uint64_t group = g % 2 == 0 ? 0 : FORMAT_GROUP_1_OFFSET;
    assert_true(at == superblock_offset(g + FORMAT_RING_SLOTS * 1000));
    assert_true(at >= group + FORMAT_HEADER_BYTES && at + FORMAT_SUPERBLOCK_BYTES <= group + FORMAT_GROUP_BYTES);
    for (uint64_t other = 0; other < g; other++) {
      uint64_t there = superblock_offset(other);
      assert_true((at > there ? at - there : there - at) >= FORMAT_RING_SPACING_BYTES);
    }
  }
  assert_true(superblock_offset(0) == 262144 && superblock_offset(1) == (16u << 20) + 262144);
  assert_true(superblock_offset(2) == 262144 + 65536);
}

static int start(void **state) {
  (void)state;
  return env_start() == NACRE_OK ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_ptr_round_trip),
      cmocka_unit_test(test_ptr_refuses),
      cmocka_unit_test(test_aad_has_all_its_parts),
      cmocka_unit_test(test_superblock_round_trip),
      cmocka_unit_test(test_superblock_without_log_or_checkpoint),
      cmocka_unit_test(test_superblock_features),
      cmocka_unit_test(test_superblock_contradictions),
      cmocka_unit_test(test_superblock_hostile_bytes),
      cmocka_unit_test(test_ring_slots_are_apart),
  };
  return cmocka_run_group_tests(tests, start, NULL);
}
