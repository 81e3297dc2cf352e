/* Storing buffered chunks. A run of chunks is marked as being written and sealed and written with no lock held; then,
 * under the inode's lock, the records change and the chunks leave the dirty map. All in one transaction, so that a
 * commit has either all of it or nothing and the chunks still in the map. */
#include "fs/flush.h"

#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "fs/map.h"

#define PRESSURE_WAIT_MS 50

/* One run. Invariant: chunks[0..count) are in the map and `writing`. */
struct run {
  struct dirty_chunk *chunks[FORMAT_EXTENT_CHUNKS_MAX];
  const uint8_t *data[FORMAT_EXTENT_CHUNKS_MAX];
  uint32_t count;
  uint32_t stored;     /* chunks that go into extents: the last may be all tail */
  uint32_t last_bytes; /* of the last one of them */
  uint64_t tail_start;
  uint32_t tail_bytes; /* 0: no tail */
  const uint8_t *tail;
  struct extent *extents; /* as many as the space allowed */
  uint32_t extent_count;
};

/* How the last chunk of the run is stored, if the file ends in it. Under the lock. */
static void plan_end(const struct inode *inode, struct run *run) {
  uint32_t chunk = inode_chunk_bytes(inode);
  const struct dirty_chunk *last = run->chunks[run->count - 1];
  run->stored = run->count;
  run->last_bytes = chunk;
  run->tail_bytes = 0;
  if (inode->rec.size / chunk != last->index || inode->rec.size % chunk == 0)
    return;
  uint32_t used = (uint32_t)(inode->rec.size % chunk);
  uint32_t rest = used % FORMAT_UNIT_BYTES;
  if (rest == 0 || rest > RECORD_TAIL_MAX_BYTES) {
    run->last_bytes = used - rest + (rest > 0 ? FORMAT_UNIT_BYTES : 0);
    return;
  }
  run->tail_bytes = rest;
  run->tail_start = inode->rec.size - rest;
  run->tail = last->data + (used - rest);
  run->last_bytes = used - rest;
  if (run->last_bytes == 0) {
    run->stored--;
    run->last_bytes = chunk;
  }
}

/* Mark the first run of chunks in [first, end) that nobody is writing. False if there is none. */
static bool pick(struct inode *inode, uint64_t first, uint64_t end, struct run *run) {
  const struct dirty_map *map = &inode->dirty;
  run->count = 0;
  run->extents = NULL;
  run->extent_count = 0;
  for (size_t at = dirty_lower_bound(map, first); at < map->count && run->count < FORMAT_EXTENT_CHUNKS_MAX; at++) {
    struct dirty_chunk *c = map->chunks[at];
    if (c->index >= end)
      break;
    if (c->writing || (run->count > 0 && c->index != run->chunks[run->count - 1]->index + 1)) {
      if (run->count > 0)
        break;
      continue;
    }
    c->writing = true;
    run->chunks[run->count] = c;
    run->data[run->count] = c->data;
    run->count++;
  }
  if (run->count > 0)
    plan_end(inode, run);
  return run->count > 0;
}

/* Seal and write; on failure what was written is given back. */
static enum nacre_err store(struct txn *txn, struct inode *inode, struct run *run) {
  uint32_t chunk = inode_chunk_bytes(inode);
  uint32_t cap = 0;
  for (uint32_t done = 0; done < run->stored;) {
    if (run->extent_count == cap) {
      cap = cap == 0 ? 1 : cap * 4;
      struct extent *extents = realloc(run->extents, cap * sizeof *extents);
      if (extents == NULL)
        return err_set(NACRE_ERR_NO_MEMORY, "no memory to store buffered data");
      run->extents = extents;
    }
    struct extent *x = &run->extents[run->extent_count];
    ERR_TRY(data_write(txn, run->data + done, run->stored - done, chunk, run->last_bytes, x));
    run->extent_count++;
    done += x->count;
  }
  return NACRE_OK;
}

/* What the inode's record will say. The old tail, if the run takes its place, is deleted. */
static enum nacre_err plan_inode(struct txn *txn, struct inode *inode, const struct run *run, bool *changed) {
  uint64_t first = run->chunks[0]->index, end = first + run->count;
  uint64_t tail_chunk = inode->tail_start / inode_chunk_bytes(inode);
  if (run->tail_bytes == 0 && tail_chunk >= first && tail_chunk < end)
    ERR_TRY(map_delete_tail(txn, inode, changed));
  if (run->tail_bytes > 0) {
    inode->rec.flags |= RECORD_INODE_TAIL;
    inode->tail_start = run->tail_start;
  }
  for (uint32_t i = 0; i < run->extent_count; i++)
    inode->rec.units += extent_units(&run->extents[i]);
  if (inode->rec.size / inode_chunk_bytes(inode) == end - 1)
    inode->eof_stale = run->tail_bytes > 0;
  inode->version++;
  return NACRE_OK;
}

