/* A store whose calls fail, or a host without memory: the Nth read, write, sync, resize or allocation, once or from
 * then on. An error comes out, the volume
 * takes no more changes where it must not, and on a sound store everything committed is there again. */
#include "fault/allocations.h"
#include "support/faulty.h"
#include "support/report.h"
#include "support/vault.h"
#include "support/workload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_BYTES (32u << 20)
#define STEPS 160u
#define SYNC_EVERY 8u
#define READ_EVERY 50u

/* The state after a step. */
struct mark {
  struct dump dump;
  uint64_t changed_ino; /* whose content the step changed */
  bool failed;          /* the step did: this is what it would have made */
};

#define ALLOCATIONS FAULT_CALLS /* what fails is no call of the store */

struct plan {
  const char *name;
  size_t fill_bytes;
  int threads;
  size_t write_max_bytes;
  enum fault_call call;
  int errnum;
  bool loses; /* what a failing sync should have brought to the medium is lost */
};

/* Invariant: the volume has said that marks[durable] is durable. */
struct run {
  const struct plan *plan;
  const nacre_credential *cred;
  struct disk disk, medium;
  struct faulty faulty;
  struct workload w;
  nacre_volume *vol;
  struct mark marks[STEPS + 1]; /* the first: before the store fails */
  size_t mark_count, durable;
};

static struct vault sound_vault(struct run *r) {
  return (struct vault){.ops = &disk_ops, .ctx = &r->disk, .cred = r->cred, .chunk_bytes = 4096};
}

static void add_mark(struct run *r, bool failed) {
  struct mark *mark = &r->marks[r->mark_count++];
  *mark = (struct mark){.changed_ino = r->w.changed_ino, .failed = failed};
  shadow_dump(&r->w.shadow, &mark->dump);
}

/* ---- What fails ---- */

static const char *fault_name(const struct plan *plan) {
  return plan->call == ALLOCATIONS ? "allocation" : faulty_name(plan->call);
}

static void fault_arm(struct run *r, unsigned long nth, bool lasting) {
  bool memory = r->plan->call == ALLOCATIONS;
  faulty_arm(&r->faulty, r->plan->call, memory ? 0 : nth, lasting, r->plan->errnum);
  allocations_arm(memory ? nth : 0, lasting);
}

/* How often it was called for, and how often it failed. No more of it fails from here on. */
static unsigned long fault_disarm(struct run *r, unsigned long *hits) {
  bool memory = r->plan->call == ALLOCATIONS;
  unsigned long calls = memory ? allocations_count() : r->faulty.counts[r->plan->call];
  *hits = memory ? allocations_hits() : faulty_hits(&r->faulty);
  allocations_arm(0, false);
  return calls;
}

/* What cannot be read may stand elsewhere too, a container that cannot grow may have room, what a background thread
 * could not write stays buffered, and not every allocation is needed. */
static bool fault_may_pass(const struct plan *plan) {
  return plan->call == FAULT_READ || plan->call == FAULT_RESIZE || plan->call == ALLOCATIONS ||
         (plan->call == FAULT_WRITE && plan->threads > 0);
}

/* ---- On the failing store ---- */

/* What can be read is right, the rest is an error. */
static enum nacre_err read_all(struct run *r) {
  const struct mark *mark = &r->marks[r->mark_count - 1];
  const struct dump_tolerance some = {
      .failures = true, .guessed = mark->failed, .except = mark->failed ? mark->changed_ino : 0};
  struct dump found;
  char message[DUMP_MESSAGE_BYTES];
  enum nacre_err err = dump_volume(r->vol, &found);
  /* A step that failed may have done nothing. */
  if (!mark->failed && !dump_equal(&mark->dump, &found, &some, message))
    report_fail("read on the failing store: %s", message);
  dump_free(&found);
  return err;
}

/* Up to the first error, which it gives. */
static enum nacre_err run_steps(struct run *r) {
  enum nacre_err err = NACRE_OK;
  for (unsigned i = 1; i <= STEPS && err == NACRE_OK; i++) {
    bool sync = i % SYNC_EVERY == 0;
    err = sync ? workload_sync(&r->w) : workload_step(&r->w);
    bool done = err == NACRE_OK;
    if (done)
      err = shadow_look(&r->w.shadow, r->vol);
    add_mark(r, err != NACRE_OK);
    if (done && sync)
      r->durable = r->mark_count - 1;
    if (err == NACRE_OK && i % READ_EVERY == 0)
      err = read_all(r);
  }
  return err;
}

