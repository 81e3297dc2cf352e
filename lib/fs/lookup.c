/* From a name or a number to an inode's attributes, and back up. */
#include <sys/stat.h>

#include "base/err.h"
#include "fs/namei.h"
#include "fs/reclaim.h"

/* Another thread may remove or replace the name between looking it up and loading its inode. */
#define LOOKUP_TRIES 100u

enum nacre_err namei_child(struct fs *fs, const struct inode *dir, const struct name *name, struct inode **out) {
  uint64_t ino, before = 0;
  uint8_t type;
  for (unsigned i = 0; i < LOOKUP_TRIES; i++) {
    ERR_TRY(dir_find(fs, dir, name, &ino, &type));
    enum nacre_err err = inode_get(fs, ino, out);
    if (err != NACRE_ERR_NOT_FOUND)
      return err;
    if (ino == before)
      break;
    before = ino;
  }
  return err_set(NACRE_ERR_DAMAGED, "a folder's entry names an inode that does not exist");
}

enum nacre_err namei_give(struct fs *fs, struct inode *inode, struct nacre_attr *attr) {
  if (attr == NULL)
    return NACRE_OK;
  ERR_TRY(inode_pin(fs, inode->ino));
  pthread_mutex_lock(&inode->lock);
  inode_fill_attr(inode, attr);
  pthread_mutex_unlock(&inode->lock);
  return NACRE_OK;
}

/* An inode by its number, as a file handle of a network filesystem names it. One that has lost its last name is found
 * by those who have it open, and by nobody else. */
static enum nacre_err lookup_number(struct fs *fs, uint64_t ino, bool folder, struct nacre_attr *attr) {
  struct inode *inode;
  ERR_TRY(folder ? inode_get_dir(fs, ino, &inode) : inode_get(fs, ino, &inode));
  pthread_mutex_lock(&inode->lock);
  bool named = inode->rec.nlink > 0;
  pthread_mutex_unlock(&inode->lock);
  enum nacre_err err =
      named ? namei_give(fs, inode, attr) : err_set(NACRE_ERR_NOT_FOUND, "the inode has no name any more");
  inode_put(fs, inode);
  reclaim_zombies(fs);
  return err;
}

enum nacre_err fs_lookup(struct fs *fs, uint64_t dir_ino, const char *name, size_t name_len,
                         struct nacre_attr *attr) {
  struct name n = {name, name_len};
  struct inode *dir, *inode = NULL;
  if (name_len == 1 && name[0] == '.')
    return lookup_number(fs, dir_ino, false, attr);
  if (name_len == 2 && name[0] == '.' && name[1] == '.') {
    uint64_t parent;
    ERR_TRY(fs_parent(fs, dir_ino, &parent));
    return lookup_number(fs, parent, true, attr);
  }
  ERR_TRY(dir_check_name(&n));
  ERR_TRY(inode_get_dir(fs, dir_ino, &dir));
  enum nacre_err err = namei_child(fs, dir, &n, &inode);
  if (err == NACRE_OK)
    err = namei_give(fs, inode, attr);
  inode_put(fs, inode);
  inode_put(fs, dir);
  reclaim_zombies(fs);
  return err;
}

void fs_unpin(struct fs *fs, uint64_t ino, uint64_t pins) {
  inode_unpin(fs, ino, pins);
  reclaim_zombies(fs);
}

enum nacre_err fs_parent(struct fs *fs, uint64_t dir_ino, uint64_t *parent) {
  struct inode *dir;
  ERR_TRY(inode_get_dir(fs, dir_ino, &dir));
  pthread_mutex_lock(&dir->lock);
  *parent = dir->rec.parent;
  pthread_mutex_unlock(&dir->lock);
  inode_put(fs, dir);
  reclaim_zombies(fs);
  return NACRE_OK;
}

enum nacre_err fs_readlink(struct fs *fs, uint64_t ino, char *buf, size_t size_bytes) {
  struct inode *inode;
  ERR_TRY(inode_get(fs, ino, &inode));
  uint64_t size = inode->rec.size; /* a link's never changes */
  enum nacre_err err = NACRE_OK;
  if (!S_ISLNK(inode->rec.mode))
    err = err_set(NACRE_ERR_ARGUMENT, "not a symbolic link");
  else if (size >= size_bytes)
    err = err_set(NACRE_ERR_RANGE, "the buffer is too small for the link's target");
  size_t done = 0;
  for (uint64_t part = 0; err == NACRE_OK && done < size; part++) {
    uint8_t value[FORMAT_VALUE_MAX_BYTES];
    const uint8_t *data;
    size_t len, data_len = 0;
    struct key key = key_make(ino, FORMAT_RECORD_SYMLINK, part);
    err = tree_get(fs->engine, &key, value, sizeof value, &len);
    if (err == NACRE_OK)
      err = record_part_decode(value, len, &data, &data_len);
    if (err == NACRE_ERR_NOT_FOUND || (err == NACRE_OK && (data_len > size - done || memchr(data, 0, data_len))))
      err = err_set(NACRE_ERR_DAMAGED, "a symbolic link's target is damaged");
    if (err == NACRE_OK)
      memcpy(buf + done, data, data_len);
    done += data_len;
  }
  if (err == NACRE_OK)
    buf[size] = 0;
  inode_put(fs, inode);
  reclaim_zombies(fs);
  return err;
}
