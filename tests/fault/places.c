#include "fault/places.h"

#include "support/prng.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Enough to tell what a common function was called for. */
#define FRAMES 9
#define PLACES_MAX 8192u

static struct {
  pthread_mutex_t lock;
  bool on;
  uint64_t hashes[PLACES_MAX];
  unsigned long nths[PLACES_MAX];
  size_t count;
} places = {.lock = PTHREAD_MUTEX_INITIALIZER};

void places_begin(void) {
  void *frames[FRAMES];
  (void)backtrace(frames, FRAMES); /* loads what it needs, which allocates */
  places.count = 0;
  places.on = true;
}

void places_note(unsigned long nth) {
  void *frames[FRAMES] = {NULL};
  if (!places.on)
    return;
  pthread_mutex_lock(&places.lock);
  int depth = backtrace(frames, FRAMES);
  uint64_t hash = hash_bytes(frames, (size_t)depth * sizeof frames[0]);
  size_t at = 0;
  while (at < places.count && places.hashes[at] != hash)
    at++;
  if (at == places.count && at < PLACES_MAX) {
    places.hashes[at] = hash;
    places.nths[at] = nth;
    places.count++;
  }
  pthread_mutex_unlock(&places.lock);
}

unsigned long *places_end(size_t *count) {
  places.on = false;
  *count = places.count;
  unsigned long *nths = malloc((places.count + 1) * sizeof *nths);
  if (nths != NULL)
    memcpy(nths, places.nths, places.count * sizeof *nths);
  return nths;
}
