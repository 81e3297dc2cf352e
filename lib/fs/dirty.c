#include "fs/dirty.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/secmem.h"

struct dirty_chunk *dirty_chunk_new(uint64_t index, uint32_t len_bytes) {
  struct dirty_chunk *chunk = malloc(sizeof *chunk + len_bytes);
  if (chunk == NULL)
    return NULL;
  chunk->index = index;
  chunk->serial = 0;
  chunk->logged_in = chunk->base_in = 0;
  chunk->log_from = chunk->log_to = 0;
  chunk->reserved_units = 0;
  chunk->unread_since_ms = 0;
  chunk->len_bytes = len_bytes;
  chunk->writing = false;
  dirty_whole(chunk);
  return chunk;
}

void dirty_fill(struct dirty_chunk *chunk, const uint8_t *stored) {
  memcpy(chunk->data, stored, chunk->from);
  memcpy(chunk->data + chunk->to, stored + chunk->to, chunk->len_bytes - chunk->to);
}

void dirty_chunk_free(struct dirty_chunk *chunk) {
  if (chunk == NULL)
    return;
  secmem_wipe(chunk->data, chunk->len_bytes);
  free(chunk);
}

size_t dirty_lower_bound(const struct dirty_map *map, uint64_t index) {
  /* Streams ask for what is at or past the end. */
  if (map->count == 0 || map->chunks[map->count - 1]->index < index)
    return map->count;
  size_t low = 0, high = map->count;
  while (low < high) {
    size_t mid = low + (high - low) / 2;
    if (map->chunks[mid]->index < index)
      low = mid + 1;
    else
      high = mid;
  }
  return low;
}

struct dirty_chunk *dirty_find(const struct dirty_map *map, uint64_t index) {
  size_t at = dirty_lower_bound(map, index);
  return at < map->count && map->chunks[at]->index == index ? map->chunks[at] : NULL;
}

enum nacre_err dirty_insert(struct dirty_map *map, struct dirty_chunk *chunk) {
  if (map->count == map->cap) {
    size_t cap = map->cap == 0 ? 4 : map->cap * 2;
    struct dirty_chunk **chunks = realloc(map->chunks, cap * sizeof(struct dirty_chunk *));
    if (chunks == NULL)
      return err_set(NACRE_ERR_NO_MEMORY, "no memory for buffered data");
    map->chunks = chunks;
    map->cap = cap;
  }
  size_t at = dirty_lower_bound(map, chunk->index);
  memmove(map->chunks + at + 1, map->chunks + at, (map->count - at) * sizeof(struct dirty_chunk *));
  map->chunks[at] = chunk;
  map->count++;
  chunk->serial = ++map->last_serial;
  return NACRE_OK;
}

void dirty_remove(struct dirty_map *map, size_t at, size_t count) {
  memmove(map->chunks + at, map->chunks + at + count, (map->count - at - count) * sizeof(struct dirty_chunk *));
  map->count -= count;
  if (map->count == 0) {
    free(map->chunks);
    *map = (struct dirty_map){.last_serial = map->last_serial};
  }
}

void dirty_map_free(struct dirty_map *map) {
  for (size_t i = 0; i < map->count; i++)
    dirty_chunk_free(map->chunks[i]);
  free(map->chunks);
  *map = (struct dirty_map){0};
}
