/* The anchor: nonce (24, random), tag (32, of which 16 are zero), ciphertext (136). XChaCha20-Poly1305 under
 * subkey(identity secret, "anchor", ""), no associated data. The plaintext:
 *     0  version (4): 1      4  zero (4)      8  latest (64)      72  settled (64)
 * A point: branch id (16), first generation (8), number (8), generation (8), commit id (16), time, signed (8). */
#include "format/lineage.h"

#include "base/env.h"
#include "base/err.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"

#include <assert.h>

#define FIRST_BYTE (FORMAT_RECORD_VERSION | FORMAT_RECORD_MUST_UNDERSTAND)
#define ANCHOR_VERSION 1u
#define ANCHOR_PLAIN_BYTES (LINEAGE_ANCHOR_BYTES - AEAD_NONCE_BYTES - AEAD_TAG_BYTES)

/* ---- A branch's record ---- */

void lineage_record_encode(const struct lineage_record *rec, uint8_t out[LINEAGE_RECORD_BYTES]) {
  struct writer w = writer_make(out, LINEAGE_RECORD_BYTES);
  writer_u8(&w, FIRST_BYTE);
  writer_copy(&w, rec->branch, sizeof rec->branch);
  writer_u64(&w, rec->number);
  writer_u64(&w, rec->parent_generation);
  writer_copy(&w, rec->parent_commit_id, sizeof rec->parent_commit_id);
  writer_u64(&w, (uint64_t)rec->time_s);
  assert(w.left == 0 && !w.bad);
}

enum nacre_err lineage_record_decode(const uint8_t *value, size_t len, uint64_t first, struct lineage_record *rec) {
  struct reader r = reader_make(value, len);
  if (len == 0 || reader_u8(&r) != FIRST_BYTE)
    return err_set(NACRE_ERR_UNSUPPORTED, "a branch's record is of a version that this one does not know");
  reader_copy(&r, rec->branch, sizeof rec->branch);
  rec->number = reader_u64(&r);
  rec->parent_generation = reader_u64(&r);
  reader_copy(&r, rec->parent_commit_id, sizeof rec->parent_commit_id);
  rec->time_s = (int64_t)reader_u64(&r);
  if (r.bad || r.left != 0 || rec->number == 0 || rec->number > first || rec->parent_generation >= first)
    return err_set(NACRE_ERR_DAMAGED, "a branch's record makes no sense");
  return NACRE_OK;
}

/* ---- Points ---- */

struct lineage_point lineage_point_of(const struct superblock *sb) {
  struct lineage_point p = {.branch = sb->branch, .generation = sb->point_generation, .time_s = sb->time_s};
  memcpy(p.commit_id, sb->point_commit_id, sizeof p.commit_id);
  return p;
}

bool lineage_point_equal(const struct lineage_point *a, const struct lineage_point *b) {
  return a->generation == b->generation && memcmp(a->commit_id, b->commit_id, sizeof a->commit_id) == 0 &&
         memcmp(a->branch.id, b->branch.id, sizeof a->branch.id) == 0;
}

static void write_point(struct writer *w, const struct lineage_point *p) {
  writer_copy(w, p->branch.id, sizeof p->branch.id);
  writer_u64(w, p->branch.first);
  writer_u64(w, p->branch.number);
  writer_u64(w, p->generation);
  writer_copy(w, p->commit_id, sizeof p->commit_id);
  writer_u64(w, (uint64_t)p->time_s);
}

static bool read_point(struct reader *r, struct lineage_point *p) {
  reader_copy(r, p->branch.id, sizeof p->branch.id);
  p->branch.first = reader_u64(r);
  p->branch.number = reader_u64(r);
  p->generation = reader_u64(r);
  reader_copy(r, p->commit_id, sizeof p->commit_id);
  p->time_s = (int64_t)reader_u64(r);
  return p->branch.first > 0 && p->branch.first <= p->generation && p->branch.number > 0 &&
         p->branch.number <= p->branch.first;
}

/* ---- The anchor ---- */

void lineage_anchor_key(const uint8_t identity_secret[32], uint8_t key[32]) {
  kdf_subkey(identity_secret, "anchor", NULL, 0, key);
}

enum nacre_err lineage_anchor_seal(const struct lineage_anchor *anchor, const uint8_t key[32],
                                   uint8_t out[LINEAGE_ANCHOR_BYTES]) {
  uint8_t *tag = out + AEAD_NONCE_BYTES, *text = tag + AEAD_TAG_BYTES;
  struct writer w = writer_make(text, ANCHOR_PLAIN_BYTES);
  struct aead_key *aead;
  ERR_TRY(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, key, &aead));
  env_random(out, AEAD_NONCE_BYTES);
  writer_u32(&w, ANCHOR_VERSION);
  writer_zeroes(&w, 4);
  write_point(&w, &anchor->latest);
  write_point(&w, &anchor->settled);
  assert(w.left == 0 && !w.bad);
  enum nacre_err err = aead_seal(aead, out, NULL, 0, text, ANCHOR_PLAIN_BYTES, text, tag);
  aead_key_free(aead);
  return err;
}

enum nacre_err lineage_anchor_open(const uint8_t *in, size_t len, const uint8_t key[32],
                                   struct lineage_anchor *anchor) {
  const uint8_t *tag = in + AEAD_NONCE_BYTES;
  uint8_t text[ANCHOR_PLAIN_BYTES];
  struct aead_key *aead;
  if (len != LINEAGE_ANCHOR_BYTES)
    return err_set(NACRE_ERR_DAMAGED, "the anchor has not an anchor's length");
  ERR_TRY(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, key, &aead));
  enum nacre_err err = aead_open(aead, in, NULL, 0, tag + AEAD_TAG_BYTES, ANCHOR_PLAIN_BYTES, text, tag);
  aead_key_free(aead);
  if (err != NACRE_OK)
    return err == NACRE_ERR_DAMAGED ? err_set(err, "the anchor does not authenticate") : err;
  struct reader r = reader_make(text, sizeof text);
  bool known = reader_u32(&r) == ANCHOR_VERSION;
  reader_zeroes(&r, 4);
  bool latest_good = read_point(&r, &anchor->latest);
  bool settled_good = read_point(&r, &anchor->settled);
  if (!known || !latest_good || !settled_good || r.bad)
    return err_set(NACRE_ERR_DAMAGED, "the anchor makes no sense");
  return NACRE_OK;
}
