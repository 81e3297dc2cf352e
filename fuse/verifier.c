#include "fuse/verifier.h"

#include "fuse/control_server.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_INTERVAL_MS 200

/* While it runs, `line`, `last_ms` and `unheard` are the thread's, the rest the supervisor's. */
struct verifier {
  struct mount *m;
  int wake_fd;
  bool running;
  bool watching; /* whether the peer is still there */
  int connection;
  nacre_cancel *cancel;
  pthread_t thread;
  atomic_bool over;
  struct control_line line;
  int64_t last_ms;
  bool unheard; /* the peer has gone or does not read: nothing more is sent */
};

/* ---- The thread ---- */

/* Changes wait for the check, so that nobody may hold it up: a peer that does not read ends it. */
static void send_line(struct verifier *v) {
  control_end_line(&v->line);
  if (!v->unheard && !control_server_send(v->connection, &v->line)) {
    v->unheard = true;
    nacre_cancel_fire(v->cancel);
  }
}

static void start_line(struct verifier *v, const char *word) {
  v->line.len = 0;
  v->line.full = false;
  control_add_text(&v->line, word);
}

static void on_progress(void *arg, const char *what, uint64_t done, uint64_t total) {
  struct verifier *v = arg;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
  if (now_ms - v->last_ms < PROGRESS_INTERVAL_MS)
    return;
  v->last_ms = now_ms;
  start_line(v, "progress");
  control_add_number(&v->line, "done", done);
  control_add_number(&v->line, "total", total);
  control_add_bytes(&v->line, "what", what);
  send_line(v);
}

static void on_problem(void *arg, const char *path, const char *problem) {
  struct verifier *v = arg;
  start_line(v, "problem");
  control_add_bytes(&v->line, "text", problem);
  if (path != NULL)
    control_add_bytes(&v->line, "path", path); /* last: a very long one is cut */
  send_line(v);
}

static void send_report(struct verifier *v, const struct nacre_verify_report *report) {
  start_line(v, "ok");
  control_add_number(&v->line, "nodes", report->nodes);
  control_add_number(&v->line, "chunks", report->chunks);
  control_add_number(&v->line, "inodes", report->inodes);
  control_add_number(&v->line, "directories", report->directories);
  control_add_number(&v->line, "files", report->files);
  control_add_number(&v->line, "data", report->data_bytes);
  control_add_number(&v->line, "metadata", report->metadata_bytes);
  control_add_number(&v->line, "problems", report->problems);
  send_line(v);
}

static void *verifier_main(void *arg) {
  struct verifier *v = arg;
  struct nacre_verify_report report = {.struct_size = sizeof report};
  enum nacre_err err = nacre_verify(v->m->vol, &report, on_problem, v, on_progress, v, v->cancel);
  atomic_store(&v->m->verifying, false);
  if (err == NACRE_OK || (err == NACRE_ERR_DAMAGED && report.problems > 0))
    send_report(v, &report);
  else if (!v->unheard)
    control_server_answer(v->connection, err,
                          err == NACRE_ERR_CANCELLED ? "broken off: the volume is being unmounted"
                                                     : nacre_last_error());
  atomic_store(&v->over, true);
  eventfd_write(v->wake_fd, 1);
  return NULL;
}

/* ---- Its master ---- */

struct verifier *verifier_new(struct mount *m, int wake_fd) {
  struct verifier *v = calloc(1, sizeof *v);
  if (v == NULL)
    return NULL;
  v->m = m;
  v->wake_fd = wake_fd;
  return v;
}

void verifier_free(struct verifier *v) {
  verifier_stop(v);
  free(v);
}

enum nacre_err verifier_start(struct verifier *v, int connection) {
  if (v->running)
    return NACRE_ERR_IN_USE;
  enum nacre_err err = nacre_cancel_new(&v->cancel);
  if (err != NACRE_OK)
    return err;
  v->connection = connection;
  v->last_ms = 0;
  v->unheard = false;
  atomic_store(&v->over, false);
  atomic_store(&v->m->verifying, true);
  if (pthread_create(&v->thread, NULL, verifier_main, v) != 0) {
    atomic_store(&v->m->verifying, false);
    nacre_cancel_free(v->cancel);
    return NACRE_ERR_NO_MEMORY;
  }
  v->running = true;
  v->watching = true;
  return NACRE_OK;
}

bool verifier_is_running(const struct verifier *v) {
  return v->running;
}

int verifier_watched_fd(const struct verifier *v) {
  return v->running && v->watching ? v->connection : -1;
}

void verifier_hung_up(struct verifier *v) {
  v->watching = false;
  nacre_cancel_fire(v->cancel);
}

static void clear_up(struct verifier *v) {
  pthread_join(v->thread, NULL);
  close(v->connection);
  nacre_cancel_free(v->cancel);
  v->running = false;
}

void verifier_reap(struct verifier *v) {
  if (v->running && atomic_load(&v->over))
    clear_up(v);
}

void verifier_stop(struct verifier *v) {
  if (!v->running)
    return;
  nacre_cancel_fire(v->cancel);
  clear_up(v);
}
