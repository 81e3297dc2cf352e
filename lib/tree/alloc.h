/* Free space, in memory: one bit a unit (32 MiB a TiB), set while the unit is live, pending or fixed.
 *
 * A cluster is the largest thing that must be contiguous: a node or a chunk. What is smaller comes from clusters that
 * are already broken, so that counting free clusters tells what can surely be had.
 *
 * Invariants
 *   - free_units and free_clusters say what the bits say; units at and past units_end are set.
 *   - A unit in `pending` or `freed` is set in bits: it is not handed out before alloc_durable releases it.
 *   - before[g] is NULL, or group g's bits as the last sealed log record left them (releases included); the groups
 *     that have one are the only ones in which bits differ from what the log says.
 *   - What alloc_give takes was allocated before the current generation or in it, as the caller says, and is
 *     not held: the records of a hostile container may name any unit, but none goes twice, and no fixed place
 *     goes at all.
 *   - A unit in `pending` or `freed`, or that was given to alloc_hold, is held; held[g].count says how many of
 *     group g are.
 *
 * One mutex; every call takes it but those that say otherwise. */
#ifndef NACRE_TREE_ALLOC_H
#define NACRE_TREE_ALLOC_H

#include "format/format.h"
#include "tree/runs.h"
#include <pthread.h>

struct alloc_pending {
  uint64_t generation;
  struct runs runs;
};

#define ALLOC_PENDING_MAX 4

struct alloc_held {
  uint64_t *bits; /* one bit a unit; NULL while none of the group is held */
  uint32_t count;
};

struct alloc {
  pthread_mutex_t lock;
  uint64_t *bits;
  _Atomic uint64_t units_end; /* changed under the lock, read without: every extent that is read asks for it */
  uint32_t cluster_units;     /* 4 or 16 */
  uint64_t free_units, free_clusters;
  uint32_t *group_free_clusters; /* per FORMAT_CHECKPOINT_GROUP_UNITS */
  uint64_t **before;
  struct alloc_held *held;
  size_t groups;
  uint64_t cursor;       /* where the next search for a long run starts */
  uint64_t low_cursor;   /* no free cluster is below, but for what was freed at once since the last commit */
  uint64_t small_cursor; /* where the last broken cluster was */
  struct runs freed;     /* in the current generation */
  struct alloc_pending pending[ALLOC_PENDING_MAX]; /* in earlier ones, oldest first */
  unsigned pending_count;
  uint64_t pending_units; /* in both */
  uint64_t reserved_units;
};

NACRE_MUST_USE enum nacre_err alloc_start(struct alloc *a, uint64_t units_end, uint32_t cluster_units);
void alloc_end(struct alloc *a);
/* New units are free, but for the first `taken` of them, which are allocated, as a fixed place. units_end is a
 * multiple of 64. */
NACRE_MUST_USE enum nacre_err alloc_grow(struct alloc *a, uint64_t units_end, uint64_t taken);

/* The end of the last used unit, and how many are free before it. */
uint64_t alloc_used_end(struct alloc *a, uint64_t *free_before);
/* The units from units_end on, all free, are no longer the container's. A multiple of 64. */
NACRE_MUST_USE enum nacre_err alloc_shrink(struct alloc *a, uint64_t units_end);

/* Data wants long runs, and goes on where the last one ended. Nodes are read one by one: they fill the lowest holes,
 * so that the container stays as small as what it holds. */
enum alloc_fit { ALLOC_LONG, ALLOC_LOW };

/* A contiguous run of at most `want` and at least `min` units, a multiple of `multiple` long. Runs of a cluster or
 * more start at a cluster. NACRE_ERR_NO_SPACE. */
NACRE_MUST_USE enum nacre_err alloc_take(struct alloc *a, enum alloc_fit fit, uint64_t want, uint64_t min,
                                         uint64_t multiple, struct run *out);
/* The first free run that ends after `from`, whoever it would suit: what is free of a broken cluster, or whole
 * clusters, no more than `most` units of them. None: its length is 0. NACRE_ERR_NO_SPACE where `most` is less than
 * the cluster that is free there, or where others may need the broken one. */
NACRE_MUST_USE enum nacre_err alloc_take_next(struct alloc *a, uint64_t from, uint64_t most, struct run *out);
/* `now`: it was allocated in the current generation, so that no root, durable or frozen, can reach it.
 * NACRE_ERR_DAMAGED where that is not so, or a unit is free or held: nothing is given back then. */
