/*
 * Where a receiver runs: beside the thread that it serves.
 *
 * A thread that waits for its answers and the receiver that gives them take turns. On two cores each turn wakes the
 * other core, which costs more than most requests, in a virtual machine ten times as much; on one core it is a
 * switch. So a receiver whose last requests were all small and one thread's binds itself to the core on which that
 * thread runs, follows it, and is free again with the first request that is another's or long. The kernel's own
 * requests, which are nobody's, change nothing: each close of a file is followed by one.
 *
 * Invariant: a receiver that is not free was bound by near_request and has no request of many pages in its hands.
 */
#ifndef NACRE_FUSE_NEAR_H
#define NACRE_FUSE_NEAR_H

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

/* Of one receiver, used by its thread alone. All zero: free. */
struct near {
  pid_t client;
  unsigned run;    /* requests of `client` since the last look where it is */
  unsigned pause;  /* requests from one look to the next */
  unsigned misses; /* looks in a row that did not find it here */
  bool bound;
  int core;
  cpu_set_t home; /* where it may run when it is free */
};

/* The calling thread has received a small request of that thread's; 0: of nobody that is known. */
void near_request(struct near *n, pid_t client);
/* It goes on alone, or waits. */
void near_free(struct near *n);

#endif
