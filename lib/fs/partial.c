/* Chunks that are buffered in part. A write into the midst of a chunk does not wait for the rest of it to be read:
 * that is read when the chunk is stored, or when somebody asks for it. */
#include <stdlib.h>

#include "base/err.h"
#include "base/secmem.h"
#include "fs/file.h"
#include "fs/flush.h"

/* Where there are more, storing them all at once is as good. */
#define COMPLETE_MAX 128u

/* Under the lock. NULL: it is whole, or not there. Waits while it is being stored. */
static struct dirty_chunk *find_part(struct inode *inode, uint64_t index) {
  struct dirty_chunk *c = dirty_find(&inode->dirty, index);
  while (c != NULL && c->writing) {
    pthread_cond_wait(&inode->written, &inode->lock);
    c = dirty_find(&inode->dirty, index);
  }
  return c != NULL && !dirty_is_whole(c) ? c : NULL;
}

/* there: as chunk_load_base says. */
static enum nacre_err complete(struct fs *fs, struct inode *inode, uint64_t index, bool *there) {
  pthread_mutex_lock(&inode->lock);
  struct dirty_chunk *c = find_part(inode, index);
  uint64_t serial = c != NULL ? c->serial : 0;
  pthread_mutex_unlock(&inode->lock);
  if (c == NULL)
    return NACRE_OK;
  uint32_t chunk = inode_chunk_bytes(inode);
  uint8_t *stored = malloc(chunk);
  if (stored == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory to read a chunk");
  enum nacre_err err = chunk_load_base(fs, inode, index, stored, there);
  const bool loaded = err == NACRE_OK && (there == NULL || *there);
  pthread_mutex_lock(&inode->lock);
  c = find_part(inode, index);
  /* If it is another one, or none, the caller sees what it is now. */
  if (c == NULL || c->serial != serial) {
    err = NACRE_OK;
  } else if (loaded) {
    dirty_fill(c, stored);
    dirty_whole(c);
  }
  pthread_mutex_unlock(&inode->lock);
  secmem_wipe(stored, chunk);
  free(stored);
  return err;
}

enum nacre_err chunk_complete(struct fs *fs, struct inode *inode, uint64_t index) {
  return complete(fs, inode, index, NULL);
}

/* First without waiting, which has the medium fetch all that are not in memory at once. */
static void complete_all(struct fs *fs, struct inode *inode, const uint64_t parts[], size_t count) {
  enum nacre_err err = NACRE_OK;
  bool there;
  for (unsigned pass = count > 1 ? 0 : 1; pass < 2; pass++) {
    for (size_t i = 0; i < count && err == NACRE_OK; i++)
      err = complete(fs, inode, parts[i], pass == 0 ? &there : NULL);
  }
}

/* How many of the inode's go into `parts`, which has room for `room`. */
static size_t list_parts(struct inode *inode, uint64_t parts[], size_t room) {
  size_t count = 0;
  pthread_mutex_lock(&inode->lock);
  for (size_t i = 0; i < inode->dirty.count && count < room; i++) {
    if (!dirty_is_whole(inode->dirty.chunks[i]))
      parts[count++] = inode->dirty.chunks[i]->index;
  }
  pthread_mutex_unlock(&inode->lock);
  return count;
}

void parts_complete(struct fs *fs) {
  struct inode **inodes;
  size_t count, left = COMPLETE_MAX;
  if (flush_collect(fs, &inodes, &count) != NACRE_OK)
    return;
  for (size_t i = 0; i < count; i++) {
    uint64_t parts[COMPLETE_MAX];
    const size_t found = list_parts(inodes[i], parts, left);
    left -= found;
    complete_all(fs, inodes[i], parts, found);
    inode_put(fs, inodes[i]);
  }
  free(inodes);
}
