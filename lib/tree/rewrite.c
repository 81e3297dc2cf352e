/* Finding blocks of older epochs, and bringing nodes and superblocks to the current one. The data is the layer
 * above's to move: it alone knows who else is at a file. */
#include "base/err.h"
#include "tree/core.h"

/* A node of the running or the frozen generation will be sealed under the current epoch, since keys are never
 * replaced during a commit. */
static bool node_is_old(const struct node *n, uint32_t epoch) {
  return n->state == NODE_CLEAN && n->ptr.epoch != epoch;
}

static bool path_is_old(const struct tree *t, const struct tree_path *path, uint32_t epoch) {
  for (unsigned level = 0; level <= t->root->level; level++) {
    if (node_is_old(level == t->root->level ? t->root : path->nodes[level], epoch))
      return true;
  }
  return false;
}

/* From a record that was not decoded yet; what is too short to be an extent is looked at by whoever rewrites it. */
static void look_at_extent(struct rewrite_leaf *leaf, const struct key *key, const uint8_t *value, size_t len,
                           uint32_t epoch) {
  uint32_t found = 0;
  leaf->units += extent_value_units(value, len, &found);
  if (found != epoch)
    leaf->extents[leaf->count++] = *key;
}

static void look_locked(const struct tree *t, const struct tree_path *path, uint32_t epoch,
                        struct rewrite_leaf *leaf) {
  const struct node *n = path->nodes[0];
  bool equal;
  leaf->stale = path_is_old(t, path, epoch);
  leaf->at = leaf->from;
  for (uint16_t i = leaf_find(n, &leaf->from, &equal); i < n->count; i++) {
    const struct key *key = &n->slots[i].key;
    if (key->type != FORMAT_RECORD_EXTENT)
      continue;
    if (leaf->count == REWRITE_EXTENTS_MAX) {
      leaf->from = *key;
      return;
    }
    look_at_extent(leaf, key, leaf_value(n, i), n->slots[i].len, epoch);
  }
  leaf->units += FORMAT_NODE_UNITS;
  leaf->last = !path->has_high;
  if (path->has_high)
    leaf->from = path->high;
}

enum nacre_err engine_rewrite_look(struct engine *e, struct rewrite_leaf *leaf) {
  struct tree *t = &e->tree;
  struct tree_retry retry = {0};
  leaf->last = leaf->stale = false;
  leaf->count = 0;
  leaf->units = 0;
  for (;;) {
    struct tree_missing missing = {0};
    struct tree_path path;
    tree_lock_shared(t);
    if (tree_find_path(t, &leaf->from, &path, &missing))
      look_locked(t, &path, engine_epoch(e), leaf);
    pthread_rwlock_unlock(&t->lock);
    if (!missing.set)
      return NACRE_OK;
    enum nacre_err err = tree_load_missing(t, &missing, &retry);
    if (err != NACRE_OK) {
      /* Beside a node that cannot be read it goes on. */
      leaf->last = !missing.has_high;
      leaf->from = missing.high;
      return err;
    }
  }
}

enum nacre_err engine_rewrite_nodes(struct txn *txn, const struct key *key) {
  struct tree *t = &txn->engine->tree;
  struct tree_retry retry = {0};
  for (;;) {
    struct tree_missing missing = {0};
    struct tree_path path;
    enum nacre_err err = NACRE_OK;
    tree_lock_alone(t);
    if (tree_find_path(t, key, &path, &missing) && path_is_old(t, &path, engine_epoch(txn->engine)))
      err = tree_dirty_path(t, &path, true);
    tree_unlock(t);
    if (!missing.set)
      return err;
    ERR_TRY(tree_load_missing(t, &missing, &retry));
  }
}

/* ---- Superblocks ---- */

static bool reaches_old(const struct superblock *sb, uint32_t epoch) {
  return sb->epoch != epoch || sb->root.epoch != epoch || sb->log.checkpoint.epoch != epoch ||
         (sb->log.last.unit != 0 && sb->log.last.epoch != epoch);
}

/* As they stand on the storage: what cannot be read, or does not open, may hold anything. */
static enum nacre_err check_ring(struct engine *e) {
  struct superblock slots[FORMAT_RING_SLOTS];
  bool unreadable;
  committer_hold(e);
  enum nacre_err err = ring_read_slots(&e->io, slots, &unreadable);
  committer_release(e);
  for (unsigned i = 0; i < FORMAT_RING_SLOTS && err == NACRE_OK; i++) {
    if (slots[i].generation == 0)
      err = err_set(NACRE_ERR_IO, "a superblock cannot be read");
    else if (reaches_old(&slots[i], engine_epoch(e)))
      err = err_set(NACRE_ERR_DAMAGED, "a superblock still leads to blocks of an older key");
  }
  return err;
}

static void look_at_commits(struct engine *e, bool *checkpointed, uint64_t *generation) {
  pthread_mutex_lock(&e->state_lock);
  *checkpointed = e->log_want == SPACELOG_RECORD;
  *generation = e->durable.generation;
  pthread_mutex_unlock(&e->state_lock);
}

/* The commit with the checkpoint leaves all that is older behind, the log's chain of records too; each one after it
 * takes one more slot of the ring. A call may find that another's commit has just taken what there was, so it is the
 * generations that count. */
enum nacre_err engine_renew_ring(struct engine *e) {
  bool checkpointed = false;
  uint64_t generation = 0;
  committer_want_checkpoint(e);
  while (!checkpointed) {
    ERR_TRY(committer_commit_anyway(e));
    look_at_commits(e, &checkpointed, &generation);
  }
  for (uint64_t last = generation + FORMAT_RING_SLOTS - 1; generation < last;) {
    ERR_TRY(committer_commit_anyway(e));
    look_at_commits(e, &checkpointed, &generation);
  }
  return check_ring(e);
}
