/* What a fuzz target is fed: bytes taken from the front, zeroes when there are none left; and how it complains. */
#ifndef NACRE_TESTS_FUZZ_FEED_H
#define NACRE_TESTS_FUZZ_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each target defines it. 0: done; -1: of no use as a seed. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct feed {
  const uint8_t *p;
  size_t left;
};

static inline void feed_copy(struct feed *f, void *out, size_t len) {
  size_t have = len < f->left ? len : f->left;
  memset(out, 0, len);
  if (have > 0)
    memcpy(out, f->p, have);
  f->p += have;
  f->left -= have;
}

static inline uint64_t feed_number(struct feed *f, size_t bytes) {
  uint8_t raw[8];
  uint64_t n = 0;
  feed_copy(f, raw, bytes);
  for (size_t i = bytes; i > 0; i--)
    n = n << 8 | raw[i - 1];
  return n;
}

static inline uint8_t feed_u8(struct feed *f) {
  return (uint8_t)feed_number(f, 1);
}

static inline uint16_t feed_u16(struct feed *f) {
  return (uint16_t)feed_number(f, 2);
}

static inline uint32_t feed_u32(struct feed *f) {
  return (uint32_t)feed_number(f, 4);
}

static inline uint64_t feed_u64(struct feed *f) {
  return feed_number(f, 8);
}

/* A number whose size varies: small ones are as likely as those near a limit. */
static inline uint64_t feed_wide(struct feed *f) {
  uint8_t shape = feed_u8(f);
  if (shape < 0xc0)
    return shape;
  uint64_t n = shape < 0xe0 ? feed_u16(f) : feed_u64(f);
  return shape & 1 ? n << 12 : n;
}

/* A copy of its own size, so that a read past the end is seen. */
static inline uint8_t *feed_exact(const uint8_t *data, size_t len) {
  uint8_t *copy = malloc(len > 0 ? len : 1);
  if (copy == NULL)
    abort();
  if (len > 0)
    memcpy(copy, data, len);
  return copy;
}

#define FUZZ_CHECK(condition)                                                                                        \
  do {                                                                                                               \
    if (!(condition)) {                                                                                              \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                        \
      abort();                                                                                                       \
    }                                                                                                                \
  } while (0)

#endif
