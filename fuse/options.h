/* From mount options to what libfuse takes. */
#ifndef NACRE_FUSE_OPTIONS_H
#define NACRE_FUSE_OPTIONS_H

#include "fuse/session.h"

/* The arguments of a session; free with fuse_opt_free_args. 0, or -1 without memory. */
int options_to_args(const struct mount_options *o, bool read_only, struct fuse_args *args);

#endif
