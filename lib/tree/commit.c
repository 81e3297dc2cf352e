/* The commit. What it promises is in engine.h; commit_write is the order that keeps it. */
#include "base/env.h"
#include "base/err.h"
#include "tree/core.h"
#include "tree/lineage.h"

struct commit {
  bool needed;
  struct tree_frozen tree;
  struct spacelog_write log;
  struct superblock sb;
};

static bool commit_is_needed(struct engine *e) {
  pthread_mutex_lock(&e->state_lock);
  bool dirty = e->dirty || e->header_changed;
  pthread_mutex_unlock(&e->state_lock);
  return dirty || e->tree.dirty_nodes > 0;
}

/* Superblock of the frozen generation, but for the root's and the log's pointers, which sealing completes. */
static void fill_superblock(struct engine *e, struct commit *c) {
  struct superblock *sb = &c->sb;
  pthread_mutex_lock(&e->state_lock);
  *sb = e->durable;
  memcpy(sb->parent_commit_id, e->durable.commit_id, sizeof sb->parent_commit_id);
  sb->next_ino = e->next_ino;
  sb->inodes = e->inodes;
  sb->ring_from = e->ring_from;
  sb->branch = e->branch;
  sb->header_sequence_min = e->header_sequence_min;
  memcpy(sb->header_mac, e->header_mac, sizeof sb->header_mac);
  e->header_changed = false;
  e->dirty = false;
  e->has_fresh_log = false;
  pthread_mutex_unlock(&e->state_lock);
  env_random(sb->commit_id, sizeof sb->commit_id);
  sb->generation = c->log.generation;
  sb->epoch = block_current_epoch(&e->io);
  if (!e->restating) {
    sb->point_generation = sb->generation;
    memcpy(sb->point_commit_id, sb->commit_id, sizeof sb->point_commit_id);
    sb->time_s = env_realtime().s;
  }
  if (!e->intent.pending && sb->intent.half_units > 0) {
    env_random(sb->intent.id, sizeof sb->intent.id);
    sb->intent.half = (sb->intent.half + 1) % FORMAT_INTENT_HALVES;
    sb->intent.generation = sb->generation;
  }
  sb->units_end = alloc_units_end(&e->alloc);
  sb->used_units = alloc_used_units(&e->alloc, sb->generation);
  sb->root_level = c->tree.root->level;
}

/* The sets that fresh ones replace are free from this commit on. */
static enum nacre_err give_old_log(struct engine *e) {
  const struct superblock_log *old = &e->durable.log;
  for (unsigned i = 0; i < FORMAT_LOG_SETS; i++) {
    if (old->sets[i].units == 0)
      continue;
    alloc_unhold(&e->alloc, old->sets[i].unit, old->sets[i].units);
    ERR_TRY(alloc_give(&e->alloc, old->sets[i].unit, old->sets[i].units, false));
  }
  return NACRE_OK;
}

static enum nacre_err freeze_closed(struct engine *e, struct commit *c) {
  struct txn txn = {.engine = e, .class = TXN_FLUSH, .generation = e->tree.generation, .exclusive = true};
  if (e->flush != NULL)
    ERR_TRY(e->flush(e->flush_arg, true, &txn));
  ERR_TRY(engine_check_writable(e));
  c->needed = commit_is_needed(e);
  if (!c->needed)
    return NACRE_OK;
  if (e->intent.pending && e->tree.dirty_nodes > 0)
    return err_set(NACRE_ERR_ARGUMENT, "what the intent log has is not in the tree as yet");
  if (!e->branch_entered)
    ERR_TRY(lineage_enter(e, &txn));
  e->branch_entered = true;
  uint64_t generation = e->tree.generation;
  bool fresh = e->has_fresh_log;
  if (fresh)
    ERR_TRY(give_old_log(e));
  ERR_TRY(tree_freeze(&e->tree, &c->tree));
  pthread_mutex_lock(&e->state_lock);
  enum spacelog_want want = e->log_want;
  e->log_want = SPACELOG_RECORD;
  pthread_mutex_unlock(&e->state_lock);
  ERR_TRY(spacelog_plan(fresh ? &e->fresh_log : &e->durable.log, fresh ? SPACELOG_FRESH : want, &e->alloc, generation,
                        &c->log));
  fill_superblock(e, c);
  intent_frozen(e);
  return NACRE_OK;
}

/* Another writer who began where we did has put its first commit where ours goes, or a record behind those that were
 * found; one who wrote on has come round to the newest slot in the end. */
enum nacre_err commit_check_sole_writer(struct engine *e, uint64_t generation) {
  bool others;
  uint8_t raw[FORMAT_SUPERBLOCK_BYTES];
  if (!e->has_newest_slot)
    return NACRE_OK;
  ERR_TRY(store_read(e->store, raw, sizeof raw, superblock_offset(e->durable.generation)));
  ERR_TRY(ring_look_for_later(&e->io, generation, e->durable.generation, &others));
  if (!others && !e->intent.own)
    ERR_TRY(intent_look_for_more(e, &others));
  if (others || memcmp(raw, e->newest_slot, sizeof raw) != 0)
    return err_set(NACRE_ERR_IN_USE, "somebody else has written to the container (a synchronising tool? another "
                                     "machine?); nothing more is written");
  return NACRE_OK;
}

/* The order that makes a commit: everything it reaches, durable; then the superblock that reaches it, durable. */
static enum nacre_err commit_write(struct engine *e, struct commit *c) {
  ERR_TRY(
      commit_check_sole_writer(e, c->sb.generation)); /* before another's blocks are written over, and again below */
  ERR_TRY(tree_write_frozen(&e->tree, &c->tree, e->workers));
  ERR_TRY(spacelog_write(&e->io, &c->log));
  ERR_TRY(commit_check_sole_writer(e, c->sb.generation));
  ERR_TRY(store_sync(e->store));
  if (c->tree.root_changed)
    c->sb.root = c->tree.root->ptr;
  c->sb.log = c->log.log;
  block_sealed(&e->io, &c->sb.sealed_blocks, &c->sb.sealed_bytes);
  ERR_TRY(ring_write(&e->io, &c->sb, e->newest_slot));
  ERR_TRY(store_sync(e->store));
  e->has_newest_slot = true;
  return NACRE_OK;
}

static void commit_publish(struct engine *e, struct commit *c) {
  pthread_mutex_lock(&e->state_lock);
  e->durable = c->sb;
  pthread_mutex_unlock(&e->state_lock);
  alloc_durable(&e->alloc, c->sb.generation);
  tree_thaw(&e->tree, &c->tree);
  intent_committed(e);
}

enum nacre_err commit_run(struct engine *e, bool hold) {
  struct commit c = {0};
  enum nacre_err err = engine_check_writable(e);
  block_new_session(&e->io);
  if (err == NACRE_OK && e->flush != NULL)
    err = e->flush(e->flush_arg, false, NULL);
  gate_close(&e->gate);
  if (err == NACRE_OK) {
    err = freeze_closed(e, &c);
    if (err != NACRE_OK)
      (void)engine_fail(e, err);
  }
  if (!hold)
    gate_open(&e->gate);
  if (err == NACRE_OK && c.needed) {
    err = commit_write(e, &c);
    if (err == NACRE_OK)
      commit_publish(e, &c);
    else
      (void)engine_fail(e, err);
  }
  tree_frozen_free(&e->tree, &c.tree);
  spacelog_write_free(&c.log);
  return err;
}
