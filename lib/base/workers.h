/* A small pool of worker threads. With zero threads every job runs in the caller. */
#ifndef NACRE_BASE_WORKERS_H
#define NACRE_BASE_WORKERS_H

#include <nacre.h>
#include <stddef.h>

struct workers;
NACRE_MUST_USE enum nacre_err workers_new(unsigned threads, struct workers **out);
/* Waits for queued jobs, then ends the threads. */
void workers_free(struct workers *w);
unsigned workers_count(const struct workers *w);
/* Queue a job; it runs once, in any order. `fn` must not wait for another queued job. Never fails: if the queue
 * is full or there are no threads, the caller runs it. */
void workers_submit(struct workers *w, void (*fn)(void *arg), void *arg);
/* fn(arg, 0..count-1) spread over the caller and the idle workers; returns when all are done. The caller always
 * takes part, so this makes progress from inside a job too. */
void workers_each(struct workers *w, size_t count, void (*fn)(void *arg, size_t index), void *arg);

#endif
