/* Parts of another time put in: of earlier states, of a second branch of the same history, of another volume that
 * the same credential opens. In all combinations of the parts that could go together, and each block and each part of
 * a header alone. What opens then is one of the states as a whole, or what can be read of it; it is older in silence
 * only where the newest superblock is not there to say so; and a credential that was removed opens no later state. */
#include "support/report.h"
#include "support/vault.h"
#include "tamper/anatomy.h"
#include "tamper/harm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBLIC_BYTES 4096u
#define SLOT_BYTES 7168u
#define SLOTS 32u
#define SEALED_OFFSET 233472u
#define SEALED_END 237568u
#define MAC_OFFSET 262112u

enum part { PART_HEADER_0, PART_HEADER_1, PART_RING_0, PART_RING_1, PART_LOG, PART_NODES, PART_DATA, PARTS };
#define PART(p) (1u << (p))
#define ALL_PARTS (PART(PARTS) - 1)
#define BOTH_HEADERS (PART(PART_HEADER_0) | PART(PART_HEADER_1))
#define BOTH_RINGS (PART(PART_RING_0) | PART(PART_RING_1))

/* A container as it was at another time, or elsewhere. */
struct source {
  const struct disk *disk;
  struct anatomy anatomy;
};

struct history {
  struct specimen specimen;
  struct prng prng;
  bool deep;
  struct anatomy present;
  struct source states[SPECIMEN_STATES - 1];
  unsigned newest_ring; /* the part with the newest superblock */
  unsigned long verdicts[VERDICTS];
};

static void start(struct history *h) {
  memset(h->verdicts, 0, sizeof h->verdicts);
}

static void finish(const struct history *h, const char *what) {
  report_ok("%s: %lu times right, %lu in part, %lu older, %lu refused", what, h->verdicts[VERDICT_RIGHT],
            h->verdicts[VERDICT_PARTLY], h->verdicts[VERDICT_OLDER], h->verdicts[VERDICT_REFUSED]);
}

static struct specimen_look look(struct history *h, const nacre_credential *key, bool read_only) {
  struct specimen_look seen = specimen_look_back(&h->specimen, key, read_only);
  h->verdicts[seen.verdict]++;
  return seen;
}

static void take_anatomy(struct history *h, struct disk *disk, struct anatomy *out) {
  const struct vault vault = {.ops = &disk_ops, .ctx = disk, .cred = h->specimen.key};
  nacre_volume *vol;
  report_must(vault_open(&vault, true, &vol), "opening a state");
  anatomy_take(vol, out);
  nacre_volume_abandon(vol);
}

/* ---- Putting parts in ---- */

static void put(struct history *h, const struct source *from, uint64_t offset, size_t len) {
  struct disk *d = &h->specimen.disk;
  disk_mark(d);
  if (d->size_bytes < offset + len)
    (void)disk_resize(d, offset + len);
  specimen_put(&h->specimen, from->disk->bytes + offset, len, offset);
}

static bool is_of(enum format_kind kind, enum part part) {
  if (part == PART_NODES || part == PART_DATA)
    return kind == (part == PART_NODES ? FORMAT_KIND_NODE : FORMAT_KIND_DATA);
  return kind != FORMAT_KIND_NODE && kind != FORMAT_KIND_DATA;
}

static void put_part(struct history *h, const struct source *from, enum part part) {
  if (part == PART_HEADER_0 || part == PART_HEADER_1) {
    put(h, from, part == PART_HEADER_0 ? 0 : GROUP_1_OFFSET, HEADER_BYTES);
  } else if (part == PART_RING_0 || part == PART_RING_1) {
    for (unsigned slot = part == PART_RING_0 ? 0 : 1; slot < RING_SLOTS; slot += 2)
      put(h, from, specimen_slot(slot), SUPERBLOCK_BYTES);
  } else {
    for (size_t i = 0; i < from->anatomy.count; i++)
      if (is_of(from->anatomy.pieces[i].kind, part))
        put(h, from, from->anatomy.pieces[i].ptr.unit * DISK_UNIT_BYTES, from->anatomy.pieces[i].ptr.len_bytes);
  }
}

