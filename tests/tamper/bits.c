/* Every bit of every kind of block, below the API, where a try costs microseconds: the block as its parent names it
 * opens, and with any bit changed it doesn't, nor when it is taken for anything but what it is. What the whole volume
 * makes of a changed byte is in flips.c. */
#include "api/handle.h"
#include "support/report.h"
#include "support/vault.h"
#include "tamper/anatomy.h"
#include "tamper/specimen.h"
#include "tree/core.h"

#include <stdlib.h>

/* docs/format.md, section 4. */
#define PUBLIC_USED_BYTES 880u
#define PUBLIC_BYTES 4096u
#define SLOT_BYTES 7168u
#define SLOT_USED_BYTES 220u
#define SEALED_OFFSET 233472u
#define SEALED_END 237568u
#define MAC_OFFSET 262112u

struct bits {
  struct specimen specimen;
  struct anatomy anatomy;
  struct prng prng;
  nacre_volume *vol;
  struct engine *engine;
  bool deep;
  uint8_t *cipher, *plain; /* of the largest block */
};

/* ---- Blocks ---- */

static bool opens(struct bits *b, const struct piece *as) {
  return block_open(&b->engine->io, as->kind, as->level, &as->ptr, b->cipher, b->plain) == NACRE_OK;
}

static void must_open(struct bits *b, const struct piece *p) {
  memcpy(b->cipher, b->specimen.disk.bytes + p->ptr.unit * FORMAT_UNIT_BYTES, p->ptr.len_bytes);
  if (!opens(b, p))
    report_fail("a sound block does not open");
}

static void flip_block_bit(struct bits *b, const struct piece *p, size_t byte, unsigned bit) {
  b->cipher[byte] ^= (uint8_t)(1u << bit);
  if (opens(b, p))
    report_fail("it opens with bit %u of byte %zu flipped", bit, byte);
  b->cipher[byte] ^= (uint8_t)(1u << bit);
}

static unsigned long flip_block(struct bits *b, const struct piece *p, bool every_bit) {
  unsigned long flips = 0;
  must_open(b, p);
  for (size_t i = 0; i < p->ptr.len_bytes; i += REPORT_SLOWNESS) {
    unsigned from = every_bit ? 0 : (unsigned)prng_below(&b->prng, 8);
    for (unsigned bit = from; bit < (every_bit ? 8 : from + 1); bit++, flips++)
      flip_block_bit(b, p, i, bit);
  }
  return flips;
}

/* Every bit of the first block of a kind, and a bit of every byte of the others; in the full form every bit of all.
 */
static void test_kind(struct bits *b, enum format_kind kind) {
  unsigned long flips = 0, blocks = 0;
  for (size_t i = 0; i < b->anatomy.count; i++) {
    const struct piece *p = &b->anatomy.pieces[i];
    if (p->kind != kind)
      continue;
    report_at("%s at unit %llu", anatomy_kind_name(kind), (unsigned long long)p->ptr.unit);
    report_watchdog(120);
    flips += flip_block(b, p, b->deep || blocks == 0);
    blocks++;
  }
  if (blocks == 0)
    report_fail("the specimen has no %s", anatomy_kind_name(kind));
  report_ok("%s: %lu bits flipped in %lu of them, each is noticed", anatomy_kind_name(kind), flips, blocks);
}

/* ---- What a block claims to be ---- */

static unsigned long misread(struct bits *b, const struct piece *p, const struct piece *as, const char *what) {
  if (opens(b, as))
    report_fail("the %s at unit %llu opens with another %s", anatomy_kind_name(p->kind),
                (unsigned long long)p->ptr.unit, what);
  return 1;
}

static unsigned long misread_kind(struct bits *b, const struct piece *p) {
  unsigned long tries = 0;
  for (int kind = FORMAT_KIND_NODE; kind <= FORMAT_KIND_SUPERBLOCK; kind++) {
    struct piece as = *p;
    as.kind = (enum format_kind)kind;
    if (as.kind != p->kind)
      tries += misread(b, p, &as, "kind");
  }
  for (unsigned bit = 0; bit < 8; bit++) {
    struct piece as = *p;
    as.level ^= (uint8_t)(1u << bit);
    tries += misread(b, p, &as, "level");
  }
  return tries;
}

