/* A small seeded generator: the same seed gives the same test everywhere. */
#ifndef NACRE_TESTS_SUPPORT_PRNG_H
#define NACRE_TESTS_SUPPORT_PRNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct prng {
  uint64_t state;
};

uint64_t prng_next(struct prng *p);
/* Less than n, which is not 0. */
uint64_t prng_below(struct prng *p, uint64_t n);
bool prng_chance(struct prng *p, unsigned percent);
void prng_fill(struct prng *p, void *buf, size_t len);
/* Not for an enemy: tells contents of tests apart. */
uint64_t hash_bytes(const void *bytes, size_t len);

#endif