/* Change the records, in the order of their keys, so that those of many new files fill leaf after leaf. Under the
 * lock. *changed: a failure leaves half of it. */
static enum nacre_err record(struct fs *fs, struct txn *txn, struct inode *inode, struct run *run, bool *changed) {
  uint64_t at = run->chunks[0]->index;
  struct map_removal removal = {.next = at, .left = UINT32_MAX};
  enum nacre_err err = map_remove(fs, txn, inode, at + run->count, &removal);
  *changed = removal.changed;
  if (err != NACRE_OK)
    return err;
  ERR_TRY(plan_inode(txn, inode, run, changed));
  *changed = true;
  ERR_TRY(inode_write(txn, inode));
  for (uint32_t i = 0; i < run->extent_count; i++) {
    ERR_TRY(map_put(txn, inode, at, &run->extents[i]));
    at += run->extents[i].count;
  }
  return run->tail_bytes > 0 ? map_put_tail(txn, inode, run->tail_start, run->tail, run->tail_bytes) : NACRE_OK;
}

static void unmark(struct inode *inode, struct run *run, enum nacre_err err) {
  for (uint32_t i = 0; i < run->count; i++)
    run->chunks[i]->writing = false;
  inode->error = err;
  inode->error_count++;
  pthread_cond_broadcast(&inode->written);
}

/* Take the run's chunks out of the map. Under the lock. Returns the units that were reserved for them. */
static uint64_t retire(struct fs *fs, struct inode *inode, const struct run *run) {
  uint64_t units = 0;
  engine_wants_commit(fs->engine);
  dirty_remove(&inode->dirty, dirty_lower_bound(&inode->dirty, run->chunks[0]->index), run->count);
  for (uint32_t i = 0; i < run->count; i++)
    units += run->chunks[i]->reserved_units;
  pthread_cond_broadcast(&inode->written);
  return units;
}

/* Where the file's map is damaged its chunks can never be stored: they are given up, since else no commit would ever
 * succeed again, and everybody's data would be lost in the end. Under the lock. */
static void give_up(struct inode *inode) {
  inode->loss_count++;
  inode->eof_stale = true;
  inode->version++;
}

/* Store one run of [first, end) inside a transaction. *more: there may be others. */
static enum nacre_err flush_run(struct fs *fs, struct txn *txn, struct inode *inode, uint64_t first, uint64_t end,
                                bool *more) {
  struct run run;
  pthread_mutex_lock(&inode->lock);
  *more = pick(inode, first, end, &run);
  pthread_mutex_unlock(&inode->lock);
  if (!*more)
    return NACRE_OK;
  enum nacre_err err = store(txn, inode, &run);
  if (err == NACRE_OK)
    err = map_prefault(fs, inode, run.chunks[0]->index, run.chunks[run.count - 1]->index);
  bool changed = false;
  uint64_t units = 0;
  pthread_mutex_lock(&inode->lock);
  if (err == NACRE_OK)
    err = record(fs, txn, inode, &run, &changed);
  bool lost = err == NACRE_ERR_DAMAGED && !changed;
  if (err != NACRE_OK)
    unmark(inode, &run, err);
  if (lost)
    give_up(inode);
  if (err == NACRE_OK || lost) {
    units = retire(fs, inode, &run);
    inode_unlist_clean(fs, inode);
  }
  pthread_mutex_unlock(&inode->lock);
  if (err == NACRE_OK || lost) {
    inode_count_dirty(fs, -(int64_t)((uint64_t)run.count * inode_chunk_bytes(inode)));
    space_release(fs->engine, units);
    for (uint32_t i = 0; i < run.count; i++)
      dirty_chunk_free(run.chunks[i]);
  }
  if (err != NACRE_OK && changed)
    err = txn_abort(txn, err);
  for (uint32_t i = 0; err != NACRE_OK && !changed && i < run.extent_count; i++)
    data_free(txn, &run.extents[i]);
  free(run.extents);
  return lost ? NACRE_OK : err;
}

