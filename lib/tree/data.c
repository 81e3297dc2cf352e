/* Data chunks: allocate, seal, write; read, open. */
#include "base/err.h"
#include "base/secmem.h"
#include "tree/core.h"

#include <stdlib.h>

uint8_t *buffer_take(struct engine *e) {
  uint8_t *buffer = NULL;
  pthread_mutex_lock(&e->buffer_lock);
  if (e->buffer_count > 0)
    buffer = e->buffers[--e->buffer_count];
  pthread_mutex_unlock(&e->buffer_lock);
  return buffer != NULL ? buffer : malloc(BUFFER_BYTES);
}

void buffer_give(struct engine *e, uint8_t *buffer) {
  pthread_mutex_lock(&e->buffer_lock);
  if (e->buffer_count < sizeof e->buffers / sizeof e->buffers[0]) {
    e->buffers[e->buffer_count++] = buffer;
    buffer = NULL;
  }
  pthread_mutex_unlock(&e->buffer_lock);
  free(buffer);
}

/* Fill the extent's place and size from what the allocator had: all of it, or as many whole chunks as fit. */
static enum nacre_err extent_allocate(struct txn *txn, uint32_t count, uint32_t chunk_bytes, uint32_t last_bytes,
                                      uint64_t birth, struct extent *x) {
  uint64_t chunk_units = chunk_bytes / FORMAT_UNIT_BYTES, last_units = last_bytes / FORMAT_UNIT_BYTES;
  uint64_t want = (count - 1) * chunk_units + last_units;
  struct run run;
  ERR_TRY(
      alloc_take(&txn->engine->alloc, ALLOC_LONG, want, count == 1 ? last_units : chunk_units, chunk_units, &run));
  bool all = run.units == want;
  x->unit = run.unit;
  x->chunk_bytes = chunk_bytes;
  x->count = all ? count : (uint32_t)(run.units / chunk_units);
  x->last_bytes = all ? last_bytes : chunk_bytes;
  x->birth = birth;
  x->alloc = txn->generation;
  return NACRE_OK;
}

static enum nacre_err write_born(struct txn *txn, const uint8_t *const chunks[], uint32_t count, uint32_t chunk_bytes,
                                 uint32_t last_bytes, uint64_t birth, struct extent *out) {
  struct engine *e = txn->engine;
  uint32_t most = (uint32_t)u64_min(FORMAT_EXTENT_CHUNKS_MAX, BUFFER_BYTES / chunk_bytes);
  if (count > most) {
    count = most;
    last_bytes = chunk_bytes;
  }
  engine_wants_commit(e);
  ERR_TRY(extent_allocate(txn, count, chunk_bytes, last_bytes, birth, out));
  uint64_t units = extent_units(out);
  uint8_t *cipher = buffer_take(e);
  enum nacre_err err = NACRE_OK;
  if (cipher == NULL)
    err = err_set(NACRE_ERR_NO_MEMORY, "out of memory for a write");
  if (err == NACRE_OK)
    err = block_seal_extent(&e->io, out, chunks, cipher);
  if (err == NACRE_OK)
    err = store_write(e->store, cipher, (size_t)units * FORMAT_UNIT_BYTES, out->unit * FORMAT_UNIT_BYTES);
  if (cipher != NULL)
    buffer_give(e, cipher);
  if (err != NACRE_OK)
    atomic_fetch_add(&e->unwritten_given, 1);
  if (err != NACRE_OK && alloc_give(&e->alloc, out->unit, units, true) != NACRE_OK)
    return engine_fail(e, err);
  return err;
}

enum nacre_err data_write(struct txn *txn, const uint8_t *const chunks[], uint32_t count, uint32_t chunk_bytes,
                          uint32_t last_bytes, struct extent *out) {
  return write_born(txn, chunks, count, chunk_bytes, last_bytes, txn->generation, out);
}

enum nacre_err data_move(struct txn *txn, const uint8_t *const chunks[], const struct extent *from,
                         struct extent *out) {
  return write_born(txn, chunks, from->count, from->chunk_bytes, from->last_bytes, from->birth, out);
}

static uint64_t chunk_offset(const struct extent *x, uint32_t index) {
  return (x->unit + (uint64_t)index * (x->chunk_bytes / FORMAT_UNIT_BYTES)) * FORMAT_UNIT_BYTES;
}

enum nacre_err data_read_at_once(struct engine *e, const struct extent *x, uint32_t index, uint8_t *out,
                                 bool *there) {
  ERR_TRY(store_read_at_once(e->store, out, extent_piece_bytes(x, index), chunk_offset(x, index), there));
  return *there ? block_open_chunk(&e->io, x, index, out, out) : NACRE_OK;
}

enum nacre_err data_read(struct engine *e, const struct extent *x, uint32_t first, uint32_t count, uint8_t *out) {
  size_t len = (size_t)(count - 1) * x->chunk_bytes + extent_piece_bytes(x, first + count - 1);
  ERR_TRY(store_read(e->store, out, len, chunk_offset(x, first)));
  for (uint32_t i = 0; i < count; i++) {
    uint8_t *piece = out + (size_t)i * x->chunk_bytes;
    ERR_TRY(block_open_chunk(&e->io, x, first + i, piece, piece));
  }
  return NACRE_OK;
}

void data_free(struct txn *txn, const struct extent *x) {
  struct engine *e = txn->engine;
  engine_wants_commit(e);
  enum nacre_err err = alloc_give(&e->alloc, x->unit, extent_units(x), x->alloc == txn->generation);
  if (err != NACRE_OK)
    (void)engine_fail(e, err);
}
