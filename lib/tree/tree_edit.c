/* Inserting with splits, removing with merges. All in memory, on a dirty path, under the exclusive lock. */
#include "tree/tree.h"

#include "base/err.h"

#include <assert.h>

/* Merge a node that is emptier than this with a neighbour, if both then fill no more than that. */
#define MERGE_BELOW_BYTES (FORMAT_NODE_BYTES / 3)
#define MERGE_INTO_BYTES (FORMAT_NODE_BYTES * 3 / 4)
/* So many inserts in a row, each behind the last, are taken for a sequence that goes on. */
#define SEQUENCE_MIN 3u

/* ---- Splitting ---- */

/* Where to cut a leaf that a record of `need` bytes does not fit into, to be inserted at `index`: records from the
 * cut on move to the new right-hand leaf. A sequence is cut where it grows, so that full leaves stay behind. */
static uint16_t leaf_cut(const struct node *n, uint16_t index, size_t need) {
  if (index == n->count)
    return index;
  if (n->insert_run >= SEQUENCE_MIN && index == n->last_insert + 1u)
    return index;
  uint32_t half = (n->used_bytes + (uint32_t)need) / 2, sum = FORMAT_NODE_HEADER_BYTES;
  uint16_t cut = 0;
  while (cut < n->count) {
    uint32_t record = NODE_LEAF_RECORD_BYTES + n->slots[cut].len;
    if (cut == index)
      sum += (uint32_t)need;
    if (sum + record > half)
      break;
    sum += record;
    cut++;
  }
  return cut == 0 ? 1 : cut;
}

/* Move entries from `cut` on into the empty right-hand branch. */
static void branch_split(struct node *left, struct node *right, uint16_t cut) {
  assert(right != NULL);
  uint16_t moved = (uint16_t)(left->count - cut);
  memcpy(right->entries, left->entries + cut, moved * sizeof *right->entries);
  right->count = moved;
  right->used_bytes += moved * NODE_BRANCH_ENTRY_BYTES;
  left->count = cut;
  left->used_bytes -= moved * NODE_BRANCH_ENTRY_BYTES;
}

struct spare {
  struct node *nodes[FORMAT_LEVELS_MAX + 1]; /* a right-hand node for each level that splits; then a new root */
  unsigned levels;
};

static void spare_free(struct tree *t, struct spare *s) {
  for (unsigned i = 0; i <= FORMAT_LEVELS_MAX; i++) {
    if (s->nodes[i] != NULL)
      tree_drop_dirty(t, s->nodes[i]);
  }
}

/* Take all the memory that a split of the leaf can need before anything changes. */
static enum nacre_err spare_take(struct tree *t, const struct tree_path *path, struct spare *s) {
  *s = (struct spare){.levels = 1};
  while (s->levels <= t->root->level && branch_is_full(path->nodes[s->levels]))
    s->levels++;
  bool new_root = s->levels > t->root->level;
  if (new_root && t->root->level + 1u >= FORMAT_LEVELS_MAX)
    return err_set(NACRE_ERR_TOO_LARGE, "the tree cannot grow higher");
  for (unsigned i = 0; i < s->levels + (new_root ? 1u : 0u); i++) {
    s->nodes[i] = tree_new_node(t, (uint8_t)i);
    if (s->nodes[i] == NULL) {
      spare_free(t, s);
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a node");
    }
  }
  return NACRE_OK;
}

/* Hang `right` behind the child on the path, splitting upwards with the spare nodes. */
static void insert_child(struct tree *t, struct tree_path *path, struct spare *s, const struct key *bound,
                         struct node *right) {
  struct key key = *bound;
  for (unsigned level = 1;; level++) {
    if (level > t->root->level) {
      struct node *root = s->nodes[level];
      s->nodes[level] = NULL;
      static const struct key lowest = {0};
      branch_insert(root, 0, &lowest, t->root);
      branch_insert(root, 1, &key, right);
      t->root = root;
      return;
    }
    struct node *n = path->nodes[level];
    uint16_t at = (uint16_t)(path->index[level] + 1);
    if (!branch_is_full(n)) {
      branch_insert(n, at, &key, right);
      return;
    }
    struct node *split = s->nodes[level];
    s->nodes[level] = NULL;
    uint16_t cut = at == n->count ? (uint16_t)(n->count - 1) : (uint16_t)(n->count / 2);
    branch_split(n, split, cut);
    if (at >= cut)
      branch_insert(split, (uint16_t)(at - cut), &key, right);
    else
      branch_insert(n, at, &key, right);
    key = split->entries[0].key;
    right = split;
  }
}

/* Which side gets a record that belongs at the cut itself. At least one has the room: together they hold one node. */
static bool goes_right(const struct node *left, const struct node *right, uint16_t index, uint16_t cut, size_t len) {
  if (index != cut)
    return index > cut;
  uint32_t left_bytes = left->used_bytes - (right->used_bytes - FORMAT_NODE_HEADER_BYTES);
  bool left_fits = left_bytes + NODE_LEAF_RECORD_BYTES + len <= FORMAT_NODE_BYTES;
  bool sequence = left->insert_run >= SEQUENCE_MIN && index < left->count;
  return leaf_fits(right, len) && !(sequence && left_fits);
}

