/*
 * Dates on their way through a libfuse whose time has 32 bits, as on 32-bit ARM with Debian 12: one that is out of
 * its range becomes the nearest inside, as in the kernel's own filesystems of such a time, and not another. In the
 * volume and for the other commands, dates have 64 bits everywhere. Elsewhere nothing is changed.
 */
#ifndef NACRE_FUSE_DATES_H
#define NACRE_FUSE_DATES_H

#include "fuse/session.h"

struct timespec dates_to_timespec(struct nacre_time t);

/* Before libfuse sees it: what a request sets. */
void dates_fit_request(struct fuse_buf *buf);

#endif
