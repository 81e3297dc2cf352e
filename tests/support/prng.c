#include "support/prng.h"

#include <string.h>

static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

uint64_t prng_next(struct prng *p) {
  p->state += 0x9e3779b97f4a7c15u;
  return mix(p->state);
}

uint64_t prng_below(struct prng *p, uint64_t n) {
  return prng_next(p) % n;
}

bool prng_chance(struct prng *p, unsigned percent) {
  return prng_below(p, 100) < percent;
}

void prng_fill(struct prng *p, void *buf, size_t len) {
  uint8_t *out = buf;
  while (len > 0) {
    uint64_t word = prng_next(p);
    size_t n = len < sizeof word ? len : sizeof word;
    memcpy(out, &word, n);
    out += n;
    len -= n;
  }
}

uint64_t hash_bytes(const void *bytes, size_t len) {
  const uint8_t *in = bytes;
  uint64_t h = mix(len + 1);
  while (len > 0) {
    uint64_t word = 0;
    size_t n = len < sizeof word ? len : sizeof word;
    memcpy(&word, in, n);
    h = (h ^ word) * 0x9fb21c651e98df25u;
    h ^= h >> 29;
    in += n;
    len -= n;
  }
  return mix(h);
}
