/* Single bits flipped, and what the whole volume makes of it: bytes of what authenticates the rest, a sample of the
 * data. That every bit counts is shown below the API, in bits.c. */
#include "support/report.h"
#include "support/vault.h"
#include "tamper/specimen.h"

#include <stdlib.h>
#include <string.h>

/* docs/format.md, section 4. */
#define PUBLIC_BYTES 880u
#define KEYSLOT_OFFSET 4096u
#define KEYSLOT_BYTES 224u
#define SEALED_OFFSET 233472u
#define SEALED_BYTES 4096u
#define MAC_OFFSET 262112u
#define MAC_BYTES 32u

struct flips {
  struct specimen specimen;
  struct prng prng;
  unsigned step;       /* one of so many bytes */
  unsigned stale_step; /* and of these one of so many, in superblocks that are not the newest */
  unsigned long verdicts[VERDICTS];
};

static void start(struct flips *f) {
  memset(f->verdicts, 0, sizeof f->verdicts);
}

static void finish(const struct flips *f, const char *what) {
  report_ok("%s: %lu times right, %lu in part, %lu older, %lu refused", what, f->verdicts[VERDICT_RIGHT],
            f->verdicts[VERDICT_PARTLY], f->verdicts[VERDICT_OLDER], f->verdicts[VERDICT_REFUSED]);
}

static struct specimen_look flip(struct flips *f, uint64_t offset, const char *what) {
  report_at("a bit of byte %llu flipped (%s)", (unsigned long long)offset, what);
  specimen_flip(&f->specimen, offset, &f->prng);
  struct specimen_look look = specimen_look_back(&f->specimen, f->specimen.key, prng_chance(&f->prng, 75));
  f->verdicts[look.verdict]++;
  return look;
}

/* For what decides only whether, and at which commit, the volume opens. */
static struct specimen_look flip_briefly(struct flips *f, uint64_t offset, const char *what) {
  if (prng_chance(&f->prng, 10))
    return flip(f, offset, what);
  report_at("a bit of byte %llu flipped (%s)", (unsigned long long)offset, what);
  report_watchdog(30);
  specimen_flip(&f->specimen, offset, &f->prng);
  struct specimen_look look = specimen_glance(&f->specimen, prng_chance(&f->prng, 75));
  disk_rewind(&f->specimen.disk);
  f->verdicts[look.verdict]++;
  return look;
}

/* ---- Headers ---- */

/* One copy is whole, and that is enough. */
static void flip_header_part(struct flips *f, uint64_t offset, size_t len, unsigned step) {
  for (size_t i = prng_below(&f->prng, step); i < len; i += step) {
    struct specimen_look look = flip_briefly(f, offset + i, "header");
    if (look.verdict != VERDICT_RIGHT || look.fell_back)
      report_fail("one damaged copy of the header is enough to lose something");
  }
}

static void test_headers(struct flips *f) {
  start(f);
  for (unsigned copy = 0; copy < 2; copy++) {
    uint64_t base = copy * (uint64_t)GROUP_1_OFFSET;
    flip_header_part(f, base, PUBLIC_BYTES, f->step);
    flip_header_part(f, base + KEYSLOT_OFFSET, KEYSLOT_BYTES, f->step);
    flip_header_part(f, base + SEALED_OFFSET, SEALED_BYTES, f->step);
    flip_header_part(f, base + MAC_OFFSET, MAC_BYTES, f->step);
    flip_header_part(f, base, HEADER_BYTES, f->step * 499);
  }
  finish(f, "one copy of the header");
}

static void test_both_headers(struct flips *f) {
  static const struct disk_span parts[] = {
      {0, PUBLIC_BYTES}, {KEYSLOT_OFFSET, KEYSLOT_BYTES}, {SEALED_OFFSET, SEALED_BYTES}, {MAC_OFFSET, MAC_BYTES}};
  start(f);
  for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++)
    for (size_t i = 0; i < parts[p].len; i += f->step) {
      uint64_t at = parts[p].offset + i;
      report_at("a bit of byte %llu flipped in both headers", (unsigned long long)at);
      struct prng same = f->prng;
      specimen_flip(&f->specimen, at, &f->prng);
      specimen_flip(&f->specimen, at + GROUP_1_OFFSET, &same);
      struct specimen_look look = specimen_look_back(&f->specimen, f->specimen.key, prng_chance(&f->prng, 50));
      f->verdicts[look.verdict]++;
      if (look.verdict != VERDICT_REFUSED)
        report_fail("a header that was tampered with opens");
    }
  finish(f, "both copies of the header");
}

/* ---- Superblocks and log ---- */

/* A superblock that was torn by a power cut looks as the newest does now: then the commit before it is the newest.
 * A damaged one before it no power cut explains: the volume is refused, or read-only all that it was. */
