/* Making files, folders, links and nodes: inode, inherited lists, target and entry in one transaction. */
#include <sys/stat.h>

#include "base/env.h"
#include "base/err.h"
#include "fs/acl.h"
#include "fs/file.h"
#include "fs/flush.h"
#include "fs/namei.h"
#include "fs/reclaim.h"
#include "fs/xattr.h"

/* Inode, entry, folder, orphan; a link's target or two lists with their parts. */
#define MAKE_RECORDS 10u

struct make {
  struct fs *fs;
  uint64_t dir;
  struct name name; /* bytes NULL: none, an O_TMPFILE */
  uint32_t mode;
  uint64_t rdev;
  const char *target; /* of a link */
  const struct nacre_caller *caller;
  struct nacre_attr *attr;
  unsigned flags; /* of the handle */
  struct fs_file **file;
};

static void fill_record(const struct make *m, const struct txn *txn, const struct inode *dir,
                        struct record_inode *rec) {
  struct nacre_time now = env_realtime();
  *rec = (struct record_inode){.mode = m->mode,
                               .uid = m->caller->uid,
                               .gid = m->caller->gid,
                               .nlink = m->name.bytes != NULL ? 1 : 0,
                               .rdev = m->rdev,
                               .size = m->target != NULL ? strlen(m->target) : 0,
                               .generation = txn->generation,
                               .atime = now,
                               .mtime = now,
                               .ctime = now,
                               .btime = now,
                               .project = dir->rec.project,
                               .chunk_log2 = m->fs->chunk_log2};
  if (dir->rec.mode & S_ISGID) {
    rec->gid = dir->rec.gid;
    if (S_ISDIR(m->mode))
      rec->mode |= S_ISGID;
  }
  if (S_ISDIR(m->mode)) {
    rec->nlink = 2;
    rec->hash_version = RECORD_NAME_HASH_SIPHASH;
    rec->parent = m->dir;
    env_random(rec->seed, sizeof rec->seed);
  }
}

/* The folder's default list takes the umask's place and limits the mode; without one the umask does. */
static enum nacre_err inherit(const struct make *m, const struct inode *dir, struct record_inode *rec,
                              struct acl *defaults, struct acl *access) {
  defaults->count = access->count = 0;
  if (S_ISLNK(m->mode))
    return NACRE_OK;
  ERR_TRY(xattr_load_acl(m->fs, dir, ACL_NAME_DEFAULT, defaults));
  if (defaults->count == 0) {
    rec->mode &= ~(m->caller->umask & 0777u);
    return NACRE_OK;
  }
  uint32_t bits;
  *access = *defaults;
  acl_inherit(access, &rec->mode);
  if (acl_to_mode(access, &bits))
    access->count = 0;
  if (!S_ISDIR(m->mode))
    defaults->count = 0;
  return NACRE_OK;
}

static enum nacre_err put_target(struct txn *txn, uint64_t ino, const char *target) {
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  size_t len = target != NULL ? strlen(target) : 0, done = 0;
  for (uint64_t part = 0; done < len; part++) {
    size_t n = (size_t)u64_min(len - done, RECORD_PART_MAX_BYTES);
    struct key key = key_make(ino, FORMAT_RECORD_SYMLINK, part);
    size_t value_len = record_part_encode((const uint8_t *)target + done, n, value);
    ERR_TRY(tree_put(txn, &key, value, value_len));
    done += n;
  }
  return NACRE_OK;
}

/* A new file's record is left to the flush that stores what is about to be written to the file: then all of its
 * records enter the tree side by side, which fills its leaves twice as well as coming back to each. */
static bool is_deferred(const struct make *m) {
  return S_ISREG(m->mode) && m->name.bytes != NULL;
}

/* The inode's own records. Nobody knows its number yet. */
static enum nacre_err put_inode(const struct make *m, struct txn *txn, struct inode *inode,
                                const struct acl *defaults, const struct acl *access, bool *changed) {
  if (access->count > 0)
    ERR_TRY(xattr_store_acl(m->fs, txn, inode, ACL_NAME_ACCESS, access, changed));
  if (defaults->count > 0)
    ERR_TRY(xattr_store_acl(m->fs, txn, inode, ACL_NAME_DEFAULT, defaults, changed));
  inode->attr_dirty = true;
  if (is_deferred(m))
    return NACRE_OK;
  ERR_TRY(inode_write(txn, inode));
  *changed = true;
  return put_target(txn, inode->ino, m->target);
}

