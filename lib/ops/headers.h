/* The two header copies of a container: reading both, saying why neither is usable, writing them one at a time.
 * Invariant: a copy is written only when the other one is durable and whole. */
#ifndef NACRE_OPS_HEADERS_H
#define NACRE_OPS_HEADERS_H

#include "format/header.h"
#include "store/store.h"

#define HEADERS_COPIES 2u

struct headers {
  uint8_t *raw[HEADERS_COPIES]; /* FORMAT_HEADER_BYTES each */
  struct header copy[HEADERS_COPIES];
  /* NACRE_OK: decoded, which says nothing of its authenticity. Else why it was not. */
  enum nacre_err state[HEADERS_COPIES];
  uint64_t size_bytes; /* of the container */
};

/* Offset in the container of a copy. */
uint64_t headers_offset(unsigned copy);
/* What a container has at least. */
uint64_t headers_container_min_bytes(void);

/* Fails only where the container has no size or memory is short; a copy that cannot be read has its own state. Free
 * with headers_free in either case. */
NACRE_MUST_USE enum nacre_err headers_read(struct store *store, struct headers *h);
void headers_free(struct headers *h);
/* NACRE_OK when a copy decoded and the container is long enough; else the error that tells most. */
NACRE_MUST_USE enum nacre_err headers_usable(const struct headers *h);

/* Write one copy and make it durable. */
NACRE_MUST_USE enum nacre_err headers_write_copy(struct store *store, unsigned copy, const uint8_t *raw);
/* Both, the second only when the first is durable. */
NACRE_MUST_USE enum nacre_err headers_write(struct store *store, const uint8_t *raw);

#endif