static void put_parts(struct history *h, const struct source *from, unsigned parts) {
  for (unsigned part = 0; part < PARTS; part++)
    if (parts & PART(part))
      put_part(h, from, (enum part)part);
}

static void report_parts(const char *whose, unsigned parts) {
  static const char *const names[PARTS] = {"header 0", "header 1", "ring 0", "ring 1", "log", "nodes", "data"};
  char text[200] = "";
  for (unsigned part = 0; part < PARTS; part++)
    if (parts & PART(part))
      snprintf(text + strlen(text), sizeof text - strlen(text), " %s,", names[part]);
  report_at("%s:%s put in", whose, text);
}

/* ---- Combinations of an earlier state ---- */

static void judge(const struct history *h, size_t image, unsigned parts, bool read_only,
                  const struct specimen_look *seen) {
  bool has_newest = !(parts & PART(h->newest_ring));
  bool old_headers = (parts & BOTH_HEADERS) == BOTH_HEADERS && image < h->specimen.headers_from;
  if (has_newest && seen->verdict == VERDICT_OLDER && !seen->fell_back)
    report_fail("an older state, and no word of it, although the newest superblock is there");
  if (has_newest && old_headers && seen->err != NACRE_ERR_ROLLED_BACK && seen->err != NACRE_ERR_DAMAGED)
    report_fail("headers that are too old are answered with: %s", nacre_strerror(seen->err));
  if ((parts & BOTH_RINGS) == BOTH_RINGS && seen->verdict != VERDICT_REFUSED && seen->state > image)
    report_fail("a state that is younger than all superblocks");
  if (parts == ALL_PARTS && (seen->verdict != VERDICT_OLDER || seen->state != image || seen->fell_back))
    report_fail("all of an older state does not open as that state");
  bool gap = !has_newest && (parts & BOTH_RINGS) != BOTH_RINGS && image + 4 < SPECIMEN_STATES;
  if (gap && !read_only && seen->err == NACRE_OK)
    report_fail("superblocks are missing, and the volume can be written to");
  if (gap && seen->err == NACRE_OK && !seen->fell_back)
    report_fail("superblocks are missing, and no word of it");
}

static void test_earlier_parts(struct history *h) {
  start(h);
  for (size_t image = 0; image < SPECIMEN_STATES - 1; image++)
    for (unsigned parts = 1; parts <= ALL_PARTS; parts++)
      for (unsigned read_only = 0; read_only < 2; read_only++) {
        if (!h->deep && parts != ALL_PARTS && prng_chance(&h->prng, 50 + 40 * (REPORT_SLOWNESS > 1)))
          continue;
        char whose[40];
        snprintf(whose, sizeof whose, "of state %zu", image);
        report_parts(whose, parts);
        put_parts(h, &h->states[image], parts);
        struct specimen_look seen = look(h, h->specimen.key, read_only != 0);
        judge(h, image, parts, read_only != 0, &seen);
      }
  finish(h, "parts of earlier states together");
}

/* Each part of another time. */
static void test_mixed_times(struct history *h) {
  start(h);
  for (unsigned long i = 0; i < (h->deep ? 50000u : 500u) / REPORT_SLOWNESS; i++) {
    char text[100] = "";
    bool newest = true;
    disk_mark(&h->specimen.disk);
    for (unsigned part = 0; part < PARTS; part++) {
      size_t image = prng_below(&h->prng, SPECIMEN_STATES);
      snprintf(text + strlen(text), sizeof text - strlen(text), " %zu", image);
      if (image == SPECIMEN_STATES - 1)
        continue;
      put_part(h, &h->states[image], (enum part)part);
      newest &= part != h->newest_ring;
    }
    report_at("headers, rings, log, nodes and data of the states%s", text);
    struct specimen_look seen = look(h, h->specimen.key, prng_chance(&h->prng, 50));
    if (newest && seen.verdict == VERDICT_OLDER && !seen.fell_back)
      report_fail("an older state, and no word of it, although the newest superblock is there");
  }
  finish(h, "parts of several states together");
}

/* ---- Credentials ---- */

