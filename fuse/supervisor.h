/* A thread beside the receivers: it says when the mount answers, hears signals and the control socket, and ends the
 * mount. */
#ifndef NACRE_FUSE_SUPERVISOR_H
#define NACRE_FUSE_SUPERVISOR_H

#include "fuse/session.h"

struct supervisor;

/* Starts after fuse_session_mount; calls `ready` once. From then on the signals named in mount.h end the mount. NULL
 * without memory or a thread. */
struct supervisor *supervisor_start(struct mount *m, mount_ready_fn ready, void *arg);
/* After the receivers have ended. */
void supervisor_stop(struct supervisor *s);
/* Tell whoever asked for the unmount how the commit went, and free. Their connections are left to the end of the
 * process, by which they know that the container is free. */
void supervisor_finish(struct supervisor *s, enum nacre_err result, const char *message);

#endif
