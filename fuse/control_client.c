#include "fuse/control_ask.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long a process may take to do what it is asked for, a last commit included. */
#define OTHERS_WORK_MS 60000

static enum nacre_err judge_reply(const char *reply, char *message, size_t message_size) {
  if (strncmp(reply, "ok", 2) == 0)
    return NACRE_OK;
  static const char error[] = "error ";
  long code = 0;
  char *text = NULL;
  if (strncmp(reply, error, sizeof error - 1) == 0)
    code = strtol(reply + sizeof error - 1, &text, 10);
  if (code <= 0 || code > (long)NACRE_ERR_OTHER_VOLUME || *text != ' ') {
    snprintf(message, message_size, "the mount's process answered with something else");
    return NACRE_ERR_IO;
  }
  snprintf(message, message_size, "%s", text + 1);
  return (enum nacre_err)code;
}

/* Connected, and with an empty buffer; freed by replies_free, or NULL with *err and the message. */
static struct control_replies *replies_from(const struct control_mount *mount, enum nacre_err *err, char *message,
                                            size_t message_size) {
  struct control_replies *in = calloc(1, sizeof *in);
  if (in == NULL) {
    snprintf(message, message_size, "out of memory");
    *err = NACRE_ERR_NO_MEMORY;
    return NULL;
  }
  in->fd = control_connect(mount->socket_path, mount->uid);
  if (in->fd >= 0)
    return in;
  snprintf(message, message_size, "the mount's process does not answer: %s", strerror(errno));
  free(in);
  *err = NACRE_ERR_NOT_FOUND;
  return NULL;
}

static void replies_free(struct control_replies *in) {
  close(in->fd);
  free(in);
}

enum nacre_err control_call(const struct control_mount *mount, const char *request, char *message,
                            size_t message_size) {
  enum nacre_err err = NACRE_ERR_NOT_FOUND;
  struct control_replies *in = replies_from(mount, &err, message, message_size);
  if (in == NULL)
    return err;
  if (mount->uid != geteuid())
    in->deadline_ms = control_now_ms() + OTHERS_WORK_MS;
  const char *reply = control_ask(in, request);
  if (reply == NULL) {
    snprintf(message, message_size, "the mount's process gave no answer");
  } else {
    err = judge_reply(reply, message, message_size);
    if (strcmp(request, "sync") != 0) /* unmounted also where it tells of a loss; after a refusal it ends at once */
      control_wait_for_end(in);
  }
  replies_free(in);
  return err;
}

/* ---- A check ---- */

static bool is_word(const char *line, const char *word) {
  size_t len = strlen(word);
  return strncmp(line, word, len) == 0 && (line[len] == ' ' || line[len] == '\0');
}

static void pass_progress(const char *line, nacre_progress_fn progress, void *arg) {
  char *what = control_field(line, "what");
  progress(arg, what != NULL ? what : "", control_field_number(line, "done"), control_field_number(line, "total"));
  free(what);
}

static void pass_problem(const char *line, nacre_problem_fn problem, void *arg) {
  char *text = control_field(line, "text");
  char *path = control_field(line, "path");
  problem(arg, path, text != NULL ? text : "");
  free(path);
  free(text);
}

static void parse_report(const char *line, struct nacre_verify_report *report) {
  report->nodes = control_field_number(line, "nodes");
  report->chunks = control_field_number(line, "chunks");
  report->inodes = control_field_number(line, "inodes");
  report->directories = control_field_number(line, "directories");
  report->files = control_field_number(line, "files");
  report->data_bytes = control_field_number(line, "data");
  report->metadata_bytes = control_field_number(line, "metadata");
  report->problems = control_field_number(line, "problems");
}

/* What the lines before the reply are passed to. */
struct listener {
  nacre_progress_fn progress;
  nacre_problem_fn problem;
  void *arg;
};

