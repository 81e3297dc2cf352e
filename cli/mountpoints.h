/* What the kernel says is mounted where, and taking a mount away without the help of its process. */
#ifndef NACRE_CLI_MOUNTPOINTS_H
#define NACRE_CLI_MOUNTPOINTS_H

#include <stdbool.h>

/* An absolute path without symbolic links, also where the last component is a dead mount, or is not there. The
 * caller frees it; NULL with errno. */
char *mountpoint_resolve(const char *path);

struct mountpoint {
  char *dir;
  char *source; /* the container, or what fsname= said */
  char *super;  /* options of the filesystem, in commas */
  char *flags;  /* of this mount */
  char device[24];
  unsigned uid; /* who mounted it */
};

/* Find the Nacre mount that stands topmost on a folder, whose path is absolute. False if there is none. */
bool mountpoint_at(const char *dir, struct mountpoint *found);
/* The same, or else one of this user's own by the path of its container: what another's says of its container is that
 * user's choice. */
bool mountpoint_find(const char *path, struct mountpoint *found);
void mountpoint_free(struct mountpoint *mountpoint);
/* Whether its process has died: every access says ENOTCONN. */
bool mountpoint_is_dead(const char *dir);
/* Whether the same filesystem is mounted on any folder that this process can see. */
bool mountpoint_is_elsewhere(const struct mountpoint *mountpoint);
/* Unmount through fusermount3, or umount2 for root, with MNT_DETACH or MNT_FORCE. 0 or an errno; EBUSY while in
 * use. */
int mountpoint_detach(const char *dir, int flags);

#endif
