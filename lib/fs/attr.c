/* Reading and setting attributes. */
#include <sys/stat.h>

#include "base/env.h"
#include "base/err.h"
#include "fs/acl.h"
#include "fs/file.h"
#include "fs/reclaim.h"
#include "fs/xattr.h"

#define NAME_CAPABILITY "security.capability"

enum nacre_err fs_getattr(struct fs *fs, uint64_t ino, struct nacre_attr *attr) {
  struct inode *inode;
  ERR_TRY(inode_get(fs, ino, &inode));
  pthread_mutex_lock(&inode->lock);
  inode_fill_attr(inode, attr);
  pthread_mutex_unlock(&inode->lock);
  inode_put(fs, inode);
  reclaim_zombies(fs);
  return NACRE_OK;
}

/* An access list follows the mode. */
static enum nacre_err set_mode(struct fs *fs, struct txn *txn, struct inode *inode, uint32_t mode, bool *changed) {
  if (inode->rec.flags & RECORD_INODE_ACL_ACCESS) {
    struct acl acl;
    ERR_TRY(xattr_load_acl(fs, inode, ACL_NAME_ACCESS, &acl));
    acl_set_mode(&acl, mode);
    ERR_TRY(xattr_store_acl(fs, txn, inode, ACL_NAME_ACCESS, &acl, changed));
  }
  inode->rec.mode = (inode->rec.mode & S_IFMT) | (mode & 07777u);
  return NACRE_OK;
}

static enum nacre_err kill_privileges(struct fs *fs, struct txn *txn, struct inode *inode, unsigned set,
                                      bool *changed) {
  if (S_ISDIR(inode->rec.mode))
    return NACRE_OK;
  uint32_t mode = inode->rec.mode & ~(uint32_t)S_ISUID;
  if ((mode & S_IXGRP) || (set & NACRE_SET_KILL_SETGID))
    mode &= ~(uint32_t)S_ISGID;
  inode->rec.mode = mode;
  return xattr_store(fs, txn, inode, NAME_CAPABILITY, NULL, 0, changed);
}

static void set_times(struct inode *inode, const struct nacre_attr *attr, unsigned set) {
  struct nacre_time now = env_realtime();
  struct record_inode *rec = &inode->rec;
  if (set & NACRE_SET_ATIME)
    rec->atime = attr->atime;
  if (set & NACRE_SET_MTIME)
    rec->mtime = attr->mtime;
  if (set & NACRE_SET_ATIME_NOW)
    rec->atime = now;
  if (set & NACRE_SET_MTIME_NOW)
    rec->mtime = now;
  if (set & NACRE_SET_CTIME)
    rec->ctime = attr->ctime;
  else if (!(set & NACRE_SET_KEEP_CTIME))
    rec->ctime = now;
}

static enum nacre_err set_locked(struct fs *fs, struct txn *txn, struct inode *inode, const struct nacre_attr *attr,
                                 unsigned set, bool *changed) {
  if (set & NACRE_SET_MODE)
    ERR_TRY(set_mode(fs, txn, inode, attr->mode, changed));
  if (set & NACRE_SET_KILL_PRIV)
    ERR_TRY(kill_privileges(fs, txn, inode, set, changed));
  if (set & NACRE_SET_UID)
    inode->rec.uid = attr->uid;
  if (set & NACRE_SET_GID)
    inode->rec.gid = attr->gid;
  set_times(inode, attr, set);
  return inode_write(txn, inode);
}

/* An unprivileged write asks for it each time, and there is seldom anything to do. */
static bool nothing_to_kill(struct inode *inode) {
  pthread_mutex_lock(&inode->lock);
  bool nothing = !(inode->rec.mode & (S_ISUID | S_ISGID)) && !(inode->rec.flags & RECORD_INODE_XATTRS);
  pthread_mutex_unlock(&inode->lock);
  return nothing;
}