/* With everything of a time when it was one, a credential opens that time; with less, nothing that is later. */
static void test_former_credentials(struct history *h) {
  struct specimen *s = &h->specimen;
  start(h);
  for (size_t k = 0; k < SPECIMEN_FORMER; k++)
    for (size_t image = 0; image < s->former_until[k]; image++)
      for (unsigned parts = 0; parts <= ALL_PARTS; parts++) {
        char whose[60];
        if (!h->deep && parts != ALL_PARTS && prng_chance(&h->prng, 60 + 30 * (REPORT_SLOWNESS > 1)))
          continue;
        snprintf(whose, sizeof whose, "former credential %zu, of state %zu", k, image);
        report_parts(whose, parts);
        disk_mark(&s->disk);
        put_parts(h, &h->states[image], parts);
        struct specimen_look seen = look(h, s->former[k], prng_chance(&h->prng, 50));
        if (seen.verdict == VERDICT_REFUSED)
          continue;
        if (!(parts & PART(h->newest_ring)) || seen.state >= s->former_until[k])
          report_fail("a credential that was removed opens state %zu", seen.state);
      }
  finish(h, "credentials that were removed or changed");
}

/* ---- Parts of a header ---- */

static const struct disk_span header_regions[] = {
    {0, PUBLIC_BYTES},
    {PUBLIC_BYTES, SLOTS *SLOT_BYTES},
    {SEALED_OFFSET, SEALED_END - SEALED_OFFSET},
    {SEALED_END, MAC_OFFSET - SEALED_END},
    {MAC_OFFSET, HEADER_BYTES - MAC_OFFSET},
};
#define REGIONS (sizeof header_regions / sizeof header_regions[0])

static void put_region(struct history *h, size_t image, struct disk_span span, unsigned copies) {
  for (unsigned copy = 0; copy < 2; copy++)
    if (copies & (1u << copy))
      put(h, &h->states[image], copy * (uint64_t)GROUP_1_OFFSET + span.offset, span.len);
}

/* In one copy the other one is enough; in both nothing opens any more. */
static void check_header(struct history *h, size_t image, struct disk_span spans[], size_t count, unsigned copies) {
  for (unsigned who = 0; who <= SPECIMEN_FORMER; who++) {
    for (size_t i = 0; i < count; i++)
      put_region(h, image, spans[i], copies);
    struct specimen_look seen =
        look(h, who == 0 ? h->specimen.key : h->specimen.former[who - 1], prng_chance(&h->prng, 50));
    bool right = who == 0 && copies != 3;
    if (seen.verdict != (right ? VERDICT_RIGHT : VERDICT_REFUSED))
      report_fail("it %s (%s, credential %u)", right ? "does not open" : "opens", nacre_strerror(seen.err), who);
  }
}

static void test_header_regions(struct history *h) {
  start(h);
  for (size_t image = 0; image < h->specimen.headers_from; image += h->deep ? 1 : 3)
    for (unsigned regions = 1; regions < (1u << REGIONS); regions++)
      for (unsigned copies = 1; copies <= 3; copies++) {
        struct disk_span spans[REGIONS];
        size_t count = 0;
        for (size_t r = 0; r < REGIONS; r++)
          if (regions & (1u << r))
            spans[count++] = header_regions[r];
        report_at("regions %#x of headers %u put back to state %zu", regions, copies, image);
        check_header(h, image, spans, count, copies);
      }
  finish(h, "parts of earlier headers");
}

static void test_slot_areas(struct history *h) {
  start(h);
  for (size_t image = 0; image < h->specimen.headers_from; image += h->deep ? 1 : 4)
    for (unsigned slot = 0; slot < (h->deep ? SLOTS : 4u); slot++)
      for (unsigned copies = 1; copies <= 3; copies++) {
        /* The area alone, and with what the public part says of it. */
        struct disk_span spans[2] = {{PUBLIC_BYTES + slot * SLOT_BYTES, SLOT_BYTES}, {112 + slot * 24, 24}};
        report_at("keyslot %u of headers %u put back to state %zu", slot, copies, image);
        check_header(h, image, spans, 1, copies);
        check_header(h, image, spans, 2, copies);
      }
  finish(h, "earlier keyslots");
}

/* ---- Blocks alone ---- */

