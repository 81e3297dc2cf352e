/* Regions of a MiB, aligned to one, so that a piece's address tells its region. The first pages of each are its own
 * head. */
#include "base/pages.h"

#include "base/bytes.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define REGION_BYTES ((size_t)1 << 20)
#define REGION_PAGES ((unsigned)(REGION_BYTES / PAGES_BYTES))
#define REGION_WORDS (REGION_PAGES / 64u)
/* Free pages that the system has not got back: so many at least, and a part of those in use. */
#define STALE_MIN 256u
#define STALE_PART 8u

/* Invariants: `used` and `stale` have no page in common; free_pages is the number that `used` has not. */
struct region {
  struct region *prev, *next;
  unsigned free_pages;
  uint64_t used[REGION_WORDS];
  uint64_t stale[REGION_WORDS]; /* free, but with the system's memory behind it */
};

#define HEAD_PAGES ((unsigned)((sizeof(struct region) + PAGES_BYTES - 1) / PAGES_BYTES))

/* With the address sanitizer the heap has them, so that it sees who uses what was given back. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PAGES_IN_HEAP true
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define PAGES_IN_HEAP true
#endif
#if !defined(PAGES_IN_HEAP)
#define PAGES_IN_HEAP false
#endif

struct pages {
  pthread_mutex_t lock;
  struct region *first; /* the one that was taken from last */
  size_t used, stale;   /* pages, heads apart */
  size_t regions;
  size_t system_pages; /* pages of ours that one of the system's has */
};

