#include "command.h"

#include <inttypes.h>

#include <json-c/json.h>

#include "escape.h"
#include "mounts.h"
#include "options.h"
#include "report.h"
#include "size.h"

static struct json_object *mount_json(const struct control_mount *mount) {
  struct json_object *object = json_object_new_object();
  report_json_add(object, "volume", report_json_text(mount->volume));
  report_json_add(object, "dir", report_json_text(mount->dir));
  report_json_add(object, "pid", json_object_new_int64(mount->pid));
  report_json_add(object, "uid", json_object_new_int64(mount->uid));
  report_json_add(object, "since_s", json_object_new_int64(mount->since_s));
  report_json_add(object, "generation", json_object_new_int64((int64_t)mount->generation));
  report_json_add(object, "dirty_bytes", json_object_new_int64((int64_t)mount->dirty_bytes));
  report_json_add(object, "used_bytes", json_object_new_int64((int64_t)mount->used_bytes));
  report_json_add(object, "free_bytes", json_object_new_int64((int64_t)mount->free_bytes));
  report_json_add(object, "read_only", json_object_new_boolean(mount->read_only));
  report_json_add(object, "failed", json_object_new_boolean(mount->failed));
  report_json_add(object, "failure", mount->failed ? report_json_text(mount->failure) : NULL);
  report_json_add(object, "rekeying", json_object_new_boolean(mount->rekeying));
  report_json_add(object, "rekey_stopped",
                  mount->rekey_stopped != NULL ? report_json_text(mount->rekey_stopped) : NULL);
  report_json_add(object, "rekey_done_bytes", json_object_new_uint64(mount->rekey_done_bytes));
  report_json_add(object, "rekey_total_bytes", json_object_new_uint64(mount->rekey_total_bytes));
  return object;
}

static void print_rotation(const struct control_mount *mount) {
  const double total = (double)mount->rekey_total_bytes, done = (double)mount->rekey_done_bytes;
  if (!mount->rekeying)
    return;
  (void)printf(mount->rekey_stopped == NULL ? ", keys being rotated (%d %%)"
                                            : ", rotation of the keys stopped at %d %%",
               total > 0 && done < total ? (int)(100.0 * done / total) : 0);
  if (mount->rekey_stopped != NULL && mount->rekey_stopped[0] != '\0') {
    (void)printf(": ");
    escape_print(stdout, mount->rekey_stopped);
  }
}

static void print_text(const struct control_mount *mount) {
  char used[SIZE_TEXT_BYTES], avail[SIZE_TEXT_BYTES], dirty[SIZE_TEXT_BYTES];
  escape_print(stdout, mount->volume);
  (void)printf(" on ");
  escape_print(stdout, mount->dir);
  (void)printf(", pid %ld, %s used, %s free, %s not yet committed%s", (long)mount->pid,
               size_text(mount->used_bytes, used), size_text(mount->free_bytes, avail),
               size_text(mount->dirty_bytes, dirty), mount->read_only ? ", read-only" : "");
  print_rotation(mount);
  if (mount->failed) {
    (void)printf(", failed: ");
    escape_print(stdout, mount->failure);
  }
  (void)printf("\n");
}

int cmd_status(const struct command *self, int argc, char **argv) {
  const struct option_group groups[] = {{0}};
  const enum options_result parsed = options_parse(self, groups, 0, 1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  const char *only = argc > 0 ? argv[0] : NULL;
  struct mounts mounts;
  int code = mounts_load(&mounts);
  if (code == EXIT_DONE && mounts.silent > 0)
    report_warning(NULL, "%zu more mount%s there whose process doesn't answer", mounts.silent,
                   mounts.silent == 1 ? " is" : "s are");
  if (code == EXIT_DONE && only != NULL && mounts_find(&mounts, only) == NULL)
    code = report_error(EXIT_NO_VOLUME, only, "it is not mounted here");
  if (code == EXIT_DONE) {
    struct json_object *array = json_object_new_array();
    for (size_t i = 0; i < mounts.count; i++) {
      const struct control_mount *mount = &mounts.list[i];
      if (only != NULL && !control_matches(mount, only))
        continue;
      if (report_is_json())
        (void)json_object_array_add(array, mount_json(mount));
      else
        print_text(mount);
    }
    struct json_object *report = json_object_new_object();
    report_json_add(report, "mounts", array);
    if (report_is_json())
      report_print_json(report);
    else
      (void)json_object_put(report);
  }
  mounts_free(&mounts);
  return code;
}
