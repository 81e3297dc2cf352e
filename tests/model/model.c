/* Random operations on a volume and on a plain filesystem in memory, which must always agree.
 *
 *   model [--seed N] [--ops N] [--config NAME] [--verbose]
 *
 * Prints a line for each configuration; on a disagreement the seed and the step that show it again. */
#include "model/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define TORTURE_LONGER 10u

static const struct config configs[] = {
    {.name = "chunks of 16 KiB",
     .chunk_bytes = 16384,
     .size_bytes = 1ull << 30,
     .memory_bytes = 16u << 20,
     .file_max_bytes = 3u << 20,
     .large_percent = 10,
     .nodes_max = 150,
     .steps = 25000},
    {.name = "chunks of 4 KiB, full",
     .chunk_bytes = 4096,
     .size_bytes = 24u << 20,
     .memory_bytes = 8u << 20,
     .file_max_bytes = 2u << 20,
     .large_percent = 25,
     .nodes_max = 600,
     .fills = true,
     .steps = 20000},
    {.name = "chunks of 64 KiB, full",
     .chunk_bytes = 65536,
     .size_bytes = 32u << 20,
     .memory_bytes = 8u << 20,
     .file_max_bytes = 3u << 20,
     .large_percent = 25,
     .nodes_max = 600,
     .fills = true,
     .steps = 15000},
    {.name = "chunks of 4 KiB, many names",
     .chunk_bytes = 4096,
     .size_bytes = 256u << 20,
     .memory_bytes = 8u << 20,
     .file_max_bytes = 100u << 10,
     .large_percent = 5,
     .nodes_max = 2000,
     .steps = 20000},
    {.name = "chunks of 64 KiB, threads",
     .chunk_bytes = 65536,
     .size_bytes = 256u << 20,
     .threads = 2,
     .commit_interval_ms = 20,
     .memory_bytes = 8u << 20,
     .file_max_bytes = 2u << 20,
     .large_percent = 15,
     .nodes_max = 100,
     .steps = 20000},
    {.name = "chunks of 16 KiB, rotating",
     .chunk_bytes = 16384,
     .size_bytes = 256u << 20,
     .threads = 1,
     .commit_interval_ms = 50,
     .memory_bytes = 8u << 20,
     .file_max_bytes = 1u << 20,
     .large_percent = 15,
     .nodes_max = 200,
     .rotates = true,
     .steps = 20000},
    {.name = "chunks of 4 KiB, full, rotating",
     .chunk_bytes = 4096,
     .size_bytes = 32u << 20,
     .threads = 1,
     .commit_interval_ms = 50,
     .memory_bytes = 8u << 20,
     .file_max_bytes = 2u << 20,
     .large_percent = 25,
     .nodes_max = 600,
     .fills = true,
     .rotates = true,
     .steps = 15000},
    {.name = "host full, threads",
     .chunk_bytes = 16384,
     .size_bytes = 1ull << 30,
     .store_bytes = 40u << 20,
     .threads = 2,
     .commit_interval_ms = 5000,
     .memory_bytes = 8u << 20,
     .file_max_bytes = 3u << 20,
     .large_percent = 25,
     .nodes_max = 600,
     .fills = true,
     .steps = 12000},
};

static void run_config(const struct config *config, uint64_t seed, unsigned steps, bool verbose) {
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  struct run *r = run_new(config, seed);
  r->verbose = verbose;
  for (r->step = 0; r->step < steps; r->step++)
    run_step(r);
  run_finish(r);
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("ok - model %s: %u steps agree\n", config->name, steps);
  printf("# seed %llu, %.1f s: %lu syncs, %lu of them by the log, %lu commits of its own, %lu reopenings, %lu "
         "crashes, %lu verifications, "
         "%lu full comparisons, %lu times full (%lu left a part)\n",
         (unsigned long long)seed, (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9,
         r->syncs, r->records, r->own_commits, r->reopens, r->crashes, r->verifies, r->compares, r->full, r->partial);
  fflush(stdout);
  if (config->fills && steps >= config->steps && r->full == 0)
    run_fail(r, "the volume was never full");
  if (config->rotates) {
    printf("# %lu rotations, %lu of them carried on after an opening\n", r->rotator.rotations, r->rotator.resumed);
    if (steps >= config->steps && r->rotator.resumed == 0)
      run_fail(r, "no rotation was carried on");
  }
  run_free(r);
}

/* NACRE_TORTURE and NACRE_SEED in the environment: longer runs, from other seeds. */
static void run_configs(const char *only, uint64_t seed, unsigned steps, bool verbose) {
  const char *env_seed = getenv("NACRE_SEED");
  uint64_t base = env_seed ? strtoull(env_seed, NULL, 10) : 1;
  unsigned longer = getenv("NACRE_TORTURE") ? TORTURE_LONGER : 1;
  for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++)
    if (!only || strstr(configs[i].name, only))
      run_config(&configs[i], seed ? seed : base * 1000 + i, steps ? steps : configs[i].steps * longer, verbose);
}

int main(int argc, char **argv) {
  uint64_t seed = 0;
  unsigned steps = 0;
  const char *only = NULL;
  bool verbose = false;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--verbose") == 0) {
      verbose = true;
    } else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
      seed = strtoull(argv[++i], NULL, 0);
    } else if (i + 1 < argc && strcmp(argv[i], "--ops") == 0) {
      steps = (unsigned)strtoul(argv[++i], NULL, 0);
    } else if (i + 1 < argc && strcmp(argv[i], "--config") == 0) {
      only = argv[++i];
    } else {
      fprintf(stderr, "usage: model [--seed N] [--ops N] [--config NAME] [--verbose]\n");
      return 2;
    }
  }
  run_configs(only, seed, steps, verbose);
  return 0;
}
