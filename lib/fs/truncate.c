/* Changing a file's shape: truncation both ways, holes, zeroes. What may touch any number of records goes in steps of
 * a few dozen, a transaction each, every one of which leaves a whole file behind: truncation goes from the end
 * downwards and lowers the size as it goes. */
#include <stdlib.h>

#include "base/env.h"
#include "base/err.h"
#include "fs/file.h"
#include "fs/map.h"

#define STEP_EXTENTS 32u
/* They lie side by side, in so many leaves at most as that many records apart from each other, inode and tail
 * included; what a full volume keeps back has to suffice. */
#define STEP_RECORDS 6u

/* ---- Dropping what is buffered ---- */

/* Wait until nobody writes a chunk in [first, end). Under the lock, inside the gate: who writes is inside too. */
static void wait_written(struct inode *inode, uint64_t first, uint64_t end) {
  for (size_t at = dirty_lower_bound(&inode->dirty, first);
       at < inode->dirty.count && inode->dirty.chunks[at]->index < end;) {
    if (!inode->dirty.chunks[at]->writing) {
      at++;
      continue;
    }
    pthread_cond_wait(&inode->written, &inode->lock);
    at = dirty_lower_bound(&inode->dirty, first);
  }
}

/* Forget what is buffered of chunks [first, end), none of which is being written. Under the lock. */
static void drop_dirty(struct fs *fs, struct inode *inode, uint64_t first, uint64_t end) {
  size_t at = dirty_lower_bound(&inode->dirty, first), stop = at;
  uint64_t units = 0, bytes = 0;
  while (stop < inode->dirty.count && inode->dirty.chunks[stop]->index < end) {
    struct dirty_chunk *c = inode->dirty.chunks[stop++];
    units += c->reserved_units;
    bytes += c->len_bytes;
    dirty_chunk_free(c);
  }
  if (stop == at)
    return;
  dirty_remove(&inode->dirty, at, stop - at);
  engine_wants_commit(fs->engine);
  space_release(fs->engine, units);
  inode_count_dirty(fs, -(int64_t)bytes);
}

/* ---- Truncation downwards ---- */

/* The lowest chunk from `keep` on that has at most STEP_EXTENTS extents behind it, found by halving. */
static enum nacre_err find_step(struct fs *fs, struct inode *inode, uint64_t keep, uint64_t *from) {
  uint64_t low = keep, high = (FORMAT_FILE_MAX_BYTES >> inode->rec.chunk_log2) + 1;
  *from = keep;
  for (;;) {
    unsigned count;
    ERR_TRY(map_count(fs, inode, *from, STEP_EXTENTS + 1, &count));
    if (count <= STEP_EXTENTS && (count > 0 || *from == keep))
      return NACRE_OK;
    if (count > STEP_EXTENTS)
      low = *from + 1;
    else
      high = *from;
    if (low >= high)
      return NACRE_OK;
    *from = low + (high - low) / 2;
  }
}

/* The tail, if the file shall end at `size`. Under the lock, in the transaction; what is buffered beyond is gone. */
static enum nacre_err cut_tail(struct fs *fs, struct txn *txn, struct inode *inode, uint64_t size, bool *changed) {
  uint32_t chunk = inode_chunk_bytes(inode);
  if (!(inode->rec.flags & RECORD_INODE_TAIL))
    return NACRE_OK;
  uint64_t start = inode->tail_start;
  bool counts = dirty_find(&inode->dirty, start / chunk) == NULL && inode->rec.size > start &&
                inode->rec.size - start <= RECORD_TAIL_MAX_BYTES;
  if (size <= start || !counts)
    return map_delete_tail(txn, inode, changed);
  uint8_t tail[RECORD_TAIL_MAX_BYTES];
  ERR_TRY(map_get_tail(fs, inode, start, (size_t)(inode->rec.size - start), tail));
  ERR_TRY(map_put_tail(txn, inode, start, tail, (size_t)(size - start)));
  *changed = true;
  return NACRE_OK;
}

/* Cut all from `from` (a chunk's number) on, or the rest of the file behind `size` where that is further down. */
static enum nacre_err shrink_locked(struct fs *fs, struct txn *txn, struct inode *inode, uint64_t from, uint64_t size,
                                    bool *changed) {
  uint32_t chunk = inode_chunk_bytes(inode);
  uint64_t new_size = u64_max(from == u64_ceil_div(size, chunk) ? size : from * chunk, size);
  new_size = u64_min(new_size, inode->rec.size);
  struct map_removal removal = {.next = from, .left = UINT32_MAX};
  enum nacre_err err = map_remove(fs, txn, inode, MAP_CHUNK_MAX + 1, &removal);
  *changed = removal.changed;
  if (err != NACRE_OK)
    return err;
  drop_dirty(fs, inode, from, UINT64_MAX);
  ERR_TRY(cut_tail(fs, txn, inode, new_size, changed));
  struct dirty_chunk *last = dirty_find(&inode->dirty, new_size / chunk);
  if (last != NULL) {
    memset(last->data + new_size % chunk, 0, chunk - (uint32_t)(new_size % chunk));
    dirty_changed(last, (uint32_t)(new_size % chunk), chunk);
  }
  inode->rec.size = new_size;
  inode->rec.mtime = inode->rec.ctime = env_realtime();
  inode->eof_stale = true;
  inode->version++;
  inode->run_count = 0;
  *changed = true;
  return inode_write(txn, inode);
}

