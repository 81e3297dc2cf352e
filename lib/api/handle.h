/* The handles behind nacre.h's opaque types, and what every call does first. */
#ifndef NACRE_API_HANDLE_H
#define NACRE_API_HANDLE_H

#include "ops/volume.h"

#include <sys/types.h>

struct nacre_volume {
  pid_t pid; /* of the process that opened it: threads and locks do not survive a fork */
  struct volume *v;
};

struct nacre_file {
  struct nacre_volume *vol;
  struct fs_file *file;
};

struct nacre_dir {
  struct nacre_volume *vol;
  uint64_t ino;
  bool pinned; /* the handle holds a pin, which a path call gave it */
};

/* Forget the last error; NACRE_ERR_ARGUMENT for NULL, NACRE_ERR_FORKED in a child of the process that opened it. */
NACRE_MUST_USE enum nacre_err handle_volume(const struct nacre_volume *vol);
NACRE_MUST_USE enum nacre_err handle_file(const struct nacre_file *file);
NACRE_MUST_USE enum nacre_err handle_dir(const struct nacre_dir *dir);
/* Of a new file handle, or close the file. */
NACRE_MUST_USE enum nacre_err handle_new_file(struct nacre_volume *vol, struct fs_file *file,
                                              struct nacre_file **out);

/* A caller that was left out owns nothing and masks nothing. */
const struct nacre_caller *handle_caller(const struct nacre_caller *caller);

#endif
