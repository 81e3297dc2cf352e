/* Units that nobody may give back: those that wait to be free already, and the engine's own places. */
#include "tree/alloc.h"

#include "base/bytes.h"
#include "base/err.h"

#include <stdlib.h>

#define GROUP_UNITS FORMAT_CHECKPOINT_GROUP_UNITS
#define GROUP_WORDS (GROUP_UNITS / 64)

bool alloc_any_held_locked(const struct alloc *a, uint64_t unit, uint64_t end) {
  while (unit < end) {
    struct alloc_piece p = alloc_next_piece(&unit, end);
    const uint64_t *bits = a->held[p.group].bits;
    if (bits != NULL && (bits[p.word] & p.mask) != 0)
      return true;
  }
  return false;
}

enum nacre_err alloc_hold_locked(struct alloc *a, uint64_t unit, uint64_t end) {
  for (uint64_t g = unit / GROUP_UNITS; g <= (end - 1) / GROUP_UNITS; g++) {
    if (a->held[g].bits == NULL)
      a->held[g].bits = calloc(GROUP_WORDS, sizeof *a->held[g].bits);
    if (a->held[g].bits == NULL)
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory for the map of free space");
  }
  while (unit < end) {
    struct alloc_piece p = alloc_next_piece(&unit, end);
    struct alloc_held *held = &a->held[p.group];
    held->bits[p.word] |= p.mask;
    held->count += (uint32_t)__builtin_popcountll(p.mask);
  }
  return NACRE_OK;
}

void alloc_unhold_locked(struct alloc *a, uint64_t unit, uint64_t end) {
  while (unit < end) {
    struct alloc_piece p = alloc_next_piece(&unit, end);
    struct alloc_held *held = &a->held[p.group];
    held->bits[p.word] &= ~p.mask;
    held->count -= (uint32_t)__builtin_popcountll(p.mask);
    if (held->count == 0) {
      free(held->bits);
      held->bits = NULL;
    }
  }
}

enum nacre_err alloc_wait_locked(struct alloc *a, struct runs *runs, uint64_t unit, uint64_t units) {
  ERR_TRY(alloc_hold_locked(a, unit, unit + units));
  enum nacre_err err = runs_add(runs, unit, units);
  if (err == NACRE_OK)
    a->pending_units += units;
  else
    alloc_unhold_locked(a, unit, unit + units);
  return err;
}

enum nacre_err alloc_hold(struct alloc *a, uint64_t unit, uint64_t units) {
  pthread_mutex_lock(&a->lock);
  enum nacre_err err = NACRE_OK;
  if (alloc_any_held_locked(a, unit, unit + units))
    err = err_set(NACRE_ERR_DAMAGED, "the allocation log frees a fixed place");
  if (err == NACRE_OK)
    err = alloc_hold_locked(a, unit, unit + units);
  pthread_mutex_unlock(&a->lock);
  return err;
}

void alloc_unhold(struct alloc *a, uint64_t unit, uint64_t units) {
  pthread_mutex_lock(&a->lock);
  alloc_unhold_locked(a, unit, unit + units);
  pthread_mutex_unlock(&a->lock);
}
