/* Copying from the host into a volume. */
#ifndef NACRE_CLI_TREE_PUT_H
#define NACRE_CLI_TREE_PUT_H

#include <stdbool.h>
#include <stdint.h>

#include <nacre.h>

#include "data_command.h"
#include "linkmap.h"
#include "progress.h"

struct put {
  const char *volume;
  nacre_volume *vol;
  bool special;         /* copy device nodes */
  struct linkmap links; /* (device, inode) of the host -> inode of the volume */
  struct progress progress;
  struct tally tally; /* of everything copied, folders included */
  uint64_t files, bytes;
  unsigned long xattrs_left_out;
  bool stop;   /* nothing more can succeed: no space, no storage, a signal */
  char *piece; /* PUT_PIECE_BYTES */
};
#define PUT_PIECE_BYTES ((size_t)1 << 20)

/* Where a copy goes: a name in a folder of the volume. An empty name means the folder itself. */
struct put_place {
  uint64_t dir;
  const char *name;
};

/* False when out of memory. */
bool put_start(struct put *put, const char *volume, nacre_volume *vol, bool special);
void put_end(struct put *put);
/* Copy one source with all below it; symbolic links are copied, not followed. What fails is said and counted. */
void put_tree(struct put *put, const char *source, const struct put_place *to);
/* Copy what a descriptor gives until its end into a new file, in place of one that is there. */
void put_stream(struct put *put, int fd, const struct put_place *to);

#endif
