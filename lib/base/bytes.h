/* Little-endian loads and stores, checked arithmetic, and a bounded cursor through which everything that comes
 * from storage is parsed. */
#ifndef NACRE_BASE_BYTES_H
#define NACRE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t le16_get(const uint8_t *p) {
  return (uint16_t)(p[0] | (uint16_t)(p[1] << 8));
}
static inline uint32_t le32_get(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t le64_get(const uint8_t *p) {
  return (uint64_t)le32_get(p) | (uint64_t)le32_get(p + 4) << 32;
}
static inline void le16_put(uint8_t *p, uint16_t v) {
  p[0] = (uint8_t)v;
  p[1] = (uint8_t)(v >> 8);
}
static inline void le32_put(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)v;
  p[1] = (uint8_t)(v >> 8);
  p[2] = (uint8_t)(v >> 16);
  p[3] = (uint8_t)(v >> 24);
}
static inline void le64_put(uint8_t *p, uint64_t v) {
  le32_put(p, (uint32_t)v);
  le32_put(p + 4, (uint32_t)(v >> 32));
}
/* Big-endian where bytes must sort as the number does (tree keys). */
static inline uint32_t be32_get(const uint8_t *p) {
  return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}
static inline uint64_t be64_get(const uint8_t *p) {
  return (uint64_t)be32_get(p) << 32 | be32_get(p + 4);
}
static inline void be32_put(uint8_t *p, uint32_t v) {
  p[0] = (uint8_t)(v >> 24);
  p[1] = (uint8_t)(v >> 16);
  p[2] = (uint8_t)(v >> 8);
  p[3] = (uint8_t)v;
}
static inline void be64_put(uint8_t *p, uint64_t v) {
  be32_put(p, (uint32_t)(v >> 32));
  be32_put(p + 4, (uint32_t)v);
}

/* False on overflow. */
static inline bool u64_add(uint64_t a, uint64_t b, uint64_t *sum) {
  return !__builtin_add_overflow(a, b, sum);
}
static inline bool u64_mul(uint64_t a, uint64_t b, uint64_t *product) {
  return !__builtin_mul_overflow(a, b, product);
}
static inline uint64_t u64_min(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}
static inline uint64_t u64_max(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}
static inline uint64_t u64_ceil_div(uint64_t a, uint64_t b) {
  return a / b + (a % b != 0);
}
bool bytes_all_zero(const uint8_t *p, size_t len);

/* Reading past the end gives zeroes and sets `bad`, which stays set; look at it once, at the end of a parse. */
struct reader {
  const uint8_t *p;
  size_t left;
  bool bad;
};
/* Writing past the end writes nothing and sets `bad`. */
struct writer {
  uint8_t *p;
  size_t left;
  size_t done;
  bool bad;
};

struct reader reader_make(const void *p, size_t len);
uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* Copy; zero-fills dst when too little is left. */
void reader_copy(struct reader *r, void *dst, size_t len);
/* A view into the buffer, or NULL (and bad) when too little is left. */
const uint8_t *reader_view(struct reader *r, size_t len);
/* Reserved bytes: bad unless they are all zero. */
void reader_zeroes(struct reader *r, size_t len);

struct writer writer_make(void *p, size_t len);
void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_copy(struct writer *w, const void *src, size_t len);
void writer_zeroes(struct writer *w, size_t len);

#endif
