#include "fs/map.h"

#include "base/err.h"

/* What a scan copies out under the tree's lock; decoded afterwards, when the container's end is known to be no
 * earlier than the extent's. */
struct find {
  uint64_t from;
  uint64_t first;
  bool found;
  bool bad;
  size_t len;
  uint8_t value[EXTENT_VALUE_MAX_BYTES];
};

static bool find_visit(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct find *f = arg;
  if (len < EXTENT_FIXED_BYTES + AEAD_TAG_BYTES || len > sizeof f->value || key->offset > MAP_CHUNK_MAX) {
    f->bad = true;
    return false;
  }
  uint64_t count = (len - EXTENT_FIXED_BYTES) / AEAD_TAG_BYTES;
  if (key->offset + count <= f->from)
    return true;
  f->found = true;
  f->first = key->offset;
  f->len = len;
  memcpy(f->value, value, len);
  return false;
}

static enum nacre_err damaged_extent(void) {
  return err_set(NACRE_ERR_DAMAGED, "a file's extent contradicts its inode");
}

enum nacre_err map_find(struct fs *fs, const struct inode *inode, uint64_t from, uint64_t to, bool exact,
                        struct mapped *out) {
  struct find f;
  f.from = from;
  f.found = f.bad = false;
  uint64_t back = exact ? 0 : u64_min(from, FORMAT_EXTENT_CHUNKS_MAX - 1);
  struct key low = key_make(inode->ino, FORMAT_RECORD_EXTENT, from - back);
  struct key high = key_make(inode->ino, FORMAT_RECORD_EXTENT, to);
  ERR_TRY(tree_scan(fs->engine, &low, &high, find_visit, &f));
  if (f.bad)
    return damaged_extent();
  if (!f.found)
    return NACRE_ERR_NOT_FOUND;
  ERR_TRY(extent_decode(f.value, f.len, engine_units_end(fs->engine), &out->x));
  if (out->x.chunk_bytes != inode_chunk_bytes(inode))
    return damaged_extent();
  out->first = f.first;
  return NACRE_OK;
}

enum nacre_err map_put(struct txn *txn, const struct inode *inode, uint64_t first, const struct extent *x) {
  uint8_t value[EXTENT_VALUE_MAX_BYTES];
  struct key key = key_make(inode->ino, FORMAT_RECORD_EXTENT, first);
  return tree_put(txn, &key, value, extent_encode(x, value));
}

/* Cut chunks [from, end) out of one extent: what is left of it on both sides stays. */
static enum nacre_err cut(struct txn *txn, struct inode *inode, struct mapped *m, uint64_t from, uint64_t end,
                          bool *changed) {
  uint64_t m_end = m->first + m->x.count;
  uint32_t before = m->first < from ? (uint32_t)(from - m->first) : 0;
  uint32_t after = m_end > end ? (uint32_t)(m_end - end) : 0;
  struct extent piece;
  if (after > 0) {
    extent_slice(&m->x, m->x.count - after, after, &piece);
    ERR_TRY(map_put(txn, inode, end, &piece));
    *changed = true;
  }
  if (before > 0) {
    extent_slice(&m->x, 0, before, &piece);
    ERR_TRY(map_put(txn, inode, m->first, &piece));
  } else {
    struct key key = key_make(inode->ino, FORMAT_RECORD_EXTENT, m->first);
    ERR_TRY(tree_delete(txn, &key));
  }
  *changed = true;
  extent_slice(&m->x, before, m->x.count - before - after, &piece);
  inode->rec.units -= u64_min(inode->rec.units, extent_units(&piece));
  data_free(txn, &piece);
  return NACRE_OK;
}

