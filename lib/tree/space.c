/* Room before it is promised: reservations, the reserve, growing the container. */
#include "base/err.h"
#include "tree/core.h"

#define GROW_UNITS_MIN 256u   /* 1 MiB */
#define GROW_UNITS_MAX 16384u /* 64 MiB */
/* Reservations are several times what they become, 21 units for a chunk of 4 that lies alone. So much of them, or a
 * part of the container, is let be: what the container grows by for them, its close gives back, and to store what is
 * buffered, each time that fewer were at hand, made every other fsync a commit. */
#define RESERVED_UNITS_EASY 12288u /* 48 MiB: what a half of the intent log may have of them is 42 */
#define RESERVED_PART_EASY 32u
#define KEEP_UNITS_MIN 512u  /* 2 MiB */
#define KEEP_UNITS_MAX 8192u /* 32 MiB */
#define KEEP_CLUSTERS_MIN 64u

uint32_t space_cluster_units(uint32_t chunk_bytes) {
  uint32_t chunk_units = chunk_bytes / FORMAT_UNIT_BYTES;
  return chunk_units > FORMAT_NODE_UNITS ? chunk_units : FORMAT_NODE_UNITS;
}

uint64_t space_keep_units(const struct engine *e, uint64_t units_end) {
  uint64_t least = u64_max(KEEP_UNITS_MIN, (uint64_t)KEEP_CLUSTERS_MIN * e->alloc.cluster_units);
  return u64_max(u64_min(units_end / 512, KEEP_UNITS_MAX), least);
}

uint64_t space_dirty_units(struct engine *e) {
  return e->tree.dirty_nodes * FORMAT_NODE_UNITS + e->alloc.cluster_units;
}

/* A record's leaf and the leaf that a split adds; branches are few beside leaves, and the reserve has room for them.
 */
uint64_t engine_metadata_units(uint32_t records) {
  return (uint64_t)records * 2 * FORMAT_NODE_UNITS;
}

/* ---- Growing ---- */

/* New log sets, when the checkpoint of the longer container no longer fits the ones there are. They are the first
 * units of the new area. */
static uint64_t fresh_log_units(struct engine *e, uint64_t units_end, struct superblock_log *log) {
  pthread_mutex_lock(&e->state_lock);
  uint64_t have = e->has_fresh_log ? e->fresh_log.checkpoint_units : e->durable.log.checkpoint_units;
  pthread_mutex_unlock(&e->state_lock);
  if (spacelog_checkpoint_units(units_end) <= have)
    return 0;
  *log =
      (struct superblock_log){.checkpoint_units = spacelog_checkpoint_units(u64_min(units_end * 4, e->units_limit))};
  uint64_t set = u64_ceil_div(spacelog_set_units(log->checkpoint_units), 64) * 64;
  for (unsigned i = 0; i < FORMAT_LOG_SETS; i++)
    log->sets[i] = (struct superblock_extent){.unit = alloc_units_end(&e->alloc) + i * set, .units = set};
  return FORMAT_LOG_SETS * set;
}

static enum nacre_err install_fresh_log(struct engine *e, const struct superblock_log *log) {
  const struct superblock_extent *first = &e->fresh_log.sets[0]; /* the others follow */
  enum nacre_err err = NACRE_OK;
  pthread_mutex_lock(&e->state_lock);
  if (e->has_fresh_log) {
    alloc_unhold(&e->alloc, first->unit, FORMAT_LOG_SETS * first->units);
    err = alloc_give(&e->alloc, first->unit, FORMAT_LOG_SETS * first->units, true);
  }
  e->fresh_log = *log;
  e->has_fresh_log = true;
  e->dirty = true;
  pthread_mutex_unlock(&e->state_lock);
  return err;
}

static enum nacre_err grow_locked(struct engine *e, uint64_t units) {
  uint64_t end = alloc_units_end(&e->alloc), limit = e->units_limit / 64 * 64;
  if (end >= limit || !store_can_resize(e->store))
    return err_set(NACRE_ERR_NO_SPACE, "the volume is full");
  uint64_t step = u64_min(u64_max(end / 64, GROW_UNITS_MIN), GROW_UNITS_MAX);
  uint64_t new_end = u64_min((end + u64_max(step, units) + 63) / 64 * 64, limit);
  struct superblock_log log;
  uint64_t taken = fresh_log_units(e, new_end, &log);
  if (taken > 0)
    new_end = u64_min(new_end + taken, limit);
  if (taken > new_end - end)
    return err_set(NACRE_ERR_NO_SPACE, "the volume is full");
  uint64_t size;
  ERR_TRY(store_size(e->store, &size));
  if (size < new_end * FORMAT_UNIT_BYTES)
    ERR_TRY(store_resize(e->store, new_end * FORMAT_UNIT_BYTES));
  ERR_TRY(alloc_grow(&e->alloc, new_end, taken));
  return taken > 0 ? install_fresh_log(e, &log) : NACRE_OK;
}

/* Inside the gate, so that a freeze sees the new area and its log sets together or not at all. */
enum nacre_err space_grow(struct engine *e, uint64_t units) {
  gate_enter(&e->gate);
  pthread_mutex_lock(&e->grow_lock);
  enum nacre_err err = grow_locked(e, units);
  pthread_mutex_unlock(&e->grow_lock);
  gate_leave(&e->gate);
  return err;
}

