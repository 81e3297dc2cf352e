/* Nodes of the tree, in memory and sealed.
 *
 * A leaf holds records in key order, their values in one heap. A branch holds, for each child, a lower bound of its
 * keys and the pointer to it, or the child itself while that is not sealed yet.
 *
 * States: DIRTY (of the running generation, reached only through dirty parents), FROZEN (of the generation that is
 * being committed; nobody changes it, its address is fixed, its nonce and tag are not), CLEAN (as on the storage).
 *
 * Invariants
 *   - keys ascend strictly; used_bytes (header, keys, values as sealed) <= FORMAT_NODE_BYTES.
 *   - a child's keys are in [its bound, the next one's bound); a node other than the root is never empty.
 *   - refs counts the branch entries whose `kid` this is, the tree's root, and a commit's list. A clean node with
 * none lives in the cache alone and may be evicted; a node that is superseded and has none is gone. All of it is
 * guarded by the tree's lock; a frozen node's contents may be read without. */
#ifndef NACRE_TREE_NODE_H
#define NACRE_TREE_NODE_H

#include "base/pages.h"
#include "format/key.h"
#include "format/ptr.h"

enum node_state { NODE_CLEAN, NODE_DIRTY, NODE_FROZEN };

struct leaf_slot {
  struct key key;
  uint16_t offset; /* in the heap */
  uint16_t len;
};

struct branch_entry {
  struct key key;
  struct ptr ptr;
  struct node *kid; /* NULL: look the pointer up in the cache */
};

struct node {
  uint8_t level; /* 0: leaf */
  enum node_state state;
  bool cached;     /* in the cache's table */
  bool superseded; /* no tree that goes on uses it */
  bool hot;        /* touched since the eviction hand passed; the only field written under a shared lock */
  uint32_t refs;
  uint64_t birth;
  struct pages *pages; /* where slots, heap and entries are from */
  struct ptr ptr;      /* CLEAN: whole. FROZEN: address, length, generations */
  uint16_t count;
  uint32_t used_bytes;
  /* Leaf */
  struct leaf_slot *slots;
  uint16_t slots_room;
  uint8_t *heap; /* FORMAT_NODE_BYTES; values grow down from its end */
  uint16_t heap_low;
  uint16_t last_insert, insert_run; /* to see sequential insertion */
  /* Branch */
  struct branch_entry *entries; /* NODE_BRANCH_MAX */
  /* Cache */
  struct node *hash_next;
  struct node *ring_prev, *ring_next;
};

#define NODE_LEAF_RECORD_BYTES (FORMAT_KEY_BYTES + 2u)
#define NODE_BRANCH_ENTRY_BYTES (FORMAT_KEY_BYTES + FORMAT_PTR_BYTES)
#define NODE_BRANCH_MAX ((FORMAT_NODE_BYTES - FORMAT_NODE_HEADER_BYTES) / NODE_BRANCH_ENTRY_BYTES)

/* NULL when out of memory. */
struct node *node_new(struct pages *pages, uint8_t level);
/* Wipes. The kids' references are the caller's to drop before. */
void node_free(struct node *n);
/* A copy of the contents, kids included (their refs are raised), state DIRTY. */
struct node *node_copy(const struct node *n);
size_t node_memory_bytes(const struct node *n);

/* Index of the first key >= key, and whether it is equal. */
uint16_t leaf_find(const struct node *n, const struct key *key, bool *equal);
/* Index of the child that holds key: the last whose bound is <= key, or the first. */
uint16_t branch_find(const struct node *n, const struct key *key);

bool leaf_fits(const struct node *n, size_t value_len);
/* Insert at index; it fits. False when out of memory, which can only be where the leaf has never held as many
 * records. */
bool leaf_insert(struct node *n, uint16_t index, const struct key *key, const uint8_t *value, size_t len);
void leaf_remove(struct node *n, uint16_t index);
static inline const uint8_t *leaf_value(const struct node *n, uint16_t index) {
  return n->heap + n->slots[index].offset;
}
/* Append copies of src's records [from, to) to dst: for splits and merges. False when out of memory. */
bool leaf_append(struct node *dst, const struct node *src, uint16_t from, uint16_t to);
void leaf_truncate(struct node *n, uint16_t count);

static inline bool branch_is_full(const struct node *n) {
  return n->count == NODE_BRANCH_MAX;
}
void branch_insert(struct node *n, uint16_t index, const struct key *key, struct node *kid);
/* Takes the entry out; the first child's bound passes to its successor. */
void branch_remove(struct node *n, uint16_t index);

/* The sealed form's plaintext. Kids' pointers are taken where kids are. */
void node_encode(const struct node *n, uint8_t out[FORMAT_NODE_BYTES]);
/* NACRE_ERR_DAMAGED where it breaks an invariant of its own or leaves [low, high); high NULL: no bound. */
NACRE_MUST_USE enum nacre_err node_decode(struct pages *pages, const uint8_t in[FORMAT_NODE_BYTES], uint8_t level,
                                          uint64_t units_end, const struct key *low, const struct key *high,
                                          struct node **out);

#endif