/* With the folder's lock held. */
static enum nacre_err make_locked(const struct make *m, struct txn *txn, struct inode *dir, uint64_t base_units,
                                  struct inode **out, bool *changed) {
  struct record_inode rec;
  struct acl defaults, access;
  uint64_t ino;
  if (m->name.bytes != NULL)
    ERR_TRY(dir_check_insert(m->fs, dir, &m->name));
  fill_record(m, txn, dir, &rec);
  ERR_TRY(inherit(m, dir, &rec, &defaults, &access));
  do
    ERR_TRY(engine_new_ino(txn, &ino));
  while (ino <= NACRE_ROOT_INO);
  struct inode *inode = inode_new(m->fs, ino, &rec);
  if (inode == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for an inode");
  enum nacre_err err = put_inode(m, txn, inode, &defaults, &access, changed);
  if (err != NACRE_OK) {
    inode_free(m->fs, inode);
    return err;
  }
  inode->linkable = m->name.bytes == NULL;
  /* From the entry on others may find it: it has to be in the table first. */
  inode_publish(m->fs, inode);
  *out = inode;
  *changed = true;
  if (inode->attr_dirty) {
    inode->base_units = base_units;
    inode_list_dirty(m->fs, inode);
  }
  engine_count_inodes(txn, 1);
  if (m->name.bytes == NULL)
    return namei_put_orphan(txn, ino);
  ERR_TRY(dir_insert(m->fs, txn, dir, &m->name, ino, dir_type(m->mode)));
  return namei_update_dir(txn, dir, 1, S_ISDIR(m->mode) ? 1 : 0);
}

static enum nacre_err make_in_dir(const struct make *m, struct inode *dir, struct inode **out) {
  struct engine *e = m->fs->engine;
  struct txn txn;
  bool changed = false;
  uint64_t base_units = 0;
  if (is_deferred(m)) {
    ERR_TRY(flush_crowd(m->fs));
    base_units = engine_metadata_units(1);
    ERR_TRY(space_reserve(e, base_units));
  }
  enum nacre_err err = txn_begin(e, TXN_NORMAL, MAKE_RECORDS, &txn);
  if (err == NACRE_OK) {
    pthread_mutex_lock(&dir->lock);
    err = make_locked(m, &txn, dir, base_units, out, &changed);
    pthread_mutex_unlock(&dir->lock);
    if (err != NACRE_OK && changed)
      err = txn_abort(&txn, err);
    txn_end(&txn);
  }
  if (*out == NULL && base_units > 0)
    space_release(e, base_units);
  return err;
}

static enum nacre_err make(const struct make *m) {
  struct fs *fs = m->fs;
  struct inode *dir, *inode = NULL;
  struct fs_file *file = NULL;
  if (m->name.bytes != NULL)
    ERR_TRY(dir_check_name(&m->name));
  ERR_TRY(inode_get_dir(fs, m->dir, &dir));
  enum nacre_err err = m->file != NULL ? file_new(fs, m->flags, &file) : NACRE_OK;
  if (err == NACRE_OK)
    err = make_in_dir(m, dir, &inode);
  if (err == NACRE_OK)
    err = namei_give(fs, inode, m->attr);
  if (err == NACRE_OK && file != NULL) {
    file_attach(file, inode);
    *m->file = file;
    file = NULL;
  }
  if (file != NULL)
    fs_close(file);
  inode_put(fs, inode);
  inode_put(fs, dir);
  reclaim_zombies(fs);
  return err;
}

enum nacre_err fs_create(struct fs *fs, uint64_t dir, const char *name, size_t name_len, uint32_t mode,
                         unsigned flags, const struct nacre_caller *caller, struct nacre_attr *attr,
                         struct fs_file **out) {
  struct make m = {.fs = fs,
                   .dir = dir,
                   .name = {name, name_len},
                   .mode = S_IFREG | (mode & 07777u),
                   .caller = caller,
                   .attr = attr,
                   .flags = flags,
                   .file = out};
  return make(&m);
}

enum nacre_err fs_tmpfile(struct fs *fs, uint64_t dir, uint32_t mode, unsigned flags,
                          const struct nacre_caller *caller, struct nacre_attr *attr, struct fs_file **out) {
  struct make m = {.fs = fs,
                   .dir = dir,
                   .mode = S_IFREG | (mode & 07777u),
                   .caller = caller,
                   .attr = attr,
                   .flags = flags,
                   .file = out};
  return make(&m);
}

enum nacre_err fs_mkdir(struct fs *fs, uint64_t dir, const char *name, size_t name_len, uint32_t mode,
                        const struct nacre_caller *caller, struct nacre_attr *attr) {
  struct make m = {.fs = fs,
                   .dir = dir,
                   .name = {name, name_len},
                   .mode = S_IFDIR | (mode & 07777u),
                   .caller = caller,
                   .attr = attr};
  return make(&m);
}

enum nacre_err fs_mknod(struct fs *fs, uint64_t dir, const char *name, size_t name_len, uint32_t mode, uint64_t rdev,
                        const struct nacre_caller *caller, struct nacre_attr *attr) {
  struct make m = {.fs = fs,
                   .dir = dir,
                   .name = {name, name_len},
                   .mode = mode & (S_IFMT | 07777u),
                   .caller = caller,
                   .attr = attr};
  if ((m.mode & S_IFMT) == 0)
    m.mode |= S_IFREG;
  if (S_ISCHR(m.mode) || S_ISBLK(m.mode))
    m.rdev = rdev;
  if (!S_ISREG(m.mode) && !S_ISFIFO(m.mode) && !S_ISSOCK(m.mode) && !S_ISCHR(m.mode) && !S_ISBLK(m.mode))
    return err_set(NACRE_ERR_ARGUMENT, "not a kind of node that can be made so");
  return make(&m);
}

enum nacre_err fs_symlink(struct fs *fs, uint64_t dir, const char *name, size_t name_len, const char *target,
                          const struct nacre_caller *caller, struct nacre_attr *attr) {
  struct make m = {.fs = fs,
                   .dir = dir,
                   .name = {name, name_len},
                   .mode = S_IFLNK | 0777u,
                   .target = target,
                   .caller = caller,
                   .attr = attr};
  size_t len = strlen(target);
  if (len == 0)
    return err_set(NACRE_ERR_NOT_FOUND, "a symbolic link needs a target");
  if (len > FORMAT_SYMLINK_MAX_BYTES)
    return err_set(NACRE_ERR_NAME_TOO_LONG, "a link's target of %zu bytes is too long", len);
  return make(&m);
}
