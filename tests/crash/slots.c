/* Power cuts while a volume is made and while its keyslots are changed. */
#include "crash/states.h"
#include "support/dump.h"
#include "support/recorder.h"
#include "support/report.h"
#include "support/vault.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_BYTES (24u << 20)
#define KEYS 4u

/* Which keys open the volume once `events` events have happened: a bit each. */
struct phase {
  const char *name;
  size_t events;
  unsigned opens;
};

struct slots {
  struct disk base, disk;
  struct recorder recorder;
  nacre_credential *keys[KEYS];
  struct phase phases[16];
  size_t count;
};

static void add_phase(struct slots *s, const char *name, unsigned opens) {
  s->phases[s->count++] = (struct phase){.name = name, .events = recorder_count(&s->recorder), .opens = opens};
}

/* Keys 0 and 1 come and go, 2 replaces, 3 is never in. */
static void change_slots(struct slots *s, nacre_volume *vol) {
  uint32_t first = 0, second;
  add_phase(s, "open", 1);
  report_must(nacre_slot_add(vol, s->keys[1], NULL, "second", &second), "adding a slot");
  add_phase(s, "add", 1 | 2);
  report_must(nacre_slot_change(vol, first, s->keys[2], NULL, NULL), "changing a slot");
  add_phase(s, "change", 4 | 2);
  report_must(nacre_mkdir(vol, "between", 0700, NULL), "making a folder");
  report_must(nacre_slot_remove(vol, second, false), "removing a slot");
  add_phase(s, "remove", 4);
  report_must(nacre_slot_add(vol, s->keys[0], NULL, "again", &second), "adding a slot again");
  add_phase(s, "add again", 1 | 4);
  /* Under another master key, so that nothing of one copy opens the other. */
  const struct nacre_rekey_options options = {
      .struct_size = sizeof options, .slots_only = true, .drop_slots = 1u << second};
  report_must(nacre_rekey(vol, &options, NULL), "a new master key");
  add_phase(s, "rekey", 4);
}

static void check_opened(nacre_volume *vol) {
  char message[DUMP_MESSAGE_BYTES];
  struct dump dump;
  struct nacre_volume_info info = vault_info(vol);
  if (info.fell_back || info.read_only)
    report_fail("the volume opened %s", info.fell_back ? "at an older commit than the newest" : "read-only");
  report_must(dump_volume(vol, &dump), "reading after the cut");
  if (dump_find(&dump, "file") == NULL)
    report_fail("the file is gone");
  dump_free(&dump);
  if (vault_verify(vol, message, sizeof message) != NACRE_OK)
    report_fail("verify after the cut: %s", message);
}

/* Opening writes where the header's copies differ, so each key is tried on what the cut left, and those that opened
 * once more on what the others left. */
static unsigned keys_that_open(const struct slots *s, const struct nacre_store_ops *ops, void *ctx) {
  unsigned opens = 0;
  for (unsigned i = 0; i < KEYS; i++) {
    const struct vault vault = {.ops = ops, .ctx = ctx, .cred = s->keys[i]};
    nacre_volume *vol;
    enum nacre_err err = vault_open(&vault, false, &vol);
    /* One that was dropped with the old master key may meet it in a copy that is half written, beside the new one. */
    if (err != NACRE_OK && err != NACRE_ERR_CREDENTIAL && err != NACRE_ERR_DAMAGED)
      report_must(err, "opening after the cut");
    if (err != NACRE_OK)
      continue;
    opens |= 1u << i;
    check_opened(vol);
    report_must(nacre_volume_close(vol), "closing after the cut");
  }
  return opens;
}

static unsigned open_cut(void *arg, const struct nacre_store_ops *ops, void *ctx, bool lied) {
  const struct slots *s = arg;
  (void)lied;
  unsigned opens = keys_that_open(s, ops, ctx);
  if (keys_that_open(s, ops, ctx) != opens)
    report_fail("opening once changes which keys open");
  return opens;
}

static void judge(void *arg, unsigned opens, size_t sure, size_t begun, bool lied) {
  const struct slots *s = arg;
  size_t low = 0, high;
  (void)lied;
  while (low + 1 < s->count && s->phases[low + 1].events <= sure)
    low++;
  for (high = low; high + 1 < s->count && s->phases[high].events < begun;)
    high++;
  const struct phase *before = &s->phases[low], *after = &s->phases[high];
  unsigned must = before->opens & after->opens, may = before->opens | after->opens;
  if ((opens & must) != must || (opens & ~may) || opens == 0)
    report_fail("after %s, until %s: keys %x open; %x must, %x may", before->name, after->name, opens, must, may);
}

