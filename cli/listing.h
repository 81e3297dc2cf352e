/* The entries of a folder in a volume, a batch at a time. */
#ifndef NACRE_CLI_LISTING_H
#define NACRE_CLI_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nacre.h>

struct listing_entry {
  char *name;
  size_t name_len;
  struct nacre_attr attr;
};

struct listing {
  struct listing_entry *entries; /* without . and .. */
  size_t count, room;
  uint64_t offset; /* where the next batch starts */
  bool at_end;
};

/* Enough for one batch of a walk that keeps nothing else in memory. */
#define LISTING_BATCH 1024

/* Replace what `listing` holds by the next `most` entries. A listing starts as all zero. On an error it holds what
 * could be read before, and is at its end. */
enum nacre_err listing_next(nacre_volume *vol, nacre_dir *dir, size_t most, struct listing *listing);
void listing_sort(struct listing *listing);
void listing_free(struct listing *listing);

/* Folders below one another that a walk follows; a hostile image may have a ring of them. */
#define WALK_DEPTH_MAX 2000

#endif
