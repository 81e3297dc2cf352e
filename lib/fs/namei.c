/* Names of inodes that exist: link, unlink, rmdir. */
#include "fs/namei.h"

#include <sys/stat.h>

#include "base/env.h"
#include "base/err.h"
#include "fs/reclaim.h"

/* Entry, orphan, and folder and inode, of which only the records' content changes. */
#define LINK_RECORDS 3u

enum nacre_err namei_update_dir(struct txn *txn, struct inode *dir, int entries, int folders) {
  /* Where a hostile tree makes the counts fall too low they stay what a folder's must be; verify tells. */
  int64_t links = (int64_t)dir->rec.nlink + folders;
  dir->rec.nlink = links < 2 ? 2 : (uint32_t)links;
  if (entries >= 0 || dir->rec.entries > 0)
    dir->rec.entries += (uint64_t)(int64_t)entries;
  dir->rec.mtime = dir->rec.ctime = env_realtime();
  return inode_write(txn, dir);
}

enum nacre_err namei_put_orphan(struct txn *txn, uint64_t ino) {
  uint8_t value[RECORD_ORPHAN_BYTES];
  struct key key = key_make(0, FORMAT_RECORD_ORPHAN, ino);
  return tree_put(txn, &key, value, record_orphan_encode(RECORD_ORPHAN_UNLINKED, value));
}

enum nacre_err namei_drop_link(struct txn *txn, struct inode *inode) {
  inode->rec.nlink = S_ISDIR(inode->rec.mode) ? 0 : inode->rec.nlink - 1;
  inode->rec.ctime = env_realtime();
  inode->linkable = false;
  if (inode->rec.nlink == 0)
    ERR_TRY(namei_put_orphan(txn, inode->ino));
  return inode_write(txn, inode);
}

/* ---- link ---- */

static enum nacre_err link_locked(struct fs *fs, struct txn *txn, struct inode *dir, const struct name *name,
                                  struct inode *inode, bool *changed) {
  if (S_ISDIR(inode->rec.mode))
    return err_set(NACRE_ERR_PERMISSION, "a folder can't have a second name");
  if (inode->rec.nlink == 0 && !inode->linkable)
    return err_set(NACRE_ERR_NOT_FOUND, "the file was deleted");
  if (inode->rec.nlink >= FORMAT_LINKS_MAX)
    return err_set(NACRE_ERR_TOO_LARGE, "the file has too many names");
  ERR_TRY(dir_check_insert(fs, dir, name));
  if (inode->rec.nlink == 0) {
    struct key orphan = key_make(0, FORMAT_RECORD_ORPHAN, inode->ino);
    ERR_TRY(tree_delete(txn, &orphan));
    *changed = true;
  }
  ERR_TRY(dir_insert(fs, txn, dir, name, inode->ino, dir_type(inode->rec.mode)));
  *changed = true;
  inode->rec.nlink++;
  inode->linkable = false;
  inode->rec.ctime = env_realtime();
  ERR_TRY(inode_write(txn, inode));
  return namei_update_dir(txn, dir, 1, 0);
}

enum nacre_err fs_link(struct fs *fs, uint64_t ino, uint64_t dir_ino, const char *name, size_t name_len,
                       struct nacre_attr *attr) {
  struct name n = {name, name_len};
  struct inode *pair[2] = {NULL, NULL};
  struct txn txn;
  ERR_TRY(dir_check_name(&n));
  enum nacre_err err = inode_get_dir(fs, dir_ino, &pair[0]);
  if (err == NACRE_OK)
    err = inode_get(fs, ino, &pair[1]);
  if (err == NACRE_OK)
    err = txn_begin(fs->engine, TXN_NORMAL, LINK_RECORDS, &txn);
  if (err == NACRE_OK) {
    bool changed = false;
    inode_lock_all(pair, 2);
    err = link_locked(fs, &txn, pair[0], &n, pair[1], &changed);
    inode_unlock_all(pair, 2);
    if (err != NACRE_OK && changed)
      err = txn_abort(&txn, err);
    txn_end(&txn);
  }
  if (err == NACRE_OK)
    err = namei_give(fs, pair[1], attr);
  inode_put(fs, pair[1]);
  inode_put(fs, pair[0]);
  reclaim_zombies(fs);
  return err;
}

