/* Every set of superblocks destroyed. With a gap the volume is for reading, unless that is accepted: then it is
 * written on from what is left, its ring is whole again, and what is destroyed after that shows as before. */
#include "support/report.h"
#include "support/vault.h"
#include "tamper/harm.h"

#include <stdlib.h>
#include <string.h>

#define ALL_SLOTS 255u
#define NEW_PATH "made-afterwards"

struct gaps {
  struct specimen specimen;
  struct prng prng;
  unsigned long cases, gaps, accepted, whole, refused;
};

/* A set of slots, and what is left. */
struct loss {
  unsigned slots;
  uint64_t newest; /* generation; 0: none */
  bool gap;
};

static bool is_lost(unsigned slots, uint64_t generation) {
  return slots >> (generation % RING_SLOTS) & 1;
}

static struct loss loss_of(unsigned slots, uint64_t newest) {
  struct loss loss = {.slots = slots};
  for (uint64_t g = newest; g > newest - RING_SLOTS && loss.newest == 0; g--)
    loss.newest = is_lost(slots, g) ? 0 : g;
  /* Slots of what was newer count as those of what is due: they are lost, too. */
  for (uint64_t back = 1; back <= RING_SLOTS - 2 && loss.newest != 0; back++)
    loss.gap |= is_lost(slots, loss.newest - back);
  return loss;
}

static void destroy(struct gaps *t, unsigned slots) {
  for (unsigned slot = 0; slot < RING_SLOTS; slot++)
    if (slots >> slot & 1)
      harm_fill(&t->specimen, &t->prng, (enum harm_filling)prng_below(&t->prng, HARM_FILLINGS), specimen_slot(slot),
                SUPERBLOCK_BYTES);
}

static struct specimen_look look(struct gaps *t, bool read_only, bool accept) {
  t->specimen.accept_rollback = accept;
  report_watchdog(30);
  return specimen_look(&t->specimen, t->specimen.key, read_only);
}

/* Nothing but the option makes it writable. */
static void check_refused(struct gaps *t, const struct loss *loss) {
  size_t level = disk_level(&t->specimen.disk);
  struct specimen_look seen = look(t, true, true);
  if (disk_level(&t->specimen.disk) != level)
    report_fail("to accept it for reading writes to it");
  if (loss->gap && seen.err == NACRE_OK && !seen.fell_back)
    report_fail("superblocks are missing, and no word of it");
  seen = look(t, false, false);
  if (loss->gap ? seen.err != NACRE_ERR_DAMAGED : seen.err != NACRE_OK)
    report_fail("to write to it is answered with: %s", nacre_strerror(seen.err));
  if (loss->gap && disk_level(&t->specimen.disk) != level)
    report_fail("it was refused, and written to");
  disk_rewind_to(&t->specimen.disk, level);
}

/* It went on from what was left; the last two commits' blocks are all there. */
static bool check_accepted(struct gaps *t, const struct loss *loss) {
  bool must = loss->newest + 2 >= t->specimen.generation;
  struct specimen_look seen = look(t, false, true);
  if (seen.err != NACRE_OK) {
    if (must || seen.err != NACRE_ERR_DAMAGED)
      report_fail("accepted, and answered with: %s", nacre_strerror(seen.err));
    t->refused++;
    return false;
  }
  if (!seen.fell_back)
    report_fail("superblocks are gone, and no word of it");
  if (seen.verdict != (loss->newest == t->specimen.generation ? VERDICT_RIGHT : VERDICT_OLDER))
    report_fail("another state than that of the newest superblock");
  t->accepted++;
  return true;
}

static void write_on(struct gaps *t, bool whole) {
  const struct vault vault = {.ops = &disk_ops, .ctx = &t->specimen.disk, .cred = t->specimen.key};
  char message[DUMP_MESSAGE_BYTES], back[sizeof NEW_PATH];
  nacre_volume *vol;
  nacre_file *file;
  size_t len = 0;
  for (unsigned opening = 0; opening < 2; opening++) {
    report_must(vault_open(&vault, false, &vol), "opening it again, without a word");
    if (vault_info(vol).fell_back)
      report_fail("the gap is still there");
    const unsigned flags = opening == 0 ? NACRE_O_WRITE | NACRE_O_CREATE : NACRE_O_READ;
    report_must(nacre_open(vol, NEW_PATH, flags, 0600, NULL, &file), "a new file");
    if (opening == 0)
      report_must(nacre_write(file, NEW_PATH, sizeof NEW_PATH, 0), "writing it");
    else
      report_must(nacre_read(file, back, sizeof back, 0, &len), "reading it");
    nacre_close(file);
    report_must(nacre_volume_close(vol), "closing it");
  }
  if (len != sizeof back || memcmp(back, NEW_PATH, len) != 0)
    report_fail("what was written is not there");
  report_must(vault_open(&vault, true, &vol), "opening it to verify");
  enum nacre_err err = vault_verify(vol, message, sizeof message);
  t->whole += err == NACRE_OK;
  if (whole && err != NACRE_OK)
    report_fail("verify: %s", message);
  uint64_t newest = vault_info(vol).generation;
  nacre_volume_abandon(vol);
  destroy(t, 1u << newest % RING_SLOTS | 1u << (newest - 1) % RING_SLOTS);
  if (vault_open(&vault, false, &vol) != NACRE_ERR_DAMAGED)
    report_fail("the two newest of its superblocks are destroyed, and nothing shows");
}

static void test_slots(struct gaps *t, unsigned slots) {
  struct loss loss = loss_of(slots, t->specimen.generation);
  report_at("slots %#x of a ring whose newest is generation %llu destroyed", slots,
            (unsigned long long)t->specimen.generation);
  t->cases++;
  destroy(t, slots);
  if (loss.newest == 0) {
    if (look(t, false, true).err != NACRE_ERR_DAMAGED || look(t, true, true).err != NACRE_ERR_DAMAGED)
      report_fail("no superblock is left, and it opens");
  } else {
    check_refused(t, &loss);
    t->gaps += loss.gap;
    if (loss.gap && check_accepted(t, &loss))
      write_on(t, loss.newest + 2 >= t->specimen.generation);
  }
  disk_rewind(&t->specimen.disk);
}

/* [SEED] */
int main(int argc, char **argv) {
  static struct gaps t;
  t.prng.state = specimen_seed(argc, argv);
  vault_setup();
  report_at("making the specimen, seed %llu", (unsigned long long)t.prng.state);
  specimen_make(&t.specimen, t.prng.state);
  for (unsigned slots = 1; slots <= ALL_SLOTS; slots++)
    if (REPORT_SLOWNESS == 1 || slots == ALL_SLOTS || prng_below(&t.prng, REPORT_SLOWNESS) == 0)
      test_slots(&t, slots);
  if (t.accepted == 0 || t.whole == 0)
    report_fail("nothing was accepted, or nothing was whole");
  report_ok(
      "%lu sets of superblocks destroyed: %lu gaps, all refused for writing; accepted, %lu were written on without "
      "one (%lu with all of the state that was left), %lu had nothing left to open",
      t.cases, t.gaps, t.accepted, t.whole, t.refused);
  specimen_free(&t.specimen);
  return 0;
}