NACRE_MUST_USE enum nacre_err alloc_give(struct alloc *a, uint64_t unit, uint64_t units, bool now);
/* At load and for fixed areas: NACRE_ERR_DAMAGED where a unit is set already or past the end. No log delta. */
NACRE_MUST_USE enum nacre_err alloc_mark(struct alloc *a, uint64_t unit, uint64_t units);

/* A place of the engine's own that is in use: alloc_give refuses it until alloc_unhold. NACRE_ERR_DAMAGED where a
 * unit of it waits to be free. */
NACRE_MUST_USE enum nacre_err alloc_hold(struct alloc *a, uint64_t unit, uint64_t units);
void alloc_unhold(struct alloc *a, uint64_t unit, uint64_t units);

/* Set units aside: at least `keep` stay besides. Counted in whole clusters' worth. False if there is not the room. */
bool alloc_reserve(struct alloc *a, uint64_t units, uint64_t keep);
void alloc_release(struct alloc *a, uint64_t units);
uint64_t alloc_reserved(struct alloc *a);
/* Units in free clusters that are not set aside. */
uint64_t alloc_available(struct alloc *a);

/* The generation's delta, for its log record: what was allocated and what was freed since the last call. Freed runs
 * become pending under `generation`. */
NACRE_MUST_USE enum nacre_err alloc_freeze(struct alloc *a, uint64_t generation, struct runs *allocated,
                                           struct runs *freed);
/* A commit became durable: release what earlier generations freed. */
void alloc_durable(struct alloc *a, uint64_t generation);
/* At load: apply one record's frees. NACRE_ERR_DAMAGED where a unit is free, or held. */
NACRE_MUST_USE enum nacre_err alloc_mark_pending(struct alloc *a, uint64_t generation, uint64_t unit, uint64_t units);

/* Without the lock. */
uint64_t alloc_units_end(struct alloc *a);
uint64_t alloc_pending_units(struct alloc *a);
/* Set bits, without what the frees of generations before `generation` hold: what is used once that one is durable. */
uint64_t alloc_used_units(struct alloc *a, uint64_t generation);
bool alloc_is_used(struct alloc *a, uint64_t unit);
/* Whether all of them are. */
bool alloc_are_used(struct alloc *a, uint64_t unit, uint64_t units);
/* fn runs under the lock. */
void alloc_each_pending(struct alloc *a, void (*fn)(void *arg, uint64_t unit, uint64_t units), void *arg);

/* The first unit in [unit, end) whose bit is so, or end. The caller holds the lock. */
uint64_t alloc_first_locked(const struct alloc *a, uint64_t unit, uint64_t end, bool set);
/* Clear a run's bits and keep the counts. The caller holds the lock. */
void alloc_clear_locked(struct alloc *a, uint64_t unit, uint64_t units);

/* Of the units [unit, end): whether one is held; hold them, of which none is; hold them no more, all of which are.
 * The caller holds the lock. */
bool alloc_any_held_locked(const struct alloc *a, uint64_t unit, uint64_t end);
NACRE_MUST_USE enum nacre_err alloc_hold_locked(struct alloc *a, uint64_t unit, uint64_t end);
void alloc_unhold_locked(struct alloc *a, uint64_t unit, uint64_t end);
/* Put a run, of which nothing is held, into `runs`, where it waits to be free. The caller holds the lock. */
NACRE_MUST_USE enum nacre_err alloc_wait_locked(struct alloc *a, struct runs *runs, uint64_t unit, uint64_t units);

/* What of a run lies in one word of one group's map. */
struct alloc_piece {
  size_t group, word;
  uint64_t mask;
};

/* The piece of [*unit, end) that comes first; *unit: where the next one begins. */
static inline struct alloc_piece alloc_next_piece(uint64_t *unit, uint64_t end) {
  const uint64_t group_units = FORMAT_CHECKPOINT_GROUP_UNITS;
  unsigned from = (unsigned)(*unit % 64);
  unsigned count = end - *unit < 64 - from ? (unsigned)(end - *unit) : 64 - from;
  struct alloc_piece p = {.group = (size_t)(*unit / group_units),
                          .word = (size_t)(*unit % group_units / 64),
                          .mask = (~0ull >> (64 - count)) << from};
  *unit += count;
  return p;
}

static inline bool alloc_bit(const struct alloc *a, uint64_t unit) {
  return (a->bits[unit / 64] >> (unit % 64)) & 1;
}

#endif
