/* Memory in whole pages, for things that come and go by the thousand and are a few pages large: from the general
 * allocator, which mixes them with what is small and has an arena a thread, they would leave twice as much behind as
 * is ever in use. Whatever is freed goes back to the system, but for a part of what is in use. */
#ifndef NACRE_BASE_PAGES_H
#define NACRE_BASE_PAGES_H

#include <nacre.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PAGES_BYTES 4096u
#define PAGES_MOST_BYTES (16u * PAGES_BYTES)

struct pages;

NACRE_MUST_USE enum nacre_err pages_new(struct pages **out);
/* All must have been given back. NULL is allowed. */
void pages_end(struct pages *p);
/* 1 to PAGES_MOST_BYTES, rounded up to pages and aligned to one, of any content. NULL when out of memory. */
void *pages_take(struct pages *p, size_t bytes);
/* NULL is allowed; `bytes` as it was taken. */
void pages_give(struct pages *p, void *memory, size_t bytes);

/* What a piece takes. */
static inline size_t pages_bytes(size_t bytes) {
  return (bytes + PAGES_BYTES - 1) / PAGES_BYTES * PAGES_BYTES;
}
/* What they hold of the system's memory. */
size_t pages_resident_bytes(struct pages *p);

#endif
