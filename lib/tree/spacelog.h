/* The allocation log: how the map of free space survives. Each commit writes one record of what it allocated and
 * freed; when the log's room ends, a checkpoint of the whole map starts it anew in the next of three sets.
 *
 * Set (one contiguous extent): index block | segments of the checkpoint | records, in order, up to the set's end.
 * Only `superblock_log` says where they are, and its two pointers authenticate all: the index holds its segments'
 * tags, a record the pointer to the one before.
 *
 * Writing allocates nothing: the sets are allocated when the container is made or grown. */
#ifndef NACRE_TREE_SPACELOG_H
#define NACRE_TREE_SPACELOG_H

#include "tree/alloc.h"
#include "tree/block.h"

/* What one commit will write, decided and encoded at the freeze, sealed and written later. */
struct spacelog_write {
  bool checkpoint;
  uint8_t *plain; /* a record, or a checkpoint's body; padded to whole units */
  size_t plain_bytes;
  uint64_t units_end;
  uint64_t generation;
  struct superblock_log log; /* as it will be; pointers are completed when sealed */
};

/* Units of the checkpoint part and of a whole set for a container of `units_end`. */
uint64_t spacelog_checkpoint_units(uint64_t units_end);
uint64_t spacelog_set_units(uint64_t checkpoint_units);

/* A record where it fits; a checkpoint in the next set, or in the one behind that; or one in the first of new, unused
 * sets. */
enum spacelog_want { SPACELOG_RECORD, SPACELOG_CHECKPOINT, SPACELOG_CHECKPOINT_ELSEWHERE, SPACELOG_FRESH };
/* At the freeze: encode the generation's delta, or the whole map. */
NACRE_MUST_USE enum nacre_err spacelog_plan(const struct superblock_log *log, enum spacelog_want want,
                                            struct alloc *alloc, uint64_t generation, struct spacelog_write *out);
/* Seal and write; out->log is then what the superblock holds. */
NACRE_MUST_USE enum nacre_err spacelog_write(struct block_io *io, struct spacelog_write *w);
void spacelog_write_free(struct spacelog_write *w);

/* Rebuild the map as of `generation`. */
NACRE_MUST_USE enum nacre_err spacelog_load(struct block_io *io, const struct superblock_log *log, uint64_t units_end,
                                            uint64_t generation, struct alloc *alloc);

#endif
