#include "fuzz/harm.h"

#define CHANGES_MAX 12u

void harm_bytes(struct feed *f, uint8_t *p, size_t len) {
  unsigned changes = feed_u8(f) % CHANGES_MAX;
  for (unsigned i = 0; i < changes && len > 0; i++) {
    uint8_t bytes[8];
    size_t at = feed_u16(f) % len;
    uint8_t form = feed_u8(f);
    size_t run = 1 + form % sizeof bytes;
    feed_copy(f, bytes, run);
    for (size_t k = 0; k < run && at + k < len; k++)
      p[at + k] = form & 0x80 ? (uint8_t)(p[at + k] ^ bytes[k]) : bytes[k];
  }
}
