/* The gate between transactions and the freeze of a commit: many inside, or one that has closed it. Who waits to
 * close it goes first, so a stream of transactions can't hold a commit up. Not recursive. */
#ifndef NACRE_TREE_GATE_H
#define NACRE_TREE_GATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/* Entering and leaving an open gate is one atomic step each: every transaction of every thread does it. */
struct gate {
  _Atomic uint64_t state; /* how many are inside, or look whether it is closed; and GATE_CLOSED, also while it is */
                          /* being closed */
  pthread_mutex_t lock;   /* of the sleepers, and of every change of GATE_CLOSED */
  pthread_cond_t changed;
};

void gate_start(struct gate *g);
void gate_end(struct gate *g);
void gate_enter(struct gate *g);
void gate_leave(struct gate *g);
/* Keep newcomers out and wait until nobody is inside. One closer at a time (the caller sees to it). */
void gate_close(struct gate *g);
void gate_open(struct gate *g);

#endif
