/* Clean nodes in memory, found by address. Guarded by the tree's lock: lookups shared, all else exclusive.
 *
 * A node that something refers to is held, and can't be evicted. Whatever is held, the others have a part of the
 * room: with none, the nodes of one lookup would push each other out for ever.
 *
 * Invariant: held_bytes is what the cached nodes with references take. */
#ifndef NACRE_TREE_CACHE_H
#define NACRE_TREE_CACHE_H

#include "tree/node.h"

struct cache {
  struct node **table;
  size_t buckets; /* a power of two */
  size_t count;
  size_t bytes, bytes_max, held_bytes;
  struct node *hand;    /* of the ring of cached nodes; NULL when there are none */
  struct node *dropped; /* by hash_next: wiping them is left to when the lock is free again */
};

NACRE_MUST_USE enum nacre_err cache_start(struct cache *c, size_t bytes_max);
/* Frees every node in it. */
void cache_end(struct cache *c);
/* The node that this pointer means: address, nonce and tag must be equal, since addresses are used again. */
struct node *cache_find(const struct cache *c, const struct ptr *ptr);
/* Takes the node, then evicts others while over the limit. A node whose address is taken by a stale one replaces it.
 */
void cache_add(struct cache *c, struct node *n);
/* The last reference to a cached node is gone. */
void cache_unhold(struct cache *c, const struct node *n);
/* A node that nobody has any more, and the table neither, waits to be freed. */
void cache_drop(struct cache *c, struct node *n);
/* The list of them, which is then the caller's; and free one, without the lock. */
struct node *cache_take_dropped(struct cache *c);
void cache_free_dropped(struct node *dropped);
/* Take out of the table; the node is the caller's, with the references it came with. */
void cache_remove(struct cache *c, struct node *n);

#endif
