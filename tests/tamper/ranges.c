/* Every unit of the container overwritten, both groups, everything that means nothing, and the container cut at every
 * unit. What each unit is decides what has to become of it. */
#include "support/report.h"
#include "support/vault.h"
#include "tamper/anatomy.h"
#include "tamper/harm.h"

#include <stdlib.h>
#include <string.h>

#define GROUP_BYTES (512u << 10)
#define SLOT_SPACING_BYTES (64u << 10)

enum unit_kind { UNIT_MEANINGLESS, UNIT_HEADER, UNIT_SUPERBLOCK, UNIT_LOG, UNIT_NODE, UNIT_DATA, UNIT_KINDS };
static const char *const unit_names[UNIT_KINDS] = {"meaningless", "header", "superblock", "log", "node", "data"};

struct ranges {
  struct specimen specimen;
  struct prng prng;
  bool deep;
  uint8_t *kinds; /* of each unit */
  uint64_t units;
  unsigned long counts[UNIT_KINDS];
  unsigned long verdicts[VERDICTS];
};

static void start(struct ranges *r) {
  memset(r->verdicts, 0, sizeof r->verdicts);
}

static void finish(const struct ranges *r, const char *what) {
  report_ok("%s: %lu times right, %lu in part, %lu older, %lu refused", what, r->verdicts[VERDICT_RIGHT],
            r->verdicts[VERDICT_PARTLY], r->verdicts[VERDICT_OLDER], r->verdicts[VERDICT_REFUSED]);
}

static struct specimen_look look(struct ranges *r, bool read_only) {
  struct specimen_look seen = specimen_look_back(&r->specimen, r->specimen.key, read_only);
  r->verdicts[seen.verdict]++;
  return seen;
}

/* ---- What each unit is ---- */

static enum unit_kind kind_of(enum format_kind kind) {
  if (kind == FORMAT_KIND_NODE)
    return UNIT_NODE;
  return kind == FORMAT_KIND_DATA ? UNIT_DATA : UNIT_LOG;
}

static void map_units(struct ranges *r) {
  const struct vault vault = {.ops = &disk_ops, .ctx = &r->specimen.disk, .cred = r->specimen.key};
  struct anatomy a;
  nacre_volume *vol;
  report_must(vault_open(&vault, true, &vol), "opening the specimen");
  anatomy_take(vol, &a);
  nacre_volume_abandon(vol);
  r->units = r->specimen.disk.size_bytes / DISK_UNIT_BYTES;
  r->kinds = calloc(1, r->units);
  for (uint64_t copy = 0; copy < 2; copy++)
    memset(r->kinds + copy * GROUP_1_OFFSET / DISK_UNIT_BYTES, UNIT_HEADER, HEADER_BYTES / DISK_UNIT_BYTES);
  for (unsigned slot = 0; slot < RING_SLOTS; slot++)
    r->kinds[specimen_slot(slot) / DISK_UNIT_BYTES] = UNIT_SUPERBLOCK;
  for (size_t i = 0; i < a.count; i++)
    memset(r->kinds + a.pieces[i].ptr.unit, (int)kind_of(a.pieces[i].kind),
           a.pieces[i].ptr.len_bytes / DISK_UNIT_BYTES);
  anatomy_free(&a);
}

/* ---- A unit alone ---- */

static void judge_unit(const struct ranges *r, uint64_t unit, const struct specimen_look *seen) {
  bool right = seen->verdict == VERDICT_RIGHT && !seen->fell_back;
  switch ((enum unit_kind)r->kinds[unit]) {
  case UNIT_MEANINGLESS:
  case UNIT_HEADER:
    if (!right)
      report_fail("it makes a difference (%s)", nacre_strerror(seen->err));
    return;
  case UNIT_SUPERBLOCK:
    if (unit * DISK_UNIT_BYTES == r->specimen.newest_slot
            ? seen->verdict != VERDICT_OLDER || seen->state != SPECIMEN_STATES - 2
            : seen->verdict != VERDICT_RIGHT && seen->err != NACRE_ERR_DAMAGED)
      report_fail("the volume opens otherwise than it should (%s)", nacre_strerror(seen->err));
    return;
  case UNIT_LOG:
  case UNIT_NODE:
  case UNIT_DATA:
  case UNIT_KINDS:
    if (seen->verdict == VERDICT_RIGHT || (seen->verdict == VERDICT_OLDER && !seen->fell_back))
      report_fail("it goes unseen");
    if (seen->verdict == VERDICT_REFUSED && seen->err != NACRE_ERR_DAMAGED)
      report_fail("it is refused with: %s", nacre_strerror(seen->err));
    return;
  }
}

/* All that means something, and some that doesn't. */
static void test_every_unit(struct ranges *r, enum harm_filling with) {
  static const char *const names[HARM_FILLINGS] = {"every unit zeroed", "every unit filled with ones",
                                                   "every unit filled with garbage"};
  unsigned sample = r->deep ? 1 : 40 * REPORT_SLOWNESS;
  start(r);
  for (uint64_t unit = 0; unit < r->units; unit++) {
    bool much = r->kinds[unit] == UNIT_MEANINGLESS || r->kinds[unit] == UNIT_HEADER;
    if ((much || REPORT_SLOWNESS > 1) && prng_below(&r->prng, sample) != 0)
      continue;
    report_at("unit %llu (%s) overwritten", (unsigned long long)unit, unit_names[r->kinds[unit]]);
    harm_fill(&r->specimen, &r->prng, with, unit * DISK_UNIT_BYTES, DISK_UNIT_BYTES);
    struct specimen_look seen = look(r, prng_chance(&r->prng, 50));
    judge_unit(r, unit, &seen);
    r->counts[r->kinds[unit]]++;
  }
  finish(r, names[with]);
}

