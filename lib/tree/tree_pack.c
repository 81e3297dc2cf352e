/* Before a freeze, pack neighbouring dirty leaves into fewer. Files are made first and get their data later, in
 * between what is there by then, so that leaves split in the middle and stay half empty; all of them are about to be
 * written anyway. */
#include "tree/tree.h"

#include <string.h>

/* Leave some room, so that the next record does not split a leaf again. */
#define PACK_FILL_BYTES (FORMAT_NODE_BYTES / 16 * 15)

struct pack {
  struct node *leaves[NODE_BRANCH_MAX];
  unsigned count, most;
};

static bool pack_leaf(struct tree *t, struct pack *p, const struct node *leaf) {
  for (uint16_t from = 0; from < leaf->count;) {
    struct node *out = p->count > 0 ? p->leaves[p->count - 1] : NULL;
    uint32_t bytes = out != NULL ? out->used_bytes : FORMAT_NODE_BYTES;
    uint16_t to = from;
    while (to < leaf->count && bytes + NODE_LEAF_RECORD_BYTES + leaf->slots[to].len <= PACK_FILL_BYTES)
      bytes += NODE_LEAF_RECORD_BYTES + leaf->slots[to++].len;
    if (to == from) {
      out = p->count < p->most ? tree_new_node(t, 0) : NULL;
      if (out == NULL)
        return false;
      p->leaves[p->count++] = out;
    } else if (!leaf_append(out, leaf, from, to)) {
      return false;
    }
    from = to;
  }
  return true;
}

/* Children [first, first + count) of a dirty branch, all of them dirty leaves. */
static void pack_run(struct tree *t, struct node *parent, uint16_t first, uint16_t count) {
  struct pack p = {.most = count - 1u};
  bool fits = true;
  uint64_t birth = 0;
  for (uint16_t i = 0; i < count; i++)
    birth = u64_max(birth, parent->entries[first + i].kid->birth);
  for (uint16_t i = 0; i < count && fits; i++)
    fits = pack_leaf(t, &p, parent->entries[first + i].kid);
  if (!fits) {
    for (unsigned i = 0; i < p.count; i++)
      tree_drop_dirty(t, p.leaves[i]);
    return;
  }
  for (uint16_t i = 0; i < count; i++)
    tree_drop_dirty(t, parent->entries[first + i].kid);
  for (unsigned i = 0; i < p.count; i++) {
    parent->entries[first + i].kid = p.leaves[i];
    p.leaves[i]->birth = birth;
    if (i > 0)
      parent->entries[first + i].key = p.leaves[i]->slots[0].key;
  }
  for (uint16_t i = count; i > p.count; i--)
    branch_remove(parent, (uint16_t)(first + i - 1));
}

static bool is_dirty(const struct branch_entry *e) {
  return e->kid != NULL && e->kid->state == NODE_DIRTY;
}

static void pack_children(struct tree *t, struct node *parent) {
  for (uint16_t i = 0; i < parent->count; i++) {
    uint32_t bytes = 0;
    uint16_t n = 0;
    while (i + n < parent->count && is_dirty(&parent->entries[i + n])) {
      bytes += parent->entries[i + n].kid->used_bytes - FORMAT_NODE_HEADER_BYTES;
      n++;
    }
    if (n > 1 && bytes < (n - 1u) * (PACK_FILL_BYTES - FORMAT_NODE_HEADER_BYTES))
      pack_run(t, parent, i, n);
    while (i < parent->count && is_dirty(&parent->entries[i]))
      i++;
  }
}

static void pack_below(struct tree *t, struct node *n) {
  if (n->level == 1) {
    pack_children(t, n);
    return;
  }
  for (uint16_t i = 0; i < n->count; i++) {
    if (is_dirty(&n->entries[i]))
      pack_below(t, n->entries[i].kid);
  }
}

void tree_pack(struct tree *t) {
  if (t->root->level > 0 && t->root->state == NODE_DIRTY)
    pack_below(t, t->root);
}