/* What only the inode's record has to say. */
static enum nacre_err flush_attr(struct fs *fs, struct txn *txn, struct inode *inode) {
  enum nacre_err err = NACRE_OK;
  pthread_mutex_lock(&inode->lock);
  if (inode->attr_dirty && inode->dirty.count == 0)
    err = inode_write(txn, inode);
  inode_unlist_clean(fs, inode);
  pthread_mutex_unlock(&inode->lock);
  /* Names may already lead to it, so it can't be given up; and trying again helps nobody. */
  return err == NACRE_ERR_DAMAGED ? txn_abort(txn, err) : err;
}

/* A run in a transaction of its own. */
static enum nacre_err flush_once(struct fs *fs, struct inode *inode, uint64_t first, uint64_t end, bool *more) {
  struct txn txn;
  *more = false;
  ERR_TRY(txn_begin(fs->engine, TXN_FLUSH, FORMAT_EXTENT_CHUNKS_MAX + 3, &txn));
  enum nacre_err err = flush_run(fs, &txn, inode, first, end, more);
  txn_end(&txn);
  return err;
}

/* All that nobody else is writing. txn NULL: in transactions of its own. */
static enum nacre_err flush_inode(struct fs *fs, struct inode *inode, struct txn *txn) {
  bool more = true;
  while (more) {
    if (txn != NULL)
      ERR_TRY(flush_run(fs, txn, inode, 0, UINT64_MAX, &more));
    else
      ERR_TRY(flush_once(fs, inode, 0, UINT64_MAX, &more));
  }
  if (txn != NULL)
    return flush_attr(fs, txn, inode);
  struct txn own;
  ERR_TRY(txn_begin(fs->engine, TXN_FLUSH, 1, &own));
  enum nacre_err err = flush_attr(fs, &own, inode);
  txn_end(&own);
  return err;
}

/* ---- Jobs ---- */

struct job {
  struct fs *fs;
  struct inode *inode;
  uint64_t first, end;
};

static void job_run(void *arg) {
  struct job *job = arg;
  struct fs *fs = job->fs;
  bool more = true;
  enum nacre_err err = NACRE_OK;
  /* A failure is kept in the inode for fsync and close; the data stays buffered for the next flush. */
  while (more && err == NACRE_OK)
    err = flush_once(fs, job->inode, job->first, job->end, &more);
  inode_put(fs, job->inode);
  free(job);
  pthread_mutex_lock(&fs->dirty_lock);
  fs->jobs--;
  pthread_cond_broadcast(&fs->dirty_less);
  pthread_mutex_unlock(&fs->dirty_lock);
}

void flush_submit(struct fs *fs, struct inode *inode, uint64_t first, uint64_t count) {
  struct job *job = malloc(sizeof *job);
  if (job == NULL)
    return; /* the next commit stores it */
  *job = (struct job){.fs = fs, .inode = inode, .first = first, .end = first + count};
  inode_ref(fs, inode);
  pthread_mutex_lock(&fs->dirty_lock);
  fs->jobs++;
  pthread_mutex_unlock(&fs->dirty_lock);
  workers_submit(fs->workers, job_run, job);
}

void flush_drain(struct fs *fs) {
  pthread_mutex_lock(&fs->dirty_lock);
  while (fs->jobs > 0)
    pthread_cond_wait(&fs->dirty_less, &fs->dirty_lock);
  pthread_mutex_unlock(&fs->dirty_lock);
}

/* ---- Pressure ---- */

/* The inode at the head of the list, which has waited longest, with a reference; it goes to the end, so that the next
 * caller finds another. */
static struct inode *oldest_dirty(struct fs *fs) {
  pthread_mutex_lock(&fs->dirty_lock);
  struct inode *inode = fs->dirty_first;
  while (inode != NULL && !inode_ref_live(fs, inode))
    inode = inode->dirty_next;
  if (inode != NULL && inode->dirty_next != NULL) {
    inode->dirty_next->dirty_prev = inode->dirty_prev;
    if (inode->dirty_prev != NULL)
      inode->dirty_prev->dirty_next = inode->dirty_next;
    else
      fs->dirty_first = inode->dirty_next;
    inode->dirty_prev = fs->dirty_last;
    inode->dirty_next = NULL;
    fs->dirty_last->dirty_next = inode;
    fs->dirty_last = inode;
  }
  pthread_mutex_unlock(&fs->dirty_lock);
  return inode;
}

