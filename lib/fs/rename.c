/* Renaming: one name becomes another, takes another's place, or two change places. */
#include <sys/stat.h>

#include "base/env.h"
#include "base/err.h"
#include "fs/namei.h"
#include "fs/reclaim.h"

/* Two entries and an orphan; the inodes' records keep their size and split no leaf. */
#define RENAME_RECORDS 5u

struct rename {
  struct fs *fs;
  struct name from, to;
  unsigned flags;
  /* The two folders, which may be the same; what is renamed; what is there already, or NULL. */
  struct inode *from_dir, *to_dir, *source, *target;
};

static bool is_folder(const struct inode *inode) {
  return inode != NULL && S_ISDIR(inode->rec.mode);
}

/* Whether `dir` is `top` or lies beneath it. Parents hold still: they change only under the rename lock, which is
 * held. A hostile tree may have a ring of parents, which Brent's method finds. */
static enum nacre_err is_beneath(struct fs *fs, uint64_t dir, uint64_t top, bool *beneath) {
  uint64_t tortoise = dir, steps = 0, limit = 2;
  *beneath = false;
  while (dir != NACRE_ROOT_INO) {
    if (dir == top) {
      *beneath = true;
      return NACRE_OK;
    }
    struct inode *inode;
    ERR_TRY(inode_get_dir(fs, dir, &inode));
    pthread_mutex_lock(&inode->lock);
    dir = inode->rec.parent;
    pthread_mutex_unlock(&inode->lock);
    inode_put(fs, inode);
    if (dir == tortoise)
      return err_set(NACRE_ERR_DAMAGED, "folders contain each other");
    if (++steps == limit) {
      tortoise = dir;
      steps = 0;
      limit *= 2;
    }
  }
  *beneath = top == NACRE_ROOT_INO;
  return NACRE_OK;
}

/* A folder must not come to lie beneath itself. Only a move between folders can do that. */
static enum nacre_err check_cycle(const struct rename *r) {
  bool beneath = false;
  if (r->from_dir == r->to_dir)
    return NACRE_OK;
  if (is_folder(r->source))
    ERR_TRY(is_beneath(r->fs, r->to_dir->ino, r->source->ino, &beneath));
  if (!beneath && (r->flags & NACRE_RENAME_EXCHANGE) && is_folder(r->target))
    ERR_TRY(is_beneath(r->fs, r->from_dir->ino, r->target->ino, &beneath));
  return beneath ? err_set(NACRE_ERR_ARGUMENT, "a folder can't be moved beneath itself") : NACRE_OK;
}

static enum nacre_err check_target(const struct rename *r) {
  if (r->target == NULL)
    return r->flags & NACRE_RENAME_EXCHANGE ? err_set(NACRE_ERR_NOT_FOUND, "there is nothing to change places with")
                                            : NACRE_OK;
  if (r->flags & NACRE_RENAME_NOREPLACE)
    return err_set(NACRE_ERR_EXISTS, "the name exists");
  if (r->flags & NACRE_RENAME_EXCHANGE)
    return NACRE_OK;
  if (is_folder(r->source) && !is_folder(r->target))
    return err_set(NACRE_ERR_NOT_DIRECTORY, "a folder can't replace what is none");
  if (!is_folder(r->source) && is_folder(r->target))
    return err_set(NACRE_ERR_IS_DIRECTORY, "only a folder can replace a folder");
  return NACRE_OK;
}

/* Whether the two names still mean what they did. */
static enum nacre_err still_holds(const struct rename *r, bool *holds) {
  uint64_t ino;
  uint8_t type;
  enum nacre_err err = dir_find(r->fs, r->from_dir, &r->from, &ino, &type);
  *holds = err == NACRE_OK && ino == r->source->ino;
  if (err == NACRE_ERR_NOT_FOUND || !*holds)
    return err == NACRE_ERR_NOT_FOUND ? NACRE_OK : err;
  err = dir_find(r->fs, r->to_dir, &r->to, &ino, &type);
  if (err != NACRE_OK && err != NACRE_ERR_NOT_FOUND)
    return err;
  *holds = r->target != NULL ? err == NACRE_OK && ino == r->target->ino : err == NACRE_ERR_NOT_FOUND;
  return NACRE_OK;
}

/* It has another parent from now on. Under its lock. */
static enum nacre_err moved(struct txn *txn, struct inode *inode, const struct inode *dir) {
  inode->rec.ctime = env_realtime();
  if (is_folder(inode))
    inode->rec.parent = dir->ino;
  return inode_write(txn, inode);
}

static enum nacre_err exchange(const struct rename *r, struct txn *txn, bool *changed) {
  int balance = (is_folder(r->target) ? 1 : 0) - (is_folder(r->source) ? 1 : 0);
  ERR_TRY(dir_replace(r->fs, txn, r->from_dir, &r->from, r->target->ino, dir_type(r->target->rec.mode)));
  *changed = true;
  ERR_TRY(dir_replace(r->fs, txn, r->to_dir, &r->to, r->source->ino, dir_type(r->source->rec.mode)));
  ERR_TRY(moved(txn, r->source, r->to_dir));
  ERR_TRY(moved(txn, r->target, r->from_dir));
  ERR_TRY(namei_update_dir(txn, r->from_dir, 0, balance));
  return namei_update_dir(txn, r->to_dir, 0, -balance);
}

