/* Storing buffered chunks of one file: a batch of them at a time. They are marked as being written, sealed together
 * and written in one piece with no lock held, though they lie apart in the file; then, under the inode's lock, run
 * after run, the records change and the chunks leave the dirty map. All in one transaction, so that a commit has of
 * each run either all or nothing and the chunks still in the map. */
#include "fs/flush.h"

#include <stdlib.h>

#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"
#include "fs/file.h"
#include "fs/map.h"

/* So long a medium may refuse what is stored of a chunk that is buffered in part before what was written is given up.
 */
#define UNREAD_PATIENCE_MS 5000u

/* Invariant: chunks[0..count) are in the map and `writing`, in ascending order, until their run is settled. What
 * follows is of after they were made whole. */
struct batch {
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

/* Chunks [first, end) of a batch, which are neighbours in the file. */
struct run {
  uint32_t first, end;
};

/* ---- Choosing ---- */

/* How the last chunk is stored, if the file ends in it: no chunk lies past the file's end, so that no other is
 * concerned. Under the lock. */
static void plan_end(const struct inode *inode, struct batch *b) {
  uint32_t chunk = inode_chunk_bytes(inode);
  const struct dirty_chunk *last = b->chunks[b->count - 1];
  b->stored = b->count;
  b->last_bytes = chunk;
  b->tail_bytes = 0;
  if (inode->rec.size / chunk != last->index || inode->rec.size % chunk == 0)
    return;
  uint32_t used = (uint32_t)(inode->rec.size % chunk);
  uint32_t rest = used % FORMAT_UNIT_BYTES;
  if (rest == 0 || rest > RECORD_TAIL_MAX_BYTES) {
    b->last_bytes = used - rest + (rest > 0 ? FORMAT_UNIT_BYTES : 0);
    return;
  }
  b->tail_bytes = rest;
  b->tail_start = inode->rec.size - rest;
  b->tail = last->data + (used - rest);
  b->last_bytes = used - rest;
  if (b->last_bytes == 0) {
    b->stored--;
    b->last_bytes = chunk;
  }
}

/* Mark chunks of [first, end) that nobody is writing. False if there is none. */
static bool pick(struct inode *inode, uint64_t first, uint64_t end, struct batch *b) {
  const struct dirty_map *map = &inode->dirty;
  b->count = 0;
  b->extents = NULL;
  b->extent_count = 0;
  for (size_t at = dirty_lower_bound(map, first); at < map->count && b->count < FORMAT_EXTENT_CHUNKS_MAX; at++) {
    struct dirty_chunk *c = map->chunks[at];
    if (c->index >= end)
      break;
    if (c->writing)
      continue;
    c->writing = true;
    b->chunks[b->count++] = c;
  }
  return b->count > 0;
}

/* Whether to try again later to read what could not be read. Not in the freeze, which would be the engine's end; and
 * not for ever, since no commit succeeds meanwhile. */
static bool may_pass(const struct txn *txn, struct dirty_chunk *c, enum nacre_err err) {
  const uint64_t now = env_monotonic_ms();
  if (c->unread_since_ms == 0)
    c->unread_since_ms = now;
  return err == NACRE_ERR_IO && !txn->exclusive && now - c->unread_since_ms < UNREAD_PATIENCE_MS;
}

/* Read what a chunk that is buffered in part has not, unless that is to be waited for and `there` is given. *bad: it
 * cannot be, which is no reason to keep the rest from being stored. */
static enum nacre_err fill_one(struct fs *fs, struct txn *txn, struct inode *inode, struct dirty_chunk *c,
                               uint8_t *stored, bool *there, enum nacre_err *bad) {
  enum nacre_err err = chunk_load_base(fs, inode, c->index, stored, there);
  if (err == NACRE_OK && (there == NULL || *there)) {
    dirty_fill(c, stored);
    pthread_mutex_lock(&inode->lock);
    dirty_whole(c);
    pthread_mutex_unlock(&inode->lock);
  }
  if ((err == NACRE_ERR_DAMAGED || err == NACRE_ERR_IO) && !may_pass(txn, c, err)) {
    *bad = err;
    err = NACRE_OK;
  }
  return err;
}

/* All of a batch, bad[i] as above. First without waiting, which has the medium fetch all that are not in memory at
 * once, where one after the other would each take its time. */
static enum nacre_err fill_all(struct fs *fs, struct txn *txn, struct inode *inode, struct batch *b, uint8_t *stored,
                               enum nacre_err bad[]) {
  enum nacre_err err = NACRE_OK;
  bool there;
  for (unsigned pass = b->count > 1 ? 0 : 1; pass < 2; pass++) {
    for (uint32_t i = 0; i < b->count && err == NACRE_OK; i++) {
      if (bad[i] == NACRE_OK && !dirty_is_whole(b->chunks[i]))
        err = fill_one(fs, txn, inode, b->chunks[i], stored, pass == 0 ? &there : NULL, &bad[i]);
    }
  }
  return err;
}

static enum nacre_err fill(struct fs *fs, struct txn *txn, struct inode *inode, struct batch *b,
                           enum nacre_err bad[]) {
  uint32_t chunk = inode_chunk_bytes(inode), parts = 0;
  for (uint32_t i = 0; i < b->count; i++) {
    bad[i] = NACRE_OK;
    parts += !dirty_is_whole(b->chunks[i]);
  }
  if (parts == 0)
    return NACRE_OK;
  uint8_t *stored = malloc(chunk);
  if (stored == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory to store buffered data");
  enum nacre_err err = fill_all(fs, txn, inode, b, stored, bad);
  secmem_wipe(stored, chunk);
  free(stored);
  return err;
}

static struct run next_run(const struct batch *b, uint32_t first) {
  struct run run = {.first = first, .end = first + 1};
  while (run.end < b->count && b->chunks[run.end]->index == b->chunks[run.end - 1]->index + 1)
    run.end++;
  return run;
}

/* ---- Storing ---- */

/* Seal and write. On failure a part may have been. */
static enum nacre_err store(struct txn *txn, struct inode *inode, struct batch *b) {
  uint32_t chunk = inode_chunk_bytes(inode);
  uint32_t cap = 0;
  for (uint32_t done = 0; done < b->stored;) {
    if (b->extent_count == cap) {
      cap = cap == 0 ? 1 : cap * 4;
      struct extent *extents = realloc(b->extents, cap * sizeof *extents);
      if (extents == NULL)
        return err_set(NACRE_ERR_NO_MEMORY, "no memory to store buffered data");
      b->extents = extents;
    }
    struct extent *x = &b->extents[b->extent_count];
    ERR_TRY(data_write(txn, b->data + done, b->stored - done, chunk, b->last_bytes, x));
    b->extent_count++;
    done += x->count;
  }
  return NACRE_OK;
}

/* Where a run lies: its part of each extent. Start with {0}. */
struct pieces {
  uint32_t extent, start; /* of the extent, in the batch */
  uint32_t first;         /* of the piece, in the batch */
  struct extent x;
};

static bool next_piece(const struct batch *b, struct run run, struct pieces *p) {
  while (p->extent < b->extent_count) {
    const struct extent *x = &b->extents[p->extent];
    uint32_t start = p->start, end = start + x->count;
    p->extent++;
    p->start = end;
    uint32_t from = start > run.first ? start : run.first, to = end < run.end ? end : run.end;
    if (from >= to)
      continue;
    p->first = from;
    extent_slice(x, from - start, to - from, &p->x);
    return true;
  }
  return false;
}

static void give_back(struct txn *txn, const struct batch *b, struct run run) {
  struct pieces p = {0};
  while (next_piece(b, run, &p))
    data_free(txn, &p.x);
}

/* ---- Recording ---- */

/* What the inode's record will say. The old tail, if the run takes its place, is deleted. */
static enum nacre_err plan_inode(struct txn *txn, struct inode *inode, const struct batch *b, struct run run,
                                 bool *changed) {
  uint64_t first = b->chunks[run.first]->index, end = first + (run.end - run.first);
  uint64_t tail_chunk = inode->tail_start / inode_chunk_bytes(inode);
  bool has_tail = b->tail_bytes > 0 && run.end == b->count;
  if (!has_tail && tail_chunk >= first && tail_chunk < end)
    ERR_TRY(map_delete_tail(txn, inode, changed));
  if (has_tail) {
    inode->rec.flags |= RECORD_INODE_TAIL;
    inode->tail_start = b->tail_start;
  }
  struct pieces p = {0};
  while (next_piece(b, run, &p))
    inode->rec.units += extent_units(&p.x);
  if (inode->rec.size / inode_chunk_bytes(inode) == end - 1)
    inode->eof_stale = has_tail;
  inode->version++;
  return NACRE_OK;
}

/* Change the records, in the order of their keys, so that those of many new files fill leaf after leaf. Under the
 * lock. The inode's own is right again with the last run at the latest. *changed: a failure leaves half of it. */
static enum nacre_err record(struct fs *fs, struct txn *txn, struct inode *inode, const struct batch *b,
                             struct run run, bool *changed) {
  uint64_t first = b->chunks[run.first]->index;
  struct map_removal removal = {.next = first, .left = UINT32_MAX};
  enum nacre_err err = map_remove(fs, txn, inode, first + (run.end - run.first), &removal);
  *changed = removal.changed;
  if (err != NACRE_OK)
    return err;
  ERR_TRY(plan_inode(txn, inode, b, run, changed));
  *changed = true;
  inode->attr_dirty = true;
  if (run.first == 0 || run.end == b->count)
    ERR_TRY(inode_write(txn, inode));
  struct pieces p = {0};
  while (next_piece(b, run, &p))
    ERR_TRY(map_put(txn, inode, first + (p.first - run.first), &p.x));
  bool has_tail = b->tail_bytes > 0 && run.end == b->count;
  return has_tail ? map_put_tail(txn, inode, b->tail_start, b->tail, b->tail_bytes) : NACRE_OK;
}

static void unmark(struct inode *inode, const struct batch *b, struct run run, enum nacre_err err) {
  for (uint32_t i = run.first; i < run.end; i++)
    b->chunks[i]->writing = false;
  inode->error = err;
  inode->error_count++;
  pthread_cond_broadcast(&inode->written);
}

/* Take the run's chunks out of the map. Under the lock. Returns the units that were reserved for them. */
static uint64_t retire(struct fs *fs, struct inode *inode, const struct batch *b, struct run run) {
  uint64_t units = 0;
  engine_wants_commit(fs->engine);
  dirty_remove(&inode->dirty, dirty_lower_bound(&inode->dirty, b->chunks[run.first]->index), run.end - run.first);
  for (uint32_t i = run.first; i < run.end; i++)
    units += b->chunks[i]->reserved_units;
  pthread_cond_broadcast(&inode->written);
  inode_unlist_clean(fs, inode);
  return units;
}

/* Where the file's map is damaged its chunks can never be stored: they are given up, since else no commit would ever
 * succeed again, and everybody's data would be lost in the end. Under the lock. */
static void give_up(struct fs *fs, struct inode *inode, enum nacre_err err) {
  inode->loss_count++;
  inode->eof_stale = true;
  inode->version++;
  pthread_mutex_lock(&fs->dirty_lock);
  if (fs->loss.err == NACRE_OK)
    fs->loss = (struct loss){.err = err, .ino = inode->ino};
  fs->loss.others = fs->loss.others || fs->loss.ino != inode->ino;
  pthread_mutex_unlock(&fs->dirty_lock);
}

/* One run of what was stored; err: what that gave, and then the run goes back, unless it is hopeless. */
static enum nacre_err settle(struct fs *fs, struct txn *txn, struct inode *inode, const struct batch *b,
                             struct run run, enum nacre_err err, bool hopeless) {
  bool changed = false, own = err == NACRE_OK; /* another run's failure says nothing of this one's map */
  uint64_t units = 0;
  if (own)
    err = map_prefault(fs, inode, b->chunks[run.first]->index, b->chunks[run.end - 1]->index);
  pthread_mutex_lock(&inode->lock);
  if (err == NACRE_OK)
    err = record(fs, txn, inode, b, run, &changed);
  bool lost = hopeless || (own && err == NACRE_ERR_DAMAGED && !changed);
  bool gone = err == NACRE_OK || lost;
  if (err != NACRE_OK)
    unmark(inode, b, run, err);
  if (lost)
    give_up(fs, inode, err);
  if (gone)
    units = retire(fs, inode, b, run);
  pthread_mutex_unlock(&inode->lock);
  if (gone) {
    inode_count_dirty(fs, -(int64_t)((uint64_t)(run.end - run.first) * inode_chunk_bytes(inode)));
    space_release(fs->engine, units);
  }
  for (uint32_t i = run.first; gone && i < run.end; i++)
    dirty_chunk_free(b->chunks[i]);
  if (err != NACRE_OK && changed)
    return txn_abort(txn, err);
  if (err != NACRE_OK)
    give_back(txn, b, run);
  return lost ? NACRE_OK : err;
}

/* All of them are whole now, but those that are bad, which go. */
static void settle_bad(struct fs *fs, struct txn *txn, struct inode *inode, struct batch *b,
                       const enum nacre_err bad[]) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < b->count; i++) {
    if (bad[i] != NACRE_OK)
      (void)settle(fs, txn, inode, b, (struct run){.first = i, .end = i + 1}, bad[i], true);
    else
      b->chunks[count++] = b->chunks[i];
  }
  b->count = count;
}

