/* SEEK_DATA and SEEK_HOLE, chunk by chunk. */
#include "base/err.h"
#include "fs/file.h"

/* Walks the extents in order beside the dirty map. Invariant: chunks before `next` are dealt with. */
struct seek {
  const struct inode *inode;
  bool want_data;
  uint64_t next; /* the candidate */
  bool found;    /* it is what is wanted */
};

static bool is_dirty(const struct seek *s, uint64_t index) {
  return dirty_find(&s->inode->dirty, index) != NULL;
}

/* Chunks [s->next, end) are stored, if at all, only in the dirty map and the tail. */
static void pass_hole(struct seek *s, uint64_t end) {
  const struct inode *inode = s->inode;
  uint64_t tail = inode->rec.flags & RECORD_INODE_TAIL ? inode->tail_start / inode_chunk_bytes(inode) : UINT64_MAX;
  if (s->want_data) {
    size_t at = dirty_lower_bound(&inode->dirty, s->next);
    uint64_t data = at < inode->dirty.count ? inode->dirty.chunks[at]->index : UINT64_MAX;
    if (tail >= s->next)
      data = u64_min(data, tail);
    s->found = data < end;
    s->next = s->found ? data : end;
    return;
  }
  while (s->next < end && (is_dirty(s, s->next) || s->next == tail))
    s->next++;
  s->found = s->next < end;
}

static bool seek_visit(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct seek *s = arg;
  (void)value;
  uint64_t count = len > EXTENT_FIXED_BYTES ? (len - EXTENT_FIXED_BYTES) / AEAD_TAG_BYTES : 0;
  uint64_t end = key->offset + count;
  if (end <= s->next)
    return true;
  if (key->offset > s->next) {
    pass_hole(s, key->offset);
    if (s->found)
      return false;
  }
  if (s->want_data) {
    s->found = true;
    return false;
  }
  s->next = end;
  return true;
}

/* Under the inode's lock. The first chunk at or after `first` that is data, or a hole. */
static enum nacre_err seek_chunk(struct fs *fs, const struct inode *inode, bool want_data, uint64_t first,
                                 uint64_t stop, uint64_t *found) {
  struct seek s = {.inode = inode, .want_data = want_data, .next = first};
  uint64_t back = u64_min(first, FORMAT_EXTENT_CHUNKS_MAX - 1);
  struct key low = key_make(inode->ino, FORMAT_RECORD_EXTENT, first - back);
  struct key high = key_make(inode->ino, FORMAT_RECORD_EXTENT, stop);
  ERR_TRY(tree_scan(fs->engine, &low, &high, seek_visit, &s));
  if (!s.found && s.next < stop)
    pass_hole(&s, stop);
  *found = s.found ? s.next : stop;
  return NACRE_OK;
}

static enum nacre_err seek(struct fs_file *file, bool want_data, uint64_t offset, uint64_t *found) {
  struct inode *inode = file->inode;
  uint32_t chunk = inode_chunk_bytes(inode);
  uint64_t index = 0;
  pthread_mutex_lock(&inode->lock);
  uint64_t size = inode->rec.size;
  uint64_t stop = u64_ceil_div(size, chunk);
  enum nacre_err err = NACRE_OK;
  if (offset < size)
    err = seek_chunk(file->fs, inode, want_data, offset / chunk, stop, &index);
  pthread_mutex_unlock(&inode->lock);
  if (err != NACRE_OK)
    return err;
  if (offset >= size || (want_data && index >= stop))
    return err_set(NACRE_ERR_RANGE, want_data ? "no data behind the offset" : "the offset is past the end");
  *found = u64_min(u64_max(index * chunk, offset), size);
  return NACRE_OK;
}

enum nacre_err fs_seek_data(struct fs_file *file, uint64_t offset, uint64_t *found) {
  return seek(file, true, offset, found);
}

enum nacre_err fs_seek_hole(struct fs_file *file, uint64_t offset, uint64_t *found) {
  return seek(file, false, offset, found);
}
