/* Whole blocks swapped, zeroed, replaced by what stood there before; the container cut, lengthened, its headers and
 * superblocks put back. */
#include "support/report.h"
#include "support/vault.h"
#include "tamper/harm.h"

#include <stdlib.h>
#include <string.h>

struct moves {
  struct specimen specimen;
  struct prng prng;
  unsigned long count; /* of the cases of a kind */
  unsigned long verdicts[VERDICTS];
};

static void start(struct moves *m) {
  memset(m->verdicts, 0, sizeof m->verdicts);
}

static void finish(const struct moves *m, const char *what) {
  report_ok("%s: %lu times right, %lu in part, %lu older, %lu refused", what, m->verdicts[VERDICT_RIGHT],
            m->verdicts[VERDICT_PARTLY], m->verdicts[VERDICT_OLDER], m->verdicts[VERDICT_REFUSED]);
}

static struct specimen_look look(struct moves *m) {
  struct specimen_look seen = specimen_look_back(&m->specimen, m->specimen.key, prng_chance(&m->prng, 50));
  m->verdicts[seen.verdict]++;
  return seen;
}

/* A state that is older than the newest superblock must say so; superblocks were not touched. */
static void look_honest(struct moves *m) {
  struct specimen_look seen = look(m);
  if (seen.verdict == VERDICT_OLDER && !seen.fell_back)
    report_fail("an older state, and no word of it");
}

/* ---- Blocks ---- */

static void swap(struct moves *m, uint64_t a, uint64_t b, size_t len) {
  report_at("%zu bytes at %llu and at %llu swapped", len, (unsigned long long)a, (unsigned long long)b);
  harm_swap(&m->specimen, a, b, len);
}

/* Of log, nodes and data; two that are not the same never go unseen. */
static void swap_units(struct moves *m, uint64_t a, uint64_t b) {
  swap(m, a, b, DISK_UNIT_BYTES);
  struct specimen_look seen = look(m);
  if (seen.verdict == VERDICT_OLDER && !seen.fell_back)
    report_fail("an older state, and no word of it");
  if (seen.verdict == VERDICT_RIGHT && a != b)
    report_fail("it goes unseen");
}

static size_t list_units(const struct disk_trace *t, uint64_t *units) {
  size_t count = 0;
  for (size_t i = 0; i < t->count; i++)
    for (uint64_t at = 0; at < t->spans[i].len; at += DISK_UNIT_BYTES)
      units[count++] = t->spans[i].offset + at;
  return count;
}

static void test_all_swapped_units(struct moves *m) {
  uint64_t *units = malloc(m->specimen.disk.size_bytes / DISK_UNIT_BYTES * sizeof *units);
  size_t count = list_units(&m->specimen.log, units);
  count += list_units(&m->specimen.nodes, units + count);
  count += list_units(&m->specimen.data, units + count);
  start(m);
  for (size_t a = 0; a < count; a++)
    for (size_t b = a + 1; b < count; b++)
      swap_units(m, units[a], units[b]);
  free(units);
  finish(m, "all pairs of units swapped");
}

static void test_swapped_units(struct moves *m) {
  start(m);
  for (unsigned long i = 0; i < m->count; i++)
    swap_units(m, harm_live_unit(&m->specimen, &m->prng), harm_live_unit(&m->specimen, &m->prng));
  finish(m, "units swapped");
}

static void test_swapped_nodes(struct moves *m) {
  const struct disk_trace *nodes = &m->specimen.nodes;
  start(m);
  for (size_t a = 0; a < nodes->count; a++)
    for (size_t b = a + 1; b < nodes->count; b++) {
      swap(m, nodes->spans[a].offset, nodes->spans[b].offset, NODE_BYTES);
      look_honest(m);
    }
  finish(m, "nodes swapped");
}

static void test_swapped_superblocks(struct moves *m) {
  start(m);
  for (unsigned a = 0; a < RING_SLOTS; a++)
    for (unsigned b = a + 1; b < RING_SLOTS; b++) {
      swap(m, specimen_slot(a), specimen_slot(b), SUPERBLOCK_BYTES);
      (void)look(m);
    }
  finish(m, "superblocks swapped");
}

/* What stood there at an earlier time, wherever that differs from the present. */
static void test_older_blocks(struct moves *m) {
  start(m);
  for (unsigned long i = 0; i < m->count; i++) {
    struct disk_span span = harm_live_span(&m->specimen, &m->prng);
    size_t image = prng_below(&m->prng, SPECIMEN_STATES - 1);
    const uint8_t *older = m->specimen.images[image].bytes + span.offset;
    if (memcmp(older, m->specimen.disk.bytes + span.offset, span.len) == 0)
      continue;
    report_at("%zu bytes at %llu put back to state %zu", span.len, (unsigned long long)span.offset, image);
    specimen_put(&m->specimen, older, span.len, span.offset);
    look_honest(m);
  }
  finish(m, "older blocks put back");
}

static void test_blanked(struct moves *m, bool zeroes) {
  uint8_t *bytes = calloc(1, 1u << 20);
  start(m);
  for (unsigned long i = 0; i < m->count; i++) {
    uint64_t offset = harm_live_unit(&m->specimen, &m->prng);
    size_t len = DISK_UNIT_BYTES << prng_below(&m->prng, 9);
    if (len > m->specimen.disk.size_bytes - offset)
      len = (size_t)(m->specimen.disk.size_bytes - offset);
    if (!zeroes)
      prng_fill(&m->prng, bytes, len);
    report_at("%zu bytes at %llu overwritten", len, (unsigned long long)offset);
    specimen_put(&m->specimen, bytes, len, offset);
    (void)look(m);
  }
  finish(m, zeroes ? "ranges zeroed" : "ranges filled with garbage");
  free(bytes);
}

