#include "tree/cache.h"

#include "base/bytes.h"
#include "base/err.h"

#include <stdlib.h>

#define CACHE_BUCKETS_START 1024u
/* The part of the room that held nodes leave to the others, and what two lookups need where that is less. */
#define FREE_PART 4u
#define FREE_BYTES_MIN ((size_t)2 * FORMAT_LEVELS_MAX * FORMAT_NODE_BYTES)

static size_t bucket_of(const struct cache *c, uint64_t unit) {
  uint64_t h = (unit / FORMAT_NODE_UNITS) * 0x9e3779b97f4a7c15ull; /* 2^64 / golden ratio (Knuth) */
  return (size_t)(h >> 32) & (c->buckets - 1);
}

enum nacre_err cache_start(struct cache *c, size_t bytes_max) {
  *c = (struct cache){.buckets = CACHE_BUCKETS_START, .bytes_max = bytes_max};
  c->table = calloc(c->buckets, sizeof *c->table);
  return c->table == NULL ? err_set(NACRE_ERR_NO_MEMORY, "out of memory for the node cache") : NACRE_OK;
}

void cache_end(struct cache *c) {
  while (c->hand != NULL) {
    struct node *n = c->hand;
    cache_remove(c, n);
    node_free(n);
  }
  cache_free_dropped(cache_take_dropped(c));
  free(c->table);
}

void cache_drop(struct cache *c, struct node *n) {
  n->hash_next = c->dropped;
  c->dropped = n;
}

struct node *cache_take_dropped(struct cache *c) {
  struct node *dropped = c->dropped;
  c->dropped = NULL;
  return dropped;
}

void cache_free_dropped(struct node *dropped) {
  for (struct node *n = dropped, *next; n != NULL; n = next) {
    next = n->hash_next;
    node_free(n);
  }
}

static bool same_block(const struct ptr *a, const struct ptr *b) {
  return a->unit == b->unit && a->epoch == b->epoch && a->birth == b->birth &&
         memcmp(a->nonce, b->nonce, sizeof a->nonce) == 0 && memcmp(a->tag, b->tag, sizeof a->tag) == 0;
}

static struct node *find_unit(const struct cache *c, uint64_t unit) {
  struct node *n = c->table[bucket_of(c, unit)];
  while (n != NULL && n->ptr.unit != unit)
    n = n->hash_next;
  return n;
}

struct node *cache_find(const struct cache *c, const struct ptr *ptr) {
  struct node *n = find_unit(c, ptr->unit);
  if (n == NULL || !same_block(&n->ptr, ptr))
    return NULL;
  __atomic_store_n(&n->hot, true, __ATOMIC_RELAXED);
  return n;
}

/* A longer table is only faster: when there is no memory for it, the old one goes on. */
static void table_grow(struct cache *c) {
  size_t buckets = c->buckets * 2;
  struct node **table = calloc(buckets, sizeof *table);
  if (table == NULL)
    return;
  struct node **old = c->table;
  size_t old_buckets = c->buckets;
  c->table = table;
  c->buckets = buckets;
  for (size_t i = 0; i < old_buckets; i++) {
    for (struct node *n = old[i], *next; n != NULL; n = next) {
      size_t b = bucket_of(c, n->ptr.unit);
      next = n->hash_next;
      n->hash_next = table[b];
      table[b] = n;
    }
  }
  free(old);
}

void cache_remove(struct cache *c, struct node *n) {
  struct node **link = &c->table[bucket_of(c, n->ptr.unit)];
  while (*link != n)
    link = &(*link)->hash_next;
  *link = n->hash_next;
  if (n->ring_next == n) {
    c->hand = NULL;
  } else {
    n->ring_prev->ring_next = n->ring_next;
    n->ring_next->ring_prev = n->ring_prev;
    if (c->hand == n)
      c->hand = n->ring_next;
  }
  n->cached = false;
  c->count--;
  c->bytes -= node_memory_bytes(n);
  if (n->refs > 0)
    c->held_bytes -= node_memory_bytes(n);
}

void cache_unhold(struct cache *c, const struct node *n) {
  c->held_bytes -= node_memory_bytes(n);
}

static bool is_over(const struct cache *c) {
  return c->bytes > c->bytes_max && c->bytes - c->held_bytes > u64_max(c->bytes_max / FREE_PART, FREE_BYTES_MIN);
}

/* The clock: a node that was used since the hand passed gets another round. Two rounds at most. */
static void evict(struct cache *c) {
  for (size_t steps = 2 * c->count; steps > 0 && is_over(c) && c->hand != NULL; steps--) {
    struct node *n = c->hand;
    c->hand = n->ring_next;
    if (n->refs > 0)
      continue;
    if (__atomic_exchange_n(&n->hot, false, __ATOMIC_RELAXED))
      continue;
    cache_remove(c, n);
    cache_drop(c, n);
  }
}

void cache_add(struct cache *c, struct node *n) {
  struct node *stale = find_unit(c, n->ptr.unit);
  if (stale != NULL) {
    cache_remove(c, stale);
    if (stale->refs == 0)
      cache_drop(c, stale);
    else
      stale->superseded = true;
  }
  if (c->count >= c->buckets)
    table_grow(c);
  size_t b = bucket_of(c, n->ptr.unit);
  n->hash_next = c->table[b];
  c->table[b] = n;
  if (c->hand == NULL) {
    n->ring_prev = n->ring_next = n;
    c->hand = n;
  } else {
    n->ring_next = c->hand;
    n->ring_prev = c->hand->ring_prev;
    n->ring_prev->ring_next = n;
    n->ring_next->ring_prev = n;
  }
  n->cached = true;
  __atomic_store_n(&n->hot, true, __ATOMIC_RELAXED);
  c->count++;
  c->bytes += node_memory_bytes(n);
  if (n->refs > 0)
    c->held_bytes += node_memory_bytes(n);
  /* Not the new one itself: who loaded it is about to look for it, and would load it again for ever. */
  n->refs++;
  evict(c);
  n->refs--;
}
