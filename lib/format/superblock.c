/* The plaintext, little-endian, 4040 bytes; what a version does not use is zero:
 *     0  compat (8)           8  read-only compat (8)    16  incompat (8)        24  generation (8)
 *    32  commit id (16)      48  parent's commit id (16)
 *    64  header sequence (8) 72  time, signed (8)        80  units end (8)       88  units limit (8)
 *    96  next inode (8)     104  inodes (8)             112  used units (8)
 *   120  chunk bytes (4)    124  node bytes (4)         128  root level (1)     129  zero (7)
 *   136  root pointer (96)
 *   232  three log sets, each: unit (8), units (8)
 *   280  checkpoint units (8)   288  current set (4)    292  zero (4)
 *   296  checkpoint pointer (96)                        392  last log record's pointer (96)
 *   488  next log unit (8)
 *   496  MAC of the header whose sequence is at 64 (32)
 *   528  first generation of the unbroken ring (8)
 *   536  blocks sealed under this epoch's keys (8)  544 bytes of them (8)
 *   552  branch: id (16), first generation (8), number (8)
 *   584  what it counts as in the lineage: generation (8), commit id (16)
 *   608  intent log: first unit (8), units of a half (8), half in use (4), zero (4), id of its records (16),
 *        generation in which that was drawn (8)
 *   656  zero to the end: snapshots, rewriting
 * The checkpoint's and the last record's pointer are all zeroes where there is none. */
#include "format/superblock.h"

#include "base/err.h"

#include <assert.h>

#define SUPERBLOCK_USED_BYTES 656u

static_assert(FORMAT_RING_OFFSET + (FORMAT_RING_SLOTS / 2) * FORMAT_RING_SPACING_BYTES <= FORMAT_GROUP_BYTES,
              "half of the ring fits its group");

uint64_t superblock_offset(uint64_t generation) {
  uint64_t slot = generation % FORMAT_RING_SLOTS;
  uint64_t group = slot % 2 == 0 ? FORMAT_GROUP_0_OFFSET : FORMAT_GROUP_1_OFFSET;
  return group + FORMAT_RING_OFFSET + slot / 2 * FORMAT_RING_SPACING_BYTES;
}

static void superblock_write_ptr(struct writer *w, const struct ptr *p) {
  uint8_t raw[FORMAT_PTR_BYTES] = {0};
  if (p->unit != 0)
    ptr_encode(p, raw);
  writer_copy(w, raw, sizeof raw);
}

void superblock_encode(const struct superblock *sb, uint8_t *plain) {
  struct writer w = writer_make(plain, SUPERBLOCK_PLAIN_BYTES);
  writer_u64(&w, sb->compat);
  writer_u64(&w, sb->ro_compat);
  writer_u64(&w, sb->incompat);
  writer_u64(&w, sb->generation);
  writer_copy(&w, sb->commit_id, sizeof sb->commit_id);
  writer_copy(&w, sb->parent_commit_id, sizeof sb->parent_commit_id);
  writer_u64(&w, sb->header_sequence_min);
  writer_u64(&w, (uint64_t)sb->time_s);
  writer_u64(&w, sb->units_end);
  writer_u64(&w, sb->units_limit);
  writer_u64(&w, sb->next_ino);
  writer_u64(&w, sb->inodes);
  writer_u64(&w, sb->used_units);
  writer_u32(&w, sb->chunk_bytes);
  writer_u32(&w, sb->node_bytes);
  writer_u8(&w, sb->root_level);
  writer_zeroes(&w, 7);
  superblock_write_ptr(&w, &sb->root);
  for (unsigned i = 0; i < FORMAT_LOG_SETS; i++) {
    writer_u64(&w, sb->log.sets[i].unit);
    writer_u64(&w, sb->log.sets[i].units);
  }
  writer_u64(&w, sb->log.checkpoint_units);
  writer_u32(&w, sb->log.current);
  writer_zeroes(&w, 4);
  superblock_write_ptr(&w, &sb->log.checkpoint);
  superblock_write_ptr(&w, &sb->log.last);
  writer_u64(&w, sb->log.next_unit);
  writer_copy(&w, sb->header_mac, sizeof sb->header_mac);
  writer_u64(&w, sb->ring_from);
  writer_u64(&w, sb->sealed_blocks);
  writer_u64(&w, sb->sealed_bytes);
  writer_copy(&w, sb->branch.id, sizeof sb->branch.id);
  writer_u64(&w, sb->branch.first);
  writer_u64(&w, sb->branch.number);
  writer_u64(&w, sb->point_generation);
  writer_copy(&w, sb->point_commit_id, sizeof sb->point_commit_id);
  writer_u64(&w, sb->intent.unit);
  writer_u64(&w, sb->intent.half_units);
  writer_u32(&w, sb->intent.half);
  writer_zeroes(&w, 4);
  writer_copy(&w, sb->intent.id, sizeof sb->intent.id);
  writer_u64(&w, sb->intent.generation);
  assert(w.done == SUPERBLOCK_USED_BYTES);
  writer_zeroes(&w, w.left);
  assert(!w.bad);
}

