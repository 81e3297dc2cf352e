/* A power cut after every write of random runs. */
#include "crash/session.h"
#include "support/report.h"

#include <stdlib.h>
#include <string.h>

static const struct session_plan plans[] = {
    {.name = "small files",
     .size_bytes = 32u << 20,
     .chunk_bytes = 4096,
     .steps = 300,
     .sync_percent = 12,
     .write_max_bytes = 20000,
     .file_max_bytes = 60000,
     .cut_every = 1},
    /* The container grows. */
    {.name = "large writes",
     .size_bytes = 64u << 20,
     .chunk_bytes = 16384,
     .fill_bytes = 12u << 20,
     .steps = 100,
     .sync_percent = 12,
     .write_max_bytes = 1000000,
     .file_max_bytes = 3000000,
     .cut_every = 1},
    /* The allocation log starts anew, several times. */
    {.name = "many commits",
     .size_bytes = 32u << 20,
     .chunk_bytes = 4096,
     .steps = 900,
     .sync_percent = 50,
     .write_max_bytes = 3000,
     .file_max_bytes = 20000,
     .cut_every = 2},
    /* Orphans, and what is left of them. */
    {.name = "few commits",
     .size_bytes = 32u << 20,
     .chunk_bytes = 65536,
     .steps = 400,
     .sync_percent = 3,
     .write_max_bytes = 100000,
     .file_max_bytes = 200000,
     .cut_every = 1},
};

static void look(const struct session *s, struct disk *disk, size_t events, void *arg) {
  (void)arg;
  session_check(s, disk, events);
}

static size_t count_events(const struct session *s, enum event_kind kind) {
  size_t count = 0;
  for (size_t i = 0; i < s->recorder.count; i++)
    count += s->recorder.events[i].kind == kind;
  return count;
}

static void run_plan(const struct session_plan *plan, uint64_t seed, unsigned every, const nacre_credential *cred) {
  struct session s;
  struct session_plan seeded = *plan;
  struct session_cuts cuts = {0};
  seeded.seed = seed;
  report_at("%s, seed %llu", plan->name, (unsigned long long)seed);
  session_run(&s, &seeded, cred);
  session_cut_all(&s, every, seed, look, NULL, &cuts);
  report_ok("%s, seed %llu: %zu steps, %zu writes, %zu syncs, %zu resizes; after the cut unsynced writes were %lu "
            "times kept, %lu dropped, %lu torn, %lu reordered, %lu scattered",
            plan->name, (unsigned long long)seed, s.mark_count - 1, count_events(&s, EVENT_WRITE),
            count_events(&s, EVENT_SYNC), count_events(&s, EVENT_RESIZE), cuts.of[CUT_KEEP], cuts.of[CUT_DROP],
            cuts.of[CUT_TEAR], cuts.of[CUT_SUBSET], cuts.of[CUT_SECTORS]);
  session_free(&s);
}

/* --deep [SEED]: more seeds, every cut. */
int main(int argc, char **argv) {
  bool deep = argc > 1 && strcmp(argv[1], "--deep") == 0;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  unsigned seeds = deep ? 20 : 1;
  vault_setup();
  nacre_credential *cred = vault_key(1);
  for (unsigned i = 0; i < seeds; i++)
    for (size_t p = 0; p < sizeof plans / sizeof plans[0]; p++)
      run_plan(&plans[p], seed + i, deep ? 1 : plans[p].cut_every * REPORT_SLOWNESS, cred);
  nacre_credential_free(cred);
  return 0;
}
