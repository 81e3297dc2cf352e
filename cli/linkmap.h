/* Which inodes with several names have been copied already, and where to. */
#ifndef NACRE_CLI_LINKMAP_H
#define NACRE_CLI_LINKMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct linkmap_entry {
  uint64_t device, inode; /* of the original */
  uint64_t copy;          /* inode of the copy, where that says where it is */
  char *path;             /* name of the copy, where that does; NULL otherwise */
  bool used;
};

struct linkmap {
  struct linkmap_entry *entries;
  size_t count, room; /* room is a power of two, over count */
};

/* NULL if it is not there. */
const struct linkmap_entry *linkmap_find(const struct linkmap *map, uint64_t device, uint64_t inode);
/* False when out of memory: then the next name becomes a copy. `path` may be NULL. */
bool linkmap_add(struct linkmap *map, uint64_t device, uint64_t inode, uint64_t copy, const char *path);
void linkmap_free(struct linkmap *map);

#endif
