/* Writing the allocation log.
 *
 * Record:           0 generation (8)  8 pointer to the record before (96; zeroes: none since the checkpoint)
 *                 104 runs allocated (4)  108 runs freed (4)  112 runs: unit (8), units (4) each, allocated ones
 * first Checkpoint body:  for each group of 32768 units: 0 all free | 1 all used, none pending | 2 used bits (4096) |
 *                   3 used bits (4096), pending bits (4096). Bit i % 8 of byte i / 8 is unit i of the group.
 * Checkpoint index: 0 units_end (8)  8 body length before padding (8)  16 segments (4)  20 reserved (4)
 *                  24 nonce of the first segment (24; segment i has counter + i)  48 tags (32 each) */
#include "tree/spacelog.h"

#include "base/err.h"

#include <stdlib.h>

#define GROUP_UNITS FORMAT_CHECKPOINT_GROUP_UNITS
#define GROUP_BYTES (GROUP_UNITS / 8)
#define RECORD_FIXED_BYTES 112u
#define RECORD_RUN_BYTES 12u
#define RUN_UNITS_MAX 0xffffffffull
#define INDEX_FIXED_BYTES 48u
#define SEGMENT_BYTES FORMAT_CHECKPOINT_SEGMENT_BYTES
#define LOG_UNITS_MIN 64u

static uint64_t units_for(uint64_t bytes) {
  return u64_ceil_div(bytes, FORMAT_UNIT_BYTES);
}

static uint64_t index_units(uint64_t segments) {
  return units_for(INDEX_FIXED_BYTES + segments * AEAD_TAG_BYTES);
}

uint64_t spacelog_checkpoint_units(uint64_t units_end) {
  uint64_t groups = u64_ceil_div(units_end, GROUP_UNITS);
  uint64_t body = groups * (1 + 2 * GROUP_BYTES);
  return index_units(u64_ceil_div(body, SEGMENT_BYTES)) + units_for(body);
}

uint64_t spacelog_set_units(uint64_t checkpoint_units) {
  return checkpoint_units + u64_max(LOG_UNITS_MIN, checkpoint_units);
}

static uint64_t log_units_left(const struct superblock_log *log) {
  const struct superblock_extent *set = &log->sets[log->current];
  return set->unit + set->units - log->next_unit;
}

/* ---- Planning, at the freeze ---- */

static size_t runs_records(const struct runs *r) {
  size_t n = 0;
  for (size_t i = 0; i < r->count; i++)
    n += (size_t)u64_ceil_div(r->list[i].units, RUN_UNITS_MAX);
  return n;
}

static void runs_encode(struct writer *w, const struct runs *r) {
  for (size_t i = 0; i < r->count; i++) {
    struct run run = r->list[i];
    while (run.units > 0) {
      uint64_t part = u64_min(run.units, RUN_UNITS_MAX);
      writer_u64(w, run.unit);
      writer_u32(w, (uint32_t)part);
      run.unit += part;
      run.units -= part;
    }
  }
}