static enum nacre_err superblock_bad(const char *what) {
  return err_set(NACRE_ERR_DAMAGED, "the superblock contradicts itself: %s", what);
}

/* A pointer that may be absent. */
static enum nacre_err superblock_read_ptr(struct reader *r, uint64_t units_end, uint64_t generation, struct ptr *p) {
  const uint8_t *raw = reader_view(r, FORMAT_PTR_BYTES);
  *p = (struct ptr){0};
  if (raw == NULL || bytes_all_zero(raw, FORMAT_PTR_BYTES))
    return NACRE_OK;
  ERR_TRY(ptr_decode(raw, units_end, p));
  if (p->alloc > generation)
    return superblock_bad("a pointer is younger than the commit");
  return NACRE_OK;
}

static bool superblock_overlap(uint64_t a, uint64_t a_units, uint64_t b, uint64_t b_units) {
  return a < b + b_units && b < a + a_units;
}

/* Inside the volume, apart from the fixed areas. */
static bool superblock_extent_good(const struct superblock_extent *e, uint64_t units_end) {
  return e->units > 0 && e->unit < units_end && e->units <= units_end - e->unit &&
         !format_meets_group(e->unit, e->unit + e->units);
}

static bool superblock_inside(const struct ptr *p, uint64_t unit, uint64_t end) {
  return p->unit == 0 || (p->unit >= unit && p->unit + p->len_bytes / FORMAT_UNIT_BYTES <= end);
}

static enum nacre_err superblock_check_log(const struct superblock_log *log, uint64_t units_end) {
  for (unsigned i = 0; i < FORMAT_LOG_SETS; i++) {
    const struct superblock_extent *e = &log->sets[i];
    if (!superblock_extent_good(e, units_end))
      return superblock_bad("a log set lies outside the volume or in a fixed area");
    if (log->checkpoint_units > e->units)
      return superblock_bad("a log set is too small for its checkpoint");
    for (unsigned j = 0; j < i; j++) {
      if (superblock_overlap(e->unit, e->units, log->sets[j].unit, log->sets[j].units))
        return superblock_bad("two log sets overlap");
    }
  }
  if (log->current >= FORMAT_LOG_SETS)
    return superblock_bad("no such log set");
  uint64_t start = log->sets[log->current].unit;
  uint64_t end = start + log->sets[log->current].units;
  uint64_t log_start = start + log->checkpoint_units;
  if (!superblock_inside(&log->checkpoint, start, log_start) || !superblock_inside(&log->last, log_start, end))
    return superblock_bad("the log or its checkpoint is not in the current set");
  if (log->next_unit < log_start || log->next_unit > end)
    return superblock_bad("the log's end is not in the current set");
  return NACRE_OK;
}

static enum nacre_err superblock_check_intent(const struct superblock *sb) {
  const struct superblock_intent *in = &sb->intent;
  if (!(sb->incompat & FORMAT_INCOMPAT_INTENT_LOG)) {
    bool none = in->unit == 0 && in->half_units == 0 && in->half == 0 && in->generation == 0 &&
                bytes_all_zero(in->id, sizeof in->id);
    return none ? NACRE_OK : superblock_bad("it has an intent log and says that it has none");
  }
  const struct superblock_extent area = {.unit = in->unit, .units = in->half_units * FORMAT_INTENT_HALVES};
  if (in->half_units < FORMAT_INTENT_HALF_MIN_UNITS || in->half_units > FORMAT_INTENT_HALF_MAX_UNITS ||
      in->half >= FORMAT_INTENT_HALVES || in->generation == 0 || in->generation > sb->generation ||
      !superblock_extent_good(&area, sb->units_end))
    return superblock_bad("its intent log's area");
  for (unsigned i = 0; i < FORMAT_LOG_SETS; i++) {
    if (superblock_overlap(area.unit, area.units, sb->log.sets[i].unit, sb->log.sets[i].units))
      return superblock_bad("its intent log's area is in a log set");
  }
  return NACRE_OK;
}

