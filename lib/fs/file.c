/* Handles of open files. */
#include "fs/file.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/secmem.h"
#include "fs/reclaim.h"

enum nacre_err file_new(struct fs *fs, unsigned flags, struct fs_file **out) {
  *out = NULL;
  struct fs_file *file = calloc(1, sizeof *file);
  if (file == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for an open file");
  pthread_mutex_init(&file->lock, NULL);
  file->fs = fs;
  file->flags = flags;
  *out = file;
  return NACRE_OK;
}

void file_attach(struct fs_file *file, struct inode *inode) {
  inode_ref(file->fs, inode);
  file->inode = inode;
  pthread_mutex_lock(&inode->lock);
  /* A loss that nobody was told of is told to who comes later: its writer may be gone since long. */
  file->losses_seen = inode->losses_told;
  file->errors_seen = inode->error_count - (inode->losses_told != inode->loss_count);
  pthread_mutex_unlock(&inode->lock);
}

static enum nacre_err open_inode(struct inode *inode, struct fs_file *file) {
  if (S_ISDIR(inode->rec.mode))
    return err_set(NACRE_ERR_IS_DIRECTORY, "it is a folder");
  if (!S_ISREG(inode->rec.mode))
    return err_set(NACRE_ERR_ARGUMENT, "only regular files can be opened");
  if (file->flags & NACRE_O_WRITE)
    ERR_TRY(engine_check_writable(file->fs->engine));
  file_attach(file, inode);
  return file->flags & NACRE_O_TRUNCATE ? fs_ftruncate(file, 0) : NACRE_OK;
}

enum nacre_err fs_open(struct fs *fs, uint64_t ino, unsigned flags, struct fs_file **out) {
  struct inode *inode;
  struct fs_file *file;
  *out = NULL;
  ERR_TRY(file_new(fs, flags, &file));
  enum nacre_err err = inode_get(fs, ino, &inode);
  if (err == NACRE_OK) {
    err = open_inode(inode, file);
    inode_put(fs, inode);
  }
  if (err != NACRE_OK)
    fs_close(file);
  else
    *out = file;
  return err;
}

void fs_close(struct fs_file *file) {
  if (file == NULL)
    return;
  struct fs *fs = file->fs;
  if (file->cached != NULL) {
    secmem_wipe(file->cached, inode_chunk_bytes(file->inode));
    free(file->cached);
  }
  inode_put(fs, file->inode);
  pthread_mutex_destroy(&file->lock);
  free(file);
  reclaim_zombies(fs);
}

uint64_t fs_file_ino(const struct fs_file *file) {
  return file->inode->ino;
}

enum nacre_err fs_fstat(struct fs_file *file, struct nacre_attr *attr) {
  pthread_mutex_lock(&file->inode->lock);
  inode_fill_attr(file->inode, attr);
  pthread_mutex_unlock(&file->inode->lock);
  return NACRE_OK;
}

/* Bring what was seen up to date; the last error if there were any. *lost: some of them have cost data. */
static enum nacre_err take_error(struct fs_file *file, bool *lost) {
  pthread_mutex_lock(&file->inode->lock);
  uint32_t count = file->inode->error_count, losses = file->inode->loss_count;
  enum nacre_err last = file->inode->error;
  file->inode->losses_told = losses;
  pthread_mutex_unlock(&file->inode->lock);
  pthread_mutex_lock(&file->lock);
  bool unseen = count != file->errors_seen;
  file->errors_seen = count;
  *lost = losses != file->losses_seen;
  file->losses_seen = losses;
  pthread_mutex_unlock(&file->lock);
  return unseen ? last : NACRE_OK;
}

static enum nacre_err failed_behind(enum nacre_err err) {
  return err_set(err, "storing what was written to the file has failed");
}

enum nacre_err fs_fsync(struct fs_file *file) {
  bool lost;
  parts_complete(file->fs);
  ERR_TRY(engine_sync(file->fs->engine));
  enum nacre_err err = take_error(file, &lost);
  /* What failed before and was not given up is stored now. */
  return lost ? failed_behind(err) : NACRE_OK;
}

enum nacre_err fs_file_error(struct fs_file *file) {
  bool lost;
  enum nacre_err err = take_error(file, &lost);
  return err == NACRE_OK ? NACRE_OK : failed_behind(err);
}
