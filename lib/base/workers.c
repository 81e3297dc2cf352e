#include "base/workers.h"

#include "base/err.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#define WORKERS_QUEUE_JOBS 256u
#define WORKERS_MAX 64u

struct workers_job {
  void (*fn)(void *arg);
  void *arg;
};

/* A workers_each under way; lives on its caller's stack. Invariant: it is in the pool's list while its caller still
 * takes indexes, and its caller returns only when `helpers` is 0, so that no worker ever touches it afterwards. */
struct workers_batch {
  void (*fn)(void *arg, size_t index);
  void *arg;
  size_t count;
  atomic_size_t next;
  unsigned helpers; /* workers inside; guarded by the pool's lock */
  struct workers_batch *link;
};

struct workers {
  pthread_mutex_t lock;
  pthread_cond_t wake; /* work to do, or stop */
  pthread_cond_t left; /* a helper has left its batch */
  unsigned count;
  unsigned idle;
  bool stop;
  struct workers_batch *batches;
  unsigned queue_head, queue_used;
  struct workers_job queue[WORKERS_QUEUE_JOBS];
  pthread_t threads[WORKERS_MAX];
};

static void workers_run_batch(struct workers_batch *b) {
  for (;;) {
    size_t index = atomic_fetch_add_explicit(&b->next, 1, memory_order_relaxed);
    if (index >= b->count)
      return;
    b->fn(b->arg, index);
  }
}

/* Under the lock: a batch that still has indexes to give out. */
static struct workers_batch *workers_find_batch(const struct workers *w) {
  for (struct workers_batch *b = w->batches; b != NULL; b = b->link) {
    if (atomic_load_explicit(&b->next, memory_order_relaxed) < b->count)
      return b;
  }
  return NULL;
}

/* Under the lock, which is released while the work runs. Batches go first: someone waits for them. False when there
 * is nothing to do. */
static bool workers_step(struct workers *w) {
  struct workers_batch *b = workers_find_batch(w);
  if (b != NULL) {
    b->helpers++;
    pthread_mutex_unlock(&w->lock);
    workers_run_batch(b);
    pthread_mutex_lock(&w->lock);
    if (--b->helpers == 0)
      pthread_cond_broadcast(&w->left);
    return true;
  }
  if (w->queue_used > 0) {
    struct workers_job job = w->queue[w->queue_head];
    w->queue_head = (w->queue_head + 1) % WORKERS_QUEUE_JOBS;
    w->queue_used--;
    pthread_mutex_unlock(&w->lock);
    job.fn(job.arg);
    pthread_mutex_lock(&w->lock);
    return true;
  }
  return false;
}

static void *workers_thread(void *arg) {
  struct workers *w = arg;
  (void)pthread_setname_np(pthread_self(), "nacre-worker");
  pthread_mutex_lock(&w->lock);
  for (;;) {
    if (workers_step(w))
      continue;
    if (w->stop)
      break;
    w->idle++;
    pthread_cond_wait(&w->wake, &w->lock);
    w->idle--;
  }
  pthread_mutex_unlock(&w->lock);
  return NULL;
}

/* The app's signal handlers must not run in threads that it did not make. */
static int workers_spawn(struct workers *w, unsigned threads) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failure = 0;
  while (w->count < threads && failure == 0) {
    failure = pthread_create(&w->threads[w->count], NULL, workers_thread, w);
    if (failure == 0)
      w->count++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return failure;
}

enum nacre_err workers_new(unsigned threads, struct workers **out) {
  *out = NULL;
  if (threads > WORKERS_MAX)
    threads = WORKERS_MAX;
  struct workers *w = calloc(1, sizeof *w);
  if (w == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for worker threads");
  pthread_mutex_init(&w->lock, NULL);
  pthread_cond_init(&w->wake, NULL);
  pthread_cond_init(&w->left, NULL);
  int failure = workers_spawn(w, threads);
  if (failure != 0) {
    workers_free(w);
    return err_set_errno(NACRE_ERR_NO_MEMORY, failure, "can't start a worker thread");
  }
  *out = w;
  return NACRE_OK;
}

void workers_free(struct workers *w) {
  if (w == NULL)
    return;
  pthread_mutex_lock(&w->lock);
  w->stop = true;
  pthread_cond_broadcast(&w->wake);
  pthread_mutex_unlock(&w->lock);
  for (unsigned i = 0; i < w->count; i++)
    pthread_join(w->threads[i], NULL);
  pthread_cond_destroy(&w->left);
  pthread_cond_destroy(&w->wake);
  pthread_mutex_destroy(&w->lock);
  free(w);
}

unsigned workers_count(const struct workers *w) {
  return w->count;
}

void workers_submit(struct workers *w, void (*fn)(void *arg), void *arg) {
  pthread_mutex_lock(&w->lock);
  bool queued = w->count > 0 && w->queue_used < WORKERS_QUEUE_JOBS;
  if (queued) {
    w->queue[(w->queue_head + w->queue_used) % WORKERS_QUEUE_JOBS] = (struct workers_job){.fn = fn, .arg = arg};
    w->queue_used++;
    if (w->idle > 0)
      pthread_cond_signal(&w->wake);
  }
  pthread_mutex_unlock(&w->lock);
  if (!queued)
    fn(arg);
}

static void workers_unlink(struct workers *w, const struct workers_batch *b) {
  struct workers_batch **at = &w->batches;
  while (*at != b)
    at = &(*at)->link;
  *at = b->link;
}

void workers_each(struct workers *w, size_t count, void (*fn)(void *arg, size_t index), void *arg) {
  if (count <= 1 || w->count == 0) {
    for (size_t i = 0; i < count; i++)
      fn(arg, i);
    return;
  }
  struct workers_batch b = {.fn = fn, .arg = arg, .count = count};
  atomic_init(&b.next, 0);
  pthread_mutex_lock(&w->lock);
  b.link = w->batches;
  w->batches = &b; // cppcheck-suppress autoVariables ; unlinked below, before b goes
  for (size_t i = 0; i < w->idle && i < count - 1; i++)
    pthread_cond_signal(&w->wake);
  pthread_mutex_unlock(&w->lock);

  workers_run_batch(&b);

  pthread_mutex_lock(&w->lock);
  workers_unlink(w, &b);
  while (b.helpers > 0)
    pthread_cond_wait(&w->left, &w->lock);
  pthread_mutex_unlock(&w->lock);
}
