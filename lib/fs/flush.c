/* When buffered chunks are stored: by jobs as soon as a long run is there or much is buffered, by writers where that
 * is not enough, and by commits. How, is flush_batch.c's part. */
#include "fs/flush.h"

#include <stdlib.h>
#include <time.h>

#include "base/err.h"

#define PRESSURE_WAIT_MS 50
/* From that part of what may be buffered on, workers store what waits, so that writers need not. */
#define RELIEF_PART 2u
/* So many inodes that have nothing to store, one after the other, are enough. */
#define RELIEF_TRIES 64u

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

/* A batch in a transaction of its own. */
static enum nacre_err flush_once(struct fs *fs, struct inode *inode, uint64_t first, uint64_t end, bool *more) {
  struct txn txn;
  *more = false;
  ERR_TRY(txn_begin(fs->engine, TXN_FLUSH, FORMAT_EXTENT_CHUNKS_MAX + 3, &txn));
  enum nacre_err err = flush_batch(fs, &txn, inode, first, end, more);
  txn_end(&txn);
  return err;
}

/* All that nobody else is writing. txn NULL: in transactions of its own. */
static enum nacre_err flush_inode(struct fs *fs, struct inode *inode, struct txn *txn) {
  bool more = true;
  while (more) {
    if (txn != NULL)
      ERR_TRY(flush_batch(fs, txn, inode, 0, UINT64_MAX, &more));
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

static void job_ended(struct fs *fs) {
  pthread_mutex_lock(&fs->dirty_lock);
  fs->jobs--;
  pthread_cond_broadcast(&fs->dirty_less);
  pthread_mutex_unlock(&fs->dirty_lock);
}

static void job_run(void *arg) {
  struct job *job = arg;
  struct fs *fs = job->fs;
  bool more = true;
  enum nacre_err err = NACRE_OK;
  /* A failure is kept in the inode for fsync; the data stays buffered for the next flush. */
  while (more && err == NACRE_OK)
    err = flush_once(fs, job->inode, job->first, job->end, &more);
  inode_put(fs, job->inode);
  free(job);
  job_ended(fs);
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

/* ---- Relief ---- */

static bool much_is_buffered(struct fs *fs) {
  return atomic_load(&fs->dirty_bytes) > fs->dirty_max_bytes / RELIEF_PART;
}

/* One batch of the inode that has waited longest. False where that gave nothing. */
static bool relieve_once(struct fs *fs) {
  bool more = false;
  struct inode *inode = oldest_dirty(fs);
  if (inode == NULL)
    return false;
  enum nacre_err err = flush_once(fs, inode, 0, UINT64_MAX, &more);
  inode_put(fs, inode);
  return err == NACRE_OK && more;
}

/* Failures are kept in the inodes, and the rest is for who comes next: a writer, or the commit. */
static void relief_run(void *arg) {
  struct fs *fs = arg;
  for (unsigned idle = 0; idle < RELIEF_TRIES && much_is_buffered(fs);)
    idle = relieve_once(fs) ? 0 : idle + 1;
  pthread_mutex_lock(&fs->dirty_lock);
  fs->relieving = false;
  pthread_mutex_unlock(&fs->dirty_lock);
  job_ended(fs);
}

void flush_relieve(struct fs *fs) {
  if (!much_is_buffered(fs) || workers_count(fs->workers) == 0)
    return;
  pthread_mutex_lock(&fs->dirty_lock);
  bool start = !fs->relieving;
  if (start) {
    fs->relieving = true;
    fs->jobs++;
  }
  pthread_mutex_unlock(&fs->dirty_lock);
  if (start)
    workers_submit(fs->workers, relief_run, fs);
}

/* ---- Pressure ---- */

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
