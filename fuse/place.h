/* What the kernel says of the mount, in the table of mounts: it may be remounted without a word to its process. */
#ifndef NACRE_FUSE_PLACE_H
#define NACRE_FUSE_PLACE_H

#include "fuse/session.h"

struct place {
  bool read_only; /* the filesystem, and not one mount of it alone */
  bool no_atime, strict_atime, no_folder_atime;
};

/* To poll for POLLPRI, which tells that a mount of this namespace has changed; -1 without. */
int place_watch(void);
/* The mount's first place. False if it has none that this process can see. */
bool place_find(const struct mount *m, struct place *place);
/* Take over what was remounted since `*known`. */
void place_follow(struct mount *m, struct place *known);

#endif
