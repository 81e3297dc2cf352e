/* Codec of extent records.
 *
 *   0 version  1 flags (0)  2 compression (0)  3 reserved (0)  4 count (2)  6 reserved (2)
 *   8 chunk_bytes (4)  12 last_bytes (4)  16 epoch (4)  20 reserved (4)  24 unit (8)  32 birth (8)  40 alloc (8)
 *  48 nonce (24)  72 tags (32 each) */
#include "format/extent.h"

#include "base/err.h"

uint64_t extent_units(const struct extent *e) {
  uint64_t bytes = (uint64_t)(e->count - 1) * e->chunk_bytes + e->last_bytes;
  return bytes / FORMAT_UNIT_BYTES;
}

uint32_t extent_piece_bytes(const struct extent *e, uint32_t index) {
  return index + 1 == e->count ? e->last_bytes : e->chunk_bytes;
}

void extent_slice(const struct extent *e, uint32_t first, uint32_t count, struct extent *out) {
  uint32_t last_bytes = extent_piece_bytes(e, first + count - 1);
  uint8_t nonce[AEAD_NONCE_BYTES];
  aead_nonce_add(e->nonce, first, nonce);
  if (out != e) {
    *out = (struct extent){
        .unit = e->unit, .chunk_bytes = e->chunk_bytes, .epoch = e->epoch, .birth = e->birth, .alloc = e->alloc};
  }
  out->unit = e->unit + (uint64_t)first * (e->chunk_bytes / FORMAT_UNIT_BYTES);
  out->count = count;
  out->last_bytes = last_bytes;
  memcpy(out->nonce, nonce, sizeof nonce);
  memmove(out->tags, e->tags + first, (size_t)count * AEAD_TAG_BYTES);
}

size_t extent_encode(const struct extent *e, uint8_t *out) {
  size_t len = EXTENT_FIXED_BYTES + (size_t)e->count * AEAD_TAG_BYTES;
  struct writer w = writer_make(out, len);
  writer_u8(&w, FORMAT_RECORD_VERSION | FORMAT_RECORD_MUST_UNDERSTAND);
  writer_zeroes(&w, 3);
  writer_u16(&w, (uint16_t)e->count);
  writer_zeroes(&w, 2);
  writer_u32(&w, e->chunk_bytes);
  writer_u32(&w, e->last_bytes);
  writer_u32(&w, e->epoch);
  writer_zeroes(&w, 4);
  writer_u64(&w, e->unit);
  writer_u64(&w, e->birth);
  writer_u64(&w, e->alloc);
  writer_copy(&w, e->nonce, sizeof e->nonce);
  writer_copy(&w, e->tags, (size_t)e->count * AEAD_TAG_BYTES);
  return len;
}

static bool extent_is_sound(const struct extent *e, uint64_t units_end) {
  bool chunk_ok = e->chunk_bytes >= FORMAT_CHUNK_MIN_BYTES && e->chunk_bytes <= FORMAT_CHUNK_MAX_BYTES &&
                  (e->chunk_bytes & (e->chunk_bytes - 1)) == 0;
  if (!chunk_ok || e->count == 0 || e->count > FORMAT_EXTENT_CHUNKS_MAX)
    return false;
  if (e->last_bytes == 0 || e->last_bytes > e->chunk_bytes || e->last_bytes % FORMAT_UNIT_BYTES != 0)
    return false;
  if (e->birth == 0 || e->birth > e->alloc || e->epoch == 0)
    return false;
  if (le64_get(e->nonce + AEAD_NONCE_BYTES - 8) > UINT64_MAX - e->count)
    return false;
  uint64_t units = extent_units(e);
  if (e->unit >= units_end || units > units_end - e->unit)
    return false;
  return !format_meets_group(e->unit, e->unit + units);
}

uint64_t extent_value_units(const uint8_t *value, size_t len, uint32_t *epoch) {
  *epoch = 0;
  if (len < EXTENT_FIXED_BYTES)
    return 0;
  *epoch = le32_get(value + 16);
  uint64_t count = le16_get(value + 4);
  return count == 0 ? 0 : ((count - 1) * le32_get(value + 8) + le32_get(value + 12)) / FORMAT_UNIT_BYTES;
}

enum nacre_err extent_decode(const uint8_t *value, size_t len, uint64_t units_end, struct extent *e) {
  struct reader r = reader_make(value, len);
  uint8_t version = reader_u8(&r);
  reader_zeroes(&r, 3);
  e->count = reader_u16(&r);
  reader_zeroes(&r, 2);
  e->chunk_bytes = reader_u32(&r);
  e->last_bytes = reader_u32(&r);
  e->epoch = reader_u32(&r);
  reader_zeroes(&r, 4);
  e->unit = reader_u64(&r);
  e->birth = reader_u64(&r);
  e->alloc = reader_u64(&r);
  reader_copy(&r, e->nonce, sizeof e->nonce);
  if (r.bad || version != (FORMAT_RECORD_VERSION | FORMAT_RECORD_MUST_UNDERSTAND) || !extent_is_sound(e, units_end) ||
      r.left != (size_t)e->count * AEAD_TAG_BYTES)
    return err_set(NACRE_ERR_DAMAGED, "an extent record is malformed");
  reader_copy(&r, e->tags, r.left);
  return NACRE_OK;
}