static enum nacre_err split_insert(struct tree *t, struct tree_path *path, uint16_t index, const struct key *key,
                                   const uint8_t *value, size_t len) {
  struct spare spare;
  ERR_TRY(spare_take(t, path, &spare));
  struct node *left = path->nodes[0], *right = spare.nodes[0];
  uint16_t cut = leaf_cut(left, index, NODE_LEAF_RECORD_BYTES + len);
  bool ok = leaf_append(right, left, cut, left->count);
  bool to_right = ok && goes_right(left, right, index, cut, len);
  if (to_right)
    ok = leaf_insert(right, (uint16_t)(index - cut), key, value, len);
  if (!ok) {
    spare_free(t, &spare);
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a node");
  }
  uint16_t run = left->insert_run;
  leaf_truncate(left, cut);
  if (!to_right) {
    left->insert_run = run; /* the sequence goes on in the left leaf, which has room for records again */
    ok = leaf_insert(left, index, key, value, len);
    assert(ok);
  }
  spare.nodes[0] = NULL;
  struct key bound = right->slots[0].key;
  insert_child(t, path, &spare, &bound, right);
  spare_free(t, &spare);
  return NACRE_OK;
}

enum nacre_err tree_insert_at(struct tree *t, struct tree_path *path, uint16_t index, const struct key *key,
                              const uint8_t *value, size_t len) {
  struct node *leaf = path->nodes[0];
  if (!leaf_fits(leaf, len))
    return split_insert(t, path, index, key, value, len);
  if (!leaf_insert(leaf, index, key, value, len))
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a node");
  return NACRE_OK;
}

/* ---- Merging ---- */

/* The last record of the tree is gone: its leaf becomes the root. */
static bool become_empty(struct tree *t, struct tree_path *path) {
  for (unsigned level = 1; level <= t->root->level; level++) {
    if (path->nodes[level]->count > 1)
      return false;
  }
  for (unsigned level = t->root->level; level > 0; level--)
    tree_drop_dirty(t, path->nodes[level]);
  t->root = path->nodes[0];
  return true;
}

/* A dirty node has become empty: take it out of its parent, and so on upwards. */
static void remove_empty(struct tree *t, struct tree_path *path) {
  if (become_empty(t, path))
    return;
  for (unsigned level = 0; path->nodes[level]->count == 0; level++) {
    branch_remove(path->nodes[level + 1], path->index[level + 1]);
    tree_drop_dirty(t, path->nodes[level]);
  }
}

/* A root with a single child gives way to it, where that is dirty too. */
static void shrink_root(struct tree *t) {
  while (t->root->level > 0 && t->root->count == 1) {
    struct node *old = t->root, *kid = old->entries[0].kid;
    if (kid == NULL || kid->state != NODE_DIRTY)
      return;
    t->root = kid;
    tree_drop_dirty(t, old);
  }
}

/* Move all of `from` behind the records of `into`, if both are dirty and fill one node well. */
static bool merge_pair(struct tree *t, struct node *parent, uint16_t left_index) {
  struct node *left = parent->entries[left_index].kid, *right = parent->entries[left_index + 1].kid;
  if (left == NULL || right == NULL || left->state != NODE_DIRTY || right->state != NODE_DIRTY)
    return false;
  if (left->used_bytes + right->used_bytes - FORMAT_NODE_HEADER_BYTES > MERGE_INTO_BYTES)
    return false;
  if (left->level == 0) {
    if (!leaf_append(left, right, 0, right->count)) {
      return false;
    }
    left->insert_run = 0;
  } else {
    memcpy(left->entries + left->count, right->entries, right->count * sizeof *left->entries);
    left->entries[left->count].key = parent->entries[left_index + 1].key;
    left->count = (uint16_t)(left->count + right->count);
    left->used_bytes += right->count * NODE_BRANCH_ENTRY_BYTES;
  }
  left->birth = u64_max(left->birth, right->birth);
  branch_remove(parent, (uint16_t)(left_index + 1));
  tree_drop_dirty(t, right);
  return true;
}

static void merge_up(struct tree *t, struct tree_path *path) {
  for (unsigned level = 0; level < t->root->level; level++) {
    struct node *n = path->nodes[level], *parent = path->nodes[level + 1];
    uint16_t i = path->index[level + 1];
    if (n->used_bytes >= MERGE_BELOW_BYTES)
      return;
    bool merged = i + 1 < parent->count && merge_pair(t, parent, i);
    if (!merged && i > 0)
      merge_pair(t, parent, (uint16_t)(i - 1));
  }
}

void tree_remove_at(struct tree *t, struct tree_path *path, uint16_t index) {
  leaf_remove(path->nodes[0], index);
  if (path->nodes[0]->count == 0)
    remove_empty(t, path);
  else
    merge_up(t, path);
  shrink_root(t);
}