static enum nacre_err superblock_check(const struct superblock *sb) {
  const uint64_t fixed_end = (FORMAT_GROUP_1_OFFSET + FORMAT_GROUP_BYTES) / FORMAT_UNIT_BYTES;
  if (sb->generation == 0)
    return superblock_bad("generation 0");
  if (sb->ring_from == 0 || sb->ring_from > sb->generation)
    return superblock_bad("its ring");
  if (sb->branch.first == 0 || sb->branch.first > sb->generation || sb->branch.number == 0 ||
      sb->branch.number > sb->branch.first)
    return superblock_bad("its branch");
  bool is_itself = memcmp(sb->point_commit_id, sb->commit_id, sizeof sb->commit_id) == 0;
  if (sb->point_generation < sb->branch.first || sb->point_generation > sb->generation ||
      (sb->point_generation == sb->generation) != is_itself || (!is_itself && sb->generation != sb->ring_from))
    return superblock_bad("its place in the lineage");
  if (sb->units_end < fixed_end || sb->units_end > sb->units_limit || sb->units_limit > FORMAT_UNITS_MAX ||
      sb->units_end % 64 != 0)
    return superblock_bad("its size");
  if (sb->used_units > sb->units_end)
    return superblock_bad("more is used than there is");
  if (sb->next_ino == 0 || sb->next_ino > FORMAT_INO_MAX + 1 || sb->inodes >= sb->next_ino)
    return superblock_bad("its inode numbers");
  if (sb->chunk_bytes != 4096 && sb->chunk_bytes != 16384 && sb->chunk_bytes != 65536)
    return superblock_bad("its chunk size");
  if (sb->node_bytes != FORMAT_NODE_BYTES || sb->root_level >= FORMAT_LEVELS_MAX)
    return superblock_bad("its tree's measures");
  if (sb->root.unit == 0 || sb->root.len_bytes != sb->node_bytes)
    return superblock_bad("its root");
  ERR_TRY(superblock_check_log(&sb->log, sb->units_end));
  return superblock_check_intent(sb);
}

enum nacre_err superblock_decode(const uint8_t *plain, struct superblock *sb) {
  struct reader r = reader_make(plain, SUPERBLOCK_PLAIN_BYTES);
  *sb = (struct superblock){0};
  sb->compat = reader_u64(&r);
  sb->ro_compat = reader_u64(&r);
  sb->incompat = reader_u64(&r);
  /* Before all else: the features may give the rest another meaning. */
  if ((sb->incompat & ~FORMAT_INCOMPAT_KNOWN) != 0)
    return err_set(NACRE_ERR_UNSUPPORTED, "the volume uses features (%#llx) that this version does not know",
                   (unsigned long long)(sb->incompat & ~FORMAT_INCOMPAT_KNOWN));
  sb->generation = reader_u64(&r);
  reader_copy(&r, sb->commit_id, sizeof sb->commit_id);
  reader_copy(&r, sb->parent_commit_id, sizeof sb->parent_commit_id);
  sb->header_sequence_min = reader_u64(&r);
  sb->time_s = (int64_t)reader_u64(&r);
  sb->units_end = reader_u64(&r);
  sb->units_limit = reader_u64(&r);
  sb->next_ino = reader_u64(&r);
  sb->inodes = reader_u64(&r);
  sb->used_units = reader_u64(&r);
  sb->chunk_bytes = reader_u32(&r);
  sb->node_bytes = reader_u32(&r);
  sb->root_level = reader_u8(&r);
  reader_zeroes(&r, 7);
  ERR_TRY(superblock_read_ptr(&r, sb->units_end, sb->generation, &sb->root));
  for (unsigned i = 0; i < FORMAT_LOG_SETS; i++) {
    sb->log.sets[i].unit = reader_u64(&r);
    sb->log.sets[i].units = reader_u64(&r);
  }
  sb->log.checkpoint_units = reader_u64(&r);
  sb->log.current = reader_u32(&r);
  reader_zeroes(&r, 4);
  ERR_TRY(superblock_read_ptr(&r, sb->units_end, sb->generation, &sb->log.checkpoint));
  ERR_TRY(superblock_read_ptr(&r, sb->units_end, sb->generation, &sb->log.last));
  sb->log.next_unit = reader_u64(&r);
  reader_copy(&r, sb->header_mac, sizeof sb->header_mac);
  sb->ring_from = reader_u64(&r);
  sb->sealed_blocks = reader_u64(&r);
  sb->sealed_bytes = reader_u64(&r);
  reader_copy(&r, sb->branch.id, sizeof sb->branch.id);
  sb->branch.first = reader_u64(&r);
  sb->branch.number = reader_u64(&r);
  sb->point_generation = reader_u64(&r);
  reader_copy(&r, sb->point_commit_id, sizeof sb->point_commit_id);
  sb->intent.unit = reader_u64(&r);
  sb->intent.half_units = reader_u64(&r);
  sb->intent.half = reader_u32(&r);
  reader_zeroes(&r, 4);
  reader_copy(&r, sb->intent.id, sizeof sb->intent.id);
  sb->intent.generation = reader_u64(&r);
  /* A compatible feature of a later version may keep something here. */
  if (sb->compat == 0 && sb->ro_compat == 0)
    reader_zeroes(&r, r.left);
  if (r.bad)
    return superblock_bad("reserved bytes are not zero");
  return superblock_check(sb);
}