static enum nacre_err shrink_step(struct fs *fs, struct inode *inode, uint64_t size, bool *done) {
  struct txn txn;
  uint64_t keep = u64_ceil_div(size, inode_chunk_bytes(inode)), from = keep;
  ERR_TRY(txn_begin(fs->engine, TXN_FREEING, STEP_RECORDS, &txn));
  bool changed = false;
  pthread_mutex_lock(&inode->lock);
  wait_written(inode, size / inode_chunk_bytes(inode), UINT64_MAX);
  enum nacre_err err = find_step(fs, inode, keep, &from);
  if (err == NACRE_OK)
    err = shrink_locked(fs, &txn, inode, from, size, &changed);
  inode_unlist_clean(fs, inode);
  pthread_mutex_unlock(&inode->lock);
  if (err != NACRE_OK && changed)
    err = txn_abort(&txn, err);
  txn_end(&txn);
  *done = from == keep;
  return err;
}

static enum nacre_err grow(struct fs *fs, struct inode *inode, uint64_t size) {
  bool more = true;
  enum nacre_err err = NACRE_OK;
  while (more && err == NACRE_OK) {
    struct budget budget;
    struct txn txn;
    ERR_TRY(budget_reserve(fs, inode, 1, &budget));
    err = txn_begin(fs->engine, TXN_FLUSH, 0, &txn);
    if (err == NACRE_OK) {
      err = file_extend(fs, inode, size, &budget, &more);
      txn_end(&txn);
    }
    budget_release(fs, &budget);
  }
  return err;
}

enum nacre_err file_set_size(struct fs *fs, struct inode *inode, uint64_t size) {
  if (size > FORMAT_FILE_MAX_BYTES)
    return err_set(NACRE_ERR_TOO_LARGE, "a file of that size is not possible");
  pthread_mutex_lock(&inode->lock);
  uint64_t old = inode->rec.size;
  pthread_mutex_unlock(&inode->lock);
  if (size > old)
    return grow(fs, inode, size);
  /* What is stored behind its new end must not come back when it grows again. */
  if (size < old && size % inode_chunk_bytes(inode) != 0)
    ERR_TRY(chunk_complete(fs, inode, size / inode_chunk_bytes(inode)));
  bool done = false;
  while (!done)
    ERR_TRY(shrink_step(fs, inode, size, &done));
  return NACRE_OK;
}

enum nacre_err fs_ftruncate(struct fs_file *file, uint64_t size_bytes) {
  if (!(file->flags & NACRE_O_WRITE))
    return err_set(NACRE_ERR_PERMISSION, "the file is not open for writing");
  pthread_rwlock_wrlock(&file->inode->shape);
  enum nacre_err err = file_set_size(file->fs, file->inode, size_bytes);
  pthread_rwlock_unlock(&file->inode->shape);
  return err;
}

/* ---- Holes ---- */

static enum nacre_err punch_step(struct fs *fs, struct inode *inode, uint64_t end, struct map_removal *removal) {
  struct txn txn;
  ERR_TRY(txn_begin(fs->engine, TXN_FREEING, STEP_RECORDS, &txn));
  removal->left = STEP_EXTENTS;
  removal->changed = false;
  uint64_t first = removal->next;
  pthread_mutex_lock(&inode->lock);
  wait_written(inode, first, end);
  enum nacre_err err = map_remove(fs, &txn, inode, end, removal);
  if (err == NACRE_OK) {
    uint64_t stop = removal->done ? end : removal->next;
    uint64_t tail_chunk = inode->tail_start / inode_chunk_bytes(inode);
    drop_dirty(fs, inode, first, stop);
    if (tail_chunk >= first && tail_chunk < stop)
      err = map_delete_tail(&txn, inode, &removal->changed);
    inode->version++;
  }
  if (err == NACRE_OK) {
    inode->rec.mtime = inode->rec.ctime = env_realtime();
    err = inode_write(&txn, inode);
  }
  inode_unlist_clean(fs, inode);
  pthread_mutex_unlock(&inode->lock);
  if (err != NACRE_OK && removal->changed)
    err = txn_abort(&txn, err);
  txn_end(&txn);
  return err;
}

