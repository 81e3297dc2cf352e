/* On disk, little-endian:
 *    0  unit (8)          8  length (4)       12  flags (1)       13  compression (1)   14  zero (2)
 *   16  raw length (4)   20  epoch (4)        24  birth (8)       32  allocation (8)
 *   40  nonce (24)       64  tag (32) */
#include "format/ptr.h"

#include "base/err.h"

#include <assert.h>

void ptr_encode(const struct ptr *p, uint8_t out[FORMAT_PTR_BYTES]) {
  struct writer w = writer_make(out, FORMAT_PTR_BYTES);
  writer_u64(&w, p->unit);
  writer_u32(&w, p->len_bytes);
  writer_u8(&w, p->flags);
  writer_u8(&w, p->compression);
  writer_zeroes(&w, 2);
  writer_u32(&w, p->raw_bytes);
  writer_u32(&w, p->epoch);
  writer_u64(&w, p->birth);
  writer_u64(&w, p->alloc);
  writer_copy(&w, p->nonce, sizeof p->nonce);
  writer_copy(&w, p->tag, sizeof p->tag);
  assert(!w.bad && w.left == 0);
}

enum nacre_err ptr_decode(const uint8_t in[FORMAT_PTR_BYTES], uint64_t units_end, struct ptr *p) {
  struct reader r = reader_make(in, FORMAT_PTR_BYTES);
  p->unit = reader_u64(&r);
  p->len_bytes = reader_u32(&r);
  p->flags = reader_u8(&r);
  p->compression = reader_u8(&r);
  reader_zeroes(&r, 2);
  p->raw_bytes = reader_u32(&r);
  p->epoch = reader_u32(&r);
  p->birth = reader_u64(&r);
  p->alloc = reader_u64(&r);
  reader_copy(&r, p->nonce, sizeof p->nonce);
  reader_copy(&r, p->tag, sizeof p->tag);
  if (r.bad || p->flags != 0 || p->compression != 0 || p->raw_bytes != 0)
    return err_set(NACRE_ERR_DAMAGED, "a pointer has flags or compression that this version does not know");
  if (p->len_bytes == 0 || p->len_bytes % FORMAT_UNIT_BYTES != 0)
    return err_set(NACRE_ERR_DAMAGED, "a pointer's length is %u bytes", p->len_bytes);
  if (p->birth > p->alloc)
    return err_set(NACRE_ERR_DAMAGED, "a pointer's block was born after it was written");
  uint64_t units = p->len_bytes / FORMAT_UNIT_BYTES;
  if (p->unit > units_end || units > units_end - p->unit)
    return err_set(NACRE_ERR_DAMAGED, "a pointer leads to unit %llu, outside the volume",
                   (unsigned long long)p->unit);
  if (format_meets_group(p->unit, p->unit + units))
    return err_set(NACRE_ERR_DAMAGED, "a pointer leads to unit %llu, where headers and superblocks are",
                   (unsigned long long)p->unit);
  return NACRE_OK;
}

void ptr_aad(enum format_kind kind, uint8_t level, uint32_t epoch, uint32_t len_bytes, uint64_t birth,
             uint8_t out[PTR_AAD_BYTES]) {
  out[0] = (uint8_t)kind;
  out[1] = level;
  out[2] = (uint8_t)FORMAT_VERSION;
  out[3] = 0;
  le32_put(out + 4, epoch);
  le32_put(out + 8, len_bytes);
  le64_put(out + 12, birth);
}