static enum nacre_err cut_rest_locked(struct engine *e) {
  uint64_t size, end = alloc_units_end(&e->alloc) * FORMAT_UNIT_BYTES;
  ERR_TRY(store_size(e->store, &size));
  return size > end ? store_resize(e->store, end) : NACRE_OK;
}

enum nacre_err space_cut_rest(struct engine *e) {
  if (!store_can_resize(e->store))
    return NACRE_OK;
  pthread_mutex_lock(&e->grow_lock);
  enum nacre_err err = cut_rest_locked(e);
  pthread_mutex_unlock(&e->grow_lock);
  return err;
}

/* ---- Reserving ---- */

enum nacre_err space_relieve(struct engine *e) {
  return alloc_pending_units(&e->alloc) > 0 ? committer_commit_anyway(e) : engine_commit(e);
}

/* Before the container grows for what is only reserved, have it stored: that takes far less. */
static enum nacre_err settle_reservations(struct engine *e) {
  uint64_t easy = u64_max(alloc_units_end(&e->alloc) / RESERVED_PART_EASY, RESERVED_UNITS_EASY);
  if (e->flush == NULL || alloc_reserved(&e->alloc) <= easy)
    return NACRE_OK;
  return e->flush(e->flush_arg, false, NULL);
}

static bool take_now(struct engine *e, uint64_t units, bool freeing) {
  uint64_t keep = space_keep_units(e, alloc_units_end(&e->alloc));
  return alloc_reserve(&e->alloc, units, (freeing ? keep / 4 : keep) + space_dirty_units(e));
}

uint64_t space_take_part(struct engine *e, uint64_t units) {
  while (units >= e->alloc.cluster_units && !take_now(e, units, true))
    units /= 2;
  return units >= e->alloc.cluster_units ? units : 0;
}

enum nacre_err space_take(struct engine *e, uint64_t units, bool freeing) {
  bool settled = false;
  for (unsigned commits = 0;;) {
    if (take_now(e, units, freeing))
      return NACRE_OK;
    enum nacre_err err = settled ? space_grow(e, units) : settle_reservations(e);
    settled = true;
    if (err == NACRE_OK)
      continue;
    if (err != NACRE_ERR_NO_SPACE)
      return err;
    if (commits++ == SPACE_RELIEF_COMMITS)
      return space_grow(e, units); /* once more, for its word on which of the two is full, volume or host */
    ERR_TRY(space_relieve(e));
  }
}

/* Dirty nodes are memory too. At a third of it a commit is asked for; at two thirds who makes more waits for one. */
static enum nacre_err relieve_memory(struct engine *e) {
  uint64_t dirty_bytes = e->tree.dirty_nodes * (FORMAT_NODE_BYTES + FORMAT_NODE_BYTES / 4);
  if (dirty_bytes <= e->options.memory_bytes / 3)
    return NACRE_OK;
  if (dirty_bytes <= e->options.memory_bytes / 3 * 2 && committer_ask(e))
    return NACRE_OK;
  return engine_commit(e);
}

enum nacre_err space_reserve(struct engine *e, uint64_t units) {
  ERR_TRY(engine_check_writable(e));
  ERR_TRY(relieve_memory(e));
  return space_take(e, units, false);
}

enum nacre_err space_reserve_again(struct engine *e, uint64_t units) {
  bool there = alloc_reserve(&e->alloc, units, space_dirty_units(e));
  return there ? NACRE_OK : err_set(NACRE_ERR_NO_SPACE, "the volume is full");
}

void space_release(struct engine *e, uint64_t units) {
  alloc_release(&e->alloc, units);
}

/* ---- Transactions ---- */

enum nacre_err txn_begin(struct engine *e, enum txn_class class, uint32_t records, struct txn *txn) {
  *txn = (struct txn){.engine = e, .class = class};
  ERR_TRY(engine_check_writable(e));
  if (class != TXN_FLUSH) {
    ERR_TRY(relieve_memory(e));
    uint64_t units = engine_metadata_units(records);
    ERR_TRY(space_take(e, units, class == TXN_FREEING));
    txn->reserved_units = units;
  }
  gate_enter(&e->gate);
  txn->generation = e->tree.generation;
  enum nacre_err err = engine_check_writable(e);
  if (err != NACRE_OK)
    txn_end(txn);
  return err;
}

void txn_end(struct txn *txn) {
  if (txn->reserved_units > 0)
    alloc_release(&txn->engine->alloc, txn->reserved_units);
  gate_leave(&txn->engine->gate);
}

enum nacre_err txn_abort(struct txn *txn, enum nacre_err err) {
  return engine_fail(txn->engine, err);
}

enum nacre_err engine_new_ino(struct txn *txn, uint64_t *ino) {
  struct engine *e = txn->engine;
  pthread_mutex_lock(&e->state_lock);
  enum nacre_err err = NACRE_OK;
  if (e->next_ino > FORMAT_INO_MAX)
    err = err_set(NACRE_ERR_NO_SPACE, "the volume has used up its inode numbers");
  else
    *ino = e->next_ino++;
  pthread_mutex_unlock(&e->state_lock);
  return err;
}

void engine_count_inodes(struct txn *txn, int64_t delta) {
  struct engine *e = txn->engine;
  pthread_mutex_lock(&e->state_lock);
  /* A container that lies about the number must not make it wrap. */
  bool wraps = delta < 0 && e->inodes < (uint64_t)-delta;
  e->inodes = wraps ? 0 : e->inodes + (uint64_t)delta;
  pthread_mutex_unlock(&e->state_lock);
}
