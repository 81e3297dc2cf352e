/* From a running generation to a sealed one: listing the dirty nodes, giving them addresses, sealing them level by
 * level while the next generation runs, and making them clean when they are durable. */
#include "tree/tree.h"

#include "base/err.h"
#include "base/secmem.h"

#include <stdlib.h>

#define WRITE_BATCH_NODES 64u /* 1 MiB */

static void list_dirty(struct node *n, struct node **nodes, size_t *level_next) {
  nodes[level_next[n->level]++] = n;
  for (uint16_t i = 0; n->level > 0 && i < n->count; i++) {
    struct node *kid = n->entries[i].kid;
    if (kid != NULL && kid->state == NODE_DIRTY)
      list_dirty(kid, nodes, level_next);
  }
}

static void count_dirty(const struct node *n, size_t *by_level) {
  by_level[n->level]++;
  for (uint16_t i = 0; n->level > 0 && i < n->count; i++) {
    const struct node *kid = n->entries[i].kid;
    if (kid != NULL && kid->state == NODE_DIRTY)
      count_dirty(kid, by_level);
  }
}

/* In the order in which the nodes will be written. */
static enum nacre_err assign_addresses(struct tree *t, struct tree_frozen *f) {
  size_t done = 0;
  while (done < f->count) {
    struct run run;
    ERR_TRY(alloc_take(t->alloc, ALLOC_LOW, (f->count - done) * FORMAT_NODE_UNITS, FORMAT_NODE_UNITS,
                       FORMAT_NODE_UNITS, &run));
    for (uint64_t u = 0; u < run.units; u += FORMAT_NODE_UNITS) {
      struct node *n = f->nodes[done++];
      n->ptr = (struct ptr){
          .unit = run.unit + u, .len_bytes = FORMAT_NODE_BYTES, .birth = n->birth, .alloc = t->generation};
    }
  }
  return NACRE_OK;
}

static enum nacre_err freeze_locked(struct tree *t, struct tree_frozen *f) {
  f->root = t->root;
  tree_pack(t);
  f->root_changed = t->root->state == NODE_DIRTY;
  if (f->root_changed) {
    size_t by_level[FORMAT_LEVELS_MAX] = {0}, next[FORMAT_LEVELS_MAX];
    count_dirty(t->root, by_level);
    for (unsigned i = 0; i < FORMAT_LEVELS_MAX; i++) {
      next[i] = f->level_start[i] = f->count;
      f->count += by_level[i];
    }
    f->level_start[FORMAT_LEVELS_MAX] = f->count;
    f->nodes = malloc(f->count * sizeof(struct node *));
    if (f->nodes == NULL)
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a commit");
    list_dirty(t->root, f->nodes, next);
    ERR_TRY(assign_addresses(t, f));
  }
  for (size_t i = 0; i < f->count; i++) {
    f->nodes[i]->state = NODE_FROZEN;
    f->nodes[i]->refs++;
  }
  t->dirty_nodes = 0;
  t->generation++;
  return NACRE_OK;
}

enum nacre_err tree_freeze(struct tree *t, struct tree_frozen *f) {
  *f = (struct tree_frozen){0};
  tree_lock_alone(t);
  enum nacre_err err = freeze_locked(t, f);
  tree_unlock(t);
  if (err != NACRE_OK) {
    free(f->nodes);
    *f = (struct tree_frozen){0};
  }
  return err;
}

void tree_thaw(struct tree *t, struct tree_frozen *f) {
  tree_lock_alone(t);
  for (size_t i = 0; i < f->count; i++)
    f->nodes[i]->state = NODE_CLEAN;
  /* From the leaves up: a parent lets go of its kids when they are clean, and they are in the cache by then. */
  for (size_t i = 0; i < f->count; i++) {
    struct node *n = f->nodes[i];
    for (uint16_t k = 0; n->level > 0 && k < n->count; k++) {
      struct branch_entry *e = &n->entries[k];
      struct node *kid = e->kid;
      if (kid == NULL)
        continue;
      e->ptr = kid->ptr;
      e->kid = NULL;
      tree_unref(t, kid);
    }
    if (!n->superseded)
      cache_add(&t->cache, n);
  }
  for (size_t i = 0; i < f->count; i++)
    tree_unref(t, f->nodes[i]);
  tree_unlock(t);
  free(f->nodes);
  *f = (struct tree_frozen){0};
}

void tree_frozen_free(struct tree *t, struct tree_frozen *f) {
  tree_lock_alone(t);
  for (size_t i = f->count; i > 0; i--)
    tree_unref(t, f->nodes[i - 1]);
  tree_unlock(t);
  free(f->nodes);
  *f = (struct tree_frozen){0};
}

/* ---- Sealing and writing ---- */

struct seal_batch {
  struct tree *tree;
  struct node **nodes;
  uint8_t *cipher;
  enum nacre_err *errors;
};

static void seal_one(void *arg, size_t index) {
  struct seal_batch *b = arg;
  struct node *n = b->nodes[index];
  uint8_t *out = b->cipher + index * FORMAT_NODE_BYTES;
  node_encode(n, out);
  b->errors[index] = block_seal(b->tree->io, FORMAT_KIND_NODE, n->level, &n->ptr, out, out);
  if (b->errors[index] != NACRE_OK)
    secmem_wipe(out, FORMAT_NODE_BYTES);
}

/* Write neighbours together. */
static enum nacre_err write_batch(struct tree *t, struct node **nodes, size_t count, const uint8_t *cipher) {
  for (size_t i = 0; i < count;) {
    size_t run = 1;
    while (i + run < count && nodes[i + run]->ptr.unit == nodes[i]->ptr.unit + run * FORMAT_NODE_UNITS)
      run++;
    ERR_TRY(store_write(t->io->store, cipher + i * FORMAT_NODE_BYTES, run * FORMAT_NODE_BYTES,
                        nodes[i]->ptr.unit * FORMAT_UNIT_BYTES));
    i += run;
  }
  return NACRE_OK;
}

static enum nacre_err seal_and_write(struct tree *t, struct node **nodes, size_t count, uint8_t *cipher,
                                     struct workers *workers) {
  enum nacre_err errors[WRITE_BATCH_NODES];
  struct seal_batch batch = {.tree = t, .nodes = nodes, .cipher = cipher, .errors = errors};
  workers_each(workers, count, seal_one, &batch);
  for (size_t i = 0; i < count; i++) {
    if (errors[i] != NACRE_OK)
      return err_set(errors[i], "a node could not be sealed");
  }
  return write_batch(t, nodes, count, cipher);
}

enum nacre_err tree_write_frozen(struct tree *t, struct tree_frozen *f, struct workers *workers) {
  if (f->count == 0)
    return NACRE_OK;
  uint8_t *cipher = malloc((size_t)WRITE_BATCH_NODES * FORMAT_NODE_BYTES);
  if (cipher == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a commit");
  enum nacre_err err = NACRE_OK;
  for (unsigned level = 0; level < FORMAT_LEVELS_MAX; level++) {
    size_t end = f->level_start[level + 1];
    for (size_t i = f->level_start[level]; i < end && err == NACRE_OK; i += WRITE_BATCH_NODES)
      err = seal_and_write(t, f->nodes + i, (size_t)u64_min(WRITE_BATCH_NODES, end - i), cipher, workers);
  }
  free(cipher);
  return err;
}
