/* Extended attributes in the tree: buckets by the hash of the name, and parts for what is too long for one. */
#include <stdlib.h>

#include "base/err.h"
#include "fs/acl.h"
#include "fs/xattr.h"

static uint32_t parts_of(size_t len) {
  return (uint32_t)u64_ceil_div(len, RECORD_PART_MAX_BYTES);
}

uint32_t xattr_records(size_t len) {
  return 2 + (parts_of(len) + parts_of(FORMAT_XATTR_MAX_BYTES)) / 4;
}

struct bucket {
  struct key key;
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  struct record_xattrs xattrs;
  unsigned at; /* the entry looked for; xattrs.count if there is none */
};

static enum nacre_err bucket_load(struct fs *fs, const struct inode *inode, const char *name, struct bucket *b) {
  size_t name_len = strlen(name), len;
  b->key = key_make(inode->ino, FORMAT_RECORD_XATTR, record_xattr_offset(name, name_len));
  b->xattrs.count = b->at = 0;
  if (!(inode->rec.flags & RECORD_INODE_XATTRS))
    return NACRE_OK;
  enum nacre_err err = tree_get(fs->engine, &b->key, b->value, sizeof b->value, &len);
  if (err == NACRE_ERR_NOT_FOUND)
    return NACRE_OK;
  if (err != NACRE_OK)
    return err;
  ERR_TRY(record_xattrs_decode(b->value, len, &b->xattrs));
  while (b->at < b->xattrs.count) {
    const struct record_xattr *x = &b->xattrs.entries[b->at];
    if (x->name_len == name_len && memcmp(x->name, name, name_len) == 0)
      break;
    b->at++;
  }
  return NACRE_OK;
}

static struct key part_key(const struct bucket *b, uint8_t index, uint32_t part) {
  return key_make(b->key.object, FORMAT_RECORD_XATTR_PART, record_xattr_part_offset(b->key.offset, index, part));
}

static enum nacre_err load_parts(struct fs *fs, const struct bucket *b, const struct record_xattr *x, uint8_t *out) {
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  size_t done = 0;
  for (uint32_t part = 0; part < parts_of(x->value_len); part++) {
    const uint8_t *data;
    size_t len, data_len;
    struct key key = part_key(b, x->index, part);
    enum nacre_err err = tree_get(fs->engine, &key, value, sizeof value, &len);
    if (err == NACRE_ERR_NOT_FOUND)
      return err_set(NACRE_ERR_DAMAGED, "a part of an extended attribute is missing");
    if (err != NACRE_OK)
      return err;
    ERR_TRY(record_part_decode(value, len, &data, &data_len));
    if (data_len != u64_min(x->value_len - done, RECORD_PART_MAX_BYTES))
      return err_set(NACRE_ERR_DAMAGED, "a part of an extended attribute has the wrong length");
    memcpy(out + done, data, data_len);
    done += data_len;
  }
  return NACRE_OK;
}

enum nacre_err xattr_load(struct fs *fs, const struct inode *inode, const char *name, void *buf, size_t cap,
                          size_t *len) {
  struct bucket b;
  *len = 0;
  ERR_TRY(bucket_load(fs, inode, name, &b));
  if (b.at == b.xattrs.count)
    return err_set(NACRE_ERR_NO_ATTRIBUTE, "no such extended attribute");
  const struct record_xattr *x = &b.xattrs.entries[b.at];
  *len = x->value_len;
  if (cap == 0 && buf == NULL)
    return NACRE_OK;
  if (*len > cap)
    return err_set(NACRE_ERR_RANGE, "the buffer is too small for the extended attribute");
  if (x->in_parts)
    return load_parts(fs, &b, x, buf);
  if (*len > 0)
    memcpy(buf, x->value, *len);
  return NACRE_OK;
}

/* ---- Storing ---- */

static enum nacre_err delete_parts(struct txn *txn, const struct bucket *b, const struct record_xattr *x,
                                   bool *changed) {
  for (uint32_t part = 0; x->in_parts && part < parts_of(x->value_len); part++) {
    struct key key = part_key(b, x->index, part);
    enum nacre_err err = tree_delete(txn, &key);
    if (err != NACRE_OK && err != NACRE_ERR_NOT_FOUND)
      return err;
    *changed = true;
  }
  return NACRE_OK;
}

static enum nacre_err put_parts(struct txn *txn, const struct bucket *b, uint8_t index, const uint8_t *value,
                                size_t len, bool *changed) {
  uint8_t record[FORMAT_VALUE_MAX_BYTES];
  for (uint32_t part = 0; part < parts_of(len); part++) {
    size_t done = (size_t)part * RECORD_PART_MAX_BYTES;
    size_t n = (size_t)u64_min(len - done, RECORD_PART_MAX_BYTES);
    struct key key = part_key(b, index, part);
    ERR_TRY(tree_put(txn, &key, record, record_part_encode(value + done, n, record)));
    *changed = true;
  }
  return NACRE_OK;
}

static void bucket_remove(struct bucket *b) {
  struct record_xattrs *x = &b->xattrs;
  memmove(x->entries + b->at, x->entries + b->at + 1, (x->count - b->at - 1) * sizeof x->entries[0]);
  x->count--;
}

