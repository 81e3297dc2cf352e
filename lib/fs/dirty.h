/* What was written to a file and not yet stored: chunk buffers, sorted by their index. The inode's lock guards it. */
#ifndef NACRE_FS_DIRTY_H
#define NACRE_FS_DIRTY_H

#include <stdbool.h>

#include <nacre.h>

/* Invariants
 *   - data[from, to) is what the chunk holds there. Of one that is buffered in part, which lies within the file and
 * has no tail, the rest is as it is stored, and not in data; of any other that is nothing: from is 0, to len_bytes,
 * and there are zeroes past the end of the file.
 *   - As long as it is in the map, what is stored of the chunk says the same.
 *   - While `writing`, a flush reads data and nobody changes or removes the chunk; the flush alone fills it up. */
struct dirty_chunk {
  uint64_t index;
  uint64_t serial; /* of the map, ascending: tells it from one that took its place */
  uint32_t from, to;
  uint64_t logged_in;        /* the last generation in whose intent log it stands; 0: none */
  uint64_t base_in;          /* the generation in which it was made of what is stored, and of no more; 0: none */
  uint32_t log_from, log_to; /* what has changed since, or since it was logged; empty: nothing */
  uint64_t reserved_units;   /* of the engine's space, until it is stored */
  uint64_t unread_since_ms;  /* when its rest could not be read for the first time; 0: never. Of who is writing. */
  uint32_t len_bytes;
  bool writing;
  uint8_t data[];
};

/* Invariant: indices ascend strictly. */
struct dirty_map {
  struct dirty_chunk **chunks;
  size_t count, cap;
  uint64_t last_serial;
};

/* A whole one, the content of which is not initialized. NULL when out of memory. */
struct dirty_chunk *dirty_chunk_new(uint64_t index, uint32_t len_bytes);
static inline bool dirty_is_whole(const struct dirty_chunk *chunk) {
  return chunk->from == 0 && chunk->to == chunk->len_bytes;
}
static inline bool dirty_holds(const struct dirty_chunk *chunk, uint32_t from, uint32_t to) {
  return chunk->from <= from && to <= chunk->to;
}
/* Whether bytes [from, to) can be changed without a gap between them and what is there. */
static inline bool dirty_takes(const struct dirty_chunk *chunk, uint32_t from, uint32_t to) {
  return from <= chunk->to && chunk->from <= to;
}
/* Bytes [from, to), which it takes, are other ones now. */
static inline void dirty_changed(struct dirty_chunk *chunk, uint32_t from, uint32_t to) {
  chunk->from = from < chunk->from ? from : chunk->from;
  chunk->to = to > chunk->to ? to : chunk->to;
  bool none = chunk->log_from == chunk->log_to;
  chunk->log_from = none || from < chunk->log_from ? from : chunk->log_from;
  chunk->log_to = none || to > chunk->log_to ? to : chunk->log_to;
}
/* Take what is missing from `stored`, the whole chunk as it is stored, which may be looked at by who is `writing`
 * without the lock; dirty_whole says so then, under the lock. */
void dirty_fill(struct dirty_chunk *chunk, const uint8_t *stored);
static inline void dirty_whole(struct dirty_chunk *chunk) {
  chunk->from = 0;
  chunk->to = chunk->len_bytes;
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