static enum nacre_err move(const struct rename *r, struct txn *txn, bool *changed) {
  int folder = is_folder(r->source) ? 1 : 0;
  uint8_t type = dir_type(r->source->rec.mode);
  if (r->target == NULL)
    ERR_TRY(dir_insert(r->fs, txn, r->to_dir, &r->to, r->source->ino, type));
  else
    ERR_TRY(dir_replace(r->fs, txn, r->to_dir, &r->to, r->source->ino, type));
  *changed = true;
  ERR_TRY(dir_remove(r->fs, txn, r->from_dir, &r->from));
  if (r->target != NULL)
    ERR_TRY(namei_drop_link(txn, r->target));
  ERR_TRY(moved(txn, r->source, r->to_dir));
  ERR_TRY(namei_update_dir(txn, r->from_dir, -1, -folder));
  return namei_update_dir(txn, r->to_dir, r->target == NULL ? 1 : 0, is_folder(r->target) ? 0 : folder);
}

/* With all locks held, in the transaction. */
static enum nacre_err rename_locked(const struct rename *r, struct txn *txn, bool *again, bool *changed) {
  bool holds;
  ERR_TRY(still_holds(r, &holds));
  *again = !holds;
  if (!holds)
    return NACRE_OK;
  if (r->source->rec.nlink == 0 || (r->target != NULL && r->target->rec.nlink == 0))
    return err_set(NACRE_ERR_DAMAGED, "a folder's entry names an inode that can have no name");
  if (r->source == r->from_dir || r->source == r->to_dir || r->target == r->from_dir || r->target == r->to_dir)
    return err_set(NACRE_ERR_NOT_EMPTY, "a folder can't take the place of one that holds it");
  if (r->target == NULL)
    ERR_TRY(dir_check_insert(r->fs, r->to_dir, &r->to));
  if (r->flags & NACRE_RENAME_EXCHANGE)
    return exchange(r, txn, changed);
  bool empty = true;
  if (is_folder(r->target))
    ERR_TRY(dir_is_empty(r->fs, r->target, &empty));
  if (!empty)
    return err_set(NACRE_ERR_NOT_EMPTY, "the folder is not empty");
  return move(r, txn, changed);
}

static enum nacre_err rename_pair(const struct rename *r, bool *again) {
  ERR_TRY(check_target(r));
  if (r->source == r->target)
    return NACRE_OK;
  ERR_TRY(check_cycle(r));
  struct txn txn;
  ERR_TRY(txn_begin(r->fs->engine, r->target != NULL ? TXN_FREEING : TXN_NORMAL, RENAME_RECORDS, &txn));
  struct inode *all[4] = {r->from_dir, r->to_dir, r->source, r->target};
  bool changed = false;
  inode_lock_all(all, 4);
  enum nacre_err err = rename_locked(r, &txn, again, &changed);
  inode_unlock_all(all, 4);
  if (err != NACRE_OK && changed)
    err = txn_abort(&txn, err);
  txn_end(&txn);
  return err;
}

static enum nacre_err rename_once(struct rename *r, bool *again) {
  *again = false;
  r->source = r->target = NULL;
  enum nacre_err err = namei_child(r->fs, r->from_dir, &r->from, &r->source);
  if (err == NACRE_OK) {
    err = namei_child(r->fs, r->to_dir, &r->to, &r->target);
    if (err == NACRE_ERR_NOT_FOUND)
      err = NACRE_OK;
  }
  if (err == NACRE_OK)
    err = rename_pair(r, again);
  inode_put(r->fs, r->target);
  inode_put(r->fs, r->source);
  return err;
}

static enum nacre_err rename_in_dirs(struct rename *r) {
  bool again = true;
  enum nacre_err err = NACRE_OK;
  for (unsigned i = 0; i < NAMEI_TRIES && again && err == NACRE_OK; i++)
    err = rename_once(r, &again);
  if (err == NACRE_OK && again)
    err = err_set(NACRE_ERR_IN_USE, "the names change faster than they can be renamed");
  return err;
}

enum nacre_err fs_rename(struct fs *fs, uint64_t from_dir, const char *from, size_t from_len, uint64_t to_dir,
                         const char *to, size_t to_len, unsigned flags) {
  struct rename r = {.fs = fs, .from = {from, from_len}, .to = {to, to_len}, .flags = flags};
  const unsigned both = NACRE_RENAME_NOREPLACE | NACRE_RENAME_EXCHANGE;
  if ((flags & ~both) || (flags & both) == both)
    return err_set(NACRE_ERR_ARGUMENT, "flags of rename that make no sense");
  ERR_TRY(dir_check_name(&r.from));
  ERR_TRY(dir_check_name(&r.to));
  /* Moves of folders between folders go one at a time, so that two can't make a ring together. */
  if (from_dir != to_dir)
    pthread_mutex_lock(&fs->rename_lock);
  enum nacre_err err = inode_get_dir(fs, from_dir, &r.from_dir);
  if (err == NACRE_OK)
    err = inode_get_dir(fs, to_dir, &r.to_dir);
  if (err == NACRE_OK)
    err = rename_in_dirs(&r);
  if (from_dir != to_dir)
    pthread_mutex_unlock(&fs->rename_lock);
  inode_put(fs, r.to_dir);
  inode_put(fs, r.from_dir);
  reclaim_zombies(fs);
  return err;
}