/* A volume that failed says so to whoever wants to change it. */
static void check_failed(struct run *r) {
  enum nacre_err err = nacre_mkdir(r->vol, "after-the-fault", 0700, NULL);
  bool no_further = (r->plan->call == FAULT_READ && err == NACRE_ERR_IO) ||
                    (r->plan->call == ALLOCATIONS && err == NACRE_ERR_NO_MEMORY);
  if (err != NACRE_ERR_READ_ONLY && !no_further)
    report_fail("a change of a failed volume: %s", nacre_strerror(err));
  if (nacre_volume_sync(r->vol) == NACRE_OK)
    report_fail("a failed volume synced");
  if (vault_info(r->vol).failure[0] == 0)
    report_fail("a failed volume does not say why");
}

/* Whether any call told of the fault. */
static bool use_failing(struct run *r) {
  const struct vault vault = {.ops = &faulty_ops, .ctx = &r->faulty, .cred = r->cred};
  enum nacre_err err = r->plan->threads > 0 ? vault_open_threads(&vault, r->plan->threads, &r->vol)
                                            : vault_open(&vault, false, &r->vol);
  if (err != NACRE_OK) {
    r->w.vol = NULL;
    if (err != (r->plan->call == ALLOCATIONS ? NACRE_ERR_NO_MEMORY : NACRE_ERR_IO) && err != NACRE_ERR_NO_SPACE)
      report_fail("opening on a failing store: %s (%s)", nacre_last_error(), nacre_strerror(err));
    return true;
  }
  r->w.vol = r->vol;
  r->w.step = "open";
  /* Where a superblock cannot be read, an older state may be all there is to see. */
  bool stale = vault_info(r->vol).failed;
  err = stale ? NACRE_ERR_READ_ONLY : run_steps(r);
  bool told = err != NACRE_OK;
  if (vault_info(r->vol).failed)
    check_failed(r);
  else if (told && r->plan->call == FAULT_SYNC)
    report_fail("a volume goes on after a failed sync");
  if (!stale)
    (void)read_all(r);
  workload_close_handles(&r->w);
  told |= vault_info(r->vol).failed;
  if (nacre_volume_close(r->vol) != NACRE_OK)
    return true;
  /* Then all that was done is there, but for the step that failed. */
  size_t last = r->mark_count - 1;
  r->durable = last > 0 && r->marks[last].failed ? last - 1 : last;
  return told;
}

/* ---- On the sound store again ---- */

static void check_state(struct run *r, const struct dump *found) {
  char message[DUMP_MESSAGE_BYTES], first[DUMP_MESSAGE_BYTES] = "";
  for (size_t i = r->durable; i < r->mark_count; i++) {
    const struct mark *mark = &r->marks[i];
    /* With threads a commit may come in the middle of a long write. */
    bool partly = mark->failed || (r->plan->threads > 0 && i > r->durable);
    const struct dump_tolerance tolerance = {.guessed = partly, .except = partly ? mark->changed_ino : 0};
    if (dump_equal(&mark->dump, found, &tolerance, message))
      return;
    if (i == r->durable)
      memcpy(first, message, sizeof first);
  }
  report_fail("the state is none of steps %zu to %zu; compared with the first, %s; with the last, %s", r->durable,
              r->mark_count - 1, first, message);
}

static void check_sound(struct run *r) {
  const struct vault vault = sound_vault(r);
  struct dump found;
  char message[DUMP_MESSAGE_BYTES];
  nacre_volume *vol;
  report_must(vault_open(&vault, false, &vol), "opening on the sound store");
  report_must(dump_volume(vol, &found), "reading on the sound store");
  check_state(r, &found);
  dump_free(&found);
  if (vault_verify(vol, message, sizeof message) != NACRE_OK)
    report_fail("verify on the sound store: %s", message);
  report_must(nacre_volume_close(vol), "closing on the sound store");
}

static void look_before(struct run *r) {
  const struct vault vault = sound_vault(r);
  nacre_volume *vol;
  report_must(vault_open(&vault, true, &vol), "opening before the fault");
  report_must(shadow_look(&r->w.shadow, vol), "looking before the fault");
  nacre_volume_abandon(vol);
  add_mark(r, false);
}

/* Calls of that kind in a run without a fault are counted, where nth is 0. */
static unsigned long run_once(struct run *r, uint64_t seed, unsigned long nth, bool lasting) {
  report_at("%s, seed %llu, %s %lu fails %s", r->plan->name, (unsigned long long)seed, fault_name(r->plan), nth,
            lasting ? "from then on" : "once");
  report_watchdog(60);
  disk_mark(&r->disk);
  disk_mark(&r->medium);
  workload_init(&r->w, seed);
  r->w.write_max_bytes = r->plan->write_max_bytes;
  r->w.file_max_bytes = r->plan->write_max_bytes * 3;
  if (r->plan->fill_bytes > 0)
    workload_filled(&r->w, r->plan->fill_bytes);
  look_before(r);
  if (r->plan->loses)
    faulty_cache(&r->faulty, &r->medium);
  fault_arm(r, nth, lasting);
  bool told = use_failing(r);
  unsigned long hits, calls = fault_disarm(r, &hits);
  if (told && hits == 0)
    report_fail("an error without a fault");
  if (!told && hits > 0 && !fault_may_pass(r->plan))
    report_fail("nobody told of the fault");
  if (r->plan->loses)
    faulty_lose_cache(&r->faulty);
  check_sound(r);
  while (r->mark_count > 0)
    dump_free(&r->marks[--r->mark_count].dump);
  r->durable = 0;
  workload_free(&r->w);
  disk_rewind(&r->medium);
  disk_rewind(&r->disk);
  return calls;
}

