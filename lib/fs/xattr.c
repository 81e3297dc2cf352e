/* The calls on extended attributes: namespaces, limits, and the lists that take effect. */
#include "fs/xattr.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/env.h"
#include "base/err.h"
#include "fs/acl.h"
#include "fs/reclaim.h"

static bool has_prefix(const char *name, const char *prefix) {
  return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_acl(const char *name) {
  return strcmp(name, ACL_NAME_ACCESS) == 0 || strcmp(name, ACL_NAME_DEFAULT) == 0;
}

static enum nacre_err check_name(const char *name) {
  if (strlen(name) > FORMAT_NAME_MAX_BYTES)
    return err_set(NACRE_ERR_RANGE, "the name of an extended attribute is too long");
  if (is_acl(name))
    return NACRE_OK;
  if (!has_prefix(name, "user.") && !has_prefix(name, "trusted.") && !has_prefix(name, "security."))
    return err_set(NACRE_ERR_UNSUPPORTED, "extended attributes of that namespace are not supported");
  const char *dot = strchr(name, '.');
  if (dot == NULL || dot[1] == 0)
    return err_set(NACRE_ERR_ARGUMENT, "an extended attribute's name is its namespace alone");
  return NACRE_OK;
}

/* The same rules as Linux has for its own filesystems. */
static enum nacre_err check_target(const struct inode *inode, const char *name) {
  uint32_t mode = inode->rec.mode;
  if (has_prefix(name, "user.") && !S_ISREG(mode) && !S_ISDIR(mode))
    return err_set(NACRE_ERR_PERMISSION, "only files and folders have user attributes");
  if (is_acl(name) && S_ISLNK(mode))
    return err_set(NACRE_ERR_UNSUPPORTED, "a symbolic link has no access control list");
  if (strcmp(name, ACL_NAME_DEFAULT) == 0 && !S_ISDIR(mode))
    return err_set(NACRE_ERR_PERMISSION, "only a folder has a default access control list");
  return NACRE_OK;
}

enum nacre_err fs_getxattr(struct fs *fs, uint64_t ino, const char *name, void *buf, size_t size_bytes, size_t *len) {
  struct inode *inode;
  *len = 0;
  ERR_TRY(check_name(name));
  ERR_TRY(inode_get(fs, ino, &inode));
  pthread_mutex_lock(&inode->lock);
  enum nacre_err err = xattr_load(fs, inode, name, size_bytes > 0 ? buf : NULL, size_bytes, len);
  pthread_mutex_unlock(&inode->lock);
  inode_put(fs, inode);
  reclaim_zombies(fs);
  return err;
}

/* ---- Listing ---- */

struct names {
  char *buf;
  size_t cap, len;
  bool bad;
};

static bool names_visit(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct names *n = arg;
  struct record_xattrs xattrs;
  (void)key;
  if (record_xattrs_decode(value, len, &xattrs) != NACRE_OK) {
    n->bad = true;
    return false;
  }
  for (unsigned i = 0; i < xattrs.count; i++) {
    size_t name_len = xattrs.entries[i].name_len;
    if (n->buf != NULL && n->cap >= n->len && n->cap - n->len > name_len) {
      memcpy(n->buf + n->len, xattrs.entries[i].name, name_len);
      n->buf[n->len + name_len] = 0;
    }
    n->len += name_len + 1;
  }
  return true;
}

/* Under the lock. n->len is all that there would be, even past the buffer. */
static enum nacre_err list_names(struct fs *fs, const struct inode *inode, struct names *n) {
  if (!(inode->rec.flags & RECORD_INODE_XATTRS))
    return NACRE_OK;
  struct key low = key_make(inode->ino, FORMAT_RECORD_XATTR, 0);
  struct key high = key_make(inode->ino, FORMAT_RECORD_XATTR, UINT64_MAX);
  ERR_TRY(tree_scan(fs->engine, &low, &high, names_visit, n));
  return n->bad ? err_set(NACRE_ERR_DAMAGED, "an extended attribute is malformed") : NACRE_OK;
}

enum nacre_err fs_listxattr(struct fs *fs, uint64_t ino, char *buf, size_t size_bytes, size_t *len) {
  struct inode *inode;
  struct names n = {.buf = size_bytes > 0 ? buf : NULL, .cap = size_bytes};
  *len = 0;
  ERR_TRY(inode_get(fs, ino, &inode));
  pthread_mutex_lock(&inode->lock);
  enum nacre_err err = list_names(fs, inode, &n);
  pthread_mutex_unlock(&inode->lock);
  inode_put(fs, inode);
  reclaim_zombies(fs);
  *len = n.len;
  if (err == NACRE_OK && size_bytes > 0 && n.len > size_bytes)
    return err_set(NACRE_ERR_RANGE, "the buffer is too small for the names");
  return err;
}

/* ---- Setting ---- */

static enum nacre_err check_flags(struct fs *fs, const struct inode *inode, const char *name, unsigned flags) {
  size_t old_len;
  struct names n = {0};
  enum nacre_err err = xattr_load(fs, inode, name, NULL, 0, &old_len);
  if (err != NACRE_OK && err != NACRE_ERR_NO_ATTRIBUTE)
    return err;
  if (err == NACRE_OK && (flags & NACRE_XATTR_CREATE))
    return err_set(NACRE_ERR_EXISTS, "the extended attribute exists");
  if (err == NACRE_OK)
    return NACRE_OK;
  if (flags & NACRE_XATTR_REPLACE)
    return err;
  ERR_TRY(list_names(fs, inode, &n));
  if (n.len + strlen(name) + 1 > FORMAT_XATTR_MAX_BYTES)
    return err_set(NACRE_ERR_TOO_LARGE, "too many extended attributes");
  return NACRE_OK;
}

/* The access list sets the mode; one that says no more than the mode is not kept, nor is an empty one. */
static enum nacre_err set_acl(struct fs *fs, struct txn *txn, struct inode *inode, const char *name,
                              const struct acl *acl, bool *changed) {
  struct acl none = {.count = 0};
  if (strcmp(name, ACL_NAME_DEFAULT) == 0 || acl->count == 0)
    return xattr_store_acl(fs, txn, inode, name, acl, changed);
  uint32_t bits;
  bool plain = acl_to_mode(acl, &bits);
  ERR_TRY(xattr_store_acl(fs, txn, inode, name, plain ? &none : acl, changed));
  inode->rec.mode = (inode->rec.mode & ~0777u) | bits;
  return NACRE_OK;
}

struct set {
  const char *name;
  const void *value;
  size_t len;
  unsigned flags;
  bool remove;
  struct acl acl;
};

static enum nacre_err set_locked(struct fs *fs, struct txn *txn, struct inode *inode, const struct set *s,
                                 bool *changed) {
  size_t old_len;
  if (s->remove)
    ERR_TRY(xattr_load(fs, inode, s->name, NULL, 0, &old_len));
  else
    ERR_TRY(check_target(inode, s->name));
  if (!s->remove)
    ERR_TRY(check_flags(fs, inode, s->name, s->flags));
  if (!s->remove && is_acl(s->name))
    ERR_TRY(set_acl(fs, txn, inode, s->name, &s->acl, changed));
  else
    ERR_TRY(xattr_store(fs, txn, inode, s->name, s->remove ? NULL : s->value, s->len, changed));
  inode->rec.ctime = env_realtime();
  return inode_write(txn, inode);
}

static enum nacre_err set(struct fs *fs, uint64_t ino, const struct set *s) {
  struct inode *inode;
  struct txn txn;
  ERR_TRY(inode_get(fs, ino, &inode));
  enum nacre_err err = txn_begin(fs->engine, s->remove ? TXN_FREEING : TXN_NORMAL, xattr_records(s->len), &txn);
  if (err == NACRE_OK) {
    bool changed = false;
    pthread_mutex_lock(&inode->lock);
    err = set_locked(fs, &txn, inode, s, &changed);
    pthread_mutex_unlock(&inode->lock);
    if (err != NACRE_OK && changed)
      err = txn_abort(&txn, err);
    txn_end(&txn);
  }
  inode_put(fs, inode);
  reclaim_zombies(fs);
  return err;
}

enum nacre_err fs_setxattr(struct fs *fs, uint64_t ino, const char *name, const void *value, size_t len,
                           unsigned flags) {
  struct set s = {.name = name, .value = len > 0 ? value : "", .len = len, .flags = flags};
  ERR_TRY(check_name(name));
  if ((flags & ~(unsigned)(NACRE_XATTR_CREATE | NACRE_XATTR_REPLACE)) ||
      flags == (NACRE_XATTR_CREATE | NACRE_XATTR_REPLACE))
    return err_set(NACRE_ERR_ARGUMENT, "unknown flags for an extended attribute");
  if (len > FORMAT_XATTR_MAX_BYTES)
    return err_set(NACRE_ERR_TOO_LARGE, "the value of an extended attribute is too large");
  if (is_acl(name) && len > 0)
    ERR_TRY(acl_decode(value, len, &s.acl));
  return set(fs, ino, &s);
}

enum nacre_err fs_removexattr(struct fs *fs, uint64_t ino, const char *name) {
  struct set s = {.name = name, .remove = true};
  ERR_TRY(check_name(name));
  return set(fs, ino, &s);
}
