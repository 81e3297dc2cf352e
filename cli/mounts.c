#include "mounts.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

int mounts_load(struct mounts *mounts) {
  *mounts = (struct mounts){0};
  const enum nacre_err err = control_list(&mounts->list, &mounts->count, &mounts->silent);
  if (err == NACRE_OK)
    return EXIT_DONE;
  return report_error(report_exit_code(err), NULL, "cannot list the mounts: %s", nacre_strerror(err));
}

void mounts_free(struct mounts *mounts) {
  control_list_free(mounts->list, mounts->count);
  *mounts = (struct mounts){0};
}

const struct control_mount *mounts_find_at(const struct mounts *mounts, const struct mountpoint *at) {
  const struct control_mount *older = NULL;
  for (size_t i = 0; i < mounts->count; i++) {
    const struct control_mount *mount = &mounts->list[i];
    if (mount->uid != at->uid)
      continue;
    if (strcmp(mount->device, at->device) == 0)
      return mount;
    if (mount->device[0] == '\0' && strcmp(mount->dir, at->dir) == 0 && strcmp(mount->volume, at->source) == 0)
      older = mount;
  }
  return older;
}

/* Root hears from everybody's processes, which may claim any container. Whoever owns it could do anything to it. */
static bool may_answer_for(const struct control_mount *mount) {
  struct stat st;
  return mount->uid == geteuid() || mount->uid == 0 || (stat(mount->volume, &st) == 0 && st.st_uid == mount->uid);
}

const struct control_mount *mounts_find(const struct mounts *mounts, const char *path) {
  for (size_t i = 0; i < mounts->count; i++)
    if (control_matches(&mounts->list[i], path) && may_answer_for(&mounts->list[i]))
      return &mounts->list[i];
  return NULL;
}

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int mounts_container(struct mounts *mounts, const char *path, const char **container) {
  *mounts = (struct mounts){0};
  *container = path;
  if (!is_folder(path))
    return EXIT_DONE;
  const int code = mounts_load(mounts);
  const struct control_mount *mount = mounts_find(mounts, path);
  if (mount != NULL)
    *container = mount->volume;
  return code;
}

bool mounts_do(const char *path, mounts_do_fn fn, void *arg, int *code) {
  struct mounts mounts;
  *code = mounts_load(&mounts);
  const struct control_mount *mount = mounts_find(&mounts, path);
  const bool answers = mount != NULL;
  if (answers)
    *code = fn(arg, path, mount);
  mounts_free(&mounts);
  if (answers || *code != EXIT_DONE)
    return true;
  char *resolved = mountpoint_resolve(path);
  struct mountpoint at = {0};
  const bool mounted = resolved != NULL && mountpoint_find(resolved, &at);
  if (mounted)
    *code = report_error(EXIT_IN_USE, path,
                         "it is mounted on %s, and the process of that mount does not answer you; unmount it first",
                         at.dir);
  mountpoint_free(&at);
  free(resolved);
  return mounted;
}