/* Into the first free index; b->at is then its place. */
static bool bucket_add(struct bucket *b, const struct record_xattr *entry) {
  struct record_xattrs *x = &b->xattrs;
  if (x->count == RECORD_BUCKET_ENTRIES)
    return false;
  unsigned at = 0;
  while (at < x->count && x->entries[at].index == at)
    at++;
  memmove(x->entries + at + 1, x->entries + at, (x->count - at) * sizeof x->entries[0]);
  x->entries[at] = *entry;
  x->entries[at].index = (uint8_t)at;
  x->count++;
  b->at = at;
  return true;
}

static bool any_visit(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  bool *any = arg;
  (void)key;
  (void)value;
  (void)len;
  *any = true;
  return false;
}

static uint32_t acl_flag(const char *name) {
  if (strcmp(name, ACL_NAME_ACCESS) == 0)
    return RECORD_INODE_ACL_ACCESS;
  return strcmp(name, ACL_NAME_DEFAULT) == 0 ? RECORD_INODE_ACL_DEFAULT : 0;
}

/* The entry is gone from the bucket in memory: store what is left. */
static enum nacre_err store_removed(struct fs *fs, struct txn *txn, struct inode *inode, const struct bucket *b,
                                    bool *changed) {
  uint8_t record[FORMAT_VALUE_MAX_BYTES];
  if (b->xattrs.count > 0)
    return tree_put(txn, &b->key, record, record_xattrs_encode(&b->xattrs, record));
  ERR_TRY(tree_delete(txn, &b->key));
  *changed = true;
  bool any = false;
  struct key low = key_make(inode->ino, FORMAT_RECORD_XATTR, 0);
  struct key high = key_make(inode->ino, FORMAT_RECORD_XATTR, UINT64_MAX);
  ERR_TRY(tree_scan(fs->engine, &low, &high, any_visit, &any));
  if (!any)
    inode->rec.flags &= ~(uint32_t)RECORD_INODE_XATTRS;
  return NACRE_OK;
}

static enum nacre_err store_added(struct txn *txn, struct inode *inode, struct bucket *b,
                                  const struct record_xattr *entry, const void *value, bool *changed) {
  uint8_t record[FORMAT_VALUE_MAX_BYTES];
  size_t len = 0;
  if (bucket_add(b, entry)) {
    struct record_xattr *x = &b->xattrs.entries[b->at];
    len = record_xattrs_encode(&b->xattrs, record);
    if (len == 0 && x->value_len > 0) {
      x->in_parts = true;
      len = record_xattrs_encode(&b->xattrs, record);
    }
  }
  if (len == 0)
    return err_set(NACRE_ERR_NO_SPACE, "too many extended attributes with the same hash");
  const struct record_xattr *x = &b->xattrs.entries[b->at];
  if (x->in_parts)
    ERR_TRY(put_parts(txn, b, x->index, value, x->value_len, changed));
  ERR_TRY(tree_put(txn, &b->key, record, len));
  inode->rec.flags |= RECORD_INODE_XATTRS;
  return NACRE_OK;
}

enum nacre_err xattr_store(struct fs *fs, struct txn *txn, struct inode *inode, const char *name, const void *value,
                           size_t len, bool *changed) {
  struct bucket b;
  ERR_TRY(bucket_load(fs, inode, name, &b));
  bool existed = b.at < b.xattrs.count;
  if (existed) {
    ERR_TRY(delete_parts(txn, &b, &b.xattrs.entries[b.at], changed));
    bucket_remove(&b);
  }
  if (value == NULL) {
    if (existed)
      ERR_TRY(store_removed(fs, txn, inode, &b, changed));
    *changed = *changed || existed;
    inode->rec.flags &= ~acl_flag(name);
    return NACRE_OK;
  }
  struct record_xattr entry = {.name_len = (uint8_t)strlen(name),
                               .in_parts = len > RECORD_XATTR_INLINE_MAX_BYTES,
                               .value_len = (uint32_t)len,
                               .name = name,
                               .value = value};
  ERR_TRY(store_added(txn, inode, &b, &entry, value, changed));
  *changed = true;
  inode->rec.flags |= acl_flag(name);
  return NACRE_OK;
}

/* ---- Access control lists ---- */

enum nacre_err xattr_load_acl(struct fs *fs, const struct inode *inode, const char *name, struct acl *acl) {
  acl->count = 0;
  if (!(inode->rec.flags & acl_flag(name)))
    return NACRE_OK;
  uint8_t value[ACL_VALUE_MAX_BYTES];
  size_t len;
  enum nacre_err err = xattr_load(fs, inode, name, value, sizeof value, &len);
  if (err == NACRE_OK)
    err = acl_decode(value, len, acl);
  if (err == NACRE_ERR_ARGUMENT || err == NACRE_ERR_NO_ATTRIBUTE || err == NACRE_ERR_RANGE)
    return err_set(NACRE_ERR_DAMAGED, "a stored access control list makes no sense");
  return err;
}

enum nacre_err xattr_store_acl(struct fs *fs, struct txn *txn, struct inode *inode, const char *name,
                               const struct acl *acl, bool *changed) {
  uint8_t value[ACL_VALUE_MAX_BYTES];
  size_t len = acl_encode(acl, value);
  return xattr_store(fs, txn, inode, name, acl->count > 0 ? value : NULL, len, changed);
}
