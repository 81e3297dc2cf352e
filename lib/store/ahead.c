#include "store/ahead.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

/* Less than that a sync writes soon enough; and what is deleted soon after it was made need never be written. */
#define AHEAD_BYTES (8u << 20)

/* Who started this thread may be bound to one core for the moment, as a mount's receivers are, and it would stay so.
 */
static void run_anywhere(void) {
  cpu_set_t allowed;
  if (sched_getaffinity(getpid(), sizeof allowed, &allowed) == 0)
    (void)sched_setaffinity(0, sizeof allowed, &allowed);
}

static void *ahead_main(void *arg) {
  struct ahead *a = arg;
  (void)pthread_setname_np(pthread_self(), "nacre-ahead");
  run_anywhere();
  pthread_mutex_lock(&a->lock);
  for (;;) {
    while (a->bytes < AHEAD_BYTES && !a->stop)
      pthread_cond_wait(&a->wanted, &a->lock);
    if (a->stop)
      break;
    const uint64_t from = a->from, len = a->to - a->from;
    a->bytes = 0;
    pthread_mutex_unlock(&a->lock);
    /* Without waiting for the writes, so that their errors stay the sync's. */
    (void)sync_file_range(a->fd, (off_t)from, (off_t)len, SYNC_FILE_RANGE_WRITE);
    pthread_mutex_lock(&a->lock);
  }
  pthread_mutex_unlock(&a->lock);
  return NULL;
}

void ahead_start(struct ahead *a, int fd) {
  *a = (struct ahead){.fd = fd};
  pthread_mutex_init(&a->lock, NULL);
  pthread_cond_init(&a->wanted, NULL);
}

void ahead_end(struct ahead *a) {
  pthread_mutex_lock(&a->lock);
  a->stop = true;
  pthread_cond_signal(&a->wanted);
  pthread_mutex_unlock(&a->lock);
  if (a->started)
    pthread_join(a->thread, NULL);
  pthread_cond_destroy(&a->wanted);
  pthread_mutex_destroy(&a->lock);
}

/* The app's signal handlers must not run in a thread that it did not make. Under the lock. */
static void start_thread(struct ahead *a) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  a->started = pthread_create(&a->thread, NULL, ahead_main, a) == 0;
  a->failed = !a->started;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void ahead_note(struct ahead *a, uint64_t offset, uint64_t len) {
  pthread_mutex_lock(&a->lock);
  if (a->bytes == 0 || offset < a->from)
    a->from = offset;
  if (a->bytes == 0 || offset + len > a->to)
    a->to = offset + len;
  a->bytes += len;
  if (a->bytes >= AHEAD_BYTES && !a->started && !a->failed)
    start_thread(a);
  else if (a->bytes >= AHEAD_BYTES)
    pthread_cond_signal(&a->wanted);
  pthread_mutex_unlock(&a->lock);
}
