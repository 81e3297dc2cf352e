/* A branch's record, and the anchor: as bytes, and as text that somebody with the volume's key sealed. */
#include "base/env.h"
#include "base/err.h"
#include "crypto/aead.h"
#include "format/lineage.h"
#include "fuzz/feed.h"

#define TEXT_OFFSET (AEAD_NONCE_BYTES + AEAD_TAG_BYTES)
#define TEXT_BYTES (LINEAGE_ANCHOR_BYTES - TEXT_OFFSET)

static const uint8_t key[32] = "the key of the anchor";

static void try_record(struct feed *f) {
  struct lineage_record rec;
  uint8_t again[LINEAGE_RECORD_BYTES];
  uint64_t first = feed_wide(f);
  uint8_t *value = feed_exact(f->p, f->left);
  if (lineage_record_decode(value, f->left, first, &rec) == NACRE_OK) {
    lineage_record_encode(&rec, again);
    FUZZ_CHECK(f->left == sizeof again && memcmp(value, again, sizeof again) == 0);
    FUZZ_CHECK(rec.parent_generation < first && rec.number > 0 && rec.number <= first);
  }
  free(value);
}

static void check_point(const struct lineage_point *p) {
  FUZZ_CHECK(p->branch.first > 0 && p->branch.first <= p->generation && p->branch.number <= p->branch.first);
  FUZZ_CHECK(lineage_point_equal(p, p));
}

/* What opens is written back as it was, but for the nonce. */
static void try_anchor(const uint8_t *raw, size_t len, bool expected) {
  struct lineage_anchor anchor, same;
  uint8_t again[LINEAGE_ANCHOR_BYTES];
  enum nacre_err err = lineage_anchor_open(raw, len, key, &anchor);
  FUZZ_CHECK(err == NACRE_OK || err == NACRE_ERR_DAMAGED);
  FUZZ_CHECK(expected || err != NACRE_OK);
  if (err != NACRE_OK)
    return;
  check_point(&anchor.latest);
  check_point(&anchor.settled);
  FUZZ_CHECK(lineage_anchor_seal(&anchor, key, again) == NACRE_OK);
  FUZZ_CHECK(lineage_anchor_open(again, sizeof again, key, &same) == NACRE_OK);
  FUZZ_CHECK(lineage_point_equal(&anchor.latest, &same.latest) &&
             lineage_point_equal(&anchor.settled, &same.settled));
  FUZZ_CHECK(anchor.latest.time_s == same.latest.time_s);
}

static void try_sealed(struct feed *f) {
  uint8_t raw[LINEAGE_ANCHOR_BYTES] = {0}, plain[TEXT_BYTES] = {1};
  struct aead_key *aead;
  for (unsigned i = 0; i < 2; i++) { /* points that would be taken, unless the input changes them */
    plain[8 + i * 64 + 16] = plain[8 + i * 64 + 24] = 1;
    plain[8 + i * 64 + 32] = 2;
  }
  for (unsigned changes = feed_u8(f) % 16; changes > 0; changes--) {
    size_t at = feed_u8(f) % sizeof plain, run = 1 + feed_u8(f) % 16u;
    feed_copy(f, plain + at, run < sizeof plain - at ? run : sizeof plain - at);
  }
  FUZZ_CHECK(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, key, &aead) == NACRE_OK);
  FUZZ_CHECK(aead_seal(aead, raw, NULL, 0, plain, sizeof plain, raw + TEXT_OFFSET, raw + AEAD_NONCE_BYTES) ==
             NACRE_OK);
  aead_key_free(aead);
  try_anchor(raw, sizeof raw, true);
  raw[feed_u8(f) % sizeof raw] ^= (uint8_t)(1u << feed_u8(f) % 8);
  try_anchor(raw, sizeof raw, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  FUZZ_CHECK(env_start() == NACRE_OK);
  uint8_t form = feed_u8(&f) % 3;
  if (form == 0) {
    try_record(&f);
  } else if (form == 1) {
    try_sealed(&f);
  } else {
    uint8_t *raw = feed_exact(f.p, f.left);
    try_anchor(raw, f.left, false);
    free(raw);
  }
  return 0;
}
