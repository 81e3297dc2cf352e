#include "tree/gate.h"

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
  pthread_mutex_lock(&g->lock);
  while (g->closed)
    pthread_cond_wait(&g->changed, &g->lock);
  g->inside++;
  pthread_mutex_unlock(&g->lock);
}

void gate_leave(struct gate *g) {
  pthread_mutex_lock(&g->lock);
  g->inside--;
  if (g->inside == 0 && g->closed)
    pthread_cond_broadcast(&g->changed);
  pthread_mutex_unlock(&g->lock);
}

void gate_close(struct gate *g) {
  pthread_mutex_lock(&g->lock);
  g->closed = true;
  while (g->inside > 0)
    pthread_cond_wait(&g->changed, &g->lock);
  pthread_mutex_unlock(&g->lock);
}

void gate_open(struct gate *g) {
  pthread_mutex_lock(&g->lock);
  g->closed = false;
  pthread_cond_broadcast(&g->changed);
  pthread_mutex_unlock(&g->lock);
}