enum nacre_err map_remove(struct fs *fs, struct txn *txn, struct inode *inode, uint64_t end, struct map_removal *r) {
  bool exact = false;
  struct mapped m;
  while (r->left > 0 && r->next < end) {
    enum nacre_err err = map_find(fs, inode, r->next, end - 1, exact, &m);
    if (err == NACRE_ERR_NOT_FOUND)
      break;
    if (err != NACRE_OK)
      return err;
    /* What starts before although nothing should reaches here only from a hostile tree; it shortens, so this ends. */
    uint64_t from = u64_max(r->next, m.first);
    uint64_t to = u64_min(end, m.first + m.x.count);
    inode->version++;
    ERR_TRY(cut(txn, inode, &m, from, to, &r->changed));
    r->next = to;
    r->left--;
    exact = true;
  }
  r->done = r->left > 0 || r->next >= end;
  return NACRE_OK;
}

struct count {
  unsigned count, max;
};

static bool count_visit(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct count *c = arg;
  (void)key;
  (void)value;
  (void)len;
  return ++c->count < c->max;
}

enum nacre_err map_count(struct fs *fs, const struct inode *inode, uint64_t from, unsigned max, unsigned *count) {
  struct count c = {.max = max};
  struct key low = key_make(inode->ino, FORMAT_RECORD_EXTENT, from);
  struct key high = key_make(inode->ino, FORMAT_RECORD_EXTENT, UINT64_MAX);
  ERR_TRY(tree_scan(fs->engine, &low, &high, count_visit, &c));
  *count = c.count;
  return NACRE_OK;
}

static bool ignore_visit(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  (void)arg;
  (void)key;
  (void)value;
  (void)len;
  return true;
}

enum nacre_err map_prefault(struct fs *fs, const struct inode *inode, uint64_t from, uint64_t to) {
  uint64_t back = u64_min(from, FORMAT_EXTENT_CHUNKS_MAX - 1);
  struct key low = key_make(inode->ino, FORMAT_RECORD_EXTENT, from - back);
  struct key high = key_make(inode->ino, FORMAT_RECORD_EXTENT, to);
  return tree_scan(fs->engine, &low, &high, ignore_visit, NULL);
}

/* ---- Tail ---- */

enum nacre_err map_get_tail(struct fs *fs, const struct inode *inode, uint64_t start, size_t len, uint8_t *out) {
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  size_t value_len, data_len;
  const uint8_t *data;
  uint64_t data_start;
  struct key key = key_make(inode->ino, FORMAT_RECORD_TAIL, 0);
  enum nacre_err err = tree_get(fs->engine, &key, value, sizeof value, &value_len);
  if (err == NACRE_ERR_NOT_FOUND)
    return err_set(NACRE_ERR_DAMAGED, "a file's end is missing");
  if (err != NACRE_OK)
    return err;
  ERR_TRY(record_tail_decode(value, value_len, &data_start, &data, &data_len));
  if (data_start != start || data_len != len)
    return err_set(NACRE_ERR_DAMAGED, "a file's end contradicts its size");
  memcpy(out, data, len);
  return NACRE_OK;
}

enum nacre_err map_find_tail(struct fs *fs, const struct inode *inode, uint64_t *start) {
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  size_t value_len, data_len;
  const uint8_t *data;
  struct key key = key_make(inode->ino, FORMAT_RECORD_TAIL, 0);
  ERR_TRY(tree_get(fs->engine, &key, value, sizeof value, &value_len));
  return record_tail_decode(value, value_len, start, &data, &data_len);
}

enum nacre_err map_put_tail(struct txn *txn, struct inode *inode, uint64_t start, const uint8_t *data, size_t len) {
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  struct key key = key_make(inode->ino, FORMAT_RECORD_TAIL, 0);
  ERR_TRY(tree_put(txn, &key, value, record_tail_encode(start, data, len, value)));
  inode->rec.flags |= RECORD_INODE_TAIL;
  inode->tail_start = start;
  inode->version++;
  return NACRE_OK;
}

enum nacre_err map_delete_tail(struct txn *txn, struct inode *inode, bool *changed) {
  if (!(inode->rec.flags & RECORD_INODE_TAIL))
    return NACRE_OK;
  struct key key = key_make(inode->ino, FORMAT_RECORD_TAIL, 0);
  ERR_TRY(tree_delete(txn, &key));
  *changed = true;
  inode->rec.flags &= ~(uint32_t)RECORD_INODE_TAIL;
  inode->version++;
  return NACRE_OK;
}