/* The commit before the newest has a root folder too. */
static void make_base(struct run *r, uint64_t seed) {
  const struct vault vault = sound_vault(r);
  const struct nacre_attr attr = {.struct_size = sizeof attr, .mode = 0755};
  nacre_volume *vol;
  workload_init(&r->w, seed);
  report_must(vault_create(&vault, SIZE_BYTES), "making a volume");
  report_must(vault_open(&vault, false, &vol), "opening it to fill it");
  if (r->plan->fill_bytes > 0)
    workload_fill(&r->w, vol, r->plan->fill_bytes);
  report_must(nacre_setattr(vol, "", &attr, NACRE_SET_MODE), "setting the mode of the root folder");
  report_must(nacre_volume_close(vol), "closing it");
  workload_free(&r->w);
}

/* At most so many of the calls fail, spread over all. */
static void run_plan(const struct plan *plan, const nacre_credential *cred, uint64_t seed, unsigned long most) {
  static struct run r;
  memset(&r, 0, sizeof r);
  r.plan = plan;
  r.cred = cred;
  disk_init(&r.disk, SIZE_BYTES);
  disk_init(&r.medium, SIZE_BYTES);
  faulty_init(&r.faulty, &r.disk);
  make_base(&r, seed);
  disk_copy(&r.disk, &r.medium);
  unsigned long calls = run_once(&r, seed, 0, false), runs = 0;
  for (unsigned long nth = 1; nth <= calls; nth += (calls + most - 1) / most) {
    (void)run_once(&r, seed, nth, false);
    (void)run_once(&r, seed, nth, true);
    runs += 2;
  }
  report_ok("%s, seed %llu: %lu of %lu %ss failed, once and for ever: %lu runs", plan->name, (unsigned long long)seed,
            runs / 2, calls, fault_name(plan), runs);
  faulty_end(&r.faulty);
  disk_free(&r.medium);
  disk_free(&r.disk);
}

static const struct plan plans[] = {
    {"EIO", 0, 0, 60000, FAULT_READ, EIO, false},
    {"EIO", 0, 0, 60000, FAULT_WRITE, EIO, false},
    {"ENOSPC", 0, 0, 60000, FAULT_WRITE, ENOSPC, false},
    {"EIO", 0, 0, 60000, FAULT_SYNC, EIO, false},
    {"EIO that loses what was written", 0, 0, 60000, FAULT_SYNC, EIO, true},
    {"EIO that loses what was written, in a growing container", 13u << 20, 0, 900000, FAULT_SYNC, EIO, true},
    {"ENOSPC in a growing container", 13u << 20, 0, 900000, FAULT_RESIZE, ENOSPC, false},
    {"EIO in a growing container", 13u << 20, 0, 900000, FAULT_RESIZE, EIO, false},
    {"EIO with threads", 0, 2, 60000, FAULT_READ, EIO, false},
    {"EIO with threads", 0, 2, 60000, FAULT_WRITE, EIO, false},
    {"EIO with threads", 0, 2, 60000, FAULT_SYNC, EIO, false},
    {"EIO with threads that loses what was written", 0, 2, 60000, FAULT_SYNC, EIO, true},
    {"out of memory", 0, 0, 60000, ALLOCATIONS, ENOMEM, false},
    {"out of memory with threads", 0, 2, 60000, ALLOCATIONS, ENOMEM, false},
};

/* --deep [SEED]: more seeds. */
int main(int argc, char **argv) {
  bool deep = argc > 1 && strcmp(argv[1], "--deep") == 0;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  unsigned seeds = deep ? 20 : 1;
  vault_setup();
  nacre_credential *cred = vault_key(1);
  for (unsigned i = 0; i < seeds; i++)
    for (size_t p = 0; p < sizeof plans / sizeof plans[0]; p++)
      if (plans[p].call != ALLOCATIONS || allocations_supported())
        run_plan(&plans[p], cred, seed + i, (deep ? 2000 : 100) / REPORT_SLOWNESS);
  nacre_credential_free(cred);
  return 0;
}
