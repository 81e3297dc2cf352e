/* A power cut after every write of a rotation, while the volume is in use: what is left opens, holds what it must,
 * and the rotation is carried on to its end. */
#include "crash/session.h"
#include "support/report.h"

#include <stdlib.h>
#include <string.h>

/* The two groups, of header and superblocks (docs/format.md 3). */
#define GROUP_BYTES (512u << 10)
#define GROUP_1_OFFSET (16u << 20)

struct scene {
  const char *name;
  uint32_t chunk_bytes;
  size_t fill_bytes;
  unsigned steps;       /* before the rotation */
  unsigned steps_along; /* in each call of its progress */
  enum nacre_cipher cipher;
  bool slots_only;
};

static const struct scene scenes[] = {
    {.name = "beside small files", .chunk_bytes = 4096, .steps = 300, .steps_along = 8},
    {.name = "beside large files", .chunk_bytes = 65536, .fill_bytes = 12u << 20, .steps = 50, .steps_along = 4},
    {.name = "to another cipher",
     .chunk_bytes = 16384,
     .fill_bytes = 1u << 20,
     .steps = 150,
     .steps_along = 8,
     .cipher = NACRE_CIPHER_XCHACHA20_POLY1305},
    {.name = "of the slots alone", .chunk_bytes = 16384, .steps = 20, .slots_only = true},
};

struct along {
  struct session *session;
  struct workload *workload;
  const struct scene *scene;
  unsigned calls, wipes;
};

/* Where the volume is in use, the walker meets files that change, and commits that are not its own. */
static void use_volume(void *arg, const char *what, uint64_t done, uint64_t total) {
  struct along *along = arg;
  struct workload *w = along->workload;
  (void)done;
  (void)total;
  if (strcmp(what, "wipe") == 0 ? along->wipes++ > 4 : along->calls++ > 40)
    return;
  for (unsigned i = 0; i < along->scene->steps_along; i++) {
    bool sync = prng_chance(&w->prng, 10);
    report_must(sync ? workload_sync(w) : workload_step(w), w->step);
    session_mark(along->session, &w->shadow, w->vol, w->step, sync);
  }
}

static void rotate(struct session *s, struct workload *w, const struct scene *scene) {
  struct along along = {.session = s, .workload = w, .scene = scene};
  const struct nacre_rekey_options options = {.struct_size = sizeof options,
                                              .slots_only = scene->slots_only,
                                              .cipher = scene->cipher,
                                              .progress = use_volume,
                                              .progress_arg = &along};
  report_must(nacre_rekey(w->vol, &options, NULL), "rotating the keys");
  session_mark(s, &w->shadow, w->vol, "rekey", true);
}

static void run(struct session *s, const struct scene *scene, uint64_t seed, const nacre_credential *cred) {
  struct workload w;
  session_init(s, 48u << 20, cred);
  const struct vault fresh = {.ops = &disk_ops, .ctx = &s->base, .cred = cred, .chunk_bytes = scene->chunk_bytes};
  report_must(vault_create(&fresh, 48u << 20), "making a volume");
  workload_init(&w, seed);
  w.write_max_bytes = 60000;
  w.file_max_bytes = 200000;
  report_must(vault_open(&fresh, false, &w.vol), "opening it to fill it");
  if (scene->fill_bytes > 0)
    workload_fill(&w, w.vol, scene->fill_bytes);
  for (unsigned i = 0; i < scene->steps; i++)
    report_must(workload_step(&w), w.step);
  workload_close_handles(&w);
  report_must(nacre_volume_close(w.vol), "closing it");
  disk_copy(&s->base, &s->disk);
  const struct vault vault = {.ops = &recorder_ops, .ctx = &s->recorder, .cred = cred};
  report_must(vault_open(&vault, false, &w.vol), "opening it");
  session_mark(s, &w.shadow, w.vol, "open", true);
  rotate(s, &w, scene);
  workload_close_handles(&w);
  report_must(nacre_volume_close(w.vol), "closing it");
  session_mark(s, &w.shadow, NULL, "close", true);
  workload_free(&w);
}

/* ---- After the cut ---- */

struct ends {
  unsigned long cuts, unfinished;
  struct disk before; /* the rotation */
};

static bool in_group(uint64_t offset) {
  return offset < GROUP_BYTES || (offset >= GROUP_1_OFFSET && offset < GROUP_1_OFFSET + GROUP_BYTES);
}

/* No block of before the rotation is where it was, in use or free. */
static void compare_blocks(const struct disk *before, const struct disk *now) {
  static const uint8_t empty[DISK_UNIT_BYTES];
  const uint64_t end = before->size_bytes < now->size_bytes ? before->size_bytes : now->size_bytes;
  for (uint64_t at = 0; at + DISK_UNIT_BYTES <= end; at += DISK_UNIT_BYTES) {
    if (in_group(at) || memcmp(before->bytes + at, empty, sizeof empty) == 0)
      continue;
    if (memcmp(before->bytes + at, now->bytes + at, DISK_UNIT_BYTES) == 0)
      report_fail("after the rotation unit %llu is as it was", (unsigned long long)(at / DISK_UNIT_BYTES));
  }
}

