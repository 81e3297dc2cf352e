#include "model/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void run_fail(const struct run *r, const char *fmt, ...) {
  va_list args;
  printf("not ok - model %s: seed %llu step %lu (%s): ", r->config->name, (unsigned long long)r->seed, r->step,
         r->what);
  va_start(args, fmt);
  vprintf(fmt, args);
  va_end(args);
  printf("\n# last error: %s\n", nacre_last_error());
  fflush(stdout);
  exit(1);
}

void run_note(const struct run *r, const char *fmt, ...) {
  if (!r->verbose)
    return;
  va_list args;
  printf("# %lu %s ", r->step, r->what);
  va_start(args, fmt);
  vprintf(fmt, args);
  va_end(args);
  printf("\n");
}

static uint64_t script_take(struct run *r, size_t bytes) {
  uint64_t n = 0;
  for (size_t i = 0; i < bytes && r->script_left > 0; i++, r->script_left--)
    n = n << 8 | *r->script++;
  return n;
}

/* SplitMix64: the same steps from the same seed on every machine. */
uint64_t run_random(struct run *r) {
  if (r->script)
    return script_take(r, 8);
  uint64_t z = (r->random += 0x9e3779b97f4a7c15ull);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

uint64_t run_below(struct run *r, uint64_t n) {
  if (n == 0)
    return 0;
  /* No more than is needed of a script, so that its bytes mean something each. */
  if (r->script && n <= 65536)
    return script_take(r, n <= 256 ? 1 : 2) % n;
  return run_random(r) % n;
}

bool run_chance(struct run *r, unsigned percent) {
  return run_below(r, 100) < percent;
}

const uint8_t *run_bytes(struct run *r, size_t len) {
  return r->noise + run_below(r, RUN_NOISE_BYTES - len);
}

enum outcome run_expect(struct run *r, enum nacre_err got, enum nacre_err wanted) {
  if (got == NACRE_ERR_NO_SPACE && r->config->fills) {
    r->full++;
    return OUTCOME_FULL;
  }
  if (got != wanted)
    run_fail(r, "answered \"%s\" instead of \"%s\"", nacre_strerror(got), nacre_strerror(wanted));
  return got == NACRE_OK ? OUTCOME_DONE : OUTCOME_REFUSED;
}

void run_must(struct run *r, enum nacre_err got) {
  if (got != NACRE_OK)
    run_fail(r, "failed: %s", nacre_strerror(got));
}

/* ---- Picking ---- */

uint32_t run_folder(struct run *r) {
  for (unsigned i = 0; i < 64; i++) {
    uint32_t node = (uint32_t)run_below(r, r->ref.count);
    const struct ref_node *n = ref_at(&r->ref, node);
    if (n->live && S_ISDIR(n->mode) && n->nlink > 0)
      return node;
  }
  return REF_ROOT;
}

bool run_entry(struct run *r, uint32_t *dir, char name[RUN_NAME_BYTES]) {
  for (unsigned i = 0; i < 16; i++) {
    *dir = run_folder(r);
    const struct ref_node *d = ref_at(&r->ref, *dir);
    if (d->entry_count == 0)
      continue;
    snprintf(name, RUN_NAME_BYTES, "%s", d->entries[run_below(r, d->entry_count)].name);
    return true;
  }
  return false;
}

bool run_file(struct run *r, uint32_t *dir, char name[RUN_NAME_BYTES]) {
  for (unsigned i = 0; i < 16; i++)
    if (run_entry(r, dir, name) && S_ISREG(ref_at(&r->ref, ref_find(&r->ref, *dir, name))->mode))
      return true;
  return false;
}

void run_name(struct run *r, char name[RUN_NAME_BYTES]) {
  uint64_t kind = run_below(r, 20);
  unsigned n = (unsigned)run_below(r, 60);
  if (kind == 0) { /* as long as can be */
    memset(name, 'a' + (int)(n % 20), RUN_NAME_BYTES - 1);
    name[RUN_NAME_BYTES - 1] = 0;
  } else if (kind == 1) { /* any bytes */
    snprintf(name, RUN_NAME_BYTES, "\x01\xff \"\n%u\xc3", n);
  } else {
    snprintf(name, RUN_NAME_BYTES, "name-%u", n);
  }
}

struct handle *run_free_handle(struct run *r) {
  for (unsigned i = 0; i < RUN_HANDLES; i++)
    if (!r->handles[i].file)
      return &r->handles[i];
  return NULL;
}

struct handle *run_handle(struct run *r) {
  unsigned start = (unsigned)run_below(r, RUN_HANDLES);
  for (unsigned i = 0; i < RUN_HANDLES; i++) {
    struct handle *h = &r->handles[(start + i) % RUN_HANDLES];
    if (h->file)
      return h;
  }
  return NULL;
}

struct nacre_caller run_caller(struct run *r) {
  return (struct nacre_caller){.uid = (uint32_t)run_below(r, 5), .gid = (uint32_t)run_below(r, 5)};
}

void run_close_handle(struct run *r, struct handle *h) {
  nacre_close(h->file);
  ref_at(&r->ref, h->node)->handles--;
  ref_drop(&r->ref, h->node);
  memset(h, 0, sizeof *h);
}

static void close_handles(struct run *r) {
  for (unsigned i = 0; i < RUN_HANDLES; i++)
    if (r->handles[i].file)
      run_close_handle(r, &r->handles[i]);
}

/* ---- Life ---- */

static struct nacre_target target_of(struct run *r) {
  return (struct nacre_target){.struct_size = sizeof(struct nacre_target), .ops = &ram_ops, .ctx = &r->ram};
}

static uint64_t generation_of(struct run *r) {
  struct nacre_volume_info info = {.struct_size = sizeof info};
  run_must(r, nacre_volume_get_info(r->vol, &info));
  if (info.failed)
    run_fail(r, "the volume failed: %s", info.failure);
  return info.generation;
}

void run_create(struct run *r) {
  const struct nacre_target target = target_of(r);
  const struct nacre_create_options options = {.struct_size = sizeof options,
                                               .size_bytes = r->config->size_bytes,
                                               .chunk_bytes = r->config->chunk_bytes,
                                               .root_mode = 0755};
  run_must(r, nacre_create(&target, &options, r->cred));
}

void run_open(struct run *r) {
  const struct nacre_target target = target_of(r);
  const struct nacre_open_options options = {.struct_size = sizeof options,
                                             .memory_bytes = r->config->memory_bytes,
                                             .threads = r->config->threads,
                                             .commit_interval_ms = r->config->commit_interval_ms};
  run_must(r, nacre_volume_open(&target, &options, r->cred, &r->vol));
  r->generation = generation_of(r);
  if (r->config->rotates)
    rotator_start(&r->rotator, r->vol, r->config->fills);
}

static void stop_rotating(struct run *r) {
  if (r->config->rotates && rotator_stop(&r->rotator) != NACRE_OK)
    run_fail(r, "rotating the keys: %s", r->rotator.message);
}

static void now_committed(struct run *r) {
  ref_free(&r->committed);
  ref_clone(&r->ref, &r->committed);
  r->generation = generation_of(r);
}

void run_sync(struct run *r) {
  run_must(r, nacre_volume_sync(r->vol));
  now_committed(r);
  r->syncs++;
}

void run_fsync(struct run *r, nacre_file *file) {
  const uint64_t before = r->generation;
  run_must(r, file ? nacre_fsync(file) : nacre_volume_fsync(r->vol));
  now_committed(r);
  r->records += r->generation == before;
  r->syncs++;
}

void run_reopen(struct run *r) {
  close_handles(r);
  stop_rotating(r);
  run_must(r, nacre_volume_close(r->vol));
  run_open(r);
  now_committed(r);
  r->reopens++;
}

void run_crash(struct run *r) {
  /* With a commit thread nobody knows which state is the last one that it made durable. */
  if (r->config->threads > 0 && run_chance(r, 50))
    run_sync(r);
  else if (r->config->threads > 0)
    run_fsync(r, NULL);
  /* What only the handles kept alive is deleted now, which may commit. */
  close_handles(r);
  stop_rotating(r);
  run_watch(r);
  nacre_volume_abandon(r->vol);
  ref_free(&r->ref);
  ref_clone(&r->committed, &r->ref);
  run_open(r);
  r->crashes++;
  compare_all(r);
}

static void show_problem(void *arg, const char *path, const char *problem) {
  (void)arg;
  printf("# verify: %s: %s\n", path ? path : "-", problem);
}

void run_verify(struct run *r) {
  struct nacre_verify_report report = {.struct_size = sizeof report};
  enum nacre_err err = nacre_verify(r->vol, &report, show_problem, NULL, NULL, NULL, NULL);
  if (err != NACRE_OK)
    run_fail(r, "verify: %s, %llu problems", nacre_strerror(err), (unsigned long long)report.problems);
  now_committed(r);
  r->verifies++;
}

void run_watch(struct run *r) {
  if (generation_of(r) == r->generation)
    return;
  r->own_commits++;
  run_sync(r);
}

/* ---- All of it ---- */

struct run *run_new(const struct config *config, uint64_t seed) {
  struct run *r = calloc(1, sizeof *r);
  uint8_t key[32];
  r->config = config;
  r->seed = seed;
  r->random = seed;
  r->what = "create";
  r->noise = malloc(RUN_NOISE_BYTES);
  for (size_t i = 0; i < RUN_NOISE_BYTES; i += sizeof(uint64_t)) {
    uint64_t word = run_random(r);
    memcpy(r->noise + i, &word, sizeof word);
  }
  memcpy(key, r->noise, sizeof key);
  ram_init(&r->ram, config->store_bytes ? config->store_bytes : config->size_bytes);
  run_must(r, nacre_credential_raw_key(key, &r->cred));
  ref_init(&r->ref, 0755);
  run_create(r);
  run_open(r);
  ref_clone(&r->ref, &r->committed);
  return r;
}

void run_finish(struct run *r) {
  r->what = "end";
  compare_all(r);
  run_verify(r);
  run_reopen(r);
  compare_all(r);
  run_verify(r);
  stop_rotating(r);
  run_must(r, nacre_volume_close(r->vol));
}

void run_free(struct run *r) {
  nacre_credential_free(r->cred);
  ref_free(&r->ref);
  ref_free(&r->committed);
  ram_free(&r->ram);
  free(r->noise);
  free(r);
}
