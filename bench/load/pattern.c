#include "load/pattern.h"

#include <string.h>

struct stamp {
  uint64_t id, number, version, mixed;
};

static uint64_t noise[PATTERN_PERIOD_BLOCKS * PATTERN_BLOCK_BYTES / sizeof(uint64_t)];

static uint64_t mix(uint64_t x) {
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

void pattern_start(void) {
  for (size_t i = 0; i < sizeof noise / sizeof noise[0]; i++)
    noise[i] = mix((i + 1) * 0x9e3779b97f4a7c15ull);
}

static struct stamp stamp_of(uint64_t id, uint64_t number, uint64_t version) {
  return (struct stamp){
      .id = id, .number = number, .version = version, .mixed = mix(id ^ mix(number ^ mix(version)))};
}

static const uint8_t *noise_of(uint64_t number) {
  return (const uint8_t *)noise + number % PATTERN_PERIOD_BLOCKS * PATTERN_BLOCK_BYTES;
}

void pattern_stamp(uint8_t *out, uint64_t id, uint64_t first, size_t blocks, uint64_t version) {
  for (size_t i = 0; i < blocks; i++) {
    struct stamp stamp = stamp_of(id, first + i, version);
    memcpy(out + i * PATTERN_BLOCK_BYTES, &stamp, sizeof stamp);
  }
}

void pattern_fill(uint8_t *out, uint64_t id, uint64_t first, size_t blocks, uint64_t version) {
  for (size_t i = 0; i < blocks; i++)
    memcpy(out + i * PATTERN_BLOCK_BYTES, noise_of(first + i), PATTERN_BLOCK_BYTES);
  pattern_stamp(out, id, first, blocks, version);
}

bool pattern_stamped(const uint8_t *block, uint64_t id, uint64_t number, uint64_t version) {
  struct stamp stamp = stamp_of(id, number, version);
  return memcmp(block, &stamp, sizeof stamp) == 0;
}

bool pattern_holds(const uint8_t *block, uint64_t id, uint64_t number, uint64_t version) {
  size_t skip = sizeof(struct stamp);
  return pattern_stamped(block, id, number, version) &&
         memcmp(block + skip, noise_of(number) + skip, PATTERN_BLOCK_BYTES - skip) == 0;
}

uint64_t pattern_scatter(uint64_t i, uint64_t count, uint64_t seed) {
  unsigned bits = 2;
  while (bits < 63 && 1ull << bits < count)
    bits++;
  uint64_t mask = (1ull << bits) - 1;
  /* Each step can be undone within so many bits; what falls past the end goes round again. */
  do {
    for (unsigned round = 0; round < 3; round++) {
      i = (i + mix(seed + round)) & mask;
      i = i * 0x9e3779b97f4a7c15ull & mask;
      i ^= i >> (bits / 2);
    }
  } while (i >= count);
  return i;
}
