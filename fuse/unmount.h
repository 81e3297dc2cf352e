/* Taking the mount out of the file tree, while it is served. */
#ifndef NACRE_FUSE_UNMOUNT_H
#define NACRE_FUSE_UNMOUNT_H

#include "fuse/session.h"

/* Have the kernel write back what programs changed through mappings. */
void unmount_flush(const struct mount *m);
/* NACRE_OK also where it is gone already; NACRE_ERR_IN_USE while somebody uses it. */
NACRE_MUST_USE enum nacre_err unmount_try(const struct mount *m);
/* Whether the kernel has ended the connection: the mount's last place is gone, in whichever namespace it was. */
bool unmount_is_done(const struct mount *m);

#endif
