/* Copying from a volume to the host. What the volume holds may come from an enemy: nothing is written outside the
 * destination, and no link that the volume made is followed. */
#ifndef NACRE_CLI_TREE_GET_H
#define NACRE_CLI_TREE_GET_H

#include <stdbool.h>
#include <stdint.h>

#include <nacre.h>

#include "data_command.h"
#include "linkmap.h"
#include "progress.h"

struct get {
  const char *volume;
  nacre_volume *vol;
  int root;             /* the folder on the host that everything stays beneath */
  bool special;         /* keep setuid and setgid, capabilities; make device nodes */
  struct linkmap links; /* inode of the volume -> path beneath root */
  struct progress progress;
  struct tally tally;
  uint64_t files, bytes;
  unsigned long xattrs_left_out;
  bool stop; /* nothing more can succeed */
  char *piece;
};
#define GET_PIECE_BYTES ((size_t)1 << 20)

bool get_start(struct get *get, const char *volume, nacre_volume *vol, bool special);
void get_end(struct get *get);
/* Copy an object with all below it to the name `name` in get->root; an empty name means the root itself, which then
 * must be a folder's copy. What fails is said and counted. */
void get_tree(struct get *get, const char *shown, const struct nacre_attr *attr, const char *name);

#endif
