/* Power cuts while a volume is opened and used after a power cut. */
#include "crash/session.h"
#include "support/report.h"

#include <stdlib.h>
#include <string.h>

static const struct session_plan plan = {
    .size_bytes = 24u << 20,
    .chunk_bytes = 4096,
    .steps = 300,
    .sync_percent = 8,
    .write_max_bytes = 20000,
    .file_max_bytes = 60000,
};

struct recovery {
  const nacre_credential *cred;
  uint64_t seed;
  unsigned long outer;
  struct session_cuts cuts;
};

static void look_again(const struct session *s, struct disk *disk, size_t events, void *arg) {
  (void)arg;
  session_check(s, disk, events);
}

static void look(const struct session *s, struct disk *disk, size_t events, void *arg) {
  struct recovery *r = arg;
  struct session again;
  (void)s;
  (void)events;
  session_resume(&again, disk, r->cred);
  session_cut_all(&again, 1, r->seed + r->outer++, look_again, NULL, &r->cuts);
  session_free(&again);
}

static void run_seed(uint64_t seed, unsigned every, const nacre_credential *cred) {
  struct recovery r = {.cred = cred, .seed = seed};
  struct session_plan seeded = plan;
  struct session_cuts cuts = {0};
  struct session s;
  unsigned long inner = 0;
  seeded.seed = seed;
  report_at("seed %llu", (unsigned long long)seed);
  session_run(&s, &seeded, cred);
  session_cut_all(&s, every, seed, look, &r, &cuts);
  for (unsigned i = 0; i < CUTS; i++)
    inner += r.cuts.of[i];
  report_ok("seed %llu: %lu cuts, %lu more in what was done after them", (unsigned long long)seed, r.outer, inner);
  session_free(&s);
}

/* --deep [SEED]: more seeds, every cut. */
int main(int argc, char **argv) {
  bool deep = argc > 1 && strcmp(argv[1], "--deep") == 0;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  unsigned seeds = deep ? 10 : 2;
  vault_setup();
  nacre_credential *cred = vault_key(1);
  for (unsigned i = 0; i < seeds; i++)
    run_seed(seed + i, deep ? 1 : 9 * REPORT_SLOWNESS, cred);
  nacre_credential_free(cred);
  return 0;
}
