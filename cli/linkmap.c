#include "linkmap.h"

#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
/* gcc 12 loses sight of what is stored in an element of an array that a struct points to. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

/* The slot where the pair is, or would be. */
static size_t slot_of(const struct linkmap *map, uint64_t device, uint64_t inode) {
  uint64_t hash = (inode ^ (device << 32 | device >> 32)) * 0x9e3779b97f4a7c15ull;
  size_t slot = (size_t)(hash >> 20) & (map->room - 1);
  while (map->entries[slot].used && (map->entries[slot].inode != inode || map->entries[slot].device != device))
    slot = (slot + 1) & (map->room - 1);
  return slot;
}

const struct linkmap_entry *linkmap_find(const struct linkmap *map, uint64_t device, uint64_t inode) {
  if (map->room == 0)
    return NULL;
  const struct linkmap_entry *entry = &map->entries[slot_of(map, device, inode)];
  return entry->used ? entry : NULL;
}

static bool grow(struct linkmap *map) {
  struct linkmap larger = {.room = map->room == 0 ? 256 : 2 * map->room, .count = map->count};
  larger.entries = calloc(larger.room, sizeof *larger.entries);
  if (larger.entries == NULL)
    return false;
  for (size_t i = 0; i < map->room; i++)
    if (map->entries[i].used)
      larger.entries[slot_of(&larger, map->entries[i].device, map->entries[i].inode)] = map->entries[i];
  free(map->entries);
  *map = larger;
  return true;
}

bool linkmap_add(struct linkmap *map, uint64_t device, uint64_t inode, uint64_t copy, const char *path) {
  if (2 * map->count >= map->room && !grow(map))
    return false;
  char *own = path != NULL ? strdup(path) : NULL;
  if (path != NULL && own == NULL)
    return false;
  struct linkmap_entry *entry = &map->entries[slot_of(map, device, inode)];
  if (entry->used)
    free(entry->path);
  else
    map->count++;
  entry->device = device;
  entry->inode = inode;
  entry->copy = copy;
  entry->used = true;
  entry->path = own;
  return true;
}

void linkmap_free(struct linkmap *map) {
  for (size_t i = 0; i < map->room; i++)
    free(map->entries[i].path);
  free(map->entries);
  *map = (struct linkmap){0};
}
