/* Access times. The kernel leaves them to a FUSE filesystem; they are kept by the relatime rule, unless asked
 * otherwise: written only where older than the last change, or than a day. While a check keeps changes waiting they
 * stay as they are, so that nobody has to wait for it to read. */
#ifndef NACRE_FUSE_ATIME_H
#define NACRE_FUSE_ATIME_H

#include "fuse/session.h"

/* After a successful read of that inode's data. Failures are not worth an error. */
void atime_touch(const struct mount *m, fuse_ino_t ino);

#endif