static enum nacre_err plan_record(const struct superblock_log *log, const struct runs *allocated,
                                  const struct runs *freed, struct spacelog_write *out) {
  size_t n_alloc = runs_records(allocated), n_free = runs_records(freed);
  size_t len = RECORD_FIXED_BYTES + (n_alloc + n_free) * RECORD_RUN_BYTES;
  out->plain_bytes = (size_t)units_for(len) * FORMAT_UNIT_BYTES;
  out->plain = calloc(1, out->plain_bytes);
  if (out->plain == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for the allocation log");
  struct writer w = writer_make(out->plain, out->plain_bytes);
  writer_u64(&w, out->generation);
  if (log->last.unit != 0) {
    uint8_t ptr[FORMAT_PTR_BYTES];
    ptr_encode(&log->last, ptr);
    writer_copy(&w, ptr, sizeof ptr);
  } else {
    writer_zeroes(&w, FORMAT_PTR_BYTES);
  }
  writer_u32(&w, (uint32_t)n_alloc);
  writer_u32(&w, (uint32_t)n_free);
  runs_encode(&w, allocated);
  runs_encode(&w, freed);
  out->log.last = (struct ptr){.unit = log->next_unit,
                               .len_bytes = (uint32_t)out->plain_bytes,
                               .birth = out->generation,
                               .alloc = out->generation};
  out->log.next_unit += out->plain_bytes / FORMAT_UNIT_BYTES;
  return NACRE_OK;
}

/* Bits of what the generation freed, and of what earlier ones did; a group's are there where it has any. The latter
 * count as free in a checkpoint: it is read only when its own commit, the one more that they wait for, is durable. */
struct waiting {
  uint64_t **pending, **released;
};

static enum nacre_err bits_add(uint64_t **bits, const struct runs *runs) {
  for (size_t i = 0; i < runs->count; i++) {
    const uint64_t end = runs->list[i].unit + runs->list[i].units;
    for (uint64_t at = runs->list[i].unit; at < end;) {
      struct alloc_piece p = alloc_next_piece(&at, end);
      if (bits[p.group] == NULL)
        bits[p.group] = calloc(1, GROUP_BYTES);
      if (bits[p.group] == NULL)
        return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a checkpoint of the allocation log");
      bits[p.group][p.word] |= p.mask;
    }
  }
  return NACRE_OK;
}

static void waiting_free(struct waiting *w, size_t groups) {
  for (size_t g = 0; g < groups; g++) {
    free(w->pending != NULL ? w->pending[g] : NULL);
    free(w->released != NULL ? w->released[g] : NULL);
  }
  free(w->pending);
  free(w->released);
}

/* Also where it fails, waiting_free has to follow. */
static enum nacre_err waiting_find(const struct alloc *a, uint64_t generation, struct waiting *out) {
  out->pending = calloc(a->groups, sizeof *out->pending);
  out->released = calloc(a->groups, sizeof *out->released);
  if (out->pending == NULL || out->released == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a checkpoint of the allocation log");
  for (unsigned p = 0; p < a->pending_count; p++)
    ERR_TRY(bits_add(a->pending[p].generation < generation ? out->released : out->pending, &a->pending[p].runs));
  return NACRE_OK;
}

static void words_encode(struct writer *w, const uint64_t *words) {
  uint8_t bytes[GROUP_BYTES];
  for (size_t i = 0; i < GROUP_BYTES / 8; i++)
    le64_put(bytes + i * 8, words[i]);
  writer_copy(w, bytes, sizeof bytes);
}

static void group_encode(const uint64_t *bits, const uint64_t *pending, const uint64_t *released, struct writer *w) {
  uint64_t used[GROUP_BYTES / 8];
  bool all_used = true, all_free = true;
  for (size_t i = 0; i < GROUP_BYTES / 8; i++) {
    used[i] = released != NULL ? bits[i] & ~released[i] : bits[i];
    all_used = all_used && used[i] == ~0ull;
    all_free = all_free && used[i] == 0;
  }
  if (pending == NULL && (all_free || all_used)) {
    writer_u8(w, all_used ? 1 : 0);
    return;
  }
  writer_u8(w, pending == NULL ? 2 : 3);
  words_encode(w, used);
  if (pending != NULL)
    words_encode(w, pending);
}

/* Nobody can begin a transaction meanwhile. */
static enum nacre_err encode_map(struct alloc *a, struct spacelog_write *out) {
  struct waiting waiting = {0};
  pthread_mutex_lock(&a->lock);
  size_t room = a->groups * (1 + 2 * (size_t)GROUP_BYTES) + FORMAT_UNIT_BYTES;
  enum nacre_err err = waiting_find(a, out->generation, &waiting);
  out->plain = malloc(room);
  if (err == NACRE_OK && out->plain == NULL)
    err = err_set(NACRE_ERR_NO_MEMORY, "out of memory for a checkpoint of the allocation log");
  if (err == NACRE_OK) {
    struct writer w = writer_make(out->plain, room);
    for (size_t g = 0; g < a->groups; g++)
      group_encode(a->bits + g * (GROUP_BYTES / 8), waiting.pending[g], waiting.released[g], &w);
    out->plain_bytes = w.done;
    out->units_end = a->units_end;
  }
  waiting_free(&waiting, a->groups);
  pthread_mutex_unlock(&a->lock);
  return err;
}

static enum nacre_err plan_checkpoint(struct alloc *a, struct spacelog_write *out) {
  ERR_TRY(encode_map(a, out));
  struct superblock_log *log = &out->log;
  uint64_t segments = u64_ceil_div(out->plain_bytes, SEGMENT_BYTES);
  const struct superblock_extent *set = &log->sets[log->current];
  log->checkpoint = (struct ptr){.unit = set->unit,
                                 .len_bytes = (uint32_t)(index_units(segments) * FORMAT_UNIT_BYTES),
                                 .birth = out->generation,
                                 .alloc = out->generation};
  log->last = (struct ptr){0};
  log->next_unit = set->unit + log->checkpoint_units;
  return NACRE_OK;
}

static uint32_t checkpoint_set(const struct superblock_log *log, enum spacelog_want want) {
  if (want == SPACELOG_FRESH)
    return 0;
  return (log->current + (want == SPACELOG_CHECKPOINT_ELSEWHERE ? 2 : 1)) % FORMAT_LOG_SETS;
}

enum nacre_err spacelog_plan(const struct superblock_log *log, enum spacelog_want want, struct alloc *alloc,
                             uint64_t generation, struct spacelog_write *out) {
  *out = (struct spacelog_write){.generation = generation, .log = *log};
  struct runs allocated = {0}, freed = {0};
  enum nacre_err err = alloc_freeze(alloc, generation, &allocated, &freed);
  if (err == NACRE_OK) {
    size_t runs = runs_records(&allocated) + runs_records(&freed);
    uint64_t units = units_for(RECORD_FIXED_BYTES + (uint64_t)runs * RECORD_RUN_BYTES);
    out->checkpoint = want != SPACELOG_RECORD || units > log_units_left(log);
    if (!out->checkpoint) {
      err = plan_record(log, &allocated, &freed, out);
    } else {
      out->log.current = checkpoint_set(log, want);
      err = plan_checkpoint(alloc, out);
    }
  }
  runs_free(&allocated);
  runs_free(&freed);
  return err;
}

void spacelog_write_free(struct spacelog_write *w) {
  free(w->plain);
  w->plain = NULL;
}

/* ---- Sealing and writing ---- */

static enum nacre_err write_segments(struct block_io *io, const struct spacelog_write *w, uint64_t first_unit,
                                     struct writer *index) {
  uint8_t *cipher = malloc(SEGMENT_BYTES);
  if (cipher == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a checkpoint of the allocation log");
  uint32_t segments = (uint32_t)u64_ceil_div(w->plain_bytes, SEGMENT_BYTES);
  uint8_t base[AEAD_NONCE_BYTES];
  block_take_nonces(io, segments, units_for(w->plain_bytes) * FORMAT_UNIT_BYTES, base);
  writer_copy(index, base, sizeof base);
  const struct aead_key *key = block_key(io, block_current_epoch(io), FORMAT_KIND_CHECKPOINT_SEGMENT);
  enum nacre_err err = NACRE_OK;
  for (uint32_t i = 0; i < segments && err == NACRE_OK; i++) {
    size_t done = (size_t)i * SEGMENT_BYTES;
    size_t part = (size_t)u64_min(SEGMENT_BYTES, w->plain_bytes - done);
    size_t len = (size_t)(units_for(part) * FORMAT_UNIT_BYTES);
    uint8_t aad[PTR_AAD_BYTES], nonce[AEAD_NONCE_BYTES], tag[AEAD_TAG_BYTES];
    memset(cipher, 0, len);
    memcpy(cipher, w->plain + done, part);
    ptr_aad(FORMAT_KIND_CHECKPOINT_SEGMENT, 0, block_current_epoch(io), (uint32_t)len, w->generation, aad);
    aead_nonce_add(base, i, nonce);
    err = aead_seal(key, nonce, aad, sizeof aad, cipher, len, cipher, tag);
    if (err == NACRE_OK)
      err = store_write(io->store, cipher, len, (first_unit + done / FORMAT_UNIT_BYTES) * FORMAT_UNIT_BYTES);
    writer_copy(index, tag, sizeof tag);
  }
  free(cipher);
  return err;
}

static enum nacre_err write_checkpoint(struct block_io *io, struct spacelog_write *w) {
  struct ptr *p = &w->log.checkpoint;
  uint8_t *index = calloc(1, p->len_bytes);
  if (index == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a checkpoint of the allocation log");
  struct writer iw = writer_make(index, p->len_bytes);
  writer_u64(&iw, w->units_end);
  writer_u64(&iw, w->plain_bytes);
  writer_u32(&iw, (uint32_t)u64_ceil_div(w->plain_bytes, SEGMENT_BYTES));
  writer_zeroes(&iw, 4);
  enum nacre_err err = write_segments(io, w, p->unit + p->len_bytes / FORMAT_UNIT_BYTES, &iw);
  if (err == NACRE_OK)
    err = block_seal(io, FORMAT_KIND_CHECKPOINT_INDEX, 0, p, index, index);
  if (err == NACRE_OK)
    err = store_write(io->store, index, p->len_bytes, p->unit * FORMAT_UNIT_BYTES);
  free(index);
  return err;
}

enum nacre_err spacelog_write(struct block_io *io, struct spacelog_write *w) {
  if (w->checkpoint)
    return write_checkpoint(io, w);
  struct ptr *p = &w->log.last;
  ERR_TRY(block_seal(io, FORMAT_KIND_LOG, 0, p, w->plain, w->plain));
  return store_write(io->store, w->plain, p->len_bytes, p->unit * FORMAT_UNIT_BYTES);
}
