/* Reading the allocation log. All of it is authenticated, and still taken as hostile. */
#include "base/err.h"
#include "tree/spacelog.h"

#include <stdlib.h>

#define GROUP_UNITS FORMAT_CHECKPOINT_GROUP_UNITS
#define GROUP_BYTES (GROUP_UNITS / 8)
#define SEGMENT_BYTES FORMAT_CHECKPOINT_SEGMENT_BYTES
#define INDEX_FIXED_BYTES 48u

static enum nacre_err malformed(const char *what) {
  return err_set(NACRE_ERR_DAMAGED, "the allocation log is malformed: %s", what);
}

static bool inside_set(const struct superblock_log *log, uint64_t unit, uint64_t units) {
  const struct superblock_extent *set = &log->sets[log->current];
  return unit >= set->unit && unit - set->unit < set->units && units <= set->units - (unit - set->unit);
}

/* ---- Checkpoint ---- */

static enum nacre_err read_segments(struct block_io *io, const struct superblock_log *log, struct reader *index,
                                    uint8_t *body, uint64_t body_bytes) {
  const struct ptr *p = &log->checkpoint;
  uint64_t first_unit = p->unit + p->len_bytes / FORMAT_UNIT_BYTES;
  uint8_t base[AEAD_NONCE_BYTES];
  reader_copy(index, base, sizeof base);
  if (le64_get(base + AEAD_NONCE_BYTES - 8) > UINT64_MAX - body_bytes / SEGMENT_BYTES)
    return malformed("a checkpoint's nonces");
  for (uint64_t done = 0; done < body_bytes; done += SEGMENT_BYTES) {
    uint64_t part = u64_min(SEGMENT_BYTES, body_bytes - done);
    struct ptr s = {.unit = first_unit + done / FORMAT_UNIT_BYTES,
                    .len_bytes = (uint32_t)(u64_ceil_div(part, FORMAT_UNIT_BYTES) * FORMAT_UNIT_BYTES),
                    .epoch = p->epoch,
                    .birth = p->birth};
    if (!inside_set(log, s.unit, s.len_bytes / FORMAT_UNIT_BYTES))
      return malformed("a checkpoint leaves its set");
    aead_nonce_add(base, done / SEGMENT_BYTES, s.nonce);
    reader_copy(index, s.tag, sizeof s.tag);
    ERR_TRY(block_read(io, FORMAT_KIND_CHECKPOINT_SEGMENT, 0, &s, body + done));
    if (!bytes_all_zero(body + done + part, s.len_bytes - (uint32_t)part))
      return malformed("a checkpoint's padding");
  }
  if (index->bad)
    return malformed("a checkpoint's index is short");
  reader_zeroes(index, index->left);
  return index->bad ? malformed("a checkpoint's index has a tail") : NACRE_OK;
}

static enum nacre_err mark_bits(const uint8_t *bits, uint64_t base, uint64_t units_end, struct alloc *alloc,
                                uint64_t pending_generation) {
  uint64_t n = base < units_end ? u64_min(GROUP_UNITS, units_end - base) : 0;
  for (uint64_t i = 0; i < n;) {
    if ((bits[i / 8] >> (i % 8) & 1) == 0) {
      i++;
      continue;
    }
    uint64_t from = i;
    while (i < n && (bits[i / 8] >> (i % 8) & 1) != 0)
      i++;
    if (pending_generation == 0)
      ERR_TRY(alloc_mark(alloc, base + from, i - from));
    else
      ERR_TRY(alloc_mark_pending(alloc, pending_generation, base + from, i - from));
  }
  return NACRE_OK;
}

static enum nacre_err load_group(struct reader *r, uint64_t base, uint64_t units_end, uint64_t generation,
                                 struct alloc *alloc) {
  static const uint8_t zero_is_free = 0, one_is_used = 1, two_has_bits = 2, three_has_pending = 3;
  uint8_t tag = reader_u8(r);
  if (tag == zero_is_free)
    return NACRE_OK;
  if (tag == one_is_used)
    return alloc_mark(alloc, base, u64_min(GROUP_UNITS, units_end - base));
  if (tag != two_has_bits && tag != three_has_pending)
    return malformed("unknown group tag");
  const uint8_t *used = reader_view(r, GROUP_BYTES);
  const uint8_t *pending = tag == three_has_pending ? reader_view(r, GROUP_BYTES) : NULL;
  if (r->bad)
    return malformed("a checkpoint is short");
  ERR_TRY(mark_bits(used, base, units_end, alloc, 0));
  return pending == NULL ? NACRE_OK : mark_bits(pending, base, units_end, alloc, generation);
}