enum nacre_err pages_new(struct pages **out) {
  *out = calloc(1, sizeof **out);
  if (*out == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  pthread_mutex_init(&(*out)->lock, NULL);
  const long system_bytes = sysconf(_SC_PAGESIZE);
  (*out)->system_pages = system_bytes > (long)PAGES_BYTES ? (size_t)system_bytes / PAGES_BYTES : 1;
  return NACRE_OK;
}

void pages_end(struct pages *p) {
  if (p == NULL)
    return;
  assert(p->used == 0);
  while (p->first != NULL) {
    struct region *r = p->first;
    p->first = r->next;
    munmap(r, REGION_BYTES);
  }
  pthread_mutex_destroy(&p->lock);
  free(p);
}

/* ---- One region ---- */

static bool bit_get(const uint64_t *bits, unsigned at) {
  return (bits[at / 64] >> (at % 64) & 1) != 0;
}

static void bit_put(uint64_t *bits, unsigned at, bool value) {
  const uint64_t mask = (uint64_t)1 << (at % 64);
  bits[at / 64] = value ? bits[at / 64] | mask : bits[at / 64] & ~mask;
}

/* The lowest `count` free pages side by side, or REGION_PAGES. */
static unsigned region_find(const struct region *r, unsigned count) {
  unsigned run = 0;
  for (unsigned at = HEAD_PAGES; at < REGION_PAGES; at++) {
    if (at % 64 == 0 && r->used[at / 64] == UINT64_MAX) {
      at += 63;
      run = 0;
      continue;
    }
    run = bit_get(r->used, at) ? 0 : run + 1;
    if (run == count)
      return at + 1 - count;
  }
  return REGION_PAGES;
}

static void *region_take(struct pages *p, struct region *r, unsigned at, unsigned count) {
  for (unsigned i = at; i < at + count; i++) {
    if (bit_get(r->stale, i)) {
      bit_put(r->stale, i, false);
      p->stale--;
    }
    bit_put(r->used, i, true);
  }
  r->free_pages -= count;
  p->used += count;
  return (uint8_t *)r + (size_t)at * PAGES_BYTES;
}

/* What it holds that nobody uses goes back to the system. */
static void region_relieve(struct pages *p, struct region *r) {
  const unsigned step = (unsigned)p->system_pages;
  if (bytes_all_zero((const uint8_t *)r->stale, sizeof r->stale))
    return;
  for (unsigned at = 0; at < REGION_PAGES; at += step) {
    unsigned end = at;
    for (bool free_stale = true; free_stale && end < REGION_PAGES; end += free_stale ? step : 0) {
      for (unsigned i = end; i < end + step && free_stale; i++)
        free_stale = bit_get(r->stale, i);
    }
    if (end == at)
      continue;
    (void)madvise((uint8_t *)r + (size_t)at * PAGES_BYTES, (size_t)(end - at) * PAGES_BYTES, MADV_DONTNEED);
    for (unsigned i = at; i < end; i++)
      bit_put(r->stale, i, false);
    p->stale -= end - at;
    at = end - step;
  }
}

/* ---- The list of them ---- */

static void list_add(struct pages *p, struct region *r) {
  r->prev = NULL;
  r->next = p->first;
  if (p->first != NULL)
    p->first->prev = r;
  p->first = r;
}

static void list_remove(struct pages *p, struct region *r) {
  if (r->prev != NULL)
    r->prev->next = r->next;
  else
    p->first = r->next;
  if (r->next != NULL)
    r->next->prev = r->prev;
}

/* Twice as much as is needed has an aligned part; the rest goes back. */
static struct region *region_new(struct pages *p) {
  uint8_t *room = mmap(NULL, 2 * REGION_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED)
    return NULL;
  const size_t before = (size_t)(-(uintptr_t)room & (REGION_BYTES - 1));
  if (before > 0)
    munmap(room, before);
  munmap(room + before + REGION_BYTES, REGION_BYTES - before);
  struct region *r = (struct region *)(void *)(room + before);
  for (unsigned i = 0; i < HEAD_PAGES; i++)
    bit_put(r->used, i, true);
  r->free_pages = REGION_PAGES - HEAD_PAGES;
  p->regions++;
  list_add(p, r);
  return r;
}

/* With the lock. */
static void *take_locked(struct pages *p, unsigned count) {
  unsigned at = REGION_PAGES;
  struct region *r = p->first;
  for (; r != NULL; r = r->next) {
    at = r->free_pages >= count ? region_find(r, count) : REGION_PAGES;
    if (at < REGION_PAGES)
      break;
  }
  if (r == NULL) {
    r = region_new(p);
    if (r == NULL)
      return NULL;
    at = HEAD_PAGES;
  } else if (r != p->first) {
    list_remove(p, r);
    list_add(p, r);
  }
  return region_take(p, r, at, count);
}

static unsigned pages_for(size_t bytes) {
  return (unsigned)((bytes + PAGES_BYTES - 1) / PAGES_BYTES);
}

void *pages_take(struct pages *p, size_t bytes) {
  assert(bytes > 0 && bytes <= PAGES_MOST_BYTES);
  if (PAGES_IN_HEAP)
    return aligned_alloc(PAGES_BYTES, (size_t)pages_for(bytes) * PAGES_BYTES);
  pthread_mutex_lock(&p->lock);
  void *memory = take_locked(p, pages_for(bytes));
  pthread_mutex_unlock(&p->lock);
  return memory;
}

static void give_locked(struct pages *p, struct region *r, unsigned at, unsigned count) {
  for (unsigned i = at; i < at + count; i++) {
    bit_put(r->used, i, false);
    bit_put(r->stale, i, true);
  }
  r->free_pages += count;
  p->used -= count;
  p->stale += count;
  if (r->free_pages == REGION_PAGES - HEAD_PAGES && p->stale > STALE_MIN) {
    for (unsigned i = 0; i < REGION_PAGES; i++)
      p->stale -= bit_get(r->stale, i) ? 1 : 0;
    list_remove(p, r);
    p->regions--;
    munmap(r, REGION_BYTES);
  }
  if (p->stale > u64_max(STALE_MIN, p->used / STALE_PART)) {
    for (r = p->first; r != NULL; r = r->next)
      region_relieve(p, r);
  }
}

void pages_give(struct pages *p, void *memory, size_t bytes) {
  if (memory == NULL)
    return;
  if (PAGES_IN_HEAP) {
    free(memory);
    return;
  }
  const uintptr_t inside = (uintptr_t)memory & (REGION_BYTES - 1);
  struct region *r = (struct region *)(void *)((uint8_t *)memory - inside);
  pthread_mutex_lock(&p->lock);
  give_locked(p, r, (unsigned)(inside / PAGES_BYTES), pages_for(bytes));
  pthread_mutex_unlock(&p->lock);
}

size_t pages_resident_bytes(struct pages *p) {
  pthread_mutex_lock(&p->lock);
  size_t pages = p->used + p->stale + p->regions * HEAD_PAGES;
  pthread_mutex_unlock(&p->lock);
  return pages * PAGES_BYTES;
}
