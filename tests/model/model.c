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

static unsigned weights(const struct step *steps, size_t count) {
  unsigned sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += steps[i].weight;
  return sum;
}

/* The step that a number falls on, among those of one table. */
static bool pick(const struct step *steps, size_t count, unsigned *at, const struct step **out) {
  for (size_t i = 0; i < count; i++) {
    if (*at < steps[i].weight) {
      *out = &steps[i];
      return true;
    }
    *at -= steps[i].weight;
  }
  return false;
}

static const struct step *some_step(struct run *r) {
  unsigned sum = weights(steps_file, steps_file_count) + weights(steps_tree, steps_tree_count) +
                 weights(steps_attr, steps_attr_count);
  unsigned at = (unsigned)run_below(r, sum);
  const struct step *step = NULL;
  if (!pick(steps_file, steps_file_count, &at, &step) && !pick(steps_tree, steps_tree_count, &at, &step))
    pick(steps_attr, steps_attr_count, &at, &step);
  return step;
}

static const struct step *step_named(const char *name) {
  for (size_t i = 0; i < steps_tree_count; i++)
    if (strcmp(steps_tree[i].name, name) == 0)
      return &steps_tree[i];
  abort();
}

static unsigned live_nodes(struct run *r) {
  unsigned live = 0;
  for (size_t i = 0; i < r->ref.count; i++)
    live += r->ref.nodes[i].live;
  return live;
}

/* What is done to the volume as a whole, between the steps. */
static void now_and_then(struct run *r) {
  uint64_t kind = run_below(r, 1000);
  if (kind < 10) {
    r->what = "sync";
    run_sync(r);
  } else if (kind < 13) {
    r->what = "reopen";
    run_reopen(r);
    compare_all(r);
  } else if (kind < 16) {
    r->what = "crash";
    run_crash(r);
  } else if (kind < 18) {
    r->what = "verify";
    run_verify(r);
  } else if (kind < 20) {
    r->what = "compare";
    compare_all(r);
  }
}

static void one_step(struct run *r) {
  bool delete = live_nodes(r) > r->config->nodes_max && run_chance(r, 60);
  const struct step *step = delete ? step_named(run_chance(r, 70) ? "unlink" : "rmdir") : some_step(r);
  unsigned long full = r->full;
  r->what = step->name;
  step->run(r);
  run_watch(r);
  /* A full volume: what is there must be whole, and deleting must make room. */
  if (r->full != full && run_chance(r, 60)) {
    for (unsigned i = 0; i < 3; i++) {
      step = step_named("unlink");
      r->what = "unlink on a full volume";
      step->run(r);
      run_watch(r);
    }
  }
  now_and_then(r);
  if (r->verbose && r->step % 1000 == 0) {
    struct nacre_volume_info info = {.struct_size = sizeof info};
    run_must(r, nacre_volume_get_info(r->vol, &info));
    run_note(r, "%u nodes, %llu KiB used, %llu free", live_nodes(r), (unsigned long long)info.used_bytes >> 10,
             (unsigned long long)info.free_bytes >> 10);
  }
}

static void run_config(const struct config *config, uint64_t seed, unsigned steps, bool verbose) {
  struct run *r = calloc(1, sizeof *r);
  uint8_t key[32];
  struct timespec start, end;
  clock_gettime(CLOCK_MONOTONIC, &start);
  r->config = config;
  r->seed = seed;
  r->random = seed;
  r->verbose = verbose;
  r->what = "create";
  r->noise = malloc(RUN_NOISE_BYTES);
  for (size_t i = 0; i < RUN_NOISE_BYTES; i++)
    r->noise[i] = (uint8_t)run_random(r);
  memcpy(key, r->noise, sizeof key);
  ram_init(&r->ram, config->store_bytes ? config->store_bytes : config->size_bytes);
  run_must(r, nacre_credential_raw_key(key, &r->cred));
  ref_init(&r->ref, 0755);
  run_create(r);
  run_open(r);
  ref_clone(&r->ref, &r->committed);
  for (r->step = 0; r->step < steps; r->step++)
    one_step(r);
  r->what = "end";
  compare_all(r);
  run_verify(r);
  run_reopen(r);
  compare_all(r);
  run_verify(r);
  for (unsigned i = 0; i < RUN_HANDLES; i++)
    if (r->handles[i].file)
      run_close_handle(r, &r->handles[i]);
  run_must(r, nacre_volume_close(r->vol));
  clock_gettime(CLOCK_MONOTONIC, &end);
  printf("ok - model %s: %u steps agree\n", config->name, steps);
  printf("# seed %llu, %.1f s: %lu syncs, %lu commits of its own, %lu reopenings, %lu crashes, %lu verifications, "
         "%lu full comparisons, %lu times full (%lu left a part)\n",
         (unsigned long long)seed, (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9,
         r->syncs, r->own_commits, r->reopens, r->crashes, r->verifies, r->compares, r->full, r->partial);
  fflush(stdout);
  if (config->fills && steps >= config->steps && r->full == 0)
    run_fail(r, "the volume was never full");
  nacre_credential_free(r->cred);
  ref_free(&r->ref);
  ref_free(&r->committed);
  ram_free(&r->ram);
  free(r->noise);
  free(r);
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
  for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++)
    if (!only || strstr(configs[i].name, only))
      run_config(&configs[i], seed ? seed : 1000 + i, steps ? steps : configs[i].steps, verbose);
  return 0;
}
