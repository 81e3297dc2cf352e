/* Whether bytes of one buffer stand anywhere in another: every run of 16 bytes, at every offset. */
#ifndef NACRE_TESTS_SUPPORT_SURVIVORS_H
#define NACRE_TESTS_SUPPORT_SURVIVORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SURVIVORS_WINDOW_BYTES 16u

/* Runs of which a half is one byte's value are no trace of anything, and left out. */
struct survivors {
  uint8_t *former;
  size_t len, cap;
  uint32_t *table; /* offset + 1 of a window; 0: none */
};

void survivors_init(struct survivors *s, size_t cap_bytes);
void survivors_free(struct survivors *s);
/* Look for these bytes, too: as many in all as there is room for. */
void survivors_add(struct survivors *s, const void *bytes, size_t len);
/* How many places have a run of them; where the first is, if at is not NULL. */
size_t survivors_count(const struct survivors *s, const uint8_t *bytes, size_t len, size_t *at);

#endif