/* Part of a chunk becomes zeroes, unless it is a hole. */
static enum nacre_err zero_part(struct fs *fs, struct inode *inode, uint64_t offset, uint64_t len) {
  uint32_t chunk = inode_chunk_bytes(inode);
  struct chunk_change change = {
      .index = offset / chunk, .from = (uint32_t)(offset % chunk), .to = (uint32_t)(offset % chunk + len)};
  change.skip_holes = true;
  bool more = true;
  enum nacre_err err = NACRE_OK;
  while (more && err == NACRE_OK) {
    struct budget budget;
    struct txn txn;
    ERR_TRY(budget_reserve(fs, inode, 1, &budget));
    err = txn_begin(fs->engine, TXN_FLUSH, 0, &txn);
    if (err == NACRE_OK) {
      err = chunk_change(fs, inode, &change, &budget, &more);
      pthread_mutex_lock(&inode->lock);
      file_touch(fs, inode, &budget);
      pthread_mutex_unlock(&inode->lock);
      txn_end(&txn);
    }
    budget_release(fs, &budget);
  }
  return err;
}

/* Bytes [offset, end), which lie inside the file, become zeroes; whole chunks of them a hole. */
static enum nacre_err punch(struct fs *fs, struct inode *inode, uint64_t offset, uint64_t end, uint64_t size) {
  uint32_t chunk = inode_chunk_bytes(inode);
  uint64_t first = u64_ceil_div(offset, chunk);
  /* The chunk in which the file ends is whole up to there. */
  uint64_t stop = end == size ? u64_ceil_div(end, chunk) : end / chunk;
  if (offset % chunk != 0) {
    uint64_t len = u64_min(end, first * chunk) - offset;
    ERR_TRY(zero_part(fs, inode, offset, len));
  }
  if (stop >= first && end > stop * chunk)
    ERR_TRY(zero_part(fs, inode, stop * chunk, end - stop * chunk));
  struct map_removal removal = {.next = first};
  while (first < stop && !removal.done)
    ERR_TRY(punch_step(fs, inode, stop, &removal));
  return NACRE_OK;
}

static enum nacre_err fallocate_locked(struct fs *fs, struct inode *inode, unsigned mode, uint64_t offset,
                                       uint64_t end) {
  pthread_mutex_lock(&inode->lock);
  uint64_t size = inode->rec.size;
  pthread_mutex_unlock(&inode->lock);
  if (mode & (NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_ZERO_RANGE)) {
    if (offset < size)
      ERR_TRY(punch(fs, inode, offset, u64_min(end, size), size));
  } else {
    uint64_t units = u64_ceil_div(end - offset, FORMAT_UNIT_BYTES);
    struct engine_info info;
    engine_get_info(fs->engine, &info);
    /* Or else the container would first grow to all that the host has. */
    if (units > info.free_units)
      return err_set(NACRE_ERR_NO_SPACE, "the volume has less space left than that");
    ERR_TRY(space_reserve(fs->engine, units));
    space_release(fs->engine, units);
  }
  return end > size && !(mode & NACRE_FALLOCATE_KEEP_SIZE) ? grow(fs, inode, end) : NACRE_OK;
}

enum nacre_err fs_fallocate(struct fs_file *file, unsigned mode, uint64_t offset, uint64_t len) {
  const unsigned known = NACRE_FALLOCATE_KEEP_SIZE | NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_ZERO_RANGE;
  bool punch_mode = (mode & NACRE_FALLOCATE_PUNCH_HOLE) != 0;
  if (!(file->flags & NACRE_O_WRITE))
    return err_set(NACRE_ERR_PERMISSION, "the file is not open for writing");
  if ((mode & ~known) || (punch_mode && (mode & NACRE_FALLOCATE_ZERO_RANGE)))
    return err_set(NACRE_ERR_UNSUPPORTED, "that kind of allocation is not supported");
  uint64_t end;
  if (len == 0 || (punch_mode && !(mode & NACRE_FALLOCATE_KEEP_SIZE)))
    return err_set(NACRE_ERR_ARGUMENT, "a range of no bytes, or a hole that changes the size");
  if (!u64_add(offset, len, &end) || end > FORMAT_FILE_MAX_BYTES)
    return err_set(NACRE_ERR_TOO_LARGE, "a file of that size is not possible");
  ERR_TRY(engine_check_writable(file->fs->engine));
  pthread_rwlock_wrlock(&file->inode->shape);
  enum nacre_err err = fallocate_locked(file->fs, file->inode, mode, offset, end);
  pthread_rwlock_unlock(&file->inode->shape);
  return err;
}
