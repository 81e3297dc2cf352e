/* Power cuts, and calls that fail, while a volume is erased: what is left is the volume as it was or one that nothing
 * opens; erasing it again needs no force while any key is there, and comes to the end. */
#include "support/faulty.h"
#include "support/recorder.h"
#include "support/report.h"
#include "support/survivors.h"
#include "support/vault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_BYTES (24u << 20)
#define GROUP_BYTES (512u << 10)
#define GROUP_1_OFFSET (16u << 20)
#define PUBLIC_PART_BYTES 4096u

struct scene {
  struct disk made; /* the volume as it is before */
  nacre_credential *cred;
  struct survivors keys; /* both groups, but for the public parts, which have none */
};

static struct nacre_target target_of(const struct nacre_store_ops *ops, void *ctx) {
  return (struct nacre_target){.struct_size = sizeof(struct nacre_target), .ops = ops, .ctx = ctx};
}

static enum nacre_err erase(const struct nacre_store_ops *ops, void *ctx, enum nacre_erase_rest rest,
                            struct nacre_erase_report *report) {
  const struct nacre_target target = target_of(ops, ctx);
  const struct nacre_erase_options options = {.struct_size = sizeof options, .rest = rest};
  *report = (struct nacre_erase_report){.struct_size = sizeof *report};
  return nacre_erase(&target, &options, report);
}

static void make_scene(struct scene *s) {
  const struct vault vault = {.ops = &disk_ops, .ctx = &s->made, .cred = s->cred};
  nacre_volume *vol;
  disk_init(&s->made, SIZE_BYTES);
  report_must(vault_create(&vault, SIZE_BYTES), "making a volume");
  report_must(vault_open(&vault, false, &vol), "opening it");
  report_must(nacre_mkdir(vol, "folder", 0700, NULL), "making a folder");
  report_must(nacre_volume_close(vol), "closing it");
  survivors_init(&s->keys, 2 * GROUP_BYTES);
  survivors_add(&s->keys, s->made.bytes + PUBLIC_PART_BYTES, GROUP_BYTES - PUBLIC_PART_BYTES);
  survivors_add(&s->keys, s->made.bytes + GROUP_1_OFFSET + PUBLIC_PART_BYTES, GROUP_BYTES - PUBLIC_PART_BYTES);
}

static size_t keys_left(const struct scene *s, const struct disk *disk) {
  return survivors_count(&s->keys, disk->bytes, GROUP_BYTES, NULL) +
         survivors_count(&s->keys, disk->bytes + GROUP_1_OFFSET, GROUP_BYTES, NULL);
}

/* Whether the volume still opens. */
static bool look_at_left(const struct scene *s, struct disk *disk, bool keys_sure_gone) {
  const struct vault vault = {.ops = &disk_ops, .ctx = disk, .cred = s->cred};
  struct nacre_erase_report report;
  nacre_volume *vol;
  bool opened = vault_open(&vault, true, &vol) == NACRE_OK;
  if (opened)
    nacre_volume_abandon(vol);
  size_t left = keys_left(s, disk);
  if (keys_sure_gone && (opened || left > 0))
    report_fail("key material is left that was durably overwritten");
  enum nacre_err err = erase(&disk_ops, disk, NACRE_ERASE_REST_LEAVE, &report);
  if (err == NACRE_ERR_NOT_VOLUME && left == 0)
    return opened;
  report_must(err, "erasing what the cut left");
  if (keys_left(s, disk) > 0)
    report_fail("key material is left after the second erasing");
  return opened;
}

/* The first sync of an erasing ends the keys. */
static size_t first_sync(const struct recorder *r) {
  size_t i = 0;
  while (i < r->count && r->events[i].kind != EVENT_SYNC)
    i++;
  return i + 1;
}

static void test_cuts(const struct scene *s) {
  struct disk disk, recorded;
  struct recorder recorder;
  struct player player;
  struct prng prng = {.state = 1};
  struct nacre_erase_report report;
  unsigned long cuts = 0, opened = 0;
  disk_init(&disk, SIZE_BYTES);
  disk_init(&recorded, SIZE_BYTES);
  disk_copy(&s->made, &disk);
  disk_copy(&s->made, &recorded);
  recorder_init(&recorder, &recorded);
  report_must(erase(&recorder_ops, &recorder, NACRE_ERASE_REST_OVERWRITE, &report), "erasing");
  size_t gone = first_sync(&recorder);
  player_init(&player, &disk, recorder.events, recorder.count);
  do {
    for (enum cut cut = 0; cut < CUTS; cut++) {
      if (!player_tells(&player, cut))
        continue;
      report_at("cut after %zu of %zu, unsynced writes %s", player.at, player.count, cut_name(cut));
      player_cut(&player, cut, &prng);
      opened += look_at_left(s, &disk, player.at >= gone);
      disk_rewind(&disk);
      cuts++;
    }
  } while (player_step(&player));
  if (opened == 0)
    report_fail("no cut left the volume as it was");
  report_ok("power cuts while erasing: %lu cuts, %lu left the volume as it was", cuts, opened);
  recorder_free(&recorder);
  disk_free(&disk);
  disk_free(&recorded);
}

static void test_failures(const struct scene *s) {
  static const enum fault_call calls[] = {FAULT_READ, FAULT_WRITE, FAULT_SYNC};
  struct disk disk;
  unsigned long tried = 0, unharmed = 0;
  disk_init(&disk, SIZE_BYTES);
  for (unsigned i = 0; i < 6; i++) {
    enum fault_call call = calls[i / 2];
    bool hit = true;
    for (unsigned long nth = 1; hit; nth++) {
      struct faulty faulty;
      struct nacre_erase_report report;
      report_at("%s %lu failing%s", faulty_name(call), nth, i % 2 ? " and all after it" : "");
      disk_copy(&s->made, &disk);
      faulty_init(&faulty, &disk);
      faulty_arm(&faulty, call, nth, i % 2 != 0, EIO);
      enum nacre_err err = erase(&faulty_ops, &faulty, NACRE_ERASE_REST_OVERWRITE, &report);
      hit = faulty_hits(&faulty) > 0;
      faulty_end(&faulty);
      tried++;
      if (err == NACRE_OK && keys_left(s, &disk) > 0)
        report_fail("success, and key material is left");
      if (err == NACRE_OK && hit && call != FAULT_READ && !(call == FAULT_WRITE && i % 2 == 0))
        report_fail("success in spite of it");
      if (err == NACRE_OK && report.finished_s == 0)
        report_fail("success without an end");
      unharmed += err == NACRE_OK;
      if (err != NACRE_OK)
        (void)look_at_left(s, &disk, false);
    }
  }
  report_ok("calls failing while erasing: %lu tried, %lu of no consequence", tried, unharmed);
  disk_free(&disk);
}

int main(void) {
  struct scene s = {.cred = vault_key(1)};
  vault_setup();
  make_scene(&s);
  test_cuts(&s);
  test_failures(&s);
  survivors_free(&s.keys);
  nacre_credential_free(s.cred);
  disk_free(&s.made);
  return 0;
}
