/* Writing: into buffered chunks, with their space reserved. A write is answered when its bytes are in the dirty map;
 * storing them is flush.c's part. */
#include <stdlib.h>

#include "base/env.h"
#include "base/err.h"
#include "fs/file.h"
#include "fs/flush.h"

#define PIECE_BYTES (1u << 20)

/* ---- Space ---- */

/* The first extents of a file lie beside its inode and cost little more than their bytes. */
#define NEAR_RUN_UNITS 2u

static struct budget empty_budget(void) {
  return (struct budget){.run_units = engine_metadata_units(2), .base_units = engine_metadata_units(1)};
}

/* Records: the extent and one that it splits; inode and tail, side by side; a chunk in the middle of a run only makes
 * its extent longer. */
enum nacre_err budget_reserve(struct fs *fs, const struct inode *inode, uint64_t chunks, struct budget *budget) {
  uint64_t chunk_units = inode_chunk_bytes(inode) / FORMAT_UNIT_BYTES;
  *budget = empty_budget();
  uint64_t units = chunks * (chunk_units + 1) + (chunks > 0 ? 2 * budget->run_units : 0) + budget->base_units;
  ERR_TRY(space_reserve(fs->engine, units));
  budget->units = units;
  return NACRE_OK;
}

void budget_release(struct fs *fs, struct budget *budget) {
  if (budget->units > 0)
    space_release(fs->engine, budget->units);
  budget->units = 0;
}

static void list_dirty(struct fs *fs, struct inode *inode, struct budget *budget) {
  if (inode->base_units == 0) {
    inode->base_units = u64_min(budget->units, budget->base_units);
    budget->units -= inode->base_units;
  }
  inode_list_dirty(fs, inode);
}

static uint64_t chunk_units(const struct inode *inode, const struct dirty_chunk *c, const struct budget *budget) {
  uint64_t units = c->len_bytes / FORMAT_UNIT_BYTES + 1;
  if (c->index == 0 || dirty_find(&inode->dirty, c->index - 1) == NULL)
    units += c->index < FORMAT_EXTENT_CHUNKS_MAX ? NEAR_RUN_UNITS : budget->run_units;
  return units;
}

/* Take the chunk into the dirty map, unless the budget does not suffice. Under the lock. */
static enum nacre_err buffer_chunk(struct fs *fs, struct inode *inode, struct dirty_chunk *c, struct budget *budget,
                                   bool *more) {
  uint64_t units = chunk_units(inode, c, budget);
  uint64_t base = inode->base_units == 0 ? budget->base_units : 0;
  *more = budget->units < units + base;
  if (*more)
    return NACRE_OK;
  ERR_TRY(dirty_insert(&inode->dirty, c));
  c->reserved_units = units;
  budget->units -= units;
  inode_count_dirty(fs, c->len_bytes);
  list_dirty(fs, inode, budget);
  return NACRE_OK;
}

enum nacre_err file_buffer_again(struct fs *fs, struct inode *inode, struct dirty_chunk *c) {
  struct budget budget = empty_budget();
  bool more;
  pthread_mutex_lock(&inode->lock);
  budget.units = chunk_units(inode, c, &budget) + (inode->base_units == 0 ? budget.base_units : 0);
  enum nacre_err err = space_reserve_again(fs->engine, budget.units);
  if (err != NACRE_OK)
    budget.units = 0;
  else
    err = buffer_chunk(fs, inode, c, &budget, &more);
  pthread_mutex_unlock(&inode->lock);
  budget_release(fs, &budget);
  return err;
}

void file_touch(struct fs *fs, struct inode *inode, struct budget *budget) {
  inode->rec.mtime = inode->rec.ctime = env_realtime();
  inode->attr_dirty = true;
  list_dirty(fs, inode, budget);
}

/* ---- The end of the file ---- */

static bool ends_inside_chunk(const struct inode *inode) {
  return inode->rec.size % inode_chunk_bytes(inode) != 0;
}

static uint64_t last_chunk(const struct inode *inode) {
  return inode->rec.size / inode_chunk_bytes(inode);
}

/* Whether what follows the end of the file must be made zero before the file may grow. Under the lock; waits until
 * nobody writes the last chunk, since how that is stored depends on the size. */