/* The line that answers a request for long work, in `in`; NULL where the work was broken off. */
static const char *ask_and_listen(struct control_replies *in, const char *request, const struct listener *to) {
  const char *line = control_ask(in, request);
  for (; line != NULL; line = control_next_line(in)) {
    if (is_word(line, "progress"))
      pass_progress(line, to->progress, to->arg);
    else if (is_word(line, "problem") && to->problem != NULL)
      pass_problem(line, to->problem, to->arg);
    else
      break;
  }
  return line;
}

enum nacre_err control_verify(const struct control_mount *mount, struct nacre_verify_report *report,
                              nacre_problem_fn problem, nacre_progress_fn progress, void *arg, char *message,
                              size_t message_size) {
  enum nacre_err err = NACRE_ERR_NOT_FOUND;
  struct control_replies *in = replies_from(mount, &err, message, message_size);
  if (in == NULL)
    return err;
  const struct listener to = {.progress = progress, .problem = problem, .arg = arg};
  const char *line = ask_and_listen(in, "verify", &to);
  if (line == NULL) {
    snprintf(message, message_size, "the mount's process broke off the check");
  } else {
    err = judge_reply(line, message, message_size);
    if (err == NACRE_OK)
      parse_report(line, report);
  }
  replies_free(in);
  if (err != NACRE_OK || report->problems == 0)
    return err;
  snprintf(message, message_size, "%" PRIu64 " problem%s found", report->problems, report->problems == 1 ? "" : "s");
  return NACRE_ERR_DAMAGED;
}

/* ---- Keyslots ---- */

static const char *ask_order(struct control_replies *in, const uint8_t *order, size_t len) {
  char request[CONTROL_REQUEST_MAX_BYTES] = "key order=";
  size_t at = strlen(request);
  if (len > NACRE_SLOT_ORDER_MAX_BYTES)
    return NULL;
  for (size_t i = 0; i < len; i++, at += 2)
    snprintf(request + at, sizeof request - at, "%02x", order[i]);
  return control_ask(in, request);
}

enum nacre_err control_key(const struct control_mount *mount, const uint8_t *order, size_t len, uint32_t *index,
                           char *message, size_t message_size) {
  enum nacre_err err = NACRE_ERR_NOT_FOUND;
  struct control_replies *in = replies_from(mount, &err, message, message_size);
  if (in == NULL)
    return err;
  const char *reply = ask_order(in, order, len);
  if (reply == NULL) {
    snprintf(message, message_size, "the mount's process gave no answer");
  } else {
    err = judge_reply(reply, message, message_size);
    *index = (uint32_t)control_field_number(reply, "slot");
  }
  replies_free(in);
  return err;
}

/* ---- A rotation ---- */

enum nacre_err control_rekey(const struct control_mount *mount, const struct nacre_rekey_options *options,
                             struct nacre_rekey_report *report, nacre_progress_fn progress, void *arg, char *message,
                             size_t message_size) {
  char request[CONTROL_REQUEST_MAX_BYTES];
  enum nacre_err err = NACRE_ERR_NOT_FOUND;
  struct control_replies *in = replies_from(mount, &err, message, message_size);
  if (in == NULL)
    return err;
  snprintf(request, sizeof request, "rekey slots_only=%d cipher=%d drop=%" PRIu32 " rate=%" PRIu64,
           options->slots_only, (int)options->cipher, options->drop_slots, options->rate_bytes);
  const struct listener to = {.progress = progress, .arg = arg};
  const char *line = ask_and_listen(in, request, &to);
  if (line == NULL) {
    snprintf(message, message_size, "the mount's process broke off the rotation; it is carried on at the next mount");
  } else {
    err = judge_reply(line, message, message_size);
    report->resumed = control_field_number(line, "resumed") != 0;
    report->epoch = (uint32_t)control_field_number(line, "epoch");
    report->rewritten_bytes = control_field_number(line, "rewritten");
    report->wiped_bytes = control_field_number(line, "wiped");
  }
  replies_free(in);
  return err;
}
