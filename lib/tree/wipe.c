/* Random bytes over what is free and what the log's sets no longer hold. */
#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "tree/core.h"

#include <stdlib.h>

#define PIECE_UNITS ((1u << 20) / FORMAT_UNIT_BYTES)

/* What cannot be read is written all the same: it may be readable to others. */
static enum nacre_err wipe_piece(struct engine *e, uint64_t unit, uint64_t units, uint8_t *buf, uint64_t *written) {
  const size_t len = (size_t)units * FORMAT_UNIT_BYTES;
  if (store_read(e->store, buf, len, unit * FORMAT_UNIT_BYTES) == NACRE_OK && bytes_all_zero(buf, len))
    return NACRE_OK;
  env_noise(buf, len);
  ERR_TRY(store_write(e->store, buf, len, unit * FORMAT_UNIT_BYTES));
  *written += units;
  return NACRE_OK;
}

static enum nacre_err wipe_run(struct engine *e, uint64_t unit, uint64_t units, uint8_t *buf, uint64_t *written) {
  for (uint64_t done = 0; done < units; done += PIECE_UNITS)
    ERR_TRY(wipe_piece(e, unit + done, u64_min(PIECE_UNITS, units - done), buf, written));
  return NACRE_OK;
}

/* ---- The log's sets ---- */

/* The set that the next checkpoint takes is nobody's. Returns its index; false where the sets are others than those
 * that began at first_unit: they are new, and the former ones go the way of all that is freed. */
static bool next_set(struct engine *e, uint64_t first_unit, unsigned *index, struct superblock_extent *set) {
  pthread_mutex_lock(&e->state_lock);
  const struct superblock_log *log = &e->durable.log;
  const bool same = log->sets[0].unit == first_unit;
  *index = (log->current + 1) % FORMAT_LOG_SETS;
  *set = log->sets[*index];
  pthread_mutex_unlock(&e->state_lock);
  return same;
}

/* Every set gets its turn, one checkpoint after the other, whoever else makes some meanwhile. */
static enum nacre_err wipe_sets(struct engine *e, uint8_t *buf, uint64_t *written) {
  bool wiped[FORMAT_LOG_SETS] = {false};
  unsigned left = FORMAT_LOG_SETS, index;
  struct superblock_extent set;
  pthread_mutex_lock(&e->state_lock);
  const uint64_t first_unit = e->durable.log.sets[0].unit;
  pthread_mutex_unlock(&e->state_lock);
  for (;;) {
    enum nacre_err err = NACRE_OK;
    committer_hold(e);
    const bool same = next_set(e, first_unit, &index, &set);
    if (same && !wiped[index]) {
      err = wipe_run(e, set.unit, set.units, buf, written);
      wiped[index] = true;
      left--;
    }
    committer_release(e);
    if (err != NACRE_OK || !same || left == 0)
      return err;
    committer_want_checkpoint(e);
    ERR_TRY(committer_commit_anyway(e));
  }
}

enum nacre_err engine_wipe_begin(struct engine *e, struct engine_wipe *wipe) {
  wipe->written_units = 0;
  uint8_t *buf = malloc((size_t)PIECE_UNITS * FORMAT_UNIT_BYTES);
  if (buf == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = engine_check_writable(e);
  if (err == NACRE_OK)
    err = space_cut_rest(e);
  if (err == NACRE_OK)
    err = wipe_sets(e, buf, &wipe->written_units);
  free(buf);
  for (unsigned i = 0; i < SPACE_RELIEF_COMMITS && err == NACRE_OK; i++)
    err = committer_commit_anyway(e);
  return err;
}

/* ---- Free space ---- */

/* Allocated while it is written, and given back in the same generation: neither the log nor anybody else sees it. */
static enum nacre_err wipe_taken(struct engine *e, struct engine_wipe *wipe, uint8_t *buf, bool *no_room) {
  struct run run;
  ERR_TRY(engine_check_writable(e));
  const uint64_t aside = space_take_part(e, PIECE_UNITS);
  enum nacre_err err = alloc_take_next(&e->alloc, wipe->unit, aside, &run);
  space_release(e, aside);
  *no_room = err == NACRE_ERR_NO_SPACE;
  ERR_TRY(err);
  wipe->last = run.units == 0;
  if (!wipe->last) {
    err = wipe_run(e, run.unit, run.units, buf, &wipe->written_units);
    if (alloc_give(&e->alloc, run.unit, run.units, true) != NACRE_OK)
      return engine_fail(e, NACRE_ERR_DAMAGED);
  }
  if (err == NACRE_OK)
    wipe->unit = run.unit + run.units;
  return err;
}

static enum nacre_err wipe_inside(struct engine *e, struct engine_wipe *wipe, uint8_t *buf, bool *no_room) {
  *no_room = false;
  gate_enter(&e->gate);
  enum nacre_err err = wipe_taken(e, wipe, buf, no_room);
  gate_leave(&e->gate);
  return err;
}

enum nacre_err engine_wipe_next(struct engine *e, struct engine_wipe *wipe) {
  wipe->written_units = 0;
  uint8_t *buf = buffer_take(e);
  if (buf == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  bool no_room;
  enum nacre_err err = wipe_inside(e, wipe, buf, &no_room);
  for (unsigned commits = 0; no_room && commits < SPACE_RELIEF_COMMITS; commits++) {
    err = space_relieve(e);
    if (err != NACRE_OK)
      break;
    err = wipe_inside(e, wipe, buf, &no_room);
  }
  buffer_give(e, buf);
  return err;
}

enum nacre_err engine_wipe_end(struct engine *e) {
  return committer_commit_anyway(e);
}