static bool has_xattrs(struct inode *inode) {
  pthread_mutex_lock(&inode->lock);
  bool has = (inode->rec.flags & RECORD_INODE_XATTRS) != 0;
  pthread_mutex_unlock(&inode->lock);
  return has;
}

static enum nacre_err set_size(struct fs *fs, struct inode *inode, uint64_t size) {
  if (S_ISDIR(inode->rec.mode))
    return err_set(NACRE_ERR_IS_DIRECTORY, "it is a folder");
  if (!S_ISREG(inode->rec.mode))
    return err_set(NACRE_ERR_ARGUMENT, "only regular files have a size to set");
  pthread_rwlock_wrlock(&inode->shape);
  enum nacre_err err = file_set_size(fs, inode, size);
  pthread_rwlock_unlock(&inode->shape);
  return err;
}

static enum nacre_err check_times(const struct nacre_attr *attr, unsigned set) {
  bool bad = ((set & NACRE_SET_ATIME) && attr->atime.ns > 999999999u) ||
             ((set & NACRE_SET_MTIME) && attr->mtime.ns > 999999999u) ||
             ((set & NACRE_SET_CTIME) && attr->ctime.ns > 999999999u);
  return bad ? err_set(NACRE_ERR_ARGUMENT, "a time with too many nanoseconds") : NACRE_OK;
}

static enum nacre_err set_attr(struct fs *fs, struct inode *inode, const struct nacre_attr *attr, unsigned set) {
  if (set & NACRE_SET_SIZE)
    ERR_TRY(set_size(fs, inode, attr->size_bytes));
  set &= ~(unsigned)NACRE_SET_SIZE;
  if ((set & NACRE_SET_KILL_PRIV) && nothing_to_kill(inode))
    set &= ~(unsigned)NACRE_SET_KILL_PRIV;
  if (!(set & NACRE_SET_KILL_PRIV))
    set &= ~(unsigned)NACRE_SET_KILL_SETGID;
  if ((set & ~(unsigned)NACRE_SET_KEEP_CTIME) == 0)
    return NACRE_OK;
  struct txn txn;
  bool changed = false;
  bool lists = (set & (NACRE_SET_MODE | NACRE_SET_KILL_PRIV)) && has_xattrs(inode);
  ERR_TRY(txn_begin(fs->engine, TXN_NORMAL, lists ? xattr_records(ACL_VALUE_MAX_BYTES) : 1, &txn));
  pthread_mutex_lock(&inode->lock);
  enum nacre_err err = set_locked(fs, &txn, inode, attr, set, &changed);
  pthread_mutex_unlock(&inode->lock);
  if (err != NACRE_OK && changed)
    err = txn_abort(&txn, err);
  txn_end(&txn);
  return err;
}

enum nacre_err fs_setattr(struct fs *fs, uint64_t ino, struct nacre_attr *attr, unsigned set) {
  struct inode *inode;
  const unsigned known = NACRE_SET_MODE | NACRE_SET_UID | NACRE_SET_GID | NACRE_SET_SIZE | NACRE_SET_ATIME |
                         NACRE_SET_MTIME | NACRE_SET_ATIME_NOW | NACRE_SET_MTIME_NOW | NACRE_SET_CTIME |
                         NACRE_SET_KILL_PRIV | NACRE_SET_KEEP_CTIME | NACRE_SET_KILL_SETGID;
  if (set & ~known)
    return err_set(NACRE_ERR_ARGUMENT, "unknown attributes to set");
  ERR_TRY(check_times(attr, set));
  ERR_TRY(engine_check_writable(fs->engine));
  ERR_TRY(inode_get(fs, ino, &inode));
  enum nacre_err err = set_attr(fs, inode, attr, set);
  if (err == NACRE_OK) {
    pthread_mutex_lock(&inode->lock);
    inode_fill_attr(inode, attr);
    pthread_mutex_unlock(&inode->lock);
  }
  inode_put(fs, inode);
  reclaim_zombies(fs);
  return err;
}
