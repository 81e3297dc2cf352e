/* What was written to a file and not yet stored: chunk buffers, sorted by their index. The inode's lock guards it. */
#ifndef NACRE_FS_DIRTY_H
#define NACRE_FS_DIRTY_H

#include <stdbool.h>

#include <nacre.h>

/* Invariants: data holds the whole chunk, with zeroes past the end of the file; while `writing`, a flush reads data
 * and nobody changes or removes the chunk. */
struct dirty_chunk {
  uint64_t index;
  uint64_t logged_in;        /* the generation in which it stood whole in the intent log; 0: none */
  uint32_t log_from, log_to; /* what has changed since; empty: nothing */
  uint64_t reserved_units;   /* of the engine's space, until it is stored */
  uint32_t len_bytes;
  bool writing;
  uint8_t data[];
};

/* Invariant: indices ascend strictly. */
struct dirty_map {
  struct dirty_chunk **chunks;
  size_t count, cap;
};

/* The content is not initialized. NULL when out of memory. */
struct dirty_chunk *dirty_chunk_new(uint64_t index, uint32_t len_bytes);
/* Bytes [from, to) are other ones now. */
static inline void dirty_changed(struct dirty_chunk *chunk, uint32_t from, uint32_t to) {
  bool none = chunk->log_from == chunk->log_to;
  chunk->log_from = none || from < chunk->log_from ? from : chunk->log_from;
  chunk->log_to = none || to > chunk->log_to ? to : chunk->log_to;
}
/* Wipes. */
void dirty_chunk_free(struct dirty_chunk *chunk);

/* Position of the first chunk at or after index; map->count if there is none. */
size_t dirty_lower_bound(const struct dirty_map *map, uint64_t index);
/* NULL if there is none. */
struct dirty_chunk *dirty_find(const struct dirty_map *map, uint64_t index);
/* Takes the chunk over; there is none with that index. NACRE_ERR_NO_MEMORY leaves it the caller's. */
NACRE_MUST_USE enum nacre_err dirty_insert(struct dirty_map *map, struct dirty_chunk *chunk);
/* Take `count` chunks out of the map, from position `at` on; they become the caller's, who has copied the pointers.
 */
void dirty_remove(struct dirty_map *map, size_t at, size_t count);
void dirty_map_free(struct dirty_map *map);

#endif
