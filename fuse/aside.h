/*
 * What asks the mount itself, in a child process.
 *
 * A thread that waits for an answer of the mount that its own process serves can't be killed: it waits until the
 * mount's connection ends, which is when the process's last thread has closed it. Whatever ended the process in that
 * moment would leave it half dead for ever, with the container in its hands. A child has nothing of the connection.
 */
#ifndef NACRE_FUSE_ASIDE_H
#define NACRE_FUSE_ASIDE_H

#include <nacre.h>

#include <sys/types.h>

/* Each returns 0 or an errno, also where there can be no child. */

NACRE_MUST_USE int aside_stat(const char *path, dev_t *device);
/* syncfs(2), where the device is that one. */
NACRE_MUST_USE int aside_sync(const char *path, dev_t device);
/* umount2(2), as root. */
NACRE_MUST_USE int aside_unmount(const char *path);

#endif
