#include "listing.h"

#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__)
/* gcc 12 loses sight of what is stored in an element of an array that a struct points to. */
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif

struct collecting {
  struct listing *listing;
  size_t most;
  bool out_of_memory;
  bool stopped;
};

static bool grow(struct listing *listing) {
  if (listing->count < listing->room)
    return true;
  const size_t room = listing->room == 0 ? 64 : 2 * listing->room;
  struct listing_entry *entries = reallocarray(listing->entries, room, sizeof *entries);
  if (entries == NULL)
    return false;
  listing->room = room;
  listing->entries = entries;
  return true;
}

static bool on_entry(void *arg, const struct nacre_dirent *entry) {
  struct collecting *collecting = arg;
  struct listing *listing = collecting->listing;
  if (entry->attr == NULL) { /* . and .. */
    listing->offset = entry->next;
    return true;
  }
  if (listing->count == collecting->most) {
    collecting->stopped = true;
    return false;
  }
  if (!grow(listing)) {
    collecting->out_of_memory = true;
    return false;
  }
  char *name = strdup(entry->name);
  if (name == NULL) {
    collecting->out_of_memory = true;
    return false;
  }
  struct listing_entry *copy = &listing->entries[listing->count++];
  listing->offset = entry->next;
  copy->name_len = entry->name_len;
  copy->attr = *entry->attr;
  copy->name = name;
  return true;
}

static void clear(struct listing *listing) {
  for (size_t i = 0; i < listing->count; i++)
    free(listing->entries[i].name);
  listing->count = 0;
}

enum nacre_err listing_next(nacre_volume *vol, nacre_dir *dir, size_t most, struct listing *listing) {
  clear(listing);
  struct collecting collecting = {.listing = listing, .most = most};
  enum nacre_err err = nacre_readdir(dir, listing->offset, true, on_entry, &collecting);
  listing->at_end = !collecting.stopped || err != NACRE_OK;
  if (collecting.out_of_memory)
    err = NACRE_ERR_NO_MEMORY;
  /* Nobody else changes the volume meanwhile: the numbers stay good without the pins. */
  for (size_t i = 0; i < listing->count; i++)
    nacre_inode_unpin(vol, listing->entries[i].attr.ino, 1);
  return err;
}

static int by_name(const void *a, const void *b) {
  const struct listing_entry *left = a, *right = b;
  return strcmp(left->name, right->name);
}

void listing_sort(struct listing *listing) {
  if (listing->count > 1)
    qsort(listing->entries, listing->count, sizeof *listing->entries, by_name);
}

void listing_free(struct listing *listing) {
  clear(listing);
  free(listing->entries);
  *listing = (struct listing){0};
}
