/* Records by key: the walks of tree.h with loading in between. */
#include "base/err.h"
#include "tree/core.h"

static enum nacre_err value_copy(const struct node *leaf, uint16_t index, uint8_t *value, size_t cap, size_t *len) {
  *len = leaf->slots[index].len;
  if (*len > cap)
    return err_set(NACRE_ERR_DAMAGED, "a record is longer than its kind allows");
  memcpy(value, leaf_value(leaf, index), *len);
  return NACRE_OK;
}

enum nacre_err tree_get(struct engine *e, const struct key *key, uint8_t *value, size_t cap, size_t *len) {
  struct tree *t = &e->tree;
  struct tree_retry retry = {0};
  for (;;) {
    struct tree_missing missing = {0};
    struct tree_path path;
    enum nacre_err err = NACRE_OK;
    tree_lock_shared(t);
    if (tree_find_path(t, key, &path, &missing)) {
      bool found;
      uint16_t i = leaf_find(path.nodes[0], key, &found);
      err = found ? value_copy(path.nodes[0], i, value, cap, len) : NACRE_ERR_NOT_FOUND;
    }
    pthread_rwlock_unlock(&t->lock);
    if (!missing.set)
      return err;
    ERR_TRY(tree_load_missing(t, &missing, &retry));
  }
}

/* Under the exclusive lock, with the path in memory. */
static enum nacre_err put_locked(struct tree *t, struct tree_path *path, const struct key *key, const uint8_t *value,
                                 size_t len) {
  ERR_TRY(tree_dirty_path(t, path, false));
  struct node *leaf = path->nodes[0];
  bool found;
  uint16_t i = leaf_find(leaf, key, &found);
  if (!found)
    return tree_insert_at(t, path, i, key, value, len);
  if (leaf->slots[i].len == len) {
    memcpy(leaf->heap + leaf->slots[i].offset, value, len);
    return NACRE_OK;
  }
  uint8_t old[FORMAT_VALUE_MAX_BYTES];
  size_t old_len = leaf->slots[i].len;
  memcpy(old, leaf_value(leaf, i), old_len);
  leaf_remove(leaf, i);
  enum nacre_err err = tree_insert_at(t, path, i, key, value, len);
  if (err != NACRE_OK)
    leaf_insert(leaf, i, key, old, old_len); /* it was there: it fits, and no memory is needed */
  return err;
}

static enum nacre_err delete_locked(struct tree *t, struct tree_path *path, const struct key *key) {
  bool found;
  leaf_find(path->nodes[0], key, &found);
  if (!found)
    return NACRE_ERR_NOT_FOUND;
  ERR_TRY(tree_dirty_path(t, path, false));
  tree_remove_at(t, path, leaf_find(path->nodes[0], key, &found));
  return NACRE_OK;
}

/* The same length: nothing else in the leaf changes. */
static enum nacre_err replace_locked(struct tree *t, struct tree_path *path, const struct key *key,
                                     const uint8_t *value, size_t len) {
  bool found;
  uint16_t i = leaf_find(path->nodes[0], key, &found);
  if (!found || path->nodes[0]->slots[i].len != len)
    return err_set(NACRE_ERR_NOT_FOUND, "the record is another one by now");
  ERR_TRY(tree_dirty_path(t, path, true));
  struct node *leaf = path->nodes[0];
  memcpy(leaf->heap + leaf->slots[i].offset, value, len);
  return NACRE_OK;
}

enum change_kind { CHANGE_PUT, CHANGE_DELETE, CHANGE_MOVE };

static enum nacre_err change_locked(struct tree *t, struct tree_path *path, enum change_kind kind,
                                    const struct key *key, const uint8_t *value, size_t len) {
  switch (kind) {
  case CHANGE_PUT:
    return put_locked(t, path, key, value, len);
  case CHANGE_MOVE:
    return replace_locked(t, path, key, value, len);
  case CHANGE_DELETE:
    break;
  }
  return delete_locked(t, path, key);
}

static enum nacre_err change(struct txn *txn, enum change_kind kind, const struct key *key, const uint8_t *value,
                             size_t len) {
  struct tree *t = &txn->engine->tree;
  struct tree_retry retry = {0};
  for (;;) {
    struct tree_missing missing = {0};
    struct tree_path path;
    enum nacre_err err = NACRE_OK;
    tree_lock_alone(t);
    if (tree_find_path(t, key, &path, &missing))
      err = change_locked(t, &path, kind, key, value, len);
    if (!missing.set && err == NACRE_OK)
      intent_note(txn->engine, key);
    tree_unlock(t);
    if (!missing.set)
      return err;
    ERR_TRY(tree_load_missing(t, &missing, &retry));
  }
}

enum nacre_err tree_put(struct txn *txn, const struct key *key, const uint8_t *value, size_t len) {
  if (len > FORMAT_VALUE_MAX_BYTES)
    return err_set(NACRE_ERR_TOO_LARGE, "a record of %zu bytes is too large", len);
  return change(txn, CHANGE_PUT, key, value, len);
}

enum nacre_err tree_put_moved(struct txn *txn, const struct key *key, const uint8_t *value, size_t len) {
  return change(txn, CHANGE_MOVE, key, value, len);
}

enum nacre_err tree_delete(struct txn *txn, const struct key *key) {
  return change(txn, CHANGE_DELETE, key, NULL, 0);
}

/* One leaf's part of a scan. Sets *from to where the next leaf starts; false when the scan is over. */
static bool scan_leaf(const struct tree_path *path, struct key *from, const struct key *to, tree_scan_fn fn,
                      void *arg) {
  const struct node *leaf = path->nodes[0];
  bool equal;
  for (uint16_t i = leaf_find(leaf, from, &equal); i < leaf->count; i++) {
    const struct key *key = &leaf->slots[i].key;
    if (key_compare(key, to) > 0 || !fn(arg, key, leaf_value(leaf, i), leaf->slots[i].len))
      return false;
  }
  if (!path->has_high || key_compare(&path->high, to) > 0)
    return false;
  *from = path->high;
  return true;
}

enum nacre_err tree_scan(struct engine *e, const struct key *from, const struct key *to, tree_scan_fn fn, void *arg) {
  struct tree *t = &e->tree;
  struct tree_retry retry = {0};
  struct key next = *from;
  for (bool more = true; more;) {
    struct tree_missing missing = {0};
    struct tree_path path;
    tree_lock_shared(t);
    if (tree_find_path(t, &next, &path, &missing))
      more = scan_leaf(&path, &next, to, fn, arg);
    pthread_rwlock_unlock(&t->lock);
    if (missing.set)
      ERR_TRY(tree_load_missing(t, &missing, &retry));
  }
  return NACRE_OK;
}
