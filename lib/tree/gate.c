#include "tree/gate.h"

#define GATE_CLOSED ((uint64_t)1 << 63)

void gate_start(struct gate *g) {
  *g = (struct gate){0};
  pthread_mutex_init(&g->lock, NULL);
  pthread_cond_init(&g->changed, NULL);
}

void gate_end(struct gate *g) {
  pthread_cond_destroy(&g->changed);
  pthread_mutex_destroy(&g->lock);
}

void gate_enter(struct gate *g) {
  while (atomic_fetch_add(&g->state, 1) & GATE_CLOSED) {
    gate_leave(g);
    pthread_mutex_lock(&g->lock);
    while (atomic_load(&g->state) & GATE_CLOSED)
      pthread_cond_wait(&g->changed, &g->lock);
    pthread_mutex_unlock(&g->lock);
  }
}

/* The last one out wakes who closes, under the lock: he looks and falls asleep under it. */
void gate_leave(struct gate *g) {
  if (atomic_fetch_sub(&g->state, 1) != (GATE_CLOSED | 1))
    return;
  pthread_mutex_lock(&g->lock);
  pthread_cond_broadcast(&g->changed);
  pthread_mutex_unlock(&g->lock);
}

void gate_close(struct gate *g) {
  pthread_mutex_lock(&g->lock);
  atomic_fetch_or(&g->state, GATE_CLOSED);
  while (atomic_load(&g->state) != GATE_CLOSED)
    pthread_cond_wait(&g->changed, &g->lock);
  pthread_mutex_unlock(&g->lock);
}

void gate_open(struct gate *g) {
  pthread_mutex_lock(&g->lock);
  atomic_fetch_and(&g->state, ~GATE_CLOSED);
  pthread_cond_broadcast(&g->changed);
  pthread_mutex_unlock(&g->lock);
}
