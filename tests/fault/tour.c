/* Every place in the library that allocates, or calls the store, fails once in each tour through the interface. The
 * call that it happens in succeeds or says what failed, no later call finds damage, and on the sound store the volume
 * is whole. */
#include "fault/tour.h"

#include "fault/allocations.h"
#include "fault/places.h"
#include "support/dump.h"
#include "support/faulty.h"
#include "support/report.h"
#include "support/vault.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ALLOCATIONS FAULT_CALLS
#define PLACES_MAX 4000u

struct bench {
  struct disk disk;
  struct faulty faulty;
  struct tour tour;
  enum fault_call call;
};

static struct bench b;

static unsigned long hits_now(void) {
  return b.call == ALLOCATIONS ? allocations_hits() : faulty_hits(&b.faulty);
}

/* Whether what failed can be answered so by the call that it failed in. */
static bool tells(enum nacre_err err) {
  if (err == NACRE_OK || err == NACRE_ERR_READ_ONLY)
    return true;
  return b.call == ALLOCATIONS ? err == NACRE_ERR_NO_MEMORY : err == NACRE_ERR_IO;
}

bool tour_judge(struct tour *t, enum nacre_err err, const char *call) {
  unsigned long hits = hits_now();
  if (hits == 0 && err != NACRE_OK)
    report_fail("%s: %s without a fault", call, nacre_last_error());
  if (hits > t->hits && !tells(err))
    report_fail("%s, in which it failed: %s (%s)", call, nacre_last_error(), nacre_strerror(err));
  t->hits = hits;
  if (err == NACRE_ERR_DAMAGED || err == NACRE_ERR_CREDENTIAL || err == NACRE_ERR_NOT_VOLUME ||
      err == NACRE_ERR_ROLLED_BACK)
    report_fail("%s, after the fault: %s (%s)", call, nacre_last_error(), nacre_strerror(err));
  return err == NACRE_OK;
}

static struct vault sound_vault(void) {
  return (struct vault){.ops = &disk_ops, .ctx = &b.disk, .cred = b.tour.cred, .chunk_bytes = 4096};
}

/* ---- One run ---- */

static void arm(unsigned long nth, bool lasting) {
  bool memory = b.call == ALLOCATIONS;
  faulty_arm(&b.faulty, memory ? FAULT_READ : b.call, memory ? 0 : nth, lasting, EIO);
  allocations_arm(memory ? nth : 0, lasting);
  b.tour.hits = 0;
}

static void check_sound(const struct tour_kind *kind) {
  const struct vault vault = sound_vault();
  char message[DUMP_MESSAGE_BYTES];
  nacre_volume *vol;
  enum nacre_err err = vault_open(&vault, false, &vol);
  if (err == NACRE_ERR_NOT_VOLUME && kind->creates)
    return;
  /* A creation that broke off leaves a header to a volume that is not there. */
  if (err == NACRE_ERR_DAMAGED && kind->creates)
    return;
  report_must(err, "opening on the sound store");
  if (vault_verify(vol, message, sizeof message) != NACRE_OK)
    report_fail("verify on the sound store: %s", message);
  report_must(nacre_volume_close(vol), "closing on the sound store");
}

static void run_once(const struct tour_kind *kind, unsigned long nth, bool lasting) {
  const struct vault vault = {.ops = &faulty_ops, .ctx = &b.faulty, .cred = b.tour.cred, .chunk_bytes = 4096};
  report_at("%s: %s %lu fails %s", kind->name, b.call == ALLOCATIONS ? "allocation" : faulty_name(b.call), nth,
            lasting ? "from then on" : "once");
  report_watchdog(60);
  disk_mark(&b.disk);
  b.tour.vol = NULL;
  if (kind->opened)
    report_must(vault_open(&vault, false, &b.tour.vol), "opening before the fault");
  arm(nth, lasting);
  kind->run(&b.tour);
  if (kind->opened)
    (void)tour_judge(&b.tour, nacre_volume_close(b.tour.vol), "closing");
  arm(0, false);
  check_sound(kind);
  disk_rewind(&b.disk);
}

/* ---- All of them ---- */

static void make_base(void) {
  const struct vault vault = sound_vault();
  nacre_volume *vol;
  nacre_file *file;
  static uint8_t bytes[500000];
  char name[32];
  report_must(vault_create(&vault, TOUR_SIZE_BYTES), "making a volume");
  report_must(vault_open(&vault, false, &vol), "opening it to fill it");
  report_must(nacre_mkdir(vol, "old", 0755, NULL), "making a folder");
  report_must(nacre_mkdir(vol, "old/many", 0755, NULL), "making a folder");
  report_must(nacre_open(vol, "old/file", NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "making a file");
  report_must(nacre_write(file, bytes, sizeof bytes, 0), "writing it");
  report_must(nacre_write(file, bytes, 100, 3u << 20), "writing it");
  nacre_close(file);
  for (unsigned i = 0; i < 150; i++) {
    snprintf(name, sizeof name, "old/many/%u", i);
    report_must(nacre_mknod(vol, name, S_IFREG | 0600, 0, NULL), "making a file");
    report_must(nacre_setxattr(vol, name, "user.x", bytes, 300, 0), "giving it an attribute");
  }
  report_must(nacre_volume_close(vol), "closing it");
}

static void run_tour(const struct tour_kind *kind, enum fault_call call) {
  size_t count;
  b.call = call;
  b.faulty.note = call == ALLOCATIONS ? NULL : places_note;
  allocations_note_places(call == ALLOCATIONS);
  places_begin();
  run_once(kind, 0, false);
  unsigned long *nths = places_end(&count);
  b.faulty.note = NULL;
  size_t step = 1 + count / (PLACES_MAX / REPORT_SLOWNESS);
  for (size_t i = 0; i < count; i += step) {
    run_once(kind, nths[i], false);
    run_once(kind, nths[i], true);
  }
  free(nths);
  report_ok("%s: %zu places of %s fail, once and for ever", kind->name, (count + step - 1) / step,
            call == ALLOCATIONS ? "allocation" : faulty_name(call));
}

int main(void) {
  static const enum fault_call calls[] = {FAULT_READ, FAULT_WRITE, FAULT_SYNC, FAULT_RESIZE, ALLOCATIONS};
  vault_setup();
  disk_init(&b.disk, TOUR_SIZE_BYTES);
  faulty_init(&b.faulty, &b.disk);
  b.tour = (struct tour){
      .target = {.struct_size = sizeof b.tour.target, .ops = &faulty_ops, .ctx = &b.faulty},
      .cred = vault_key(1),
      .other = vault_key(2),
  };
  for (size_t i = 0; i < tours_count; i++) {
    if (i == 1)
      make_base();
    for (size_t c = 0; c < sizeof calls / sizeof calls[0]; c++)
      if (calls[c] != ALLOCATIONS || allocations_supported())
        run_tour(&tours[i], calls[c]);
  }
  nacre_credential_free(b.tour.cred);
  nacre_credential_free(b.tour.other);
  faulty_end(&b.faulty);
  disk_free(&b.disk);
  return 0;
}
