/* Pointers and extent records. */
#include "base/env.h"
#include "format/extent.h"
#include "fuzz/feed.h"

static void try_ptr(struct feed *f, uint64_t units_end) {
  uint8_t raw[FORMAT_PTR_BYTES], again[FORMAT_PTR_BYTES];
  struct ptr p;
  feed_copy(f, raw, sizeof raw);
  if (ptr_decode(raw, units_end, &p) != NACRE_OK)
    return;
  ptr_encode(&p, again);
  FUZZ_CHECK(memcmp(raw, again, sizeof raw) == 0);
  FUZZ_CHECK(p.unit + p.len_bytes / FORMAT_UNIT_BYTES <= units_end);
}

/* Every way to cut it in two covers the same units. */
static void try_slices(const struct extent *x, uint64_t units_end) {
  uint8_t value[EXTENT_VALUE_MAX_BYTES];
  for (uint32_t cut = 1; cut < x->count; cut++) {
    struct extent left, right, again;
    extent_slice(x, 0, cut, &left);
    extent_slice(x, cut, x->count - cut, &right);
    FUZZ_CHECK(left.unit + extent_units(&left) == right.unit);
    FUZZ_CHECK(extent_units(&left) + extent_units(&right) == extent_units(x));
    size_t len = extent_encode(&right, value);
    FUZZ_CHECK(extent_decode(value, len, units_end, &again) == NACRE_OK);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  struct extent x;
  uint8_t again[EXTENT_VALUE_MAX_BYTES];
  uint64_t units_end = feed_wide(&f) % (FORMAT_UNITS_MAX + 1);
  if (feed_u8(&f) & 1) {
    try_ptr(&f, units_end);
    return 0;
  }
  /* The last byte stands for as many tags as there are missing. */
  size_t fill = f.left > EXTENT_FIXED_BYTES ? (size_t)f.p[f.left - 1] % (FORMAT_EXTENT_CHUNKS_MAX + 1) : 0;
  size_t len = fill > 0 ? EXTENT_FIXED_BYTES + fill * AEAD_TAG_BYTES : f.left;
  uint8_t *value = calloc(1, len > 0 ? len : 1);
  FUZZ_CHECK(value != NULL);
  feed_copy(&f, value, len < f.left ? len : f.left);
  if (extent_decode(value, len, units_end, &x) == NACRE_OK) {
    FUZZ_CHECK(extent_encode(&x, again) == len && memcmp(value, again, len) == 0);
    FUZZ_CHECK(x.unit + extent_units(&x) <= units_end);
    try_slices(&x, units_end);
  }
  free(value);
  return 0;
}
