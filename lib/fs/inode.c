/* One inode in memory: making, locking, listing as dirty, and its record. */
#include "fs/inode.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"

enum nacre_err inode_load_record(struct fs *fs, uint64_t ino, struct record_inode *rec) {
  uint8_t value[RECORD_INODE_MAX_BYTES];
  size_t len;
  struct key key = key_make(ino, FORMAT_RECORD_INODE, 0);
  enum nacre_err err = tree_get(fs->engine, &key, value, sizeof value, &len);
  if (err == NACRE_ERR_NOT_FOUND)
    return err_set(err, "no such file or folder");
  if (err != NACRE_OK)
    return err;
  return record_inode_decode(value, len, rec);
}

/* A writer must not starve behind a stream of others. */
static int shape_init(pthread_rwlock_t *shape) {
  pthread_rwlockattr_t attr;
  int failure = pthread_rwlockattr_init(&attr);
  if (failure != 0)
    return failure;
#ifdef __GLIBC__
  (void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
  failure = pthread_rwlock_init(shape, &attr);
  (void)pthread_rwlockattr_destroy(&attr);
  return failure;
}

struct inode *inode_new(struct fs *fs, uint64_t ino, const struct record_inode *rec) {
  struct inode *inode = calloc(1, sizeof *inode);
  if (inode == NULL)
    return NULL;
  if (shape_init(&inode->shape) != 0) {
    free(inode);
    return NULL;
  }
  pthread_mutex_init(&inode->lock, NULL);
  pthread_cond_init(&inode->written, NULL);
  inode->ino = ino;
  inode->refs = 1;
  inode->rec = *rec;
  inode->eof_stale = rec->size > 0;
  inode->tail_start = rec->size - rec->size % FORMAT_UNIT_BYTES;
  atomic_fetch_add(&fs->inode_count, 1);
  return inode;
}

void inode_free(struct fs *fs, struct inode *inode) {
  uint64_t bytes = 0, units = inode->base_units;
  for (size_t i = 0; i < inode->dirty.count; i++) {
    bytes += inode->dirty.chunks[i]->len_bytes;
    units += inode->dirty.chunks[i]->reserved_units;
  }
  dirty_map_free(&inode->dirty);
  if (units > 0)
    space_release(fs->engine, units);
  if (bytes > 0)
    inode_count_dirty(fs, -(int64_t)bytes);
  pthread_rwlock_destroy(&inode->shape);
  pthread_mutex_destroy(&inode->lock);
  pthread_cond_destroy(&inode->written);
  free(inode);
  atomic_fetch_sub(&fs->inode_count, 1);
}

/* Sorted by number in a copy: four at most. */
static unsigned sort_inodes(struct inode *const in[], unsigned count, struct inode *out[4]) {
  unsigned n = 0;
  for (unsigned i = 0; i < count; i++) {
    if (in[i] == NULL)
      continue;
    unsigned at = 0;
    while (at < n && out[at]->ino < in[i]->ino)
      at++;
    if (at < n && out[at] == in[i])
      continue;
    for (unsigned k = n; k > at; k--)
      out[k] = out[k - 1];
    out[at] = in[i];
    n++;
  }
  return n;
}

void inode_lock_all(struct inode *const inodes[], unsigned count) {
  struct inode *sorted[4];
  unsigned n = sort_inodes(inodes, count, sorted);
  for (unsigned i = 0; i < n; i++)
    pthread_mutex_lock(&sorted[i]->lock);
}

void inode_unlock_all(struct inode *const inodes[], unsigned count) {
  struct inode *sorted[4];
  unsigned n = sort_inodes(inodes, count, sorted);
  while (n > 0)
    pthread_mutex_unlock(&sorted[--n]->lock);
}

void inode_fill_attr(const struct inode *inode, struct nacre_attr *attr) {
  const struct record_inode *rec = &inode->rec;
  attr->ino = inode->ino;
  attr->generation = rec->generation;
  attr->mode = rec->mode;
  attr->uid = rec->uid;
  attr->gid = rec->gid;
  attr->nlink = rec->nlink;
  attr->size_bytes = rec->size;
  /* Buffered chunks count as if they were stored: programs compare blocks with the size to find holes. */
  attr->allocated_bytes = rec->units * FORMAT_UNIT_BYTES;
  attr->allocated_bytes += inode->dirty.count * (uint64_t)inode_chunk_bytes(inode);
  if (rec->flags & RECORD_INODE_TAIL)
    attr->allocated_bytes += FORMAT_UNIT_BYTES;
  if (S_ISDIR(rec->mode))
    attr->size_bytes = rec->entries;
  attr->rdev = rec->rdev;
  attr->chunk_bytes = 1u << rec->chunk_log2;
  attr->atime = rec->atime;
  attr->mtime = rec->mtime;
  attr->ctime = rec->ctime;
  attr->btime = rec->btime;
}

enum nacre_err inode_write(struct txn *txn, struct inode *inode) {
  uint8_t value[RECORD_INODE_MAX_BYTES];
  size_t len = record_inode_encode(&inode->rec, value);
  struct key key = key_make(inode->ino, FORMAT_RECORD_INODE, 0);
  ERR_TRY(tree_put(txn, &key, value, len));
  inode->attr_dirty = false;
  return NACRE_OK;
}

static struct shard *shard_of(struct fs *fs, uint64_t ino) {
  return &fs->shards[ino % FS_SHARDS];
}

void inode_list_dirty(struct fs *fs, struct inode *inode) {
  if (inode->listed)
    return;
  struct shard *shard = shard_of(fs, inode->ino);
  pthread_mutex_lock(&fs->dirty_lock);
  inode->dirty_prev = fs->dirty_last;
  inode->dirty_next = NULL;
  if (fs->dirty_last != NULL)
    fs->dirty_last->dirty_next = inode;
  else
    fs->dirty_first = inode;
  fs->dirty_last = inode;
  fs->dirty_inodes++;
  pthread_mutex_lock(&shard->lock);
  inode->listed = true;
  pthread_mutex_unlock(&shard->lock);
  pthread_mutex_unlock(&fs->dirty_lock);
}

void inode_unlist(struct fs *fs, struct inode *inode) {
  if (!inode->listed)
    return;
  struct shard *shard = shard_of(fs, inode->ino);
  pthread_mutex_lock(&fs->dirty_lock);
  if (inode->dirty_prev != NULL)
    inode->dirty_prev->dirty_next = inode->dirty_next;
  else
    fs->dirty_first = inode->dirty_next;
  if (inode->dirty_next != NULL)
    inode->dirty_next->dirty_prev = inode->dirty_prev;
  else
    fs->dirty_last = inode->dirty_prev;
  fs->dirty_inodes--;
  pthread_mutex_lock(&shard->lock);
  inode->listed = false;
  pthread_mutex_unlock(&shard->lock);
  pthread_mutex_unlock(&fs->dirty_lock);
}

void inode_unlist_clean(struct fs *fs, struct inode *inode) {
  if (!inode->listed || inode->attr_dirty || inode->dirty.count > 0)
    return;
  inode_unlist(fs, inode);
  if (inode->base_units > 0) {
    space_release(fs->engine, inode->base_units);
    inode->base_units = 0;
  }
}

void inode_count_dirty(struct fs *fs, int64_t delta_bytes) {
  if (delta_bytes >= 0) {
    atomic_fetch_add(&fs->dirty_bytes, (uint64_t)delta_bytes);
    return;
  }
  atomic_fetch_sub(&fs->dirty_bytes, (uint64_t)-delta_bytes);
  pthread_mutex_lock(&fs->dirty_lock);
  pthread_cond_broadcast(&fs->dirty_less);
  pthread_mutex_unlock(&fs->dirty_lock);
}