static struct nacre_rekey_status status_of(nacre_volume *vol) {
  struct nacre_rekey_status status = {.struct_size = sizeof status};
  report_must(nacre_rekey_get_status(vol, &status), "asking for the rotation's status");
  return status;
}

static void carry_on(nacre_volume *vol) {
  const struct dump_tolerance exact = {0};
  char message[DUMP_MESSAGE_BYTES];
  struct dump before, after;
  report_must(dump_volume(vol, &before), "reading after the cut");
  report_must(nacre_rekey(vol, NULL, NULL), "carrying on after the cut");
  report_must(dump_volume(vol, &after), "reading after the rotation");
  if (!dump_equal(&before, &after, &exact, message))
    report_fail("carrying on changed what the volume holds: %s", message);
  dump_free(&before);
  dump_free(&after);
  if (status_of(vol).under_way || vault_verify(vol, message, sizeof message) != NACRE_OK)
    report_fail("after the rotation: %s", status_of(vol).under_way ? "it is under way still" : message);
}

/* The content is that of some moment, whether the rotation is brought to its end or not. */
static void look(const struct session *s, struct disk *disk, size_t events, void *arg) {
  struct ends *ends = arg;
  const struct vault vault = {.ops = &disk_ops, .ctx = disk, .cred = s->cred};
  char message[DUMP_MESSAGE_BYTES];
  nacre_volume *vol;
  session_check(s, disk, events);
  ends->cuts++;
  report_must(vault_open(&vault, false, &vol), "opening after the cut");
  if (status_of(vol).under_way) {
    ends->unfinished++;
    carry_on(vol);
  }
  const bool rotated = status_of(vol).epoch == 2;
  report_must(nacre_volume_close(vol), "closing after the cut");
  if (rotated)
    compare_blocks(&ends->before, disk);
  report_must(vault_open(&vault, true, &vol), "opening once more");
  if (vault_verify(vol, message, sizeof message) != NACRE_OK)
    report_fail("verify at the end: %s", message);
  report_must(nacre_volume_close(vol), "closing at the end");
}

/* The power is cut again while it is carried on. */
static void look_twice(const struct session *s, struct disk *disk, size_t events, void *arg) {
  struct ends *ends = arg;
  struct session again;
  struct session_cuts cuts = {0};
  nacre_volume *vol;
  session_init(&again, disk->limit_bytes, s->cred);
  disk_copy(disk, &again.base);
  disk_copy(disk, &again.disk);
  const struct vault vault = {.ops = &recorder_ops, .ctx = &again.recorder, .cred = s->cred};
  report_must(vault_open(&vault, false, &vol), "opening after the cut");
  struct dump *held = session_mark_dump(&again, "open", true);
  again.marks[0].events = 0; /* what the opening wrote changed nothing that is to be seen */
  report_must(dump_volume(vol, held), "reading after the cut");
  if (status_of(vol).under_way) {
    carry_on(vol);
    report_must(nacre_volume_close(vol), "closing after the cut");
    session_cut_all(&again, (unsigned)again.recorder.count / 2 + 1, events, look, ends, &cuts);
  } else {
    report_must(nacre_volume_close(vol), "closing after the cut");
  }
  session_free(&again);
  look(s, disk, events, arg);
}

static void run_scene(const struct scene *scene, uint64_t seed, unsigned every, const nacre_credential *cred) {
  struct session s;
  struct session_cuts cuts = {0};
  struct ends ends = {0};
  report_at("a rotation %s, seed %llu", scene->name, (unsigned long long)seed);
  run(&s, scene, seed, cred);
  disk_init(&ends.before, s.base.limit_bytes);
  disk_copy(&s.base, &ends.before);
  session_cut_all(&s, every, seed, look_twice, &ends, &cuts);
  if (!scene->slots_only && (ends.unfinished == 0 || ends.unfinished == ends.cuts))
    report_fail("%lu of %lu cuts left the rotation unfinished", ends.unfinished, ends.cuts);
  report_ok(
      "a rotation %s, seed %llu: %zu steps beside it, %zu events, %lu cuts, %lu of them left it to be carried on",
      scene->name, (unsigned long long)seed, s.mark_count, s.recorder.count, ends.cuts, ends.unfinished);
  disk_free(&ends.before);
  session_free(&s);
}

/* --deep [SEED], or NACRE_TORTURE in the environment: every cut, more seeds. */
int main(int argc, char **argv) {
  bool deep = getenv("NACRE_TORTURE") != NULL || (argc > 1 && strcmp(argv[1], "--deep") == 0);
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  vault_setup();
  nacre_credential *cred = vault_key(1);
  for (unsigned i = 0; i < (deep ? 10u : 1u); i++)
    for (size_t n = 0; n < sizeof scenes / sizeof scenes[0]; n++)
      run_scene(&scenes[n], seed + i, deep ? 1 : 7 * REPORT_SLOWNESS, cred);
  nacre_credential_free(cred);
  return 0;
}
