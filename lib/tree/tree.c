/* Finding a key, loading what is not in memory, copying on write. */
#include "tree/tree.h"

#include "base/err.h"
#include "base/secmem.h"

#include <stdlib.h>

static const struct key KEY_MIN = {0};

/* It is held for a microsecond, and to sleep and be woken costs fifty: two threads that meet here once would then
 * wait for each other at every call. So who finds it taken looks again for a little before it sleeps. */
#define LOCK_LOOKS 200u

static void look_away(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

void tree_lock_alone(struct tree *t) {
  for (unsigned i = 0; i < LOCK_LOOKS; i++) {
    if (pthread_rwlock_trywrlock(&t->lock) == 0)
      return;
    look_away();
  }
  pthread_rwlock_wrlock(&t->lock);
}

void tree_lock_shared(struct tree *t) {
  for (unsigned i = 0; i < LOCK_LOOKS; i++) {
    if (pthread_rwlock_tryrdlock(&t->lock) == 0)
      return;
    look_away();
  }
  pthread_rwlock_rdlock(&t->lock);
}

void tree_unlock(struct tree *t) {
  struct node *dropped = cache_take_dropped(&t->cache);
  pthread_rwlock_unlock(&t->lock);
  cache_free_dropped(dropped);
}

enum nacre_err tree_start(struct tree *t, struct alloc *alloc, struct block_io *io, size_t cache_bytes) {
  *t = (struct tree){.alloc = alloc, .io = io};
  pthread_rwlockattr_t attr;
  pthread_rwlockattr_init(&attr);
  pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
  pthread_rwlock_init(&t->lock, &attr);
  pthread_rwlockattr_destroy(&attr);
  ERR_TRY(cache_start(&t->cache, cache_bytes));
  return pages_new(&t->pages);
}

/* Everything reachable in memory: kids first. Frozen and dirty nodes have no other owner. */
static void free_kids(struct tree *t, struct node *n) {
  for (uint16_t i = 0; n->level > 0 && i < n->count; i++) {
    struct node *kid = n->entries[i].kid;
    n->entries[i].kid = NULL;
    if (kid != NULL)
      tree_unref(t, kid);
  }
}

void tree_unref(struct tree *t, struct node *n) {
  n->refs--;
  if (n->refs > 0)
    return;
  if (n->state == NODE_CLEAN && n->cached) {
    cache_unhold(&t->cache, n);
    return;
  }
  if (n->state == NODE_CLEAN && !n->superseded) {
    free_kids(t, n);
    cache_add(&t->cache, n);
    return;
  }
  free_kids(t, n);
  cache_drop(&t->cache, n);
}

void tree_end(struct tree *t) {
  if (t->root != NULL) {
    t->root->superseded = true;
    tree_unref(t, t->root);
  }
  cache_end(&t->cache);
  pages_end(t->pages);
  pthread_rwlock_destroy(&t->lock);
}

struct node *tree_new_node(struct tree *t, uint8_t level) {
  struct node *n = node_new(t->pages, level);
  if (n == NULL)
    return NULL;
  n->birth = t->generation;
  n->refs = 1;
  t->dirty_nodes++;
  return n;
}

void tree_drop_dirty(struct tree *t, struct node *n) {
  t->dirty_nodes--;
  cache_drop(&t->cache, n);
}

enum nacre_err tree_make_root(struct tree *t) {
  t->root = tree_new_node(t, 0);
  return t->root == NULL ? err_set(NACRE_ERR_NO_MEMORY, "out of memory for a node") : NACRE_OK;
}

enum nacre_err tree_read_node(struct tree *t, const struct ptr *ptr, uint8_t level, const struct key *low,
                              const struct key *high, struct node **out) {
  uint8_t *plain = malloc(FORMAT_NODE_BYTES);
  if (plain == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a node");
  enum nacre_err err = block_read(t->io, FORMAT_KIND_NODE, level, ptr, plain);
  if (err == NACRE_OK)
    err = node_decode(t->pages, plain, level, alloc_units_end(t->alloc), low, high, out);
  secmem_wipe(plain, FORMAT_NODE_BYTES);
  free(plain);
  if (err == NACRE_OK) {
    (*out)->ptr = *ptr;
    (*out)->birth = ptr->birth;
  }
  return err;
}

enum nacre_err tree_load_root(struct tree *t, const struct ptr *ptr, uint8_t level) {
  ERR_TRY(tree_read_node(t, ptr, level, &KEY_MIN, NULL, &t->root));
  t->root->refs = 1;
  cache_add(&t->cache, t->root);
  return NACRE_OK;
}

bool tree_find_path(struct tree *t, const struct key *key, struct tree_path *path, struct tree_missing *missing) {
  struct node *n = t->root;
  struct key low = KEY_MIN;
  path->has_high = false;
  while (n->level > 0) {
    uint16_t i = branch_find(n, key);
    struct branch_entry *e = &n->entries[i];
    path->nodes[n->level] = n;
    path->index[n->level] = i;
    if (i > 0)
      low = e->key;
    if (i + 1 < n->count) {
      path->high = n->entries[i + 1].key;
      path->has_high = true;
    }
    struct node *kid = e->kid != NULL ? e->kid : cache_find(&t->cache, &e->ptr);
    /* A pointer that lies may name a node of another level, even its own branch. Only a reading tells them apart. */
    if (kid == NULL || kid->level + 1u != n->level) {
      *missing = (struct tree_missing){.set = true,
                                       .ptr = e->ptr,
                                       .level = (uint8_t)(n->level - 1),
                                       .low = low,
                                       .high = path->high,
                                       .has_high = path->has_high};
      return false;
    }
    n = kid;
  }
  path->nodes[0] = n;
  return true;
}

enum nacre_err tree_load_missing(struct tree *t, const struct tree_missing *missing, struct tree_retry *retry) {
  struct node *n = NULL;
  enum nacre_err err =
      tree_read_node(t, &missing->ptr, missing->level, &missing->low, missing->has_high ? &missing->high : NULL, &n);
  if (err == NACRE_OK && n->count == 0) {
    node_free(n);
    err = err_set(NACRE_ERR_DAMAGED, "a leaf has no records");
  }
  if (err != NACRE_OK) {
    bool again = retry->set && memcmp(retry->nonce, missing->ptr.nonce, sizeof retry->nonce) == 0;
    retry->set = true;
    memcpy(retry->nonce, missing->ptr.nonce, sizeof retry->nonce);
    return err == NACRE_ERR_DAMAGED && !again ? NACRE_OK : err;
  }
  tree_lock_alone(t);
  /* Another thread may have loaded it, or its space been used again, meanwhile. */
  if (cache_find(&t->cache, &n->ptr) == NULL)
    cache_add(&t->cache, n);
  else
    cache_drop(&t->cache, n);
  tree_unlock(t);
  return NACRE_OK;
}

/* The dirty stand-in for a node: itself where nobody else sees it, else a copy. Gives the old block's space back.
 * moved: what it says stays, and so does its birth. */
static enum nacre_err dirty_node(struct tree *t, struct node *n, bool moved, struct node **out) {
  const uint64_t birth = moved ? n->birth : t->generation;
  if (n->state == NODE_DIRTY) {
    n->birth = birth;
    *out = n;
    return NACRE_OK;
  }
  bool alone = n->state == NODE_CLEAN && n->refs <= 1;
  struct node *d = alone ? n : node_copy(n);
  if (d == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a node");
  enum nacre_err err = t->for_reading ? NACRE_OK : alloc_give(t->alloc, n->ptr.unit, FORMAT_NODE_UNITS, false);
  if (err != NACRE_OK) {
    if (!alone) {
      free_kids(t, d);
      node_free(d);
    }
    return err;
  }
  if (n->cached)
    cache_remove(&t->cache, n);
  if (!alone) {
    n->superseded = true;
    d->refs = 1;
    if (n->refs > 0)
      tree_unref(t, n);
    else
      cache_drop(&t->cache, n);
  } else {
    d->refs = 1;
    d->state = NODE_DIRTY;
    d->ptr = (struct ptr){0};
  }
  d->birth = birth;
  t->dirty_nodes++;
  *out = d;
  return NACRE_OK;
}

enum nacre_err tree_dirty_path(struct tree *t, struct tree_path *path, bool moved) {
  ERR_TRY(dirty_node(t, t->root, moved, &t->root));
  path->nodes[t->root->level] = t->root;
  for (unsigned level = t->root->level; level > 0; level--) {
    struct node *d = NULL;
    ERR_TRY(dirty_node(t, path->nodes[level - 1], moved, &d));
    path->nodes[level]->entries[path->index[level]].kid = d;
    path->nodes[level - 1] = d;
  }
  return NACRE_OK;
}
