/* Having the system begin early to write to the medium what was handed to it. Left to itself it keeps hundreds of
 * megabytes in memory, and whoever syncs then waits for all of them, while the medium was idle before. */
#ifndef NACRE_STORE_AHEAD_H
#define NACRE_STORE_AHEAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

/* A thread asks for it, since asking waits where the medium is behind; who writes never does. It is started by the
 * first bytes that are worth it. Nothing depends on it: what the system has not begun to write, a sync does, and
 * errors are the sync's to tell. */
struct ahead {
  int fd;
  pthread_mutex_t lock; /* guards the rest */
  pthread_cond_t wanted;
  uint64_t from, to; /* what was written lies in between */
  uint64_t bytes;    /* of it, since the thread last took it */
  bool started, failed, stop;
  pthread_t thread;
};

void ahead_start(struct ahead *a, int fd);
/* Before the descriptor is closed. */
void ahead_end(struct ahead *a);
/* That was written. */
void ahead_note(struct ahead *a, uint64_t offset, uint64_t len);

#endif
