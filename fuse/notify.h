/*
 * A thread that drops pages from the kernel's page cache and then answers the request that made them stale.
 *
 * Dropping a page waits for whoever has it locked, which may be a read that only another receiver can answer. A
 * receiver must therefore never do it itself; this thread may, since no receiver waits for it.
 */
#ifndef NACRE_FUSE_NOTIFY_H
#define NACRE_FUSE_NOTIFY_H

#include "fuse/opened.h"

/* NULL without memory or a thread. */
struct notifier *notify_start(struct mount *m);
/* From now on requests are answered at once, with nothing dropped: the mount is going. Returns when all that waited
 * is answered, so that no request is left when the receivers stop. */
void notify_drain(struct notifier *notifier);
void notify_stop(struct notifier *notifier);

/* Answer a direct write of `size` bytes after dropping the pages that it made stale. */
void notify_written(struct notifier *notifier, fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset);
/* Answer a direct open after dropping all of the inode's pages. */
void notify_opened(struct notifier *notifier, fuse_req_t req, const struct fuse_file_info *fi);

/* Tell the kernel that an inode's attributes and ACLs are not what it remembers, nor what answers say that are on
 * their way. Sent after the change and before its answer. Waits for nothing; any thread. */
void notify_attributes(struct mount *m, fuse_ino_t ino);

#endif