static void plan(struct inode *inode, struct batch *b) {
  pthread_mutex_lock(&inode->lock);
  for (uint32_t i = 0; i < b->count; i++)
    b->data[i] = b->chunks[i]->data;
  plan_end(inode, b);
  pthread_mutex_unlock(&inode->lock);
}

enum nacre_err flush_batch(struct fs *fs, struct txn *txn, struct inode *inode, uint64_t first, uint64_t end,
                           bool *more) {
  struct batch b;
  enum nacre_err bad[FORMAT_EXTENT_CHUNKS_MAX];
  pthread_mutex_lock(&inode->lock);
  *more = pick(inode, first, end, &b);
  pthread_mutex_unlock(&inode->lock);
  if (!*more)
    return NACRE_OK;
  enum nacre_err err = fill(fs, txn, inode, &b, bad);
  if (err == NACRE_OK) {
    settle_bad(fs, txn, inode, &b, bad);
    if (b.count == 0)
      return NACRE_OK;
    plan(inode, &b);
    err = store(txn, inode, &b);
  }
  struct run run;
  for (uint32_t done = 0; done < b.count; done = run.end) {
    run = next_run(&b, done);
    enum nacre_err settled = settle(fs, txn, inode, &b, run, err, false);
    if (err == NACRE_OK)
      err = settled;
  }
  free(b.extents);
  return err;
}
