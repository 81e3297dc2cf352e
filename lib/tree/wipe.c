/* Noise over what is free, and over what the log's sets no longer hold. */
#include "base/bytes.h"
#include "base/err.h"
#include "crypto/kdf.h"
#include "tree/core.h"

#include <stdlib.h>

#define PIECE_UNITS ((1u << 20) / FORMAT_UNIT_BYTES)
#define UNIT FORMAT_UNIT_BYTES
/* What was freed before the first of them is free after two; counting calls is enough, since a commit begins in each.
 */
#define RELEASE_COMMITS 3u

struct piece {
  uint64_t unit, units;
  bool known; /* `found` holds what is there */
  uint8_t *found, *noise;
};

/* From unit `at` of the piece on: how many are neither empty nor wiped already. Their noise is filled in. */
static uint64_t next_to_write(const struct engine_wipe *w, const struct piece *p, uint64_t at) {
  uint64_t count = 0;
  for (; at + count < p->units; count++) {
    const size_t offset = (size_t)(at + count) * UNIT;
    if (p->known && bytes_all_zero(p->found + offset, UNIT))
      break;
    kdf_noise(w->key, p->unit + at + count, p->noise + offset, UNIT);
    if (p->known && memcmp(p->found + offset, p->noise + offset, UNIT) == 0)
      break;
  }
  return count;
}

/* A place that cannot be written must not keep the rest from it. */
static enum nacre_err write_units(struct engine *e, struct engine_wipe *w, const struct piece *p, uint64_t at,
                                  uint64_t count) {
  const uint8_t *noise = p->noise + (size_t)at * UNIT;
  enum nacre_err err = store_write(e->store, noise, (size_t)count * UNIT, (p->unit + at) * UNIT);
  if (err == NACRE_OK)
    w->written_units += count;
  if (err != NACRE_ERR_IO)
    return err;
  for (uint64_t i = 0; i < count; i++) {
    err = store_write(e->store, noise + (size_t)i * UNIT, UNIT, (p->unit + at + i) * UNIT);
    if (err != NACRE_OK && err != NACRE_ERR_IO)
      return err;
    w->written_units += err == NACRE_OK;
    w->failed_units += err != NACRE_OK;
  }
  return NACRE_OK;
}

/* At most PIECE_UNITS. What cannot be read is written all the same: it may be readable to others. */
static enum nacre_err wipe_units(struct engine *e, struct engine_wipe *w, uint64_t unit, uint64_t units,
                                 uint8_t *buf) {
  struct piece p = {.unit = unit, .units = units, .found = buf, .noise = buf + (size_t)PIECE_UNITS * UNIT};
  p.known = store_read(e->store, p.found, (size_t)units * UNIT, unit * UNIT) == NACRE_OK;
  for (uint64_t at = 0; at < units;) {
    const uint64_t count = next_to_write(w, &p, at);
    if (count > 0)
      ERR_TRY(write_units(e, w, &p, at, count));
    at += count > 0 ? count : 1;
  }
  return NACRE_OK;
}

/* ---- The log's sets ---- */

/* The set that the next checkpoint takes is nobody's. Where the container got new sets meanwhile it begins with
 * these; the former ones go the way of all that is freed. */
static unsigned next_set(struct engine *e, struct engine_wipe *w, struct superblock_extent *set) {
  pthread_mutex_lock(&e->state_lock);
  const struct superblock_log *log = &e->durable.log;
  const uint64_t first_unit = log->sets[0].unit;
  const unsigned index = (log->current + 1) % FORMAT_LOG_SETS;
  *set = log->sets[index];
  pthread_mutex_unlock(&e->state_lock);
  if (w->sets_unit != first_unit) {
    w->sets_unit = first_unit;
    memset(w->set_wiped, 0, sizeof w->set_wiped);
  }
  if (w->set_unit != set->unit) {
    w->set_unit = set->unit;
    w->set_done = 0;
  }
  return index;
}

/* With the right to commit, so that the set is nobody's still. A failed commit may have taken it all the same. */
static enum nacre_err wipe_of_next_set(struct engine *e, struct engine_wipe *w, uint8_t *buf, bool *whole) {
  struct superblock_extent set;
  ERR_TRY(engine_check_writable(e));
  const unsigned index = next_set(e, w, &set);
  const uint64_t units = u64_min(PIECE_UNITS, set.units - w->set_done);
  if (!w->set_wiped[index])
    ERR_TRY(wipe_units(e, w, set.unit + w->set_done, units, buf));
  w->set_done += units;
  w->set_wiped[index] |= w->set_done == set.units;
  *whole = w->set_wiped[index];
  return NACRE_OK;
}

/* Every set gets its turn, one checkpoint after the other, whoever else makes some meanwhile. */
static enum nacre_err wipe_log(struct engine *e, struct engine_wipe *w, uint8_t *buf) {
  bool whole = false, all = true;
  committer_hold(e);
  enum nacre_err err = wipe_of_next_set(e, w, buf, &whole);
  committer_release(e);
  ERR_TRY(err);
  for (unsigned i = 0; i < FORMAT_LOG_SETS; i++)
    all = all && w->set_wiped[i];
  if (whole && !all) {
    committer_want_checkpoint(e);
    return committer_commit_anyway(e);
  }
  for (unsigned i = 0; all && i < RELEASE_COMMITS; i++)
    ERR_TRY(committer_commit_anyway(e));
  if (all)
    w->phase = WIPE_INTENT;
  return NACRE_OK;
}

