/* Each call of the store, and each allocation, fails while a volume is made, gets keys, is closed, is opened after a
 * crash: once or from then on. An error comes out, and on a sound store everything that was promised is there. */
#include "fault/allocations.h"
#include "fault/scenes.h"
#include "support/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALLOCATIONS FAULT_CALLS /* what fails is no call of the store */

struct fault {
  const char *name;
  enum fault_call call;
  int errnum;
  bool loses; /* what a failing sync should have brought to the medium is lost */
};

static const struct fault faults[] = {
    {"read, EIO", FAULT_READ, EIO, false},
    {"write, EIO", FAULT_WRITE, EIO, false},
    {"write, ENOSPC", FAULT_WRITE, ENOSPC, false},
    {"sync, EIO", FAULT_SYNC, EIO, false},
    {"sync, EIO, what was written is lost", FAULT_SYNC, EIO, true},
    {"resize, ENOSPC", FAULT_RESIZE, ENOSPC, false},
    {"resize, EIO", FAULT_RESIZE, EIO, false},
    {"allocation", ALLOCATIONS, ENOMEM, false},
};
#define FAULTS (sizeof faults / sizeof faults[0])

/* What cannot be read or allocated may not have been needed. */
static bool may_pass(const struct scene *scene, const struct fault *f, bool lasting) {
  if (scene->tries_again && f->call == FAULT_WRITE && f->errnum == EIO && !lasting)
    return true;
  return f->call == FAULT_READ || f->call == FAULT_RESIZE || f->call == ALLOCATIONS;
}

static bool is_expected(const struct fault *f, enum nacre_err err) {
  enum nacre_err first = NACRE_ERR_IO;
  if (f->call == ALLOCATIONS)
    first = NACRE_ERR_NO_MEMORY;
  else if (f->errnum == ENOSPC)
    first = NACRE_ERR_NO_SPACE;
  /* A superblock that can't be read: the volume is open, but takes no changes. */
  return err == first || (err == NACRE_ERR_READ_ONLY && f->call == FAULT_READ);
}

/* Calls of that kind are counted, where nth is 0. */
static unsigned long run_once(struct stage *s, const struct scene *scene, const struct fault *f, unsigned long nth,
                              bool lasting) {
  bool memory = f->call == ALLOCATIONS;
  report_at("%s, %s, number %lu %s", scene->name, f->name, nth, lasting ? "and all after it" : "alone");
  report_watchdog(60);
  disk_mark(&s->disk);
  disk_mark(&s->medium);
  s->lasting = lasting;
  faulty_arm(&s->faulty, f->call, memory ? 0 : nth, lasting, f->errnum);
  faulty_cache(&s->faulty, f->loses ? &s->medium : NULL);
  allocations_arm(memory ? nth : 0, lasting);
  enum nacre_err told = scene->run(s);
  unsigned long calls = memory ? allocations_count() : s->faulty.counts[f->call];
  unsigned long hits = memory ? allocations_hits() : faulty_hits(&s->faulty);
  allocations_arm(0, false);
  if (told != NACRE_OK && hits == 0)
    report_fail("an error without a fault: %s (%s)", nacre_last_error(), nacre_strerror(told));
  if (told == NACRE_OK && hits > 0 && !may_pass(scene, f, lasting))
    report_fail("nobody told of the fault");
  if (told != NACRE_OK && !is_expected(f, told))
    report_fail("not the error that was to be expected: %s", nacre_strerror(told));
  if (f->loses)
    faulty_lose_cache(&s->faulty);
  scene->check(s, told);
  disk_rewind(&s->medium);
  disk_rewind(&s->disk);
  return calls;
}

/* At most so many of the calls of each kind fail, spread over all. */
static void run_scene(struct stage *s, const struct scene *scene, unsigned long most) {
  disk_init(&s->disk, SCENE_SIZE_BYTES);
  disk_init(&s->medium, SCENE_SIZE_BYTES);
  faulty_init(&s->faulty, &s->disk);
  scene->prepare(s);
  disk_copy(&s->disk, &s->medium);
  for (size_t i = 0; i < FAULTS; i++) {
    const struct fault *f = &faults[i];
    if (f->call == ALLOCATIONS && !allocations_supported())
      continue;
    unsigned long calls = run_once(s, scene, f, 0, false), runs = 0;
    for (unsigned long nth = 1; nth <= calls; nth += (calls + most - 1) / most) {
      (void)run_once(s, scene, f, nth, false);
      (void)run_once(s, scene, f, nth, true);
      runs += 2;
    }
    report_ok("%s, %s: %lu of %lu failed, once and for ever", scene->name, f->name, runs / 2, calls);
  }
  faulty_end(&s->faulty);
  disk_free(&s->medium);
  disk_free(&s->disk);
}

/* Where no memory can be locked, all works as ever. */
static void run_unlocked(struct stage *s, const struct scene *scene) {
  static const struct fault none = {"memory that can't be locked", FAULT_READ, 0, false};
  disk_init(&s->disk, SCENE_SIZE_BYTES);
  disk_init(&s->medium, SCENE_SIZE_BYTES);
  faulty_init(&s->faulty, &s->disk);
  allocations_refuse_locking(true);
  scene->prepare(s);
  (void)run_once(s, scene, &none, 0, false);
  if (allocations_refusals() == 0)
    report_fail("%s: nothing was to be locked", scene->name);
  report_ok("%s, memory that can't be locked: %lu times", scene->name, allocations_refusals());
  allocations_refuse_locking(false);
  faulty_end(&s->faulty);
  disk_free(&s->medium);
  disk_free(&s->disk);
}

/* --deep, or NACRE_TORTURE in the environment: every call. */
int main(int argc, char **argv) {
  static struct stage s;
  bool deep = getenv("NACRE_TORTURE") != NULL || (argc > 1 && strcmp(argv[1], "--deep") == 0);
  vault_setup();
  for (unsigned i = 0; i < SCENE_KEYS; i++)
    s.keys[i] = vault_key((uint8_t)(i + 1));
  for (unsigned i = 0; i < scene_count; i++)
    run_scene(&s, &scenes[i], deep ? 100000 : 500 / REPORT_SLOWNESS);
  for (unsigned i = 0; i < scene_count && allocations_supported(); i++)
    run_unlocked(&s, &scenes[i]);
  for (unsigned i = 0; i < SCENE_KEYS; i++)
    nacre_credential_free(s.keys[i]);
  return 0;
}
