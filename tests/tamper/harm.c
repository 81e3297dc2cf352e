#include "tamper/harm.h"

#include "support/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES 400u

struct disk_span harm_live_span(const struct specimen *s, struct prng *prng) {
  const struct disk_trace *kinds[] = {&s->log, &s->nodes, &s->data};
  const struct disk_trace *t = kinds[prng_below(prng, 3)];
  return t->spans[prng_below(prng, t->count)];
}

uint64_t harm_live_unit(const struct specimen *s, struct prng *prng) {
  struct disk_span span = harm_live_span(s, prng);
  return span.offset + prng_below(prng, span.len / DISK_UNIT_BYTES) * DISK_UNIT_BYTES;
}

void harm_swap(struct specimen *s, uint64_t a, uint64_t b, size_t len) {
  uint8_t *bytes = malloc(len * 2);
  memcpy(bytes, s->disk.bytes + a, len);
  memcpy(bytes + len, s->disk.bytes + b, len);
  specimen_put(s, bytes, len, b);
  specimen_put(s, bytes + len, len, a);
  free(bytes);
}

void harm_fill(struct specimen *s, struct prng *prng, enum harm_filling with, uint64_t offset, size_t len) {
  if (offset >= s->disk.size_bytes)
    return;
  if (len > s->disk.size_bytes - offset)
    len = (size_t)(s->disk.size_bytes - offset);
  uint8_t *bytes = calloc(1, len);
  if (with == HARM_ONES)
    memset(bytes, 0xff, len);
  if (with == HARM_GARBAGE)
    prng_fill(prng, bytes, len);
  specimen_put(s, bytes, len, offset);
  free(bytes);
}

void harm_put_back(struct specimen *s, size_t image, uint64_t offset, size_t len) {
  specimen_put(s, s->images[image].bytes + offset, len, offset);
}

/* ---- Anything ---- */

struct text {
  char bytes[TEXT_BYTES];
  size_t len;
};

#define SAY(text, ...)                                                                                               \
  ((text)->len += (size_t)snprintf((text)->bytes + (text)->len, TEXT_BYTES - (text)->len, __VA_ARGS__))

static void harm_block(struct specimen *s, struct prng *prng, struct text *said) {
  struct disk_span span = harm_live_span(s, prng);
  uint64_t unit = harm_live_unit(s, prng), other = harm_live_unit(s, prng);
  size_t image = prng_below(prng, SPECIMEN_STATES - 1);
  switch (prng_below(prng, 4)) {
  case 0: {
    uint64_t byte = span.offset + prng_below(prng, span.len);
    SAY(said, "a bit of byte %llu flipped; ", (unsigned long long)byte);
    specimen_flip(s, byte, prng);
    return;
  }
  case 1:
    SAY(said, "unit %llu overwritten; ", (unsigned long long)(unit / DISK_UNIT_BYTES));
    harm_fill(s, prng, (enum harm_filling)prng_below(prng, HARM_FILLINGS), unit, DISK_UNIT_BYTES);
    return;
  case 2:
    SAY(said, "units %llu and %llu swapped; ", (unsigned long long)(unit / DISK_UNIT_BYTES),
        (unsigned long long)(other / DISK_UNIT_BYTES));
    harm_swap(s, unit, other, DISK_UNIT_BYTES);
    return;
  default:
    SAY(said, "%zu bytes at %llu put back to state %zu; ", span.len, (unsigned long long)span.offset, image);
    harm_put_back(s, image, span.offset, span.len);
    return;
  }
}

static void harm_head(struct specimen *s, struct prng *prng, struct text *said) {
  uint64_t slot = specimen_slot((unsigned)prng_below(prng, RING_SLOTS));
  uint64_t header = prng_below(prng, 2) * GROUP_1_OFFSET;
  size_t image = prng_below(prng, SPECIMEN_STATES - 1);
  switch (prng_below(prng, 4)) {
  case 0:
    SAY(said, "the superblock at %llu overwritten; ", (unsigned long long)slot);
    harm_fill(s, prng, HARM_GARBAGE, slot, SUPERBLOCK_BYTES);
    return;
  case 1:
    SAY(said, "the superblock at %llu put back to state %zu; ", (unsigned long long)slot, image);
    harm_put_back(s, image, slot, SUPERBLOCK_BYTES);
    return;
  case 2:
    SAY(said, "the header at %llu put back to state %zu; ", (unsigned long long)header, image);
    harm_put_back(s, image, header, HEADER_BYTES);
    return;
  default:
    SAY(said, "a bit of the header at %llu flipped; ", (unsigned long long)header);
    specimen_flip(s, header + prng_below(prng, HEADER_BYTES), prng);
    return;
  }
}

void harm_anything(struct specimen *s, struct prng *prng) {
  struct text said = {.len = 0};
  unsigned times = prng_chance(prng, 60) ? 1 : 2 + (unsigned)prng_below(prng, 3);
  for (unsigned i = 0; i < times; i++) {
    if (prng_chance(prng, 75))
      harm_block(s, prng, &said);
    else
      harm_head(s, prng, &said);
  }
  report_at("%s", said.bytes);
}