static unsigned long misread_ptr(struct bits *b, const struct piece *p) {
  unsigned long tries = 0;
  for (unsigned bit = 0; bit < 64; bit++) {
    struct piece as = *p;
    as.ptr.birth ^= 1ull << bit;
    tries += misread(b, p, &as, "birth");
  }
  for (unsigned bit = 0; bit < 32; bit++) {
    struct piece as = *p;
    as.ptr.epoch ^= 1u << bit;
    tries += misread(b, p, &as, "epoch");
  }
  for (unsigned bit = 0; bit < 8 * AEAD_NONCE_BYTES; bit++) {
    struct piece as = *p;
    as.ptr.nonce[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    tries += misread(b, p, &as, "nonce");
  }
  for (unsigned bit = 0; bit < 8 * AEAD_TAG_BYTES; bit++) {
    struct piece as = *p;
    as.ptr.tag[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    tries += misread(b, p, &as, "tag");
  }
  struct piece as = *p;
  for (as.ptr.len_bytes = 1; as.ptr.len_bytes < p->ptr.len_bytes; as.ptr.len_bytes = as.ptr.len_bytes * 2 + 1)
    tries += misread(b, p, &as, "length");
  return tries;
}

static void test_claims(struct bits *b) {
  unsigned long tries = 0;
  for (size_t i = 0; i < b->anatomy.count; i++) {
    const struct piece *p = &b->anatomy.pieces[i];
    must_open(b, p);
    tries += misread_kind(b, p) + misread_ptr(b, p);
  }
  report_ok("%zu blocks: taken for another kind, level, birth, epoch, nonce, tag or length %lu times, never opened",
            b->anatomy.count, tries);
}

/* Ciphertext of each in the place of each: whole where they are equally long, else what stands there. */
static void test_all_pairs(struct bits *b) {
  unsigned long pairs = 0;
  for (size_t i = 0; i < b->anatomy.count; i++)
    for (size_t j = 0; j < b->anatomy.count; j++) {
      const struct piece *to = &b->anatomy.pieces[i], *from = &b->anatomy.pieces[j];
      if (i == j)
        continue;
      report_at("the block of unit %llu in the place of unit %llu's", (unsigned long long)from->ptr.unit,
                (unsigned long long)to->ptr.unit);
      memcpy(b->cipher, b->specimen.disk.bytes + from->ptr.unit * FORMAT_UNIT_BYTES, to->ptr.len_bytes);
      if (opens(b, to))
        report_fail("it opens");
      pairs++;
    }
  report_ok("%lu pairs of blocks of all kinds: none opens in the other's place", pairs);
}

/* ---- Superblocks ---- */

/* The same bit of all slots at once: if a single one still opened, there would be a newest commit. */
static void test_superblocks(struct bits *b) {
  struct disk *d = &b->specimen.disk;
  struct ring_found ring;
  unsigned long flips = 0;
  report_must(ring_read(&b->engine->io, &ring), "reading the ring");
  for (unsigned bit = 0; bit < SUPERBLOCK_BYTES * 8; bit += REPORT_SLOWNESS, flips++) {
    report_at("bit %u of every superblock flipped", bit);
    report_watchdog(30);
    for (unsigned slot = 0; slot < RING_SLOTS; slot++)
      d->bytes[specimen_slot(slot) + bit / 8] ^= (uint8_t)(1u << (bit % 8));
    if (ring_read(&b->engine->io, &ring) != NACRE_ERR_DAMAGED)
      report_fail("one still opens");
    for (unsigned slot = 0; slot < RING_SLOTS; slot++)
      d->bytes[specimen_slot(slot) + bit / 8] ^= (uint8_t)(1u << (bit % 8));
  }
  report_ok("superblock: %lu bits flipped in all %u of them, each is noticed", flips, RING_SLOTS);
}

/* ---- Header ---- */

struct header_try {
  uint8_t *raw;
  struct header *decoded;
  struct header_sealed *sealed;
  unsigned long flips;
};

static bool header_opens(struct bits *b, struct header_try *t) {
  return header_decode(t->raw, t->decoded) == NACRE_OK &&
         header_open_sealed(t->raw, b->vol->v->master_key, t->sealed) == NACRE_OK;
}

/* `every` in bits. */
static void flip_header(struct bits *b, struct header_try *t, size_t from, size_t end, unsigned every) {
  unsigned step = every * REPORT_SLOWNESS;
  for (size_t bit = from * 8 + (step > 1 ? prng_below(&b->prng, step) : 0); bit < end * 8; bit += step) {
    report_watchdog(30);
    t->raw[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    if (header_opens(b, t))
      report_fail("a header opens with bit %zu of byte %zu flipped", bit % 8, bit / 8);
    t->raw[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    t->flips++;
  }
}

static void test_header(struct bits *b) {
  struct header_try t = {.raw = malloc(HEADER_BYTES), .decoded = malloc(sizeof *t.decoded)};
  const unsigned hash_costs = b->deep ? 1 : 509; /* prime, so that all bits of a byte have their turn */
  t.sealed = malloc(sizeof *t.sealed);
  report_at("the header");
  memcpy(t.raw, b->specimen.disk.bytes, HEADER_BYTES);
  if (!header_opens(b, &t))
    report_fail("a sound header does not open");
  flip_header(b, &t, 0, PUBLIC_USED_BYTES, 1);
  flip_header(b, &t, PUBLIC_USED_BYTES, PUBLIC_BYTES, 1);
  flip_header(b, &t, PUBLIC_BYTES, PUBLIC_BYTES + SLOT_USED_BYTES, 1);
  flip_header(b, &t, PUBLIC_BYTES + SLOT_USED_BYTES, SEALED_OFFSET, hash_costs);
  flip_header(b, &t, SEALED_OFFSET, SEALED_END, b->deep ? 1 : 7);
  flip_header(b, &t, SEALED_END, MAC_OFFSET, hash_costs);
  flip_header(b, &t, MAC_OFFSET, HEADER_BYTES, 1);
  report_ok("header: %lu bits flipped, each is noticed", t.flips);
  free(t.raw);
  free(t.decoded);
  free(t.sealed);
}

static void make(struct bits *b, uint64_t seed) {
  report_at("making the specimen, seed %llu", (unsigned long long)seed);
  specimen_make(&b->specimen, seed);
  const struct vault vault = {.ops = &disk_ops, .ctx = &b->specimen.disk, .cred = b->specimen.key};
  report_must(vault_open(&vault, true, &b->vol), "opening the specimen");
  b->engine = b->vol->v->engine;
  anatomy_take(b->vol, &b->anatomy);
  b->cipher = malloc(FORMAT_CHECKPOINT_SEGMENT_BYTES);
  b->plain = malloc(FORMAT_CHECKPOINT_SEGMENT_BYTES);
}

int main(int argc, char **argv) {
  static struct bits b;
  b.deep = specimen_is_deep(argc, argv);
  b.prng.state = specimen_seed(argc, argv);
  vault_setup();
  make(&b, b.prng.state);
  test_header(&b);
  test_superblocks(&b);
  test_kind(&b, FORMAT_KIND_NODE);
  test_kind(&b, FORMAT_KIND_DATA);
  test_kind(&b, FORMAT_KIND_LOG);
  test_kind(&b, FORMAT_KIND_CHECKPOINT_INDEX);
  test_kind(&b, FORMAT_KIND_CHECKPOINT_SEGMENT);
  test_claims(&b);
  test_all_pairs(&b);
  nacre_volume_abandon(b.vol);
  anatomy_free(&b.anatomy);
  specimen_free(&b.specimen);
  free(b.cipher);
  free(b.plain);
  return 0;
}
