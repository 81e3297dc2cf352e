/* Power cuts while a volume whose superblocks were destroyed is opened all the same, and written on. Whatever the cut
 * leaves is no worse than before: what the newest superblock that was left has is there, to be read and, accepted
 * again where the gap is still there, to be written to. */
#include "crash/states.h"
#include "support/dump.h"
#include "support/report.h"
#include "support/vault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_BYTES (24u << 20)
#define SLOTS 8u
#define SLOT_BYTES 4096u
#define COMMITS 11u

/* What an opening can find. */
enum found { FOUND_BASE, FOUND_CHANGED, FOUNDS };

struct gaps {
  const nacre_credential *cred;
  struct disk sound, base, disk;
  struct recorder recorder;
  uint64_t generation;       /* of the sound volume */
  struct dump found[FOUNDS]; /* without what the destroyed commits had, and with what was done then */
  size_t open_events, changed_events;
};

static struct vault vault_on(const struct gaps *g, const struct nacre_store_ops *ops, void *ctx, bool accept) {
  return (struct vault){.ops = ops, .ctx = ctx, .cred = g->cred, .chunk_bytes = 4096, .accept_rollback = accept};
}

static void write_file(nacre_volume *vol, const char *path, size_t len) {
  uint8_t bytes[20000];
  nacre_file *file;
  memset(bytes, (int)strlen(path), sizeof bytes);
  report_must(nacre_open(vol, path, NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "making a file");
  report_must(nacre_write(file, bytes, len, 0), "writing it");
  nacre_close(file);
}

/* Each commit makes a file anew that the one before had too. */
static void make_sound(struct gaps *g) {
  const struct vault vault = vault_on(g, &disk_ops, &g->sound, false);
  nacre_volume *vol;
  report_must(vault_create(&vault, SIZE_BYTES), "making a volume");
  report_must(vault_open(&vault, false, &vol), "opening it");
  for (unsigned i = 0; i < COMMITS; i++) {
    char path[20];
    snprintf(path, sizeof path, "file-%u", i % 3);
    write_file(vol, path, 3000 + 1000 * i);
    report_must(nacre_volume_sync(vol), "a commit");
  }
  g->generation = vault_info(vol).generation;
  nacre_volume_abandon(vol);
}

static void destroy(struct disk *d, unsigned slots) {
  uint8_t junk[SLOT_BYTES];
  memset(junk, 0x5a, sizeof junk);
  for (unsigned slot = 0; slot < SLOTS; slot++)
    if (slots >> slot & 1)
      (void)disk_write(d, junk, sizeof junk, (slot % 2) * (16u << 20) + (256u << 10) + slot / 2 * (64u << 10));
}

/* ---- Looking ---- */

static unsigned recognise(const struct gaps *g, nacre_volume *vol) {
  const struct dump_tolerance exact = {0};
  char message[DUMP_MESSAGE_BYTES];
  struct dump dump;
  unsigned found = 0;
  report_must(dump_volume(vol, &dump), "reading what was left");
  while (found < FOUNDS && !dump_equal(&g->found[found], &dump, &exact, message))
    found++;
  if (found == FOUNDS)
    report_fail("neither what there was nor what was made of it: %s", message);
  dump_free(&dump);
  return found;
}

static unsigned open_cut(void *arg, const struct nacre_store_ops *ops, void *ctx, bool lied) {
  const struct gaps *g = arg;
  char message[DUMP_MESSAGE_BYTES];
  nacre_volume *vol;
  (void)lied;
  const struct vault plain = vault_on(g, ops, ctx, false), accepting = vault_on(g, ops, ctx, true);
  report_must(vault_open(&plain, true, &vol), "reading after the cut");
  unsigned read = recognise(g, vol);
  nacre_volume_abandon(vol);
  enum nacre_err err = vault_open(&plain, false, &vol);
  if (err == NACRE_ERR_DAMAGED)
    err = vault_open(&accepting, false, &vol);
  report_must(err, "opening after the cut");
  if (recognise(g, vol) != read)
    report_fail("to open it for writing shows another state");
  if (vault_verify(vol, message, sizeof message) != NACRE_OK)
    report_fail("verify after the cut: %s", message);
  report_must(nacre_volume_close(vol), "closing after the cut");
  report_must(vault_open(&plain, false, &vol), "opening once more, without a word");
  if (vault_info(vol).fell_back || recognise(g, vol) != read)
    report_fail("opening once more shows another state, or a gap");
  nacre_volume_abandon(vol);
  return read;
}

static void judge(void *arg, unsigned found, size_t sure, size_t begun, bool lied) {
  const struct gaps *g = arg;
  (void)lied;
  if (found == FOUND_BASE && sure >= g->changed_events)
    report_fail("what was synced is gone");
  if (found == FOUND_CHANGED && begun <= g->open_events)
    report_fail("what was not done yet is there");
}

/* ---- One set of slots ---- */

/* As many of the newest as that, and those that are so far back from what is left. */
struct loss {
  unsigned newest;
  const char *back;
};

static unsigned slots_of(const struct gaps *g, const struct loss *loss) {
  unsigned slots = 0;
  for (unsigned i = 0; i < loss->newest; i++)
    slots |= 1u << (g->generation - i) % SLOTS;
  for (const char *back = loss->back; *back; back++)
    slots |= 1u << (g->generation - loss->newest - (unsigned)(*back - '0')) % SLOTS;
  return slots;
}

static void keep_dump(nacre_volume *vol, struct dump *d) {
  dump_free(d);
  *d = (struct dump){0};
  report_must(dump_volume(vol, d), "reading it");
}

/* Open the volume with its gap, change it, close it. */
static void record(struct gaps *g) {
  const struct vault plain = vault_on(g, &disk_ops, &g->base, false);
  const struct vault accepting = vault_on(g, &recorder_ops, &g->recorder, true);
  nacre_volume *vol;
  if (vault_open(&plain, false, &vol) != NACRE_ERR_DAMAGED)
    report_fail("there is no gap to accept");
  report_must(vault_open(&plain, true, &vol), "opening it to read");
  keep_dump(vol, &g->found[FOUND_BASE]);
  nacre_volume_abandon(vol);
  disk_copy(&g->base, &g->disk);
  recorder_clear(&g->recorder);
  report_must(vault_open(&accepting, false, &vol), "accepting the gap");
  g->open_events = recorder_count(&g->recorder);
  write_file(vol, "made-afterwards", 9000);
  write_file(vol, "file-1", 20000);
  report_must(nacre_volume_sync(vol), "a commit");
  g->changed_events = recorder_count(&g->recorder);
  keep_dump(vol, &g->found[FOUND_CHANGED]);
  report_must(nacre_volume_close(vol), "closing it");
}

static void test_loss(struct gaps *g, const struct loss *loss, bool deep) {
  const struct states_calls calls = {.open = open_cut, .judge = judge, .arg = g};
  const struct states_plan plan = {.choose_max = 5, .tears = deep ? 8 : 3};
  struct states_count counts = {0};
  struct prng prng = {.state = loss->newest + 1};
  unsigned slots = slots_of(g, loss);
  report_at("slots %#x destroyed, generation %llu the newest", slots, (unsigned long long)g->generation);
  disk_copy(&g->sound, &g->base);
  destroy(&g->base, slots);
  record(g);
  report_within("slots %#x destroyed, generation %llu the newest", slots, (unsigned long long)g->generation);
  states_cut(&g->base, g->recorder.events, g->recorder.count, &plan, &calls, &prng, &counts);
  report_within("%s", "");
  report_ok(
      "the newest %u superblocks destroyed, and %s of the others: %lu states, %lu opened, the others differ from "
      "those in nothing that is read",
      loss->newest, loss->back[0] ? loss->back : "none", counts.states, counts.opened);
}

/* --deep, or NACRE_TORTURE in the environment: more tears. */
int main(int argc, char **argv) {
  static const struct loss losses[] = {{0, "3"},   {0, "1"}, {0, "1234567"}, {0, "1357"},
                                       {0, "246"}, {2, ""},  {2, "4"}};
  static struct gaps g;
  bool deep = getenv("NACRE_TORTURE") != NULL || (argc > 1 && strcmp(argv[1], "--deep") == 0);
  vault_setup();
  nacre_credential *cred = vault_key(1);
  g.cred = cred;
  disk_init(&g.sound, SIZE_BYTES);
  disk_init(&g.base, SIZE_BYTES);
  disk_init(&g.disk, SIZE_BYTES);
  recorder_init(&g.recorder, &g.disk);
  make_sound(&g);
  for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++)
    if (REPORT_SLOWNESS == 1 || i % 3 == 2)
      test_loss(&g, &losses[i], deep);
  for (unsigned i = 0; i < FOUNDS; i++)
    dump_free(&g.found[i]);
  recorder_free(&g.recorder);
  disk_free(&g.sound);
  disk_free(&g.base);
  disk_free(&g.disk);
  nacre_credential_free(cred);
  return 0;
}