static void wait_for_less(struct fs *fs) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += PRESSURE_WAIT_MS * 1000000L;
  if (until.tv_nsec >= 1000000000L) {
    until.tv_nsec -= 1000000000L;
    until.tv_sec++;
  }
  pthread_mutex_lock(&fs->dirty_lock);
  if (atomic_load(&fs->dirty_bytes) > fs->dirty_max_bytes)
    pthread_cond_timedwait(&fs->dirty_less, &fs->dirty_lock, &until);
  pthread_mutex_unlock(&fs->dirty_lock);
}

enum nacre_err flush_pressure(struct fs *fs, struct inode *inode) {
  while (atomic_load(&fs->dirty_bytes) > fs->dirty_max_bytes) {
    bool more;
    ERR_TRY(flush_once(fs, inode, 0, UINT64_MAX, &more));
    if (more)
      continue;
    struct inode *other = oldest_dirty(fs);
    if (other != NULL) {
      enum nacre_err err = flush_once(fs, other, 0, UINT64_MAX, &more);
      inode_put(fs, other);
      if (err != NACRE_OK)
        return err;
    }
    /* All of it is being written by others. */
    if (!more)
      wait_for_less(fs);
  }
  return NACRE_OK;
}

enum nacre_err flush_crowd(struct fs *fs) {
  pthread_mutex_lock(&fs->dirty_lock);
  bool crowded = fs->dirty_inodes > fs->dirty_inodes_max;
  pthread_mutex_unlock(&fs->dirty_lock);
  struct inode *inode = crowded ? oldest_dirty(fs) : NULL;
  if (inode == NULL)
    return NACRE_OK;
  enum nacre_err err = flush_inode(fs, inode, NULL);
  inode_put(fs, inode);
  return err;
}

/* ---- Commits ---- */

enum nacre_err flush_collect(struct fs *fs, struct inode ***out, size_t *count) {
  *out = NULL;
  *count = 0;
  pthread_mutex_lock(&fs->dirty_lock);
  size_t cap = (size_t)fs->dirty_inodes;
  struct inode **inodes = cap > 0 ? malloc(cap * sizeof(struct inode *)) : NULL;
  for (struct inode *i = fs->dirty_first; inodes != NULL && i != NULL; i = i->dirty_next) {
    if (inode_ref_live(fs, i))
      inodes[(*count)++] = i;
  }
  pthread_mutex_unlock(&fs->dirty_lock);
  *out = inodes;
  if (cap > 0 && inodes == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory to store buffered data");
  return NACRE_OK;
}

/* Several workers may take the same inode: each finds other runs of it. */
struct spread {
  struct fs *fs;
  struct inode **inodes;
  size_t count;
  atomic_int err;
  pthread_mutex_t lock;
  char message[256];
};

static void spread_run(void *arg, size_t index) {
  struct spread *s = arg;
  if (atomic_load(&s->err) != NACRE_OK)
    return;
  enum nacre_err err = flush_inode(s->fs, s->inodes[index % s->count], NULL);
  int none = NACRE_OK;
  if (err != NACRE_OK && atomic_compare_exchange_strong(&s->err, &none, (int)err)) {
    pthread_mutex_lock(&s->lock);
    strncpy(s->message, err_message(), sizeof s->message - 1);
    pthread_mutex_unlock(&s->lock);
  }
}

static enum nacre_err flush_spread(struct fs *fs, struct inode **inodes, size_t count) {
  struct spread s = {.fs = fs, .inodes = inodes, .count = count};
  atomic_init(&s.err, NACRE_OK);
  pthread_mutex_init(&s.lock, NULL);
  size_t hands = workers_count(fs->workers) + 1;
  workers_each(fs->workers, count < hands ? hands : count, spread_run, &s);
  pthread_mutex_destroy(&s.lock);
  enum nacre_err err = (enum nacre_err)atomic_load(&s.err);
  return err == NACRE_OK ? NACRE_OK : err_set(err, "%s", s.message);
}

enum nacre_err flush_hook(void *arg, bool final, struct txn *txn) {
  struct fs *fs = arg;
  struct inode **inodes;
  size_t count;
  ERR_TRY(flush_collect(fs, &inodes, &count));
  enum nacre_err err = NACRE_OK;
  if (count > 0 && !final)
    err = flush_spread(fs, inodes, count);
  for (size_t i = 0; final && i < count && err == NACRE_OK; i++)
    err = flush_inode(fs, inodes[i], txn);
  for (size_t i = 0; i < count; i++)
    inode_put(fs, inodes[i]);
  free(inodes);
  return err;
}
