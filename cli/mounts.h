/* Finding a running mount by what a user calls it. */
#ifndef NACRE_CLI_MOUNTS_H
#define NACRE_CLI_MOUNTS_H

#include <stddef.h>

#include "fuse/control.h"
#include "mountpoints.h"

struct mounts {
  struct control_mount *list;
  size_t count;
  size_t silent; /* processes that don't answer, and may serve any */
};

/* Exit code, error said. Freed with mounts_free also when it fails. */
int mounts_load(struct mounts *mounts);
void mounts_free(struct mounts *mounts);
/* The process of a mount that the kernel knows of: one of the user who mounted it, for that very filesystem. What a
 * process says of its folder and container is its user's choice. NULL if none answers. */
const struct control_mount *mounts_find_at(const struct mounts *mounts, const struct mountpoint *at);
/* If the path names what is mounted: have fn do it by way of the mount's process, or say that it does not answer.
 * False where it is not mounted; else *code is what came of it. */
typedef int (*mounts_do_fn)(void *arg, const char *path, const struct control_mount *mount);
bool mounts_do(const char *path, mounts_do_fn fn, void *arg, int *code);
/* By its folder or its container. NULL if it is not mounted. */
const struct control_mount *mounts_find(const struct mounts *mounts, const char *path);
/* The container that a path means: a folder's is what is mounted on it, anything else is itself. Nobody is asked
 * about what is no folder. Exit code; freed with mounts_free also when it fails, what was found too. */
int mounts_container(struct mounts *mounts, const char *path, const char **container);

#endif