static bool end_is_stale(struct inode *inode) {
  while (ends_inside_chunk(inode)) {
    const struct dirty_chunk *c = dirty_find(&inode->dirty, last_chunk(inode));
    if (c == NULL)
      return inode->eof_stale;
    if (!c->writing)
      return false;
    pthread_cond_wait(&inode->written, &inode->lock);
  }
  return false;
}

/* Find out about the last chunk, buffering it if it needs to be stored anew. The caller looks again. */
static enum nacre_err clean_end(struct fs *fs, struct inode *inode, uint64_t index, struct budget *budget,
                                bool *more) {
  struct dirty_chunk *c = dirty_chunk_new(index, inode_chunk_bytes(inode));
  if (c == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for buffered data");
  struct loaded loaded;
  enum nacre_err err = chunk_load(fs, inode, index, c->data, &loaded);
  pthread_mutex_lock(&inode->lock);
  bool holds = err == NACRE_OK && inode->version == loaded.version && last_chunk(inode) == index &&
               dirty_find(&inode->dirty, index) == NULL;
  if (holds && !loaded.past_eof) {
    inode->eof_stale = false;
  } else if (holds) {
    err = buffer_chunk(fs, inode, c, budget, more);
    if (err == NACRE_OK && !*more)
      c = NULL;
  }
  pthread_mutex_unlock(&inode->lock);
  dirty_chunk_free(c);
  return err;
}

enum nacre_err file_extend(struct fs *fs, struct inode *inode, uint64_t size, struct budget *budget, bool *more) {
  *more = false;
  pthread_mutex_lock(&inode->lock);
  while (inode->rec.size < size && end_is_stale(inode)) {
    uint64_t index = last_chunk(inode);
    pthread_mutex_unlock(&inode->lock);
    ERR_TRY(clean_end(fs, inode, index, budget, more));
    if (*more)
      return NACRE_OK;
    pthread_mutex_lock(&inode->lock);
  }
  if (inode->rec.size < size) {
    inode->rec.size = size;
    inode->eof_stale = false;
    file_touch(fs, inode, budget);
  }
  pthread_mutex_unlock(&inode->lock);
  return NACRE_OK;
}

/* ---- One chunk ---- */

/* A buffer with what the chunk holds now, made ready with no lock held. */
struct fresh {
  struct dirty_chunk *chunk; /* NULL: none as yet */
  bool loaded;               /* from the store, as of `found.version`; else all of it is about to be overwritten */
  struct loaded found;
};

/* The change covers all that the chunk holds, so that nothing needs to be read. Under the lock. */
static bool covers(const struct inode *inode, const struct chunk_change *change) {
  uint64_t start = change->index * inode_chunk_bytes(inode);
  return change->from == 0 && (change->to == inode_chunk_bytes(inode) || start + change->to >= inode->rec.size);
}

/* Wholly within the file, and without a tail: how long the file is makes no difference to it. Under the lock. */
static bool is_midst(const struct inode *inode, uint64_t index) {
  bool tail = (inode->rec.flags & RECORD_INODE_TAIL) && inode->tail_start / inode_chunk_bytes(inode) == index;
  return index < last_chunk(inode) && !tail;
}

static enum nacre_err fresh_prepare(struct fs *fs, struct inode *inode, const struct chunk_change *change, bool load,
                                    struct fresh *fresh) {
  uint32_t chunk = inode_chunk_bytes(inode);
  if (fresh->chunk == NULL)
    fresh->chunk = dirty_chunk_new(change->index, chunk);
  if (fresh->chunk == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for buffered data");
  fresh->loaded = load;
  if (load)
    return chunk_load(fs, inode, change->index, fresh->chunk->data, &fresh->found);
  memset(fresh->chunk->data + change->to, 0, chunk - change->to);
  return NACRE_OK;
}

static void apply(struct inode *inode, struct dirty_chunk *c, const struct chunk_change *change) {
  if (change->src != NULL)
    memcpy(c->data + change->from, change->src, change->to - change->from);
  else
    memset(c->data + change->from, 0, change->to - change->from);
  dirty_changed(c, change->from, change->to);
  uint64_t end = change->index * c->len_bytes + change->to;
  inode->attr_dirty = true;
  if (change->skip_holes || end <= inode->rec.size)
    return;
  inode->rec.size = end;
  inode->eof_stale = false;
}

/* The generation in which parts of it mean something without the whole, since they change what is stored. Not where
 * the file ends in it, or has its tail: what is stored there is read otherwise when the size is another. */
static uint64_t base_of(const struct fs *fs, const struct inode *inode, const struct fresh *fresh, bool part) {
  bool same = part || (fresh->loaded && !fresh->found.past_eof && is_midst(inode, fresh->chunk->index));
  return same ? engine_generation(fs->engine) : 0;
}

/* Under the lock: whether the change must wait for something that needs the lock released. */
enum step { STEP_DONE, STEP_AGAIN, STEP_CLEAN_END, STEP_PREPARE, STEP_LOAD, STEP_COMPLETE };

static enum step change_step(struct fs *fs, struct inode *inode, const struct chunk_change *change,
                             struct fresh *fresh, struct budget *budget, bool *more, enum nacre_err *err) {
  uint64_t end = change->index * inode_chunk_bytes(inode) + change->to;
  if (!change->skip_holes && end > inode->rec.size && last_chunk(inode) != change->index && end_is_stale(inode))
    return STEP_CLEAN_END;
  struct dirty_chunk *c = dirty_find(&inode->dirty, change->index);
  if (c != NULL && c->writing) {
    pthread_cond_wait(&inode->written, &inode->lock);
    return STEP_AGAIN;
  }
  if (c != NULL && !dirty_takes(c, change->from, change->to))
    return STEP_COMPLETE;
  if (c == NULL) {
    bool all = !change->skip_holes && covers(inode, change);
    bool part = !change->skip_holes && !all && is_midst(inode, change->index);
    bool load = !all && !part;
    if (fresh->chunk == NULL || (load && (!fresh->loaded || fresh->found.version != inode->version)))
      return load ? STEP_LOAD : STEP_PREPARE;
    if (change->skip_holes && !fresh->found.stored)
      return STEP_DONE;
    *err = buffer_chunk(fs, inode, fresh->chunk, budget, more);
    if (*err != NACRE_OK || *more)
      return STEP_DONE;
    c = fresh->chunk;
    c->base_in = base_of(fs, inode, fresh, part);
    if (part) {
      c->from = change->from;
      c->to = change->to;
    }
    fresh->chunk = NULL;
  }
  apply(inode, c, change);
  return STEP_DONE;
}

enum nacre_err chunk_change(struct fs *fs, struct inode *inode, const struct chunk_change *change,
                            struct budget *budget, bool *more) {
  struct fresh fresh = {0};
  enum nacre_err err = NACRE_OK;
  *more = false;
  for (bool done = false; !done && err == NACRE_OK && !*more;) {
    pthread_mutex_lock(&inode->lock);
    enum step step = change_step(fs, inode, change, &fresh, budget, more, &err);
    uint64_t last = last_chunk(inode);
    pthread_mutex_unlock(&inode->lock);
    if (step == STEP_CLEAN_END)
      err = clean_end(fs, inode, last, budget, more);
    else if (step == STEP_PREPARE || step == STEP_LOAD)
      err = fresh_prepare(fs, inode, change, step == STEP_LOAD, &fresh);
    else if (step == STEP_COMPLETE)
      err = chunk_complete(fs, inode, change->index);
    else
      done = step == STEP_DONE;
  }
  dirty_chunk_free(fresh.chunk);
  return err;
}

/* ---- Writes ---- */

struct write {
  struct fs *fs;
  struct inode *inode;
  const uint8_t *buf;
  uint64_t offset; /* of buf in the file */
  uint64_t pos, end;
};

/* How many chunks up to `end` are not buffered yet. One more where the file's end must be cleaned. */
static uint64_t chunks_missing(const struct write *w, uint64_t end) {
  struct inode *inode = w->inode;
  uint32_t chunk = inode_chunk_bytes(inode);
  uint64_t first = w->pos / chunk, stop = u64_ceil_div(end, chunk);
  pthread_mutex_lock(&inode->lock);
  uint64_t missing = stop - first;
  for (size_t at = dirty_lower_bound(&inode->dirty, first);
       at < inode->dirty.count && inode->dirty.chunks[at]->index < stop; at++)
    missing--;
  if (end > inode->rec.size && inode->eof_stale)
    missing++;
  pthread_mutex_unlock(&inode->lock);
  return missing;
}

/* Count what was written up to the end of its chunk; hand a long run to a worker. */
static void track_run(struct write *w, uint64_t from) {
  struct inode *inode = w->inode;
  uint32_t chunk = inode_chunk_bytes(inode);
  uint64_t first = 0, count = 0;
  pthread_mutex_lock(&inode->lock);
  for (uint64_t index = from / chunk; (index + 1) * chunk <= w->pos; index++) {
    if (inode->run_first + inode->run_count != index) {
      inode->run_first = index;
      inode->run_count = 0;
    }
    inode->run_count++;
  }
  if (inode->run_count >= flush_run_chunks(inode)) {
    first = inode->run_first;
    count = inode->run_count;
    inode->run_first += count;
    inode->run_count = 0;
  }
  pthread_mutex_unlock(&inode->lock);
  if (count > 0)
    flush_submit(w->fs, inode, first, count);
}

/* Inside the transaction, as far as the budget goes. */
static enum nacre_err write_chunks(struct write *w, uint64_t end, struct budget *budget) {
  uint32_t chunk = inode_chunk_bytes(w->inode);
  uint64_t from = w->pos;
  bool more = false;
  enum nacre_err err = NACRE_OK;
  while (w->pos < end && !more && err == NACRE_OK) {
    struct chunk_change change = {
        .index = w->pos / chunk, .from = (uint32_t)(w->pos % chunk), .src = w->buf + (w->pos - w->offset)};
    uint64_t len = u64_min(chunk - change.from, end - w->pos);
    change.to = change.from + (uint32_t)len;
    err = chunk_change(w->fs, w->inode, &change, budget, &more);
    if (err == NACRE_OK && !more)
      w->pos += len;
  }
  if (w->pos > from) {
    pthread_mutex_lock(&w->inode->lock);
    file_touch(w->fs, w->inode, budget);
    pthread_mutex_unlock(&w->inode->lock);
  }
  return err;
}

static enum nacre_err write_piece(struct write *w) {
  uint64_t from = w->pos;
  uint64_t end = u64_min(w->end, (w->pos / PIECE_BYTES + 1) * PIECE_BYTES);
  struct budget budget;
  struct txn txn;
  ERR_TRY(flush_pressure(w->fs, w->inode));
  ERR_TRY(budget_reserve(w->fs, w->inode, chunks_missing(w, end), &budget));
  enum nacre_err err = txn_begin(w->fs->engine, TXN_FLUSH, 0, &txn);
  if (err == NACRE_OK) {
    err = write_chunks(w, end, &budget);
    txn_end(&txn);
  }
  budget_release(w->fs, &budget);
  if (w->pos > from)
    track_run(w, from);
  flush_relieve(w->fs);
  return err;
}

enum nacre_err fs_write(struct fs_file *file, const void *buf, size_t len, uint64_t offset) {
  struct inode *inode = file->inode;
  bool append = (file->flags & NACRE_O_APPEND) != 0;
  if (!(file->flags & NACRE_O_WRITE))
    return err_set(NACRE_ERR_PERMISSION, "the file is not open for writing");
  ERR_TRY(engine_check_writable(file->fs->engine));
  if (len == 0)
    return NACRE_OK;
  if (append) {
    pthread_rwlock_wrlock(&inode->shape);
    pthread_mutex_lock(&inode->lock);
    offset = inode->rec.size;
    pthread_mutex_unlock(&inode->lock);
  } else {
    pthread_rwlock_rdlock(&inode->shape);
  }
  struct write w = {.fs = file->fs, .inode = inode, .buf = buf, .offset = offset, .pos = offset};
  enum nacre_err err = NACRE_OK;
  if (!u64_add(offset, len, &w.end) || w.end > FORMAT_FILE_MAX_BYTES)
    err = err_set(NACRE_ERR_TOO_LARGE, "a file of that size is not possible");
  while (err == NACRE_OK && w.pos < w.end)
    err = write_piece(&w);
  pthread_rwlock_unlock(&inode->shape);
  return err;
}
