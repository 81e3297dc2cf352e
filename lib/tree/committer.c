/* Who commits when: callers share commits, a thread commits by the clock, a check keeps both out. */
#include "base/err.h"
#include "tree/core.h"

#include <errno.h>
#include <time.h>

/* With commit_lock held. Waits while one runs. */
static void right_take(struct engine *e) {
  while (e->committing)
    pthread_cond_wait(&e->commit_changed, &e->commit_lock);
  e->committing = true;
}

static void right_give(struct engine *e) {
  e->committing = false;
  pthread_cond_broadcast(&e->commit_changed);
}

/* With commit_lock held and the right taken; lets go of the lock meanwhile. */
static void run_unlocked(struct engine *e) {
  const uint64_t commit = ++e->commits.started, sync = ++e->syncs.started;
  pthread_mutex_unlock(&e->commit_lock);
  enum nacre_err err = commit_run(e, false);
  if (err == NACRE_OK && e->options.committed != NULL)
    e->options.committed(e->options.arg, e);
  pthread_mutex_lock(&e->commit_lock);
  e->commits.ended = commit;
  e->syncs.ended = sync;
  e->commits.result = e->syncs.result = err;
}

/* The same, but a record of the intent log if that will do. */
static void sync_unlocked(struct engine *e) {
  bool done;
  const uint64_t sync = ++e->syncs.started;
  e->recording = true;
  pthread_mutex_unlock(&e->commit_lock);
  enum nacre_err err = intent_run(e, &done);
  pthread_mutex_lock(&e->commit_lock);
  e->recording = false;
  if (err == NACRE_OK && !done) {
    run_unlocked(e);
    return;
  }
  e->syncs.ended = sync;
  e->syncs.result = err;
}

/* One that starts after this call covers what the caller did; one that already runs may not. */
static enum nacre_err share(struct engine *e, const struct commit_turns *turns, void (*run)(struct engine *e)) {
  ERR_TRY(engine_check_writable(e));
  pthread_mutex_lock(&e->commit_lock);
  const uint64_t wanted = turns->started + 1;
  bool mine = false;
  while (turns->ended < wanted) {
    if (e->committing) {
      pthread_cond_wait(&e->commit_changed, &e->commit_lock);
    } else {
      e->committing = true;
      run(e);
      right_give(e);
      mine = true;
    }
  }
  enum nacre_err err = turns->result;
  pthread_mutex_unlock(&e->commit_lock);
  if (err != NACRE_OK && !mine)
    err_set(err, "the commit failed");
  return err;
}

enum nacre_err engine_commit(struct engine *e) {
  return share(e, &e->commits, run_unlocked);
}

enum nacre_err engine_sync(struct engine *e) {
  return share(e, &e->syncs, sync_unlocked);
}

enum nacre_err committer_commit_anyway(struct engine *e) {
  pthread_mutex_lock(&e->state_lock);
  e->dirty = true;
  pthread_mutex_unlock(&e->state_lock);
  return engine_commit(e);
}

void committer_want_checkpoint(struct engine *e) {
  pthread_mutex_lock(&e->state_lock);
  e->log_want = SPACELOG_CHECKPOINT;
  pthread_mutex_unlock(&e->state_lock);
}

enum nacre_err engine_commit_header(struct engine *e, uint64_t header_sequence, const uint8_t header_mac[32]) {
  pthread_mutex_lock(&e->state_lock);
  e->header_sequence_min = header_sequence;
  memcpy(e->header_mac, header_mac, sizeof e->header_mac);
  e->header_changed = true;
  pthread_mutex_unlock(&e->state_lock);
  return engine_commit(e);
}

void committer_hold(struct engine *e) {
  pthread_mutex_lock(&e->commit_lock);
  right_take(e);
  pthread_mutex_unlock(&e->commit_lock);
}

void committer_release(struct engine *e) {
  pthread_mutex_lock(&e->commit_lock);
  right_give(e);
  pthread_mutex_unlock(&e->commit_lock);
}

enum nacre_err engine_pause(struct engine *e) {
  committer_hold(e);
  if (engine_check_writable(e) != NACRE_OK) {
    gate_close(&e->gate);
    return NACRE_OK;
  }
  enum nacre_err err = commit_run(e, true);
  if (err != NACRE_OK)
    engine_resume(e);
  return err;
}

void engine_resume(struct engine *e) {
  gate_open(&e->gate);
  committer_release(e);
}

/* ---- The thread ---- */

static struct timespec deadline(uint32_t interval_ms) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  at.tv_sec += (time_t)(interval_ms / 1000);
  at.tv_nsec += (long)(interval_ms % 1000) * 1000000;
  if (at.tv_nsec >= 1000000000) {
    at.tv_sec++;
    at.tv_nsec -= 1000000000;
  }
  return at;
}

static void *committer_main(void *arg) {
  struct engine *e = arg;
  pthread_mutex_lock(&e->commit_lock);
  while (!e->stopping) {
    struct timespec at = deadline(e->options.commit_interval_ms);
    while (!e->stopping && !e->asked && pthread_cond_timedwait(&e->commit_wanted, &e->commit_lock, &at) != ETIMEDOUT)
      ;
    e->asked = false;
    if (e->stopping || (e->committing && !e->recording))
      continue;
    right_take(e);
    run_unlocked(e);
    right_give(e);
  }
  pthread_mutex_unlock(&e->commit_lock);
  return NULL;
}

bool committer_ask(struct engine *e) {
  if (!e->has_committer)
    return false;
  pthread_mutex_lock(&e->commit_lock);
  if (!e->asked && (!e->committing || e->recording)) {
    e->asked = true;
    pthread_cond_signal(&e->commit_wanted);
  }
  pthread_mutex_unlock(&e->commit_lock);
  return true;
}

enum nacre_err committer_start(struct engine *e) {
  if (e->options.commit_interval_ms == 0 || e->read_only)
    return NACRE_OK;
  if (pthread_create(&e->committer, NULL, committer_main, e) != 0)
    return err_set(NACRE_ERR_NO_MEMORY, "cannot start the commit thread");
  e->has_committer = true;
  return NACRE_OK;
}

void committer_stop(struct engine *e) {
  if (!e->has_committer)
    return;
  pthread_mutex_lock(&e->commit_lock);
  e->stopping = true;
  pthread_cond_signal(&e->commit_wanted);
  pthread_mutex_unlock(&e->commit_lock);
  pthread_join(e->committer, NULL);
  e->has_committer = false;
}