/* ---- Everything that means nothing ---- */

static void check_sound(struct ranges *r, bool read_only) {
  const struct vault vault = {.ops = &disk_ops, .ctx = &r->specimen.disk, .cred = r->specimen.key};
  char message[DUMP_MESSAGE_BYTES];
  nacre_volume *vol;
  report_must(vault_open(&vault, read_only, &vol), "opening");
  if (vault_info(vol).fell_back)
    report_fail("the volume is said to be older than it was");
  if (vault_verify(vol, message, sizeof message) != NACRE_OK)
    report_fail("verify: %s", message);
  nacre_volume_abandon(vol);
  struct specimen_look seen = specimen_look(&r->specimen, r->specimen.key, read_only);
  if (seen.verdict != VERDICT_RIGHT)
    report_fail("it makes a difference");
}

static void test_meaningless(struct ranges *r) {
  uint64_t units = 0, padding = 0;
  for (unsigned with = 0; with < HARM_FILLINGS; with++) {
    report_at("all that means nothing overwritten, filling %u", with);
    units = padding = 0;
    for (uint64_t unit = 0; unit < r->units; unit++) {
      if (r->kinds[unit] != UNIT_MEANINGLESS)
        continue;
      bool in_group = unit * DISK_UNIT_BYTES % GROUP_1_OFFSET < GROUP_BYTES;
      harm_fill(&r->specimen, &r->prng, (enum harm_filling)with, unit * DISK_UNIT_BYTES, DISK_UNIT_BYTES);
      units++;
      padding += in_group;
    }
    report_watchdog(60);
    check_sound(r, true);
    check_sound(r, false);
    disk_rewind(&r->specimen.disk);
  }
  report_ok(
      "all that means nothing overwritten at once changes nothing: %llu units, %llu of them padding of the ring",
      (unsigned long long)units, (unsigned long long)padding);
}

/* ---- Groups ---- */

static void judge_group(const struct ranges *r, bool newest_gone, bool read_only, const struct specimen_look *seen) {
  (void)r;
  if (!read_only && seen->err != NACRE_ERR_DAMAGED)
    report_fail("half of the superblocks is gone, and the volume is opened for writing: %s",
                nacre_strerror(seen->err));
  if (read_only && (seen->verdict != (newest_gone ? VERDICT_OLDER : VERDICT_RIGHT) || !seen->fell_back))
    report_fail("half of the superblocks is gone: it does not open, or without a word (%s)",
                nacre_strerror(seen->err));
}

static void test_groups(struct ranges *r) {
  start(r);
  for (unsigned with = 0; with < HARM_FILLINGS; with++)
    for (unsigned groups = 1; groups <= 3; groups++)
      for (unsigned read_only = 0; read_only < 2; read_only++) {
        report_at("groups %u overwritten", groups);
        for (unsigned g = 0; g < 2; g++)
          if (groups & (1u << g))
            harm_fill(&r->specimen, &r->prng, (enum harm_filling)with, g * (uint64_t)GROUP_1_OFFSET, GROUP_BYTES);
        struct specimen_look seen = look(r, read_only != 0);
        if (groups == 3 && seen.err != NACRE_ERR_NOT_VOLUME)
          report_fail("nothing is left, and the answer is: %s", nacre_strerror(seen.err));
        if (groups != 3)
          judge_group(r, (r->specimen.newest_slot >= GROUP_1_OFFSET) == (groups == 2), read_only != 0, &seen);
      }
  finish(r, "groups overwritten");
}

/* ---- Cutting ---- */

static void test_cut_everywhere(struct ranges *r) {
  unsigned long cuts = 0;
  uint64_t whole = r->specimen.disk.size_bytes;
  for (uint64_t unit = 0; unit < r->units; unit += r->deep ? 1 : 1 + prng_below(&r->prng, 15 * REPORT_SLOWNESS))
    for (unsigned odd = 0; odd < 3; odd++) {
      static const uint64_t more[] = {0, 1, DISK_UNIT_BYTES - 1};
      uint64_t size = unit * DISK_UNIT_BYTES + more[odd];
      report_at("cut to %llu of %llu bytes", (unsigned long long)size, (unsigned long long)whole);
      report_watchdog(30);
      disk_mark(&r->specimen.disk);
      (void)disk_resize(&r->specimen.disk, size);
      struct specimen_look seen = specimen_glance(&r->specimen, prng_chance(&r->prng, 50));
      disk_rewind(&r->specimen.disk);
      enum nacre_err due = size < HEADER_BYTES ? NACRE_ERR_NOT_VOLUME : NACRE_ERR_DAMAGED;
      if (seen.err != due)
        report_fail("it is answered with: %s", nacre_strerror(seen.err));
      cuts++;
    }
  report_ok("cut at %lu places: always refused, as what it is", cuts);
}

/* [--deep] [SEED]: every unit also where it hardly matters. */
int main(int argc, char **argv) {
  static struct ranges r;
  r.deep = specimen_is_deep(argc, argv);
  r.prng.state = specimen_seed(argc, argv);
  vault_setup();
  report_at("making the specimen, seed %llu", (unsigned long long)r.prng.state);
  specimen_make(&r.specimen, r.prng.state);
  map_units(&r);
  test_meaningless(&r);
  test_groups(&r);
  for (unsigned with = 0; with < HARM_FILLINGS; with++)
    test_every_unit(&r, (enum harm_filling)with);
  for (unsigned kind = 0; kind < UNIT_KINDS; kind++)
    report_ok("%s units: %lu tries", unit_names[kind], r.counts[kind]);
  test_cut_everywhere(&r);
  specimen_free(&r.specimen);
  free(r.kinds);
  return 0;
}