static enum nacre_err load_body(struct block_io *io, const struct superblock_log *log, struct reader *index,
                                uint64_t units_end, uint64_t body_bytes, struct alloc *alloc) {
  uint8_t *body = malloc((size_t)body_bytes + SEGMENT_BYTES);
  if (body == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for the allocation log");
  enum nacre_err err = read_segments(io, log, index, body, body_bytes);
  struct reader r = reader_make(body, (size_t)body_bytes);
  for (uint64_t base = 0; base < units_end && err == NACRE_OK; base += GROUP_UNITS)
    err = load_group(&r, base, units_end, log->checkpoint.birth, alloc);
  if (err == NACRE_OK && (r.bad || r.left != 0))
    err = malformed("a checkpoint has the wrong length");
  free(body);
  return err;
}

static uint64_t index_bytes_max(uint64_t units_end) {
  uint64_t body = u64_ceil_div(units_end, GROUP_UNITS) * (1 + 2 * (uint64_t)GROUP_BYTES);
  return INDEX_FIXED_BYTES + u64_ceil_div(body, SEGMENT_BYTES) * AEAD_TAG_BYTES + FORMAT_UNIT_BYTES;
}

static enum nacre_err load_checkpoint(struct block_io *io, const struct superblock_log *log, uint64_t units_end_max,
                                      struct alloc *alloc) {
  const struct ptr *p = &log->checkpoint;
  if (log->checkpoint_units < spacelog_checkpoint_units(units_end_max))
    return malformed("its sets are too small for the container");
  if (p->len_bytes < INDEX_FIXED_BYTES || p->len_bytes > index_bytes_max(units_end_max) ||
      !inside_set(log, p->unit, p->len_bytes / FORMAT_UNIT_BYTES))
    return malformed("the checkpoint is outside its set");
  uint8_t *raw = malloc(p->len_bytes);
  if (raw == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for the allocation log");
  enum nacre_err err = block_read(io, FORMAT_KIND_CHECKPOINT_INDEX, 0, p, raw);
  if (err == NACRE_OK) {
    struct reader r = reader_make(raw, p->len_bytes);
    uint64_t units_end = reader_u64(&r), body_bytes = reader_u64(&r);
    uint32_t segments = reader_u32(&r);
    reader_zeroes(&r, 4);
    uint64_t groups = u64_ceil_div(units_end, GROUP_UNITS);
    if (r.bad || units_end == 0 || units_end % 64 != 0 || units_end > units_end_max ||
        body_bytes > groups * (1 + 2 * (uint64_t)GROUP_BYTES) || segments != u64_ceil_div(body_bytes, SEGMENT_BYTES))
      err = malformed("a checkpoint's index makes no sense");
    else
      err = load_body(io, log, &r, units_end, body_bytes, alloc);
  }
  free(raw);
  return err;
}

/* ---- Records ---- */

struct record {
  uint64_t generation;
  uint8_t *plain;
  uint32_t len_bytes;
};

struct records {
  struct record *list;
  size_t count, room;
};

static void records_free(struct records *rs) {
  for (size_t i = 0; i < rs->count; i++)
    free(rs->list[i].plain);
  free(rs->list);
}

static enum nacre_err records_add(struct records *rs, const struct record *rec) {
  if (rs->count == rs->room) {
    size_t room = rs->room == 0 ? 16 : rs->room * 2;
    struct record *list = realloc(rs->list, room * sizeof *list);
    if (list == NULL)
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory for the allocation log");
    rs->list = list;
    rs->room = room;
  }
  rs->list[rs->count++] = *rec;
  return NACRE_OK;
}

/* From the newest back to the checkpoint. Addresses go down, so the chain ends. */
static enum nacre_err read_chain(struct block_io *io, const struct superblock_log *log, uint64_t units_end,
                                 struct records *rs) {
  struct ptr p = log->last;
  uint64_t limit = log->next_unit, first = log->sets[log->current].unit + log->checkpoint_units;
  while (p.unit != 0) {
    uint64_t units = p.len_bytes / FORMAT_UNIT_BYTES;
    if (units == 0 || p.unit < first || p.unit >= limit || units > limit - p.unit ||
        !inside_set(log, p.unit, units) || p.birth <= log->checkpoint.birth)
      return malformed("a record is out of place");
    struct record rec = {.generation = p.birth, .plain = malloc(p.len_bytes), .len_bytes = p.len_bytes};
    if (rec.plain == NULL)
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory for the allocation log");
    enum nacre_err err = block_read(io, FORMAT_KIND_LOG, 0, &p, rec.plain);
    if (err == NACRE_OK)
      err = records_add(rs, &rec);
    if (err != NACRE_OK) {
      free(rec.plain);
      return err;
    }
    limit = p.unit;
    if (bytes_all_zero(rec.plain + 8, FORMAT_PTR_BYTES))
      return NACRE_OK;
    uint64_t birth = p.birth;
    ERR_TRY(ptr_decode(rec.plain + 8, units_end, &p));
    if (p.birth >= birth)
      return malformed("records are out of order");
  }
  return NACRE_OK;
}

static enum nacre_err apply_record(const struct record *rec, struct alloc *alloc) {
  struct reader r = reader_make(rec->plain, rec->len_bytes);
  uint64_t generation = reader_u64(&r);
  (void)reader_view(&r, FORMAT_PTR_BYTES);
  uint32_t allocated = reader_u32(&r), freed = reader_u32(&r);
  if (r.bad || generation != rec->generation)
    return malformed("a record has the wrong generation");
  for (uint64_t i = 0; i < (uint64_t)allocated + freed && !r.bad; i++) {
    uint64_t unit = reader_u64(&r), units = reader_u32(&r);
    if (r.bad)
      break;
    if (i < allocated)
      ERR_TRY(alloc_mark(alloc, unit, units));
    else
      ERR_TRY(alloc_mark_pending(alloc, generation, unit, units));
  }
  if (r.bad)
    return malformed("a record is short");
  reader_zeroes(&r, r.left);
  return r.bad ? malformed("a record's padding") : NACRE_OK;
}

enum nacre_err spacelog_load(struct block_io *io, const struct superblock_log *log, uint64_t units_end,
                             uint64_t generation, struct alloc *alloc) {
  ERR_TRY(load_checkpoint(io, log, units_end, alloc));
  struct records rs = {0};
  enum nacre_err err = read_chain(io, log, units_end, &rs);
  uint64_t durable = log->checkpoint.birth;
  for (size_t i = rs.count; i > 0 && err == NACRE_OK; i--) {
    alloc_durable(alloc, durable);
    err = apply_record(&rs.list[i - 1], alloc);
    durable = rs.list[i - 1].generation;
  }
  if (err == NACRE_OK && durable != generation)
    err = malformed("its newest record is not the superblock's");
  if (err == NACRE_OK)
    alloc_durable(alloc, durable);
  records_free(&rs);
  return err;
}
