/* The check that `verify` asks for. */
#include "fuse/task.h"

static void on_problem(void *arg, const char *path, const char *problem) {
  struct task *t = arg;
  struct control_line *line = task_line(t, "problem");
  control_add_bytes(line, "text", problem);
  if (path != NULL)
    control_add_bytes(line, "path", path); /* last: a very long one is cut */
  task_send(t);
}

static void send_report(struct task *t, const struct nacre_verify_report *report) {
  struct control_line *line = task_line(t, "ok");
  control_add_number(line, "nodes", report->nodes);
  control_add_number(line, "chunks", report->chunks);
  control_add_number(line, "inodes", report->inodes);
  control_add_number(line, "directories", report->directories);
  control_add_number(line, "files", report->files);
  control_add_number(line, "data", report->data_bytes);
  control_add_number(line, "metadata", report->metadata_bytes);
  control_add_number(line, "problems", report->problems);
  task_send(t);
}

enum nacre_err task_verify(struct task *t) {
  struct nacre_verify_report report = {.struct_size = sizeof report};
  atomic_store(&task_mount(t)->verifying, true);
  enum nacre_err err = nacre_verify(task_volume(t), &report, on_problem, t, task_progress, t, task_cancel(t));
  atomic_store(&task_mount(t)->verifying, false);
  if (err == NACRE_OK || (err == NACRE_ERR_DAMAGED && report.problems > 0))
    send_report(t, &report);
  return err;
}
