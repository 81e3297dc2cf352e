/* Putting the mount into the file tree. */
#ifndef NACRE_FUSE_ATTACH_H
#define NACRE_FUSE_ATTACH_H

#include "fuse/session.h"

#define ATTACH_MESSAGE_BYTES 256

/* Make the session and mount it. On failure nothing is left of it and `message` says why. */
NACRE_MUST_USE enum nacre_err attach(struct mount *m, char message[ATTACH_MESSAGE_BYTES]);

#endif