static bool overlaps_present(const struct history *h, const struct ptr *p) {
  uint64_t end = p->unit + p->len_bytes / DISK_UNIT_BYTES;
  for (size_t i = 0; i < h->present.count; i++) {
    const struct ptr *q = &h->present.pieces[i].ptr;
    if (p->unit < q->unit + q->len_bytes / DISK_UNIT_BYTES && q->unit < end)
      return true;
  }
  return false;
}

static void test_earlier_blocks(struct history *h) {
  unsigned long harmless = 0;
  start(h);
  for (size_t image = 0; image < SPECIMEN_STATES - 1; image++)
    for (size_t i = 0; i < h->states[image].anatomy.count; i++) {
      const struct piece *p = &h->states[image].anatomy.pieces[i];
      uint64_t offset = p->ptr.unit * DISK_UNIT_BYTES;
      if (memcmp(h->states[image].disk->bytes + offset, h->specimen.disk.bytes + offset, p->ptr.len_bytes) == 0)
        continue;
      report_at("%s at unit %llu put back to state %zu", anatomy_kind_name(p->kind), (unsigned long long)p->ptr.unit,
                image);
      put(h, &h->states[image], offset, p->ptr.len_bytes);
      struct specimen_look seen = look(h, h->specimen.key, prng_chance(&h->prng, 50));
      bool live = overlaps_present(h, &p->ptr), unseen = seen.verdict == VERDICT_RIGHT && !seen.fell_back;
      if (live && unseen)
        report_fail("it goes unseen");
      if (!live && !unseen)
        report_fail("a block that is free makes a difference");
      if (seen.verdict == VERDICT_OLDER && !seen.fell_back)
        report_fail("an older state, and no word of it");
      harmless += !live;
    }
  finish(h, "earlier blocks");
  report_ok("of these, %lu lie where the present state has nothing, and change nothing", harmless);
}

/* ---- A second branch ---- */

struct branch {
  struct source source;
  struct disk disk;
  struct dump dumps[SPECIMEN_OTHERS];
  size_t count;
};