/* ---- The intent log's halves ---- */

/* With the right to commit: the half that the durable commit does not use is nobody's. What commits write into one
 * between two steps is sealed under the new epoch. *whole: it is wiped. */
static enum nacre_err wipe_of_other_half(struct engine *e, struct engine_wipe *w, uint8_t *buf, bool *whole) {
  const struct superblock_intent *area = &e->durable.intent;
  const unsigned half = (area->half + 1) % FORMAT_INTENT_HALVES;
  ERR_TRY(engine_check_writable(e));
  const uint64_t units = u64_min(PIECE_UNITS, area->half_units - w->half_done[half]);
  if (units > 0)
    ERR_TRY(wipe_units(e, w, area->unit + half * area->half_units + w->half_done[half], units, buf));
  w->half_done[half] += units;
  *whole = w->half_done[half] == area->half_units;
  return NACRE_OK;
}

static enum nacre_err wipe_intent(struct engine *e, struct engine_wipe *w, uint8_t *buf) {
  bool whole = false;
  committer_hold(e);
  enum nacre_err err = wipe_of_other_half(e, w, buf, &whole);
  const uint64_t all = e->durable.intent.half_units;
  committer_release(e);
  ERR_TRY(err);
  if (w->half_done[0] == all && w->half_done[1] == all)
    w->phase = WIPE_FREE;
  else if (whole)
    return committer_commit_anyway(e); /* the other one's turn */
  return NACRE_OK;
}

/* ---- Free space ---- */

/* Allocated while it is written, and given back in the same generation: neither the log nor anybody else sees it. */
static enum nacre_err wipe_taken(struct engine *e, struct engine_wipe *w, uint8_t *buf, bool *no_room) {
  struct run run;
  ERR_TRY(engine_check_writable(e));
  const uint64_t aside = space_take_part(e, PIECE_UNITS);
  enum nacre_err err = alloc_take_next(&e->alloc, w->unit, aside, &run);
  space_release(e, aside);
  *no_room = err == NACRE_ERR_NO_SPACE;
  ERR_TRY(err);
  if (run.units == 0) {
    w->phase = WIPE_END;
    return NACRE_OK;
  }
  err = wipe_units(e, w, run.unit, run.units, buf);
  const enum nacre_err given = alloc_give(&e->alloc, run.unit, run.units, true);
  if (given != NACRE_OK)
    return engine_fail(e, given);
  if (err == NACRE_OK)
    w->unit = run.unit + run.units;
  return err;
}

static enum nacre_err wipe_inside(struct engine *e, struct engine_wipe *w, uint8_t *buf, bool *no_room) {
  *no_room = false;
  gate_enter(&e->gate);
  enum nacre_err err = wipe_taken(e, w, buf, no_room);
  gate_leave(&e->gate);
  return err;
}

static enum nacre_err wipe_free(struct engine *e, struct engine_wipe *w, uint8_t *buf) {
  bool no_room;
  enum nacre_err err = wipe_inside(e, w, buf, &no_room);
  for (unsigned commits = 0; no_room && commits < SPACE_RELIEF_COMMITS; commits++) {
    ERR_TRY(space_relieve(e));
    err = wipe_inside(e, w, buf, &no_room);
  }
  return err;
}

/* ---- The steps ---- */

static enum nacre_err wipe_end(struct engine *e, struct engine_wipe *w) {
  /* What was in use when it was passed, and was given back without having been written. */
  const uint64_t unwritten = atomic_load(&e->unwritten_given);
  if (w->unwritten_given != unwritten) {
    w->unwritten_given = unwritten;
    w->unit = 0;
    w->phase = WIPE_FREE;
    return NACRE_OK;
  }
  ERR_TRY(committer_commit_anyway(e));
  w->done = true;
  return NACRE_OK;
}

static enum nacre_err wipe_step(struct engine *e, struct engine_wipe *w, uint8_t *buf) {
  switch (w->phase) {
  case WIPE_START:
    w->unwritten_given = atomic_load(&e->unwritten_given);
    ERR_TRY(engine_check_writable(e));
    ERR_TRY(space_cut_rest(e));
    w->phase = WIPE_LOG;
    return NACRE_OK;
  case WIPE_LOG:
    return wipe_log(e, w, buf);
  case WIPE_INTENT:
    return wipe_intent(e, w, buf);
  case WIPE_FREE:
    return wipe_free(e, w, buf);
  case WIPE_END:
    break;
  }
  return wipe_end(e, w);
}

enum nacre_err engine_wipe(struct engine *e, struct engine_wipe *w) {
  w->written_units = 0;
  uint8_t *buf = buffer_take(e);
  if (buf == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = wipe_step(e, w, buf);
  buffer_give(e, buf);
  return err;
}
