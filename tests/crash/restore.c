/* Power cuts while a backup of the header is put back: over a header that is there, and over none. */
#include "crash/states.h"
#include "support/dump.h"
#include "support/recorder.h"
#include "support/report.h"
#include "support/vault.h"

#include <stdlib.h>
#include <string.h>

#define SIZE_BYTES (24u << 20)
#define GROUP_1_OFFSET (16u << 20)
#define KEYS 2u
/* What a look at a state says, besides a bit for each key that opens it. */
#define RESTORABLE 4u

struct scene {
  struct disk base, disk;
  struct recorder recorder;
  nacre_credential *keys[KEYS]; /* the backup's, and the one that took its place */
  uint8_t backup[NACRE_HEADER_BYTES];
  bool beheaded;
  bool look_only;  /* what is cut in its turn must not restore anything itself */
  size_t restored; /* events until the call returned */
};

static enum nacre_err open_by_backup(const struct scene *s, const struct nacre_store_ops *ops, void *ctx,
                                     nacre_volume **vol) {
  const struct nacre_target target = {.struct_size = sizeof target, .ops = ops, .ctx = ctx};
  const struct nacre_open_options options = {.struct_size = sizeof options,
                                             .memory_bytes = 8u << 20,
                                             .header_backup = s->backup,
                                             .header_backup_bytes = sizeof s->backup};
  return nacre_volume_open(&target, &options, s->keys[0], vol);
}

static void check_opened(nacre_volume *vol) {
  char message[DUMP_MESSAGE_BYTES];
  struct dump dump;
  report_must(dump_volume(vol, &dump), "reading after the cut");
  if (dump_find(&dump, "folder") == NULL)
    report_fail("the folder is gone");
  dump_free(&dump);
  if (vault_verify(vol, message, sizeof message) != NACRE_OK)
    report_fail("verify after the cut: %s", message);
}

static unsigned look(void *arg, const struct nacre_store_ops *ops, void *ctx, bool lied) {
  const struct scene *s = arg;
  unsigned found = 0;
  nacre_volume *vol;
  (void)lied;
  for (unsigned i = 0; i < KEYS; i++) {
    const struct vault vault = {.ops = ops, .ctx = ctx, .cred = s->keys[i]};
    enum nacre_err err = vault_open(&vault, false, &vol);
    bool clear =
        err == NACRE_ERR_CREDENTIAL || (s->beheaded && (err == NACRE_ERR_NOT_VOLUME || err == NACRE_ERR_DAMAGED));
    if (err != NACRE_OK && !clear)
      report_must(err, "opening after the cut");
    if (err != NACRE_OK)
      continue;
    found |= 1u << i;
    check_opened(vol);
    report_must(nacre_volume_close(vol), "closing after the cut");
  }
  if (s->look_only)
    return found | RESTORABLE;
  /* The backup can be put back once more, whatever the cut left. */
  report_must(open_by_backup(s, ops, ctx, &vol), "opening by the backup after the cut");
  report_must(nacre_header_restore(vol, false, NULL), "restoring after the cut");
  check_opened(vol);
  report_must(nacre_volume_close(vol), "closing after restoring");
  const struct vault vault = {.ops = ops, .ctx = ctx, .cred = s->keys[0]};
  report_must(vault_open(&vault, false, &vol), "opening what was restored again");
  report_must(nacre_volume_close(vol), "closing it");
  return found | RESTORABLE;
}

static void judge(void *arg, unsigned found, size_t sure, size_t begun, bool lied) {
  const struct scene *s = arg;
  unsigned before = RESTORABLE | (s->beheaded ? 0 : 2), after = RESTORABLE | 1;
  (void)lied;
  (void)begun;
  if (found != after && (found != before || sure >= s->restored))
    report_fail("what opens is %x", found);
}

static void make_scene(struct scene *s) {
  const struct vault vault = {.ops = &disk_ops, .ctx = &s->base, .cred = s->keys[0]};
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &disk_ops, .ctx = &s->base};
  nacre_volume *vol;
  report_must(vault_create(&vault, SIZE_BYTES), "making a volume");
  report_must(nacre_header_backup(&target, NULL, NULL, s->backup), "a backup");
  report_must(vault_open(&vault, false, &vol), "opening it");
  report_must(nacre_mkdir(vol, "folder", 0700, NULL), "making a folder");
  report_must(nacre_slot_change(vol, 0, s->keys[1], NULL, NULL), "changing its key");
  report_must(nacre_volume_close(vol), "closing it");
  if (s->beheaded) {
    memset(s->base.bytes, 0, NACRE_HEADER_BYTES);
    memset(s->base.bytes + GROUP_1_OFFSET, 0, NACRE_HEADER_BYTES);
  }
}

static void test_restore(bool beheaded, bool look_only, bool deep) {
  static struct scene s;
  const struct states_calls calls = {.open = look, .judge = judge, .arg = &s};
  const struct states_plan plan = {.depth = deep ? 1 : 0, .choose_max = 7, .tears = deep ? 16 : 3};
  struct states_count counts = {0};
  struct prng prng = {.state = 1};
  nacre_volume *vol;
  s = (struct scene){.beheaded = beheaded, .look_only = look_only};
  for (unsigned i = 0; i < KEYS; i++)
    s.keys[i] = vault_key((uint8_t)(i + 1));
  disk_init(&s.base, SIZE_BYTES);
  disk_init(&s.disk, SIZE_BYTES);
  recorder_init(&s.recorder, &s.disk);
  make_scene(&s);
  disk_copy(&s.base, &s.disk);
  report_must(open_by_backup(&s, &recorder_ops, &s.recorder, &vol), "opening by the backup");
  report_must(nacre_header_restore(vol, false, NULL), "restoring");
  s.restored = recorder_count(&s.recorder);
  report_must(nacre_volume_close(vol), "closing it");
  report_within("%s", beheaded ? "over no header" : "over a header");
  states_cut(&s.base, s.recorder.events, s.recorder.count, &plan, &calls, &prng, &counts);
  report_ok("a header restored over %s: %lu states, %lu opened", beheaded ? "none" : "another", counts.states,
            counts.opened);
  for (unsigned i = 0; i < KEYS; i++)
    nacre_credential_free(s.keys[i]);
  recorder_free(&s.recorder);
  disk_free(&s.base);
  disk_free(&s.disk);
}

/* --deep, or NACRE_TORTURE in the environment: cuts during the openings after a cut, too. */
int main(int argc, char **argv) {
  bool deep = getenv("NACRE_TORTURE") != NULL || (argc > 1 && strcmp(argv[1], "--deep") == 0);
  vault_setup();
  test_restore(false, false, false);
  test_restore(true, false, false);
  if (deep) {
    test_restore(false, true, true);
    test_restore(true, true, true);
  }
  return 0;
}