static void test_superblocks(struct flips *f) {
  start(f);
  for (unsigned slot = 0; slot < RING_SLOTS; slot++) {
    uint64_t offset = specimen_slot(slot);
    bool newest = offset == f->specimen.newest_slot;
    for (unsigned i = 0; i < SUPERBLOCK_BYTES; i += newest ? f->step : f->step * f->stale_step) {
      struct specimen_look look = flip_briefly(f, offset + i, newest ? "newest superblock" : "superblock");
      bool stale = look.verdict == VERDICT_RIGHT || look.err == NACRE_ERR_DAMAGED;
      if (newest ? look.verdict != VERDICT_OLDER : !stale)
        report_fail("the volume opens otherwise than it should (verdict %d, %s)", (int)look.verdict,
                    nacre_strerror(look.err));
    }
  }
  finish(f, "superblocks");
}

/* The commit before has most of its log in common. */
static void check_spare(const struct specimen_look *look) {
  if (look->verdict == VERDICT_OLDER && !look->fell_back)
    report_fail("an older state, and no word of it");
}

static void test_log(struct flips *f) {
  start(f);
  for (size_t s = 0; s < f->specimen.log.count; s++)
    for (size_t i = prng_below(&f->prng, f->step); i < f->specimen.log.spans[s].len; i += f->step) {
      struct specimen_look look = flip_briefly(f, f->specimen.log.spans[s].offset + i, "allocation log");
      check_spare(&look);
      if (look.verdict == VERDICT_RIGHT)
        report_fail("a flipped bit of the log goes unseen");
    }
  finish(f, "allocation log");
}

/* ---- Nodes ---- */

static void count_problem(void *arg, const char *path, const char *problem) {
  (void)path;
  (void)problem;
  ++*(size_t *)arg;
}

static size_t count_problems(nacre_volume *vol) {
  struct nacre_verify_report report = {.struct_size = sizeof report};
  size_t problems = 0;
  enum nacre_err err = nacre_verify(vol, &report, count_problem, &problems, NULL, NULL, NULL);
  if ((err == NACRE_OK) != (problems == 0) || problems != report.problems)
    report_fail("verify gives %s and tells of %zu problems", nacre_strerror(err), problems);
  return problems;
}

/* The same byte of all nodes but the root at once, then of the root: each that is flipped is a problem. */
static void test_every_byte_of_nodes(struct flips *f) {
  struct specimen *s = &f->specimen;
  const struct vault vault = {.ops = &disk_ops, .ctx = &s->disk, .cred = s->key};
  nacre_volume *vol;
  report_at("every byte of the nodes");
  report_must(vault_open(&vault, true, &vol), "opening the specimen");
  if (count_problems(vol) != 0)
    report_fail("the specimen has problems");
  for (unsigned i = 0; i < NODE_BYTES; i += f->step) {
    report_at("a bit of byte %u of the nodes flipped", i);
    report_watchdog(30);
    for (size_t n = 1; n < s->nodes.count; n++)
      specimen_flip(s, s->nodes.spans[n].offset + i, &f->prng);
    if (count_problems(vol) < s->nodes.count - 1)
      report_fail("a flipped bit goes unseen");
    disk_rewind(&s->disk);
    specimen_flip(s, s->nodes.spans[0].offset + i, &f->prng);
    if (count_problems(vol) == 0)
      report_fail("a flipped bit of the root goes unseen");
    disk_rewind(&s->disk);
  }
  nacre_volume_abandon(vol);
  report_ok("%zu nodes: a bit of every byte flipped is found by verify", s->nodes.count);
}

static void test_sample(struct flips *f, const struct disk_trace *parts, unsigned long count, const char *what) {
  start(f);
  for (unsigned long i = 0; i < count; i++) {
    const struct disk_span *span = &parts->spans[prng_below(&f->prng, parts->count)];
    struct specimen_look look = flip(f, span->offset + prng_below(&f->prng, span->len), what);
    check_spare(&look);
    if (look.verdict == VERDICT_RIGHT)
      report_fail("a flipped bit goes unseen");
  }
  finish(f, what);
}

static void test_head(struct flips *f) {
  test_headers(f);
  test_both_headers(f);
  test_superblocks(f);
}

static void test_blocks(struct flips *f, unsigned long sample) {
  test_log(f);
  test_every_byte_of_nodes(f);
  test_sample(f, &f->specimen.nodes, sample, "nodes");
  test_sample(f, &f->specimen.data, sample, "data");
}

/* head|blocks [--deep] [SEED]: every byte instead of one in five, more of the data. */
int main(int argc, char **argv) {
  static struct flips f;
  bool head = argc > 1 && strcmp(argv[1], "head") == 0;
  bool deep = specimen_is_deep(argc, argv);
  uint64_t seed = specimen_seed(argc, argv);
  f.prng.state = seed;
  f.step = deep ? 1 : REPORT_SLOWNESS * 4 + 1;
  f.stale_step = deep ? 1 : 3;
  vault_setup();
  report_at("making the specimen, seed %llu", (unsigned long long)seed);
  specimen_make(&f.specimen, seed);
  if (head)
    test_head(&f);
  else
    test_blocks(&f, (deep ? 20000 : 1000) / REPORT_SLOWNESS);
  specimen_free(&f.specimen);
  return 0;
}
