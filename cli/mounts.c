#include "mounts.h"

#include <string.h>

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

const struct control_mount *mounts_find(const struct mounts *mounts, const char *path) {
  for (size_t i = 0; i < mounts->count; i++)
    if (control_matches(&mounts->list[i], path))
      return &mounts->list[i];
  return NULL;
}