static void make_volume(struct slots *s) {
  const struct vault vault = {.ops = &disk_ops, .ctx = &s->base, .cred = s->keys[0]};
  nacre_volume *vol;
  nacre_file *file;
  report_must(vault_create(&vault, SIZE_BYTES), "making a volume");
  report_must(vault_open(&vault, false, &vol), "opening it");
  report_must(nacre_open(vol, "file", NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "making a file");
  report_must(nacre_write(file, "content", 7, 0), "writing");
  nacre_close(file);
  report_must(nacre_volume_close(vol), "closing it");
}

static void test_slots(bool deep) {
  static struct slots s;
  const struct states_calls calls = {.open = open_cut, .judge = judge, .arg = &s};
  const struct states_plan plan = {.depth = deep                  ? 2
                                            : REPORT_SLOWNESS < 4 ? 1
                                                                  : 0,
                                   .choose_max = 7,
                                   .tears = deep ? 16 : 3};
  struct states_count counts = {0};
  struct prng prng = {.state = 1};
  nacre_volume *vol;
  for (unsigned i = 0; i < KEYS; i++)
    s.keys[i] = vault_key((uint8_t)(i + 1));
  disk_init(&s.base, SIZE_BYTES);
  disk_init(&s.disk, SIZE_BYTES);
  recorder_init(&s.recorder, &s.disk);
  make_volume(&s);
  disk_copy(&s.base, &s.disk);
  const struct vault vault = {.ops = &recorder_ops, .ctx = &s.recorder, .cred = s.keys[0]};
  report_must(vault_open(&vault, false, &vol), "opening it");
  change_slots(&s, vol);
  report_must(nacre_volume_close(vol), "closing it");
  report_within("keyslots");
  states_cut(&s.base, s.recorder.events, s.recorder.count, &plan, &calls, &prng, &counts);
  report_ok("keyslots added, changed and removed: %lu states, %lu of them during openings; %lu opened, the others "
            "differ from those in nothing that is read",
            counts.states, counts.nested, counts.opened);
  for (unsigned i = 0; i < KEYS; i++)
    nacre_credential_free(s.keys[i]);
  recorder_free(&s.recorder);
  disk_free(&s.base);
  disk_free(&s.disk);
}

/* ---- Making a volume ---- */

static void look_at_made(struct disk *disk, const nacre_credential *cred, bool done, unsigned long *opened) {
  const struct vault vault = {.ops = &disk_ops, .ctx = disk, .cred = cred};
  char message[DUMP_MESSAGE_BYTES];
  nacre_volume *vol;
  enum nacre_err err = vault_open(&vault, false, &vol);
  if (err != NACRE_OK) {
    bool clear = err == NACRE_ERR_NOT_VOLUME || err == NACRE_ERR_DAMAGED || err == NACRE_ERR_CREDENTIAL;
    if (done || !clear)
      report_must(err, "opening what was being made");
    return;
  }
  if (vault_verify(vol, message, sizeof message) != NACRE_OK)
    report_fail("verify of what was being made: %s", message);
  report_must(nacre_volume_close(vol), "closing what was being made");
  ++*opened;
}

static void test_create(void) {
  nacre_credential *cred = vault_key(1);
  struct disk disk, recorded;
  struct recorder recorder;
  struct player player;
  struct prng prng = {.state = 1};
  unsigned long cuts = 0, opened = 0;
  disk_init(&disk, SIZE_BYTES);
  disk_init(&recorded, SIZE_BYTES);
  recorder_init(&recorder, &recorded);
  const struct vault vault = {.ops = &recorder_ops, .ctx = &recorder, .cred = cred};
  report_must(vault_create(&vault, SIZE_BYTES), "making a volume");
  player_init(&player, &disk, recorder.events, recorder.count);
  do {
    for (enum cut cut = 0; cut < CUTS; cut++) {
      if (!player_tells(&player, cut))
        continue;
      report_at("making a volume, cut after %zu of %zu, unsynced writes %s", player.at, player.count, cut_name(cut));
      player_cut(&player, cut, &prng);
      look_at_made(&disk, cred, player.at == player.count, &opened);
      disk_rewind(&disk);
      cuts++;
    }
  } while (player_step(&player));
  report_ok("a volume being made: %lu cuts, %lu left a volume", cuts, opened);
  recorder_free(&recorder);
  disk_free(&disk);
  disk_free(&recorded);
  nacre_credential_free(cred);
}

/* --deep, or NACRE_TORTURE in the environment: cuts during openings after cuts during openings, too. */
int main(int argc, char **argv) {
  vault_setup();
  test_create();
  test_slots(getenv("NACRE_TORTURE") != NULL || (argc > 1 && strcmp(argv[1], "--deep") == 0));
  return 0;
}