static void commit_once(struct branch *b, nacre_volume *vol) {
  char path[40];
  nacre_file *file;
  snprintf(path, sizeof path, "of-the-branch-%zu", b->count);
  report_must(nacre_open(vol, path, NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "making a file");
  report_must(nacre_write(file, path, sizeof path, 5000 * b->count), "writing it");
  nacre_close(file);
  report_must(nacre_volume_sync(vol), "a commit");
  report_must(dump_volume(vol, &b->dumps[b->count++]), "reading the branch");
}

static void branch_end(struct history *h, struct branch *b) {
  h->specimen.other_count = 0;
  for (size_t i = 0; i < b->count; i++)
    dump_free(&b->dumps[i]);
  anatomy_free(&b->source.anatomy);
  disk_free(&b->disk);
}

static void branch_use(struct history *h, struct branch *b) {
  take_anatomy(h, &b->disk, &b->source.anatomy);
  b->source.disk = &b->disk;
  for (size_t i = 0; i < b->count; i++)
    h->specimen.others[i] = &b->dumps[i];
  h->specimen.other_count = b->count;
}

/* From that state on, to the present generation. */
static void fork_at(struct history *h, size_t image, struct branch *b) {
  nacre_volume *vol;
  *b = (struct branch){0};
  disk_init(&b->disk, SPECIMEN_BYTES);
  disk_copy(&h->specimen.images[image], &b->disk);
  const struct vault vault = {.ops = &disk_ops, .ctx = &b->disk, .cred = h->specimen.key};
  report_must(vault_open(&vault, false, &vol), "opening a state");
  while (vault_info(vol).generation < h->specimen.generation)
    commit_once(b, vol);
  nacre_volume_abandon(vol);
  branch_use(h, b);
}

/* Two histories with the same keys and generations: never a mixture of both. */
static void test_branches(struct history *h) {
  start(h);
  for (size_t image = 6; image < SPECIMEN_STATES - 1; image++) {
    struct branch b;
    report_at("forking at state %zu", image);
    fork_at(h, image, &b);
    for (unsigned parts = 1; parts <= ALL_PARTS; parts++) {
      if (REPORT_SLOWNESS > 1 && parts != ALL_PARTS && !prng_chance(&h->prng, 10))
        continue;
      char whose[60];
      snprintf(whose, sizeof whose, "of a branch from state %zu", image);
      report_parts(whose, parts);
      put_parts(h, &b.source, parts);
      struct specimen_look seen = look(h, h->specimen.key, prng_chance(&h->prng, 50));
      if (!(parts & PART(h->newest_ring)) && seen.verdict == VERDICT_OLDER && !seen.fell_back)
        report_fail("an older state, and no word of it, although the newest superblock is there");
      if (parts == ALL_PARTS && seen.state != SPECIMEN_STATES + b.count - 1)
        report_fail("the branch does not open as a whole");
    }
    branch_end(h, &b);
  }
  finish(h, "parts of another branch of the history");
}

/* ---- Another volume with the same credential ---- */

static void make_other(struct history *h, struct branch *b) {
  nacre_volume *vol;
  *b = (struct branch){0};
  disk_init(&b->disk, SPECIMEN_BYTES);
  const struct vault vault = {.ops = &disk_ops, .ctx = &b->disk, .cred = h->specimen.key, .chunk_bytes = 4096};
  report_must(vault_create(&vault, SPECIMEN_BYTES), "making another volume");
  report_must(vault_open(&vault, false, &vol), "opening it");
  for (unsigned i = 0; i < 3; i++)
    commit_once(b, vol);
  nacre_volume_abandon(vol);
  branch_use(h, b);
}

/* All of it is another volume, which only its fingerprint tells. Less is never a mixture; and one header of each
 * volume is enough for the one that the rest belongs to. */
static void test_other_volume(struct history *h) {
  struct branch b;
  start(h);
  report_at("another volume");
  make_other(h, &b);
  for (unsigned parts = 1; parts <= ALL_PARTS; parts++)
    for (unsigned read_only = 0; read_only < 2; read_only++) {
      report_parts("of another volume", parts);
      put_parts(h, &b.source, parts);
      struct specimen_look seen = look(h, h->specimen.key, read_only != 0);
      bool others = seen.verdict != VERDICT_REFUSED && seen.state >= SPECIMEN_STATES;
      if (others && (parts & BOTH_HEADERS) == 0)
        report_fail("another volume opens under this one's headers");
      if (others && (parts & BOTH_RINGS) == 0)
        report_fail("another volume opens with this one's superblocks");
      if ((parts | BOTH_HEADERS) == ALL_PARTS && (parts & BOTH_HEADERS) != 0 && !others)
        report_fail("another volume with one of its headers does not open");
      bool only_header = (parts & ~BOTH_HEADERS) == 0 && parts != BOTH_HEADERS;
      if (only_header && (seen.verdict != VERDICT_RIGHT || seen.fell_back))
        report_fail("one header of another volume, and this one does not open");
    }
  branch_end(h, &b);
  finish(h, "parts of another volume with the same credential");
}

static void make(struct history *h, uint64_t seed) {
  report_at("making the specimen, seed %llu", (unsigned long long)seed);
  specimen_make(&h->specimen, seed);
  h->newest_ring = h->specimen.newest_slot < GROUP_1_OFFSET ? PART_RING_0 : PART_RING_1;
  take_anatomy(h, &h->specimen.disk, &h->present);
  for (size_t i = 0; i < SPECIMEN_STATES - 1; i++) {
    h->states[i].disk = &h->specimen.images[i];
    take_anatomy(h, &h->specimen.images[i], &h->states[i].anatomy);
  }
}

/* [--deep] [SEED]: all combinations instead of half, more mixtures. */
int main(int argc, char **argv) {
  static struct history h;
  h.deep = specimen_is_deep(argc, argv);
  h.prng.state = specimen_seed(argc, argv);
  vault_setup();
  make(&h, h.prng.state);
  test_earlier_blocks(&h);
  test_earlier_parts(&h);
  test_mixed_times(&h);
  test_former_credentials(&h);
  test_header_regions(&h);
  test_slot_areas(&h);
  test_branches(&h);
  test_other_volume(&h);
  for (size_t i = 0; i < SPECIMEN_STATES - 1; i++)
    anatomy_free(&h.states[i].anatomy);
  anatomy_free(&h.present);
  specimen_free(&h.specimen);
  return 0;
}
