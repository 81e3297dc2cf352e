/* An extent: a run of chunks written together. One address, one nonce base (chunk i uses counter + i), a tag a chunk.
 * Every chunk but the last has chunk_bytes; the last has last_bytes, a multiple of a unit. Chunk i lies i chunks
 * after the address. A record holds only live chunks: overwriting some splits or shortens it, so a unit is in one
 * extent. */
#ifndef NACRE_FORMAT_EXTENT_H
#define NACRE_FORMAT_EXTENT_H

#include "format/ptr.h"

struct extent {
  uint64_t unit;
  uint32_t chunk_bytes;
  uint32_t count; /* 1 .. FORMAT_EXTENT_CHUNKS_MAX */
  uint32_t last_bytes;
  uint32_t epoch;
  uint64_t birth;
  uint64_t alloc;
  uint8_t nonce[AEAD_NONCE_BYTES];
  uint8_t tags[FORMAT_EXTENT_CHUNKS_MAX][AEAD_TAG_BYTES];
};

#define EXTENT_FIXED_BYTES 72u
#define EXTENT_VALUE_MAX_BYTES (EXTENT_FIXED_BYTES + FORMAT_EXTENT_CHUNKS_MAX * AEAD_TAG_BYTES)

/* The record's value; returns its length. out has EXTENT_VALUE_MAX_BYTES. */
size_t extent_encode(const struct extent *e, uint8_t *out);
/* NACRE_ERR_DAMAGED where fields contradict each other or the run leaves [0, units_end). */
NACRE_MUST_USE enum nacre_err extent_decode(const uint8_t *value, size_t len, uint64_t units_end, struct extent *e);
/* Units and epoch of a record that is not decoded: for counting and choosing alone. Both 0 where it is too short. */
uint64_t extent_value_units(const uint8_t *value, size_t len, uint32_t *epoch);
uint64_t extent_units(const struct extent *e);
uint32_t extent_piece_bytes(const struct extent *e, uint32_t index);
/* Chunks [first, first + count) of e as an extent of its own. out may be e. */
void extent_slice(const struct extent *e, uint32_t first, uint32_t count, struct extent *out);

#endif