/* ---- unlink, rmdir ---- */

static enum nacre_err check_removable(struct fs *fs, const struct inode *inode, bool folder) {
  if (!folder && S_ISDIR(inode->rec.mode))
    return err_set(NACRE_ERR_IS_DIRECTORY, "it is a folder");
  if (folder && !S_ISDIR(inode->rec.mode))
    return err_set(NACRE_ERR_NOT_DIRECTORY, "it is not a folder");
  if (inode->rec.nlink == 0 || inode->ino == NACRE_ROOT_INO)
    return err_set(NACRE_ERR_DAMAGED, "a folder's entry names an inode that can have no name");
  bool empty = true;
  if (folder)
    ERR_TRY(dir_is_empty(fs, inode, &empty));
  return empty ? NACRE_OK : err_set(NACRE_ERR_NOT_EMPTY, "the folder is not empty");
}

/* *again: the name has come to mean another inode. */
static enum nacre_err remove_locked(struct fs *fs, struct txn *txn, struct inode *dir, const struct name *name,
                                    struct inode *inode, bool folder, bool *again, bool *changed) {
  uint64_t ino;
  uint8_t type;
  ERR_TRY(dir_find(fs, dir, name, &ino, &type));
  *again = ino != inode->ino;
  if (*again)
    return NACRE_OK;
  ERR_TRY(check_removable(fs, inode, folder));
  ERR_TRY(dir_remove(fs, txn, dir, name));
  *changed = true;
  ERR_TRY(namei_drop_link(txn, inode));
  return namei_update_dir(txn, dir, -1, folder ? -1 : 0);
}

static enum nacre_err remove_once(struct fs *fs, struct inode *dir, const struct name *name, bool folder,
                                  bool *again) {
  struct inode *pair[2] = {dir, NULL};
  struct txn txn;
  *again = false;
  ERR_TRY(namei_child(fs, dir, name, &pair[1]));
  enum nacre_err err = txn_begin(fs->engine, TXN_FREEING, LINK_RECORDS, &txn);
  if (err == NACRE_OK) {
    bool changed = false;
    inode_lock_all(pair, 2);
    err = remove_locked(fs, &txn, dir, name, pair[1], folder, again, &changed);
    inode_unlock_all(pair, 2);
    if (err != NACRE_OK && changed)
      err = txn_abort(&txn, err);
    txn_end(&txn);
  }
  inode_put(fs, pair[1]);
  return err;
}

static enum nacre_err remove_name(struct fs *fs, uint64_t dir_ino, const struct name *name, bool folder) {
  struct inode *dir;
  ERR_TRY(dir_check_name(name));
  ERR_TRY(inode_get_dir(fs, dir_ino, &dir));
  bool again = true;
  enum nacre_err err = NACRE_OK;
  for (unsigned i = 0; i < NAMEI_TRIES && again && err == NACRE_OK; i++)
    err = remove_once(fs, dir, name, folder, &again);
  if (err == NACRE_OK && again)
    err = err_set(NACRE_ERR_IN_USE, "the name changes faster than it can be removed");
  inode_put(fs, dir);
  reclaim_zombies(fs);
  return err;
}

enum nacre_err fs_unlink(struct fs *fs, uint64_t dir, const char *name, size_t name_len) {
  struct name n = {name, name_len};
  return remove_name(fs, dir, &n, false);
}

enum nacre_err fs_rmdir(struct fs *fs, uint64_t dir, const char *name, size_t name_len) {
  struct name n = {name, name_len};
  return remove_name(fs, dir, &n, true);
}
