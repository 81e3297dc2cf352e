/* The bitmap and the search for free runs. */
#include "tree/alloc.h"

#include "base/bytes.h"
#include "base/err.h"

#include <assert.h>
#include <stdlib.h>

#define GROUP_UNITS FORMAT_CHECKPOINT_GROUP_UNITS
#define GROUP_WORDS (GROUP_UNITS / 64)
/* Of what can be addressed, for the bitmap: a checkpoint takes up to four times as much again. */
#define MAP_BYTES_MAX (SIZE_MAX / 8)
/* How many more runs a search for a full-length one looks at once it has one that would do. Where a file was written
 * at random, free space is holes, and to look through all of them for each write costs more than the writes. */
#define SEARCH_RUNS_MAX 64u
/* How many words a small allocation looks through before it breaks a new cluster. */
#define SMALL_WORDS_MAX 512u

static uint64_t word_mask(unsigned from, unsigned count) {
  assert(from < 64 && count <= 64 - from);
  return count == 64 ? ~0ull : ((1ull << count) - 1) << from;
}

static uint64_t cluster_mask(const struct alloc *a) {
  return word_mask(0, a->cluster_units);
}

static bool cluster_is_free(const struct alloc *a, uint64_t unit) {
  return ((a->bits[unit / 64] >> (unit % 64)) & cluster_mask(a)) == 0;
}

enum nacre_err alloc_start(struct alloc *a, uint64_t units_end, uint32_t cluster_units) {
  *a = (struct alloc){.cluster_units = cluster_units};
  pthread_mutex_init(&a->lock, NULL);
  return alloc_grow(a, units_end, 0);
}

void alloc_end(struct alloc *a) {
  for (size_t g = 0; g < a->groups; g++) {
    free(a->before[g]);
    free(a->held[g].bits);
  }
  free(a->before);
  free(a->held);
  free(a->bits);
  free(a->group_free_clusters);
  runs_free(&a->freed);
  for (unsigned i = 0; i < a->pending_count; i++)
    runs_free(&a->pending[i].runs);
  pthread_mutex_destroy(&a->lock);
}

