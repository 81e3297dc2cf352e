/* From a path to an inode, or to the folder and the name where one could be. */
#ifndef NACRE_API_PATH_H
#define NACRE_API_PATH_H

#include "fs/fs.h"

#define PATH_LINKS_MAX 40u

enum path_follow { PATH_NO_FOLLOW, PATH_FOLLOW };

/* Invariants: `folders` are the folders from beneath the root down to the one that the walk stands in, each with a
 * pin, so that none vanishes and ".." is the way that the walk came. */
struct path {
  struct fs *fs;
  uint64_t *folders;
  size_t depth, room;
  /* Where the walk ended. */
  char name[FORMAT_NAME_MAX_BYTES + 1]; /* in the folder that it stands in; empty: the path names that folder */
  size_t name_len;
  bool trailing_slash; /* the path demands a folder */
  bool found;
  bool pinned; /* attr's inode has a pin, given back by path_free */
  struct nacre_attr attr;
};

/* Walk all but the last name, which may be missing (found is false then). Symbolic links on the way are followed, the
 * last one with PATH_FOLLOW or a trailing slash. Call path_free in any case. */
NACRE_MUST_USE enum nacre_err path_walk(struct fs *fs, const char *path, enum path_follow follow, struct path *p);
/* path_walk, and NACRE_ERR_NOT_FOUND where the last name is missing. */
NACRE_MUST_USE enum nacre_err path_find(struct fs *fs, const char *path, enum path_follow follow, struct path *p);
/* The folder that the walk stands in. */
uint64_t path_folder(const struct path *p);
void path_free(struct path *p);

#endif
