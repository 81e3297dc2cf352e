/* What a generation allocated and freed, and when what it freed may be used again. */
#include "tree/alloc.h"

#include "base/bytes.h"
#include "base/err.h"

#include <stdlib.h>

#define GROUP_UNITS FORMAT_CHECKPOINT_GROUP_UNITS
#define GROUP_WORDS (GROUP_UNITS / 64)

/* Runs of set bits of one word. */
static enum nacre_err word_runs(uint64_t word, uint64_t unit, struct runs *out) {
  while (word != 0) {
    unsigned from = (unsigned)__builtin_ctzll(word);
    uint64_t shifted = word >> from;
    unsigned count = ~shifted == 0 ? 64 : (unsigned)__builtin_ctzll(~shifted);
    ERR_TRY(runs_add(out, unit + from, count));
    if (count == 64 || from + count == 64)
      break;
    word &= ~(((1ull << count) - 1) << from);
  }
  return NACRE_OK;
}

static enum nacre_err group_delta(const struct alloc *a, size_t group, struct runs *allocated) {
  const uint64_t *now = a->bits + group * GROUP_WORDS, *before = a->before[group];
  for (size_t w = 0; w < GROUP_WORDS; w++) {
    uint64_t unit = group * (uint64_t)GROUP_UNITS + w * 64;
    if (unit < a->units_end)
      ERR_TRY(word_runs(now[w] & ~before[w], unit, allocated));
  }
  return NACRE_OK;
}

/* Make room for one more pending generation by joining the two oldest: they wait for the later of the two. */
static enum nacre_err pending_join(struct alloc *a) {
  struct alloc_pending *first = &a->pending[0], *second = &a->pending[1];
  for (size_t i = 0; i < first->runs.count; i++)
    ERR_TRY(runs_add(&second->runs, first->runs.list[i].unit, first->runs.list[i].units));
  runs_free(&first->runs);
  memmove(first, second, (a->pending_count - 1) * sizeof *first);
  a->pending_count--;
  return NACRE_OK;
}

enum nacre_err alloc_freeze(struct alloc *a, uint64_t generation, struct runs *allocated, struct runs *freed) {
  pthread_mutex_lock(&a->lock);
  enum nacre_err err = NACRE_OK;
  for (size_t g = 0; g < a->groups && err == NACRE_OK; g++) {
    if (a->before[g] != NULL)
      err = group_delta(a, g, allocated);
  }
  for (size_t i = 0; i < a->freed.count && err == NACRE_OK; i++)
    err = runs_add(freed, a->freed.list[i].unit, a->freed.list[i].units);
  if (err == NACRE_OK && a->pending_count == ALLOC_PENDING_MAX)
    err = pending_join(a);
  if (err == NACRE_OK) {
    for (size_t g = 0; g < a->groups; g++) {
      free(a->before[g]);
      a->before[g] = NULL;
    }
    a->pending[a->pending_count++] = (struct alloc_pending){.generation = generation, .runs = a->freed};
    a->freed = (struct runs){0};
  }
  pthread_mutex_unlock(&a->lock);
  return err;
}

/* A released unit is free for the log too: its free was recorded when it became pending. */
static void release_run(struct alloc *a, uint64_t unit, uint64_t units) {
  for (uint64_t at = unit; at < unit + units;) {
    struct alloc_piece p = alloc_next_piece(&at, unit + units);
    if (a->before[p.group] != NULL)
      a->before[p.group][p.word] &= ~p.mask;
  }
  alloc_clear_locked(a, unit, units);
  alloc_unhold_locked(a, unit, unit + units);
  a->pending_units -= units;
}

void alloc_durable(struct alloc *a, uint64_t generation) {
  pthread_mutex_lock(&a->lock);
  a->low_cursor = 0;
  while (a->pending_count > 0 && a->pending[0].generation < generation) {
    struct runs *runs = &a->pending[0].runs;
    for (size_t i = 0; i < runs->count; i++)
      release_run(a, runs->list[i].unit, runs->list[i].units);
    runs_free(runs);
    a->pending_count--;
    memmove(&a->pending[0], &a->pending[1], a->pending_count * sizeof a->pending[0]);
  }
  pthread_mutex_unlock(&a->lock);
}

enum nacre_err alloc_mark_pending(struct alloc *a, uint64_t generation, uint64_t unit, uint64_t units) {
  if (units == 0 || unit >= a->units_end || units > a->units_end - unit)
    return err_set(NACRE_ERR_DAMAGED, "the allocation log frees units past the end");
  pthread_mutex_lock(&a->lock);
  enum nacre_err err = NACRE_OK;
  uint64_t free_unit = alloc_first_locked(a, unit, unit + units, false);
  if (free_unit < unit + units)
    err = err_set(NACRE_ERR_DAMAGED, "the allocation log frees unit %llu, which is free",
                  (unsigned long long)free_unit);
  else if (alloc_any_held_locked(a, unit, unit + units))
    err = err_set(NACRE_ERR_DAMAGED, "the allocation log frees a unit twice");
  struct alloc_pending *last = a->pending_count > 0 ? &a->pending[a->pending_count - 1] : NULL;
  if (err == NACRE_OK && (last == NULL || last->generation != generation)) {
    if (a->pending_count == ALLOC_PENDING_MAX)
      err = pending_join(a);
    if (err == NACRE_OK) {
      last = &a->pending[a->pending_count++];
      *last = (struct alloc_pending){.generation = generation};
    }
  }
  if (err == NACRE_OK)
    err = alloc_wait_locked(a, &last->runs, unit, units);
  pthread_mutex_unlock(&a->lock);
  return err;
}

uint64_t alloc_pending_units(struct alloc *a) {
  pthread_mutex_lock(&a->lock);
  uint64_t units = a->pending_units;
  pthread_mutex_unlock(&a->lock);
  return units;
}

uint64_t alloc_used_units(struct alloc *a, uint64_t generation) {
  pthread_mutex_lock(&a->lock);
  uint64_t used = a->units_end - a->free_units;
  for (unsigned p = 0; p < a->pending_count; p++) {
    const struct runs *runs = &a->pending[p].runs;
    for (size_t i = 0; a->pending[p].generation < generation && i < runs->count; i++)
      used -= runs->list[i].units;
  }
  pthread_mutex_unlock(&a->lock);
  return used;
}

void alloc_each_pending(struct alloc *a, void (*fn)(void *arg, uint64_t unit, uint64_t units), void *arg) {
  pthread_mutex_lock(&a->lock);
  for (unsigned p = 0; p <= a->pending_count; p++) {
    const struct runs *runs = p < a->pending_count ? &a->pending[p].runs : &a->freed;
    for (size_t i = 0; i < runs->count; i++)
      fn(arg, runs->list[i].unit, runs->list[i].units);
  }
  pthread_mutex_unlock(&a->lock);
}