static enum nacre_err resize_arrays(struct alloc *a, size_t groups) {
  uint64_t *bits = realloc(a->bits, groups * GROUP_WORDS * sizeof *bits);
  if (bits != NULL)
    a->bits = bits;
  uint32_t *counts = realloc(a->group_free_clusters, groups * sizeof *counts);
  if (counts != NULL)
    a->group_free_clusters = counts;
  uint64_t **before = realloc(a->before, groups * sizeof *before);
  if (before != NULL)
    a->before = before;
  struct alloc_held *held = realloc(a->held, groups * sizeof *held);
  if (held != NULL)
    a->held = held;
  if (bits == NULL || counts == NULL || before == NULL || held == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for the map of free space");
  memset(bits + a->groups * GROUP_WORDS, 0xff, (groups - a->groups) * GROUP_WORDS * sizeof *bits);
  for (size_t g = a->groups; g < groups; g++) {
    counts[g] = 0;
    before[g] = NULL;
    held[g] = (struct alloc_held){0};
  }
  a->groups = groups;
  return NACRE_OK;
}

/* Set or clear a run, word by word, keeping the counts. */
static void bits_change(struct alloc *a, uint64_t unit, uint64_t units, bool set) {
  while (units > 0) {
    unsigned from = (unsigned)(unit % 64);
    unsigned count = (unsigned)u64_min(units, 64 - from);
    uint64_t *word = &a->bits[unit / 64];
    uint32_t *group_free = &a->group_free_clusters[unit / GROUP_UNITS];
    uint64_t mask = word_mask(from, count);
    uint64_t old = *word, new = set ? old | mask : old & ~mask;
    unsigned first = from / a->cluster_units, last = (from + count - 1) / a->cluster_units;
    for (unsigned c = first; c <= last; c++) {
      uint64_t m = cluster_mask(a) << (c * a->cluster_units);
      bool was = (old & m) == 0, is = (new &m) == 0;
      if (was && !is) {
        a->free_clusters--;
        (*group_free)--;
      } else if (!was && is) {
        a->free_clusters++;
        (*group_free)++;
      }
    }
    *word = new;
    unit += count;
    units -= count;
    uint64_t changed = (uint64_t)__builtin_popcountll(old ^ new);
    a->free_units = set ? a->free_units - changed : a->free_units + changed;
  }
}

void alloc_clear_locked(struct alloc *a, uint64_t unit, uint64_t units) {
  bits_change(a, unit, units, false);
}

uint64_t alloc_first_locked(const struct alloc *a, uint64_t unit, uint64_t end, bool set) {
  while (unit < end) {
    unsigned from = (unsigned)(unit % 64), count = (unsigned)u64_min(end - unit, 64 - from);
    uint64_t word = a->bits[unit / 64], hit = (set ? word : ~word) & word_mask(from, count);
    if (hit != 0)
      return unit / 64 * 64 + (unsigned)__builtin_ctzll(hit);
    unit += count;
  }
  return end;
}

static enum nacre_err group_remember(struct alloc *a, uint64_t unit, uint64_t units) {
  for (uint64_t g = unit / GROUP_UNITS; g <= (unit + units - 1) / GROUP_UNITS; g++) {
    if (a->before[g] != NULL)
      continue;
    a->before[g] = malloc(GROUP_WORDS * sizeof **a->before);
    if (a->before[g] == NULL)
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory for the allocation log");
    memcpy(a->before[g], a->bits + g * GROUP_WORDS, GROUP_WORDS * sizeof **a->before);
  }
  return NACRE_OK;
}

enum nacre_err alloc_grow(struct alloc *a, uint64_t units_end, uint64_t taken) {
  if (units_end % 64 != 0 || units_end < a->units_end || units_end > FORMAT_UNITS_MAX ||
      taken > units_end - a->units_end)
    return err_set(NACRE_ERR_ARGUMENT, "bad container size");
  if (units_end / 8 > MAP_BYTES_MAX)
    return err_set(NACRE_ERR_LIMIT, "so large a container takes a system of 64 bits");
  pthread_mutex_lock(&a->lock);
  enum nacre_err err = NACRE_OK;
  uint64_t start = a->units_end;
  size_t groups = (size_t)u64_ceil_div(units_end, GROUP_UNITS);
  if (groups > a->groups)
    err = resize_arrays(a, groups);
  if (err == NACRE_OK && taken > 0)
    err = group_remember(a, start, taken);
  if (err == NACRE_OK && taken > 0)
    err = alloc_hold_locked(a, start, start + taken);
  if (err == NACRE_OK) {
    for (uint64_t u = start; u < units_end; u += 64) {
      a->bits[u / 64] = 0;
      if (a->before[u / GROUP_UNITS] != NULL)
        a->before[u / GROUP_UNITS][u % GROUP_UNITS / 64] = 0;
      a->group_free_clusters[u / GROUP_UNITS] += 64 / a->cluster_units;
    }
    a->free_units += units_end - start;
    a->free_clusters += (units_end - start) / a->cluster_units;
    a->units_end = units_end;
    if (taken > 0)
      bits_change(a, start, taken, true);
  }
  pthread_mutex_unlock(&a->lock);
  return err;
}

uint64_t alloc_used_end(struct alloc *a, uint64_t *free_before) {
  pthread_mutex_lock(&a->lock);
  uint64_t word = a->units_end / 64;
  while (word > 0 && a->bits[word - 1] == 0)
    word--;
  uint64_t end = word == 0 ? 0 : word * 64 - (unsigned)__builtin_clzll(a->bits[word - 1]);
  *free_before = a->free_units - (a->units_end - end);
  pthread_mutex_unlock(&a->lock);
  return end;
}

enum nacre_err alloc_shrink(struct alloc *a, uint64_t units_end) {
  pthread_mutex_lock(&a->lock);
  enum nacre_err err = NACRE_OK;
  if (units_end % 64 != 0 || units_end > a->units_end ||
      alloc_first_locked(a, units_end, a->units_end, true) < a->units_end) {
    err = err_set(NACRE_ERR_ARGUMENT, "the end of the container is in use");
  } else if (units_end < a->units_end) {
    uint64_t gone = a->units_end - units_end;
    bits_change(a, units_end, gone, true);
    a->units_end = units_end;
    for (size_t groups = (size_t)u64_ceil_div(units_end, GROUP_UNITS); a->groups > groups;) {
      a->groups--;
      free(a->before[a->groups]);
      a->before[a->groups] = NULL;
      free(a->held[a->groups].bits);
      a->held[a->groups] = (struct alloc_held){0};
    }
    a->cursor = a->low_cursor = a->small_cursor = 0;
  }
  pthread_mutex_unlock(&a->lock);
  return err;
}

/* Length of the free run at a cluster boundary, up to `want`. */
static uint64_t run_length(const struct alloc *a, uint64_t unit, uint64_t want) {
  uint64_t n = 0;
  while (n < want && unit + n < a->units_end && cluster_is_free(a, unit + n))
    n += a->cluster_units;
  return n;
}

/* Next free cluster in [unit, end), skipping full groups and words; `end` if none. */
static uint64_t next_free_cluster(const struct alloc *a, uint64_t unit, uint64_t end) {
  while (unit < end) {
    if (a->group_free_clusters[unit / GROUP_UNITS] == 0)
      unit = (unit / GROUP_UNITS + 1) * GROUP_UNITS;
    else if (a->bits[unit / 64] == ~0ull)
      unit = (unit / 64 + 1) * 64;
    else if (cluster_is_free(a, unit))
      return unit;
    else
      unit += a->cluster_units;
  }
  return end;
}

/* The first run of `want` at or after `from`; failing that soon, the longest seen of at least `min`. */
static bool find_run(const struct alloc *a, uint64_t from, uint64_t end, uint64_t want, uint64_t min,
                     struct run *best) {
  unsigned looked = 0;
  for (uint64_t u = next_free_cluster(a, from, end); u < end;) {
    uint64_t n = run_length(a, u, want);
    if (n >= min && n > best->units)
      *best = (struct run){.unit = u, .units = n};
    if (best->units >= want || (best->units > 0 && looked++ == SEARCH_RUNS_MAX))
      return true;
    u = next_free_cluster(a, u + (n > 0 ? n : a->cluster_units), end);
  }
  return best->units > 0;
}

static bool take_lowest(struct alloc *a, uint64_t want, uint64_t min, struct run *out) {
  uint64_t u = a->low_cursor / a->cluster_units * a->cluster_units;
  for (u = next_free_cluster(a, u, a->units_end); u < a->units_end;) {
    uint64_t n = run_length(a, u, want);
    if (n >= min) {
      *out = (struct run){.unit = u, .units = u64_min(n, want)};
      a->low_cursor = u;
      return true;
    }
    u = next_free_cluster(a, u + n, a->units_end);
  }
  return false;
}

static bool take_clusters(struct alloc *a, uint64_t want, uint64_t min, struct run *out) {
  uint64_t round = a->cluster_units;
  uint64_t want_up = u64_ceil_div(want, round) * round, min_up = u64_ceil_div(min, round) * round;
  struct run best = {0};
  if (!find_run(a, a->cursor, a->units_end, want_up, min_up, &best))
    find_run(a, 0, a->units_end, want_up, min_up, &best);
  if (best.units == 0)
    return false;
  *out = (struct run){.unit = best.unit, .units = u64_min(best.units, want)};
  a->cursor = (best.unit + best.units) % a->units_end / round * round;
  return true;
}

/* A run of less than a cluster inside a broken one, within so many words from the last place on. */
static bool take_small(struct alloc *a, uint64_t units, uint64_t words_max, struct run *out) {
  uint64_t words = a->units_end / 64, w = a->small_cursor / 64;
  for (uint64_t tried = 0; tried < u64_min(words_max, words); tried++, w++) {
    if (w >= words)
      w = 0;
    uint64_t word = a->bits[w];
    if (word == ~0ull || word == 0)
      continue;
    for (unsigned c = 0; c < 64; c += a->cluster_units) {
      uint64_t cluster = (word >> c) & cluster_mask(a);
      if (cluster == 0 || cluster == cluster_mask(a))
        continue;
      for (unsigned i = 0; i + units <= a->cluster_units; i++) {
        if ((cluster & word_mask(i, (unsigned)units)) == 0) {
          *out = (struct run){.unit = w * 64 + c + i, .units = units};
          a->small_cursor = w * 64;
          return true;
        }
      }
    }
  }
  return false;
}

enum nacre_err alloc_take(struct alloc *a, enum alloc_fit fit, uint64_t want, uint64_t min, uint64_t multiple,
                          struct run *out) {
  pthread_mutex_lock(&a->lock);
  enum nacre_err err = NACRE_OK;
  bool found = want < a->cluster_units && take_small(a, want, SMALL_WORDS_MAX, out);
  if (!found && fit == ALLOC_LOW)
    found = take_lowest(a, want, min, out);
  if (!found)
    found = take_clusters(a, want, min, out);
  if (!found && min < a->cluster_units)
    found = take_small(a, min, UINT64_MAX, out);
  if (!found) {
    err = err_set(NACRE_ERR_NO_SPACE, "no free run of %llu units", (unsigned long long)min);
  } else {
    if (out->units < want)
      out->units -= out->units % multiple;
    err = group_remember(a, out->unit, out->units);
    if (err == NACRE_OK) {
      bits_change(a, out->unit, out->units, true);
      if (want < a->cluster_units)
        a->small_cursor = out->unit;
    }
  }
  pthread_mutex_unlock(&a->lock);
  return err;
}

enum nacre_err alloc_take_next(struct alloc *a, uint64_t from, uint64_t most, struct run *out) {
  pthread_mutex_lock(&a->lock);
  enum nacre_err err = NACRE_OK;
  *out = (struct run){.unit = alloc_first_locked(a, from, a->units_end, false)};
  if (out->unit < a->units_end) {
    const uint64_t cluster = out->unit - out->unit % a->cluster_units;
    if (cluster_is_free(a, cluster)) /* not in part: clusters that are whole were promised to others */
      *out = (struct run){.unit = cluster, .units = run_length(a, cluster, most - most % a->cluster_units)};
    else if (a->free_clusters * a->cluster_units >= a->reserved_units + a->cluster_units)
      out->units = alloc_first_locked(a, out->unit, cluster + a->cluster_units, true) - out->unit;
    if (out->units == 0)
      err = err_set(NACRE_ERR_NO_SPACE, "no room beside what is set aside");
    else
      err = group_remember(a, out->unit, out->units);
    if (err == NACRE_OK)
      bits_change(a, out->unit, out->units, true);
  }
  pthread_mutex_unlock(&a->lock);
  return err;
}

/* Whether all of the units, which are used, were allocated in the current generation, or all before it. */
static bool allocated_then(const struct alloc *a, uint64_t unit, uint64_t end, bool now) {
  while (unit < end) {
    unsigned from = (unsigned)(unit % 64), count = (unsigned)u64_min(end - unit, 64 - from);
    const uint64_t *before = a->before[unit / GROUP_UNITS];
    uint64_t mask = word_mask(from, count);
    uint64_t old = before == NULL ? mask : before[unit % GROUP_UNITS / 64] & mask;
    if (old != (now ? 0 : mask))
      return false;
    unit += count;
  }
  return true;
}

/* Records come from the container, and may name what is not theirs. In the log it would make a map that no opening
 * takes, or that gives a place out twice. */
static enum nacre_err check_given(const struct alloc *a, uint64_t unit, uint64_t units, bool now) {
  if (units == 0 || unit >= a->units_end || units > a->units_end - unit)
    return err_set(NACRE_ERR_DAMAGED, "a record names units past the container's end");
  if (alloc_first_locked(a, unit, unit + units, false) < unit + units)
    return err_set(NACRE_ERR_DAMAGED, "a record names units that are free");
  if (alloc_any_held_locked(a, unit, unit + units))
    return err_set(NACRE_ERR_DAMAGED, "a record names units of a fixed place, or that were given back before");
  if (!allocated_then(a, unit, unit + units, now))
    return err_set(NACRE_ERR_DAMAGED, "a record names units that were not written when it says");
  return NACRE_OK;
}

enum nacre_err alloc_give(struct alloc *a, uint64_t unit, uint64_t units, bool now) {
  pthread_mutex_lock(&a->lock);
  enum nacre_err err = check_given(a, unit, units, now);
  if (err == NACRE_OK && now)
    bits_change(a, unit, units, false);
  else if (err == NACRE_OK)
    err = alloc_wait_locked(a, &a->freed, unit, units);
  pthread_mutex_unlock(&a->lock);
  return err;
}

enum nacre_err alloc_mark(struct alloc *a, uint64_t unit, uint64_t units) {
  if (units == 0 || unit >= a->units_end || units > a->units_end - unit)
    return err_set(NACRE_ERR_DAMAGED, "the allocation log names units past the end");
  pthread_mutex_lock(&a->lock);
  enum nacre_err err = NACRE_OK;
  uint64_t taken = alloc_first_locked(a, unit, unit + units, true);
  if (taken < unit + units)
    err = err_set(NACRE_ERR_DAMAGED, "the allocation log allocates unit %llu twice", (unsigned long long)taken);
  if (err == NACRE_OK)
    bits_change(a, unit, units, true);
  pthread_mutex_unlock(&a->lock);
  return err;
}

bool alloc_reserve(struct alloc *a, uint64_t units, uint64_t keep) {
  pthread_mutex_lock(&a->lock);
  bool fits = a->free_clusters * a->cluster_units >= a->reserved_units + units + keep;
  if (fits)
    a->reserved_units += units;
  pthread_mutex_unlock(&a->lock);
  return fits;
}

void alloc_release(struct alloc *a, uint64_t units) {
  pthread_mutex_lock(&a->lock);
  a->reserved_units -= u64_min(units, a->reserved_units);
  pthread_mutex_unlock(&a->lock);
}

uint64_t alloc_reserved(struct alloc *a) {
  pthread_mutex_lock(&a->lock);
  uint64_t units = a->reserved_units;
  pthread_mutex_unlock(&a->lock);
  return units;
}

uint64_t alloc_available(struct alloc *a) {
  pthread_mutex_lock(&a->lock);
  uint64_t have = a->free_clusters * a->cluster_units;
  uint64_t available = have > a->reserved_units ? have - a->reserved_units : 0;
  pthread_mutex_unlock(&a->lock);
  return available;
}

uint64_t alloc_units_end(struct alloc *a) {
  return a->units_end;
}

bool alloc_are_used(struct alloc *a, uint64_t unit, uint64_t units) {
  pthread_mutex_lock(&a->lock);
  bool inside = unit < a->units_end && units <= a->units_end - unit;
  bool used = inside && alloc_first_locked(a, unit, unit + units, false) == unit + units;
  pthread_mutex_unlock(&a->lock);
  return used;
}

bool alloc_is_used(struct alloc *a, uint64_t unit) {
  pthread_mutex_lock(&a->lock);
  bool used = unit >= a->units_end || alloc_bit(a, unit);
  pthread_mutex_unlock(&a->lock);
  return used;
}
