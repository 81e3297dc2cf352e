#include "fuse/task.h"

#include "fuse/control_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_INTERVAL_MS 200

/* While it runs, `line`, `last_ms`, `unheard` and `answered` are the thread's, the rest the supervisor's. */
struct task {
  struct mount *m;
  int wake_fd;
  task_fn fn;
  bool running;
  bool watching; /* whether the peer is still there */
  int connection;
  char request[CONTROL_REQUEST_MAX_BYTES];
  nacre_cancel *cancel;
  pthread_t thread;
  atomic_bool over;
  struct control_line line;
  int64_t last_ms;
  bool unheard;  /* the peer has gone or does not read: nothing more is sent */
  bool answered; /* with "ok" */
};

/* ---- The thread ---- */

nacre_volume *task_volume(const struct task *t) {
  return t->m->vol;
}

struct mount *task_mount(const struct task *t) {
  return t->m;
}

nacre_cancel *task_cancel(const struct task *t) {
  return t->cancel;
}

const char *task_request(const struct task *t) {
  return t->request;
}

struct control_line *task_line(struct task *t, const char *word) {
  t->line.len = 0;
  t->line.full = false;
  control_add_text(&t->line, word);
  t->answered |= strcmp(word, "ok") == 0;
  return &t->line;
}

/* Nobody may hold the work up, which others may wait for: a peer that does not read ends it. */
void task_send(struct task *t) {
  control_end_line(&t->line);
  if (!t->unheard && !control_server_send(t->connection, &t->line)) {
    t->unheard = true;
    nacre_cancel_fire(t->cancel);
  }
}

void task_progress(void *arg, const char *what, uint64_t done, uint64_t total) {
  struct task *t = arg;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  if (now_ms - t->last_ms < PROGRESS_INTERVAL_MS)
    return;
  t->last_ms = now_ms;
  struct control_line *line = task_line(t, "progress");
  control_add_number(line, "done", done);
  control_add_number(line, "total", total);
  control_add_bytes(line, "what", what);
  task_send(t);
}

static void *task_main(void *arg) {
  struct task *t = arg;
  const enum nacre_err err = t->fn(t);
  if (!t->answered && !t->unheard)
    control_server_answer(t->connection, err,
                          err == NACRE_ERR_CANCELLED ? "broken off: the volume is being unmounted"
                                                     : nacre_last_error());
  atomic_store(&t->over, true);
  eventfd_write(t->wake_fd, 1);
  return NULL;
}

/* ---- Its master ---- */

struct task *task_new(struct mount *m, int wake_fd, task_fn fn) {
  struct task *t = calloc(1, sizeof *t);
  if (t == NULL)
    return NULL;
  t->m = m;
  t->wake_fd = wake_fd;
  t->fn = fn;
  return t;
}

void task_free(struct task *t) {
  task_stop(t);
  free(t);
}

enum nacre_err task_start(struct task *t, int connection, const char *request) {
  if (t->running)
    return NACRE_ERR_IN_USE;
  enum nacre_err err = nacre_cancel_new(&t->cancel);
  if (err != NACRE_OK)
    return err;
  (void)snprintf(t->request, sizeof t->request, "%s", request);
  t->connection = connection;
  t->last_ms = 0;
  t->unheard = t->answered = false;
  atomic_store(&t->over, false);
  if (pthread_create(&t->thread, NULL, task_main, t) != 0) {
    nacre_cancel_free(t->cancel);
    return NACRE_ERR_NO_MEMORY;
  }
  t->running = true;
  t->watching = true;
  return NACRE_OK;
}

bool task_is_running(const struct task *t) {
  return t->running;
}

int task_watched_fd(const struct task *t) {
  return t->running && t->watching ? t->connection : -1;
}

void task_hung_up(struct task *t) {
  t->watching = false;
  nacre_cancel_fire(t->cancel);
}

static void clear_up(struct task *t) {
  pthread_join(t->thread, NULL);
  close(t->connection);
  nacre_cancel_free(t->cancel);
  t->running = false;
}

void task_reap(struct task *t) {
  if (t->running && atomic_load(&t->over))
    clear_up(t);
}

void task_stop(struct task *t) {
  if (!t->running)
    return;
  nacre_cancel_fire(t->cancel);
  clear_up(t);
}
