/* The tree in memory: finding, changing, freezing. The record calls of engine.h are in terms of these.
 *
 * Invariants
 *   - root is in memory. A dirty node's parent is dirty, up to the root.
 *   - The lock covers work in memory alone. A walk that meets a node that is not in memory ends with what is missing;
 *     the caller lets go of the lock, reads and opens the node, puts it into the cache, and starts again.
 *   - dirty_nodes is the number of DIRTY nodes reachable from the root.
 *   - A node's birth is the generation in which what it and those below it say was changed last: a parent's is no
 *     earlier than a child's. Moving a block, or packing leaves, changes nothing of that. */
#ifndef NACRE_TREE_TREE_H
#define NACRE_TREE_TREE_H

#include "tree/alloc.h"
#include "tree/block.h"
#include "tree/cache.h"

struct tree {
  pthread_rwlock_t lock;
  struct node *root;
  uint64_t generation;          /* the running one */
  _Atomic uint64_t dirty_nodes; /* changed under the lock, read without */
  struct cache cache;
  struct pages *pages; /* of all nodes */
  struct alloc *alloc;
  struct block_io *io;
  bool for_reading; /* nothing will be committed: what nodes are replaced, in memory, keep their blocks */
};

/* What a walk lacked. */
struct tree_missing {
  bool set;
  struct ptr ptr;
  uint8_t level;
  struct key low, high;
  bool has_high;
};

struct tree_path {
  struct node *nodes[FORMAT_LEVELS_MAX]; /* by level: nodes[0] is the leaf */
  uint16_t index[FORMAT_LEVELS_MAX];     /* of the child taken, levels >= 1 */
  struct key high;                       /* first key past the leaf's range */
  bool has_high;
};

NACRE_MUST_USE enum nacre_err tree_start(struct tree *t, struct alloc *alloc, struct block_io *io,
                                         size_t cache_bytes);
void tree_end(struct tree *t);
/* An empty root, dirty, of generation t->generation; or the one that ptr names, read now. */
NACRE_MUST_USE enum nacre_err tree_make_root(struct tree *t);
NACRE_MUST_USE enum nacre_err tree_load_root(struct tree *t, const struct ptr *ptr, uint8_t level);

/* Take the lock; let go of it by tree_unlock, or where it is shared by pthread_rwlock_unlock. */
void tree_lock_alone(struct tree *t);
void tree_lock_shared(struct tree *t);
/* Let go of the exclusive lock. Nodes that were dropped under it are wiped and freed behind it. */
void tree_unlock(struct tree *t);

/* Fill the path to key's leaf. False if a node is missing. Caller holds the lock, shared or exclusive. */
bool tree_find_path(struct tree *t, const struct key *key, struct tree_path *path, struct tree_missing *missing);
/* Read what was missing and put it into the cache. Caller holds no lock. `last_failed` remembers between the rounds
 * of one operation: a node that fails to open is looked up once more, since its space may have been used again under
 * a slow reader; failing twice as the same block is damage. */
struct tree_retry {
  bool set;
  uint8_t nonce[AEAD_NONCE_BYTES];
};
NACRE_MUST_USE enum nacre_err tree_load_missing(struct tree *t, const struct tree_missing *missing,
                                                struct tree_retry *retry);
/* Read and open one node without touching the tree. */
NACRE_MUST_USE enum nacre_err tree_read_node(struct tree *t, const struct ptr *ptr, uint8_t level,
                                             const struct key *low, const struct key *high, struct node **out);

/* Make the path's nodes dirty, from the root down. NACRE_ERR_NO_MEMORY leaves a sound tree. Caller holds the lock.
 * moved: their blocks are only to be written anew, what they say stays. */
NACRE_MUST_USE enum nacre_err tree_dirty_path(struct tree *t, struct tree_path *path, bool moved);
/* A reference less; frees the node when nothing else has it. */
void tree_unref(struct tree *t, struct node *n);
struct node *tree_new_node(struct tree *t, uint8_t level);
/* Drop a dirty node that the tree no longer reaches; its own references to kids must be gone. */
void tree_drop_dirty(struct tree *t, struct node *n);

/* The two changes, under the exclusive lock, on a dirty path. */
NACRE_MUST_USE enum nacre_err tree_insert_at(struct tree *t, struct tree_path *path, uint16_t index,
                                             const struct key *key, const uint8_t *value, size_t len);
void tree_remove_at(struct tree *t, struct tree_path *path, uint16_t index);

/* Pack neighbouring dirty leaves into fewer. Caller holds the lock. */
void tree_pack(struct tree *t);

/* A frozen generation's nodes, by level. */
struct tree_frozen {
  struct node **nodes;
  size_t count;
  size_t level_start[FORMAT_LEVELS_MAX + 1];
  struct node *root;
  bool root_changed;
};
/* List the dirty nodes, give them their addresses, freeze them, start the next generation. All or nothing. */
NACRE_MUST_USE enum nacre_err tree_freeze(struct tree *t, struct tree_frozen *frozen);
/* They are sealed and durable: clean now. */
void tree_thaw(struct tree *t, struct tree_frozen *frozen);
/* After a failed commit: the list goes, the nodes stay as they are, for reading. */
void tree_frozen_free(struct tree *t, struct tree_frozen *frozen);
/* Seal and write all, children before parents. */
NACRE_MUST_USE enum nacre_err tree_write_frozen(struct tree *t, struct tree_frozen *frozen, struct workers *workers);

#endif