/* ---- Superblocks and headers of earlier times ---- */

/* An older slot in its own place is a gap in the ring at most: refused, or no matter. */
static void test_older_superblocks(struct moves *m) {
  start(m);
  for (size_t image = 0; image + 1 < SPECIMEN_STATES; image++)
    for (unsigned slot = 0; slot < RING_SLOTS; slot++) {
      uint64_t offset = specimen_slot(slot);
      report_at("superblock slot %u put back to state %zu", slot, image);
      specimen_put(&m->specimen, m->specimen.images[image].bytes + offset, SUPERBLOCK_BYTES, offset);
      struct specimen_look seen = look(m);
      if (offset != m->specimen.newest_slot && seen.verdict != VERDICT_RIGHT && seen.err != NACRE_ERR_DAMAGED)
        report_fail("an old superblock in another slot than the newest's makes a difference");
    }
  finish(m, "older superblocks put back");
}

/* All of the ring: what is left of that state, if the present header may be that old. */
static void test_older_ring(struct moves *m) {
  start(m);
  for (size_t image = 0; image + 1 < SPECIMEN_STATES; image++) {
    report_at("all superblocks put back to state %zu", image);
    for (unsigned slot = 0; slot < RING_SLOTS; slot++)
      specimen_put(&m->specimen, m->specimen.images[image].bytes + specimen_slot(slot), SUPERBLOCK_BYTES,
                   specimen_slot(slot));
    (void)look(m);
  }
  finish(m, "all superblocks put back");
}

static void put_header(struct moves *m, size_t image, unsigned copies) {
  for (unsigned copy = 0; copy < 2; copy++)
    if (copies & (1u << copy))
      specimen_put(&m->specimen, m->specimen.images[image].bytes + copy * (uint64_t)GROUP_1_OFFSET, HEADER_BYTES,
                   copy * (uint64_t)GROUP_1_OFFSET);
}

/* One old copy is repaired. Two are refused: the superblock demands the newer. */
static void test_older_headers(struct moves *m) {
  struct specimen *s = &m->specimen;
  start(m);
  for (unsigned copies = 1; copies <= 3; copies++)
    for (size_t image = 0; image < s->headers_from; image++) {
      report_at("header copies %u put back to state %zu", copies, image);
      put_header(m, image, copies);
      struct specimen_look seen = look(m);
      if (seen.verdict != (copies == 3 ? VERDICT_REFUSED : VERDICT_RIGHT))
        report_fail("the volume opens otherwise than it should (%s)", nacre_strerror(seen.err));
      if (copies == 3 && seen.err != NACRE_ERR_ROLLED_BACK)
        report_fail("old headers are refused with: %s", nacre_strerror(seen.err));
    }
  finish(m, "older headers put back");
}

/* ---- The container's length ---- */

static void test_cut(struct moves *m) {
  start(m);
  uint64_t whole = m->specimen.disk.size_bytes;
  for (unsigned long i = 0; i < m->count; i++) {
    uint64_t size = i % 3 == 0
                        ? prng_below(&m->prng, whole)
                        : whole - prng_below(&m->prng, whole / DISK_UNIT_BYTES) / (i % 50 + 1) * DISK_UNIT_BYTES;
    report_at("cut to %llu of %llu bytes", (unsigned long long)size, (unsigned long long)whole);
    disk_mark(&m->specimen.disk);
    (void)disk_resize(&m->specimen.disk, size);
    struct specimen_look seen = look(m);
    if (size < whole && seen.verdict != VERDICT_REFUSED)
      report_fail("a container that was cut short opens");
  }
  finish(m, "cut short");
}

static void test_lengthened(struct moves *m) {
  start(m);
  uint64_t whole = m->specimen.disk.size_bytes;
  for (unsigned long i = 0; i < 20; i++) {
    uint8_t bytes[5000];
    uint64_t size = whole + 1 + prng_below(&m->prng, m->specimen.disk.limit_bytes - whole);
    size_t len = size - whole < sizeof bytes ? (size_t)(size - whole) : sizeof bytes;
    prng_fill(&m->prng, bytes, sizeof bytes);
    report_at("lengthened to %llu of %llu bytes", (unsigned long long)size, (unsigned long long)whole);
    disk_mark(&m->specimen.disk);
    (void)disk_resize(&m->specimen.disk, size);
    specimen_put(&m->specimen, bytes, len, whole);
    if (look(m).verdict != VERDICT_RIGHT)
      report_fail("bytes behind the end make a difference");
  }
  finish(m, "lengthened");
}

/* [--deep] [SEED]: more cases. */
int main(int argc, char **argv) {
  static struct moves m;
  bool deep = specimen_is_deep(argc, argv);
  uint64_t seed = specimen_seed(argc, argv);
  m.prng.state = seed;
  m.count = (deep ? 20000 : 800) / REPORT_SLOWNESS;
  vault_setup();
  report_at("making the specimen, seed %llu", (unsigned long long)seed);
  specimen_make(&m.specimen, seed);
  if (deep)
    test_all_swapped_units(&m);
  else
    test_swapped_units(&m);
  test_swapped_nodes(&m);
  test_swapped_superblocks(&m);
  test_older_blocks(&m);
  test_blanked(&m, true);
  test_blanked(&m, false);
  test_older_superblocks(&m);
  test_older_ring(&m);
  test_older_headers(&m);
  test_cut(&m);
  test_lengthened(&m);
  specimen_free(&m.specimen);
  return 0;
}
