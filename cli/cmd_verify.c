#include "command.h"

#include <inttypes.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "escape.h"
#include "interrupt.h"
#include "mounts.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "size.h"
#include "volume.h"

#define MESSAGE_BYTES 256

struct verifying {
  struct progress progress;
  struct json_object *problems; /* NULL: printed as they come */
};

static void on_problem(void *arg, const char *path, const char *problem) {
  struct verifying *verifying = arg;
  if (verifying->problems != NULL) {
    struct json_object *object = json_object_new_object();
    report_json_add(object, "path", path != NULL ? report_json_text(path) : NULL);
    report_json_add(object, "problem", report_json_text(problem));
    (void)json_object_array_add(verifying->problems, object);
    return;
  }
  progress_clear(&verifying->progress);
  /* One problem, one line, whatever the name holds. */
  char *safe = path != NULL ? escape_text(path, true) : NULL;
  (void)printf("%s%s%s\n", safe != NULL ? safe : "", safe != NULL ? ": " : "", problem);
  free(safe);
}

static void on_progress(void *arg, const char *what, uint64_t done, uint64_t total) {
  struct verifying *verifying = arg;
  progress_library(&verifying->progress, what, done, total);
}

static void print_json(const char *path, const struct nacre_verify_report *report, struct json_object *problems) {
  struct json_object *object = json_object_new_object();
  report_json_add(object, "volume", report_json_text(path));
  report_json_add(object, "problems", problems);
  report_json_add(object, "problem_count", json_object_new_int64((int64_t)report->problems));
  report_json_add(object, "nodes", json_object_new_int64((int64_t)report->nodes));
  report_json_add(object, "chunks", json_object_new_int64((int64_t)report->chunks));
  report_json_add(object, "inodes", json_object_new_int64((int64_t)report->inodes));
  report_json_add(object, "directories", json_object_new_int64((int64_t)report->directories));
  report_json_add(object, "files", json_object_new_int64((int64_t)report->files));
  report_json_add(object, "data_bytes", json_object_new_int64((int64_t)report->data_bytes));
  report_json_add(object, "metadata_bytes", json_object_new_int64((int64_t)report->metadata_bytes));
  report_print_json(object);
}

static void print_text(const struct nacre_verify_report *report) {
  char data[SIZE_TEXT_BYTES], metadata[SIZE_TEXT_BYTES];
  (void)printf("%" PRIu64 " files and %" PRIu64 " folders, %s of data in %" PRIu64
               " chunks, %s of metadata in %" PRIu64 " nodes: %" PRIu64 " problems\n",
               report->files, report->directories, size_text(report->data_bytes, data), report->chunks,
               size_text(report->metadata_bytes, metadata), report->nodes, report->problems);
}

static void verifying_start(struct verifying *verifying) {
  *verifying = (struct verifying){.problems = report_is_json() ? json_object_new_array() : NULL};
  progress_start(&verifying->progress);
}

/* What a check came to. `message` goes with an error. */
static int verifying_end(struct verifying *verifying, const char *path, const struct nacre_verify_report *report,
                         enum nacre_err err, const char *message) {
  progress_clear(&verifying->progress);
  if (err != NACRE_OK && err != NACRE_ERR_DAMAGED) {
    (void)json_object_put(verifying->problems);
    return report_message(path, err, message);
  }
  if (report_is_json())
    print_json(path, report, verifying->problems);
  else
    print_text(report);
  if (err == NACRE_OK)
    return EXIT_DONE;
  return report_error(EXIT_DAMAGED, path, "%s; restore what is lost from a backup", message);
}

static int verify_here(const char *path, nacre_volume *vol) {
  struct verifying verifying;
  struct nacre_verify_report report = {.struct_size = sizeof report};
  verifying_start(&verifying);
  const enum nacre_err err =
      nacre_verify(vol, &report, on_problem, &verifying, on_progress, &verifying, interrupt_catch());
  return verifying_end(&verifying, path, &report, err, nacre_last_error());
}

/* In the process that has it mounted. A signal that ends this one ends the check there. */
static int verify_mounted(void *arg, const char *path, const struct control_mount *mount) {
  (void)arg;
  struct verifying verifying;
  struct nacre_verify_report report = {.struct_size = sizeof report};
  char message[MESSAGE_BYTES] = "";
  verifying_start(&verifying);
  const enum nacre_err err =
      control_verify(mount, &report, on_problem, on_progress, &verifying, message, sizeof message);
  return verifying_end(&verifying, path, &report, err, message);
}

int cmd_verify(const struct command *self, int argc, char **argv) {
  struct volume_options options = VOLUME_OPTIONS_NONE;
  const struct option_group groups[] = {VOLUME_GROUPS(&options), {0}};
  const enum options_result parsed = options_parse(self, groups, 1, 1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  int code = EXIT_DONE;
  if (mounts_do(argv[0], verify_mounted, NULL, &code))
    return code;
  const struct volume_request request = {.path = argv[0], .options = &options, .read_only = true, .threads = -1};
  nacre_volume *vol = NULL;
  code = volume_open(&request, &vol);
  return code != EXIT_DONE ? code : volume_close(argv[0], vol, verify_here(argv[0], vol));
}
