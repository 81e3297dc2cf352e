/* Power cuts where the container changes its shape: almost full, past what its log was laid out for, given back. */
#include "crash/looker.h"
#include "support/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 4096u
#define MIB (1ull << 20)
#define GIB (1ull << 30)

struct edge {
  struct session session;
  nacre_volume *vol;
  struct states_count counts;
  unsigned refused; /* changes for which there was no space */
};

struct scene {
  const char *name;
  uint64_t size_bytes;
  void (*prepare)(nacre_volume *vol);
  void (*run)(struct edge *e);
  /* What the recording must show, lest the test be about nothing. */
  void (*check)(const struct edge *e);
  struct states_plan plan;
};

/* ---- What is done ---- */

static enum nacre_err write_file(nacre_volume *vol, const char *path, uint8_t byte, size_t len, uint64_t at) {
  nacre_file *file = NULL;
  uint8_t *bytes = malloc(len);
  memset(bytes, byte, len);
  enum nacre_err err = nacre_open(vol, path, NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file);
  if (err == NACRE_OK)
    err = nacre_write(file, bytes, len, at);
  nacre_close(file);
  free(bytes);
  return err;
}

static enum nacre_err truncate_file(nacre_volume *vol, const char *path, uint64_t size) {
  nacre_file *file = NULL;
  enum nacre_err err = nacre_open(vol, path, NACRE_O_WRITE, 0, NULL, &file);
  if (err == NACRE_OK)
    err = nacre_ftruncate(file, size);
  nacre_close(file);
  return err;
}

/* Have the container grow by that much, for nothing. */
static void grow(nacre_volume *vol, uint64_t by) {
  nacre_file *file = NULL;
  report_must(nacre_open(vol, "file", NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "opening a file");
  report_must(nacre_fallocate(file, NACRE_FALLOCATE_KEEP_SIZE, 0, by), "asking for space");
  nacre_close(file);
}

/* What the volume shows after a step is what it must hold after a cut: that it is right, others test. */
static void mark(struct edge *e, const char *step, bool durable) {
  report_must(dump_volume(e->vol, session_mark_dump(&e->session, step, durable)), "reading the volume");
}

static void done(struct edge *e, const char *step, enum nacre_err err) {
  if (err == NACRE_ERR_NO_SPACE)
    e->refused++;
  else
    report_must(err, step);
  mark(e, step, false);
}

static void sync(struct edge *e) {
  report_must(nacre_volume_sync(e->vol), "a sync");
  mark(e, "sync", true);
}

/* ---- Scenes ---- */

static void prepare_small(nacre_volume *vol) {
  report_must(write_file(vol, "file", 1, 10000, 0), "writing a file");
}

static void prepare_full(nacre_volume *vol) {
  char name[] = "x0";
  uint64_t at = 0;
  prepare_small(vol);
  for (size_t len = MIB; len >= CHUNK_BYTES; len /= 2) {
    while (write_file(vol, "fill", 2, len, at) == NACRE_OK)
      at += len;
    report_must(nacre_volume_sync(vol), "a commit");
  }
  for (; write_file(vol, name, 3, CHUNK_BYTES, 0) == NACRE_OK && name[1] < '9'; name[1]++)
    report_must(nacre_volume_sync(vol), "a commit");
}

/* Changes of a chunk each, some of which find no room. */
static void run_full(struct edge *e) {
  for (unsigned i = 0; i < 3; i++) {
    done(e, "overwrite", write_file(e->vol, "file", (uint8_t)(10 + i), CHUNK_BYTES, CHUNK_BYTES));
    done(e, "append to what fills it", write_file(e->vol, "fill", 4, CHUNK_BYTES, 64 * MIB + i * CHUNK_BYTES));
    done(e, "make a file", write_file(e->vol, i == 1 ? "new" : "newer", 5, CHUNK_BYTES, 0));
    sync(e);
    done(e, "make a folder", nacre_mkdir(e->vol, i == 0 ? "d" : i == 1 ? "dd" : "ddd", 0700, NULL));
    done(e, "truncate what fills it", truncate_file(e->vol, "fill", (uint64_t)(3 - i) * MIB));
    sync(e);
  }
}

static void check_full(const struct edge *e) {
  if (e->refused == 0)
    report_fail("there was room for everything");
}

static void run_growth(struct edge *e) {
  done(e, "write", write_file(e->vol, "file", 6, CHUNK_BYTES, 0));
  grow(e->vol, GIB + 200 * MIB);
  done(e, "write", write_file(e->vol, "file", 7, CHUNK_BYTES, 0));
  sync(e);
  done(e, "make a folder", nacre_mkdir(e->vol, "d", 0700, NULL));
  sync(e);
  grow(e->vol, 6 * GIB);
  done(e, "write", write_file(e->vol, "more", 8, 3 * CHUNK_BYTES, 0));
  grow(e->vol, 7 * GIB);
  sync(e);
  done(e, "unlink", nacre_unlink(e->vol, "file"));
  sync(e);
}

static size_t count_resizes(const struct edge *e, bool shrinking) {
  uint64_t size = e->session.disk.size_bytes;
  size_t count = 0;
  for (size_t i = 0; i < e->session.recorder.count; i++) {
    const struct event *event = &e->session.recorder.events[i];
    if (event->kind != EVENT_RESIZE)
      continue;
    count += shrinking == (event->offset < size);
    size = event->offset;
  }
  return count;
}

static void check_growth(const struct edge *e) {
  if (count_resizes(e, false) < 2)
    report_fail("the container did not grow twice");
}

static void run_trim(struct edge *e) {
  done(e, "write", write_file(e->vol, "file", 9, CHUNK_BYTES, 0));
  grow(e->vol, 20 * MIB);
  done(e, "write", write_file(e->vol, "more", 10, 50000, 0));
  sync(e);
  done(e, "unlink", nacre_unlink(e->vol, "more"));
  struct dump *last = session_mark_dump(&e->session, "close", false);
  report_must(dump_volume(e->vol, last), "reading the volume");
  report_must(nacre_volume_close(e->vol), "closing it");
  e->vol = NULL;
  /* All of that mark again, now durable. */
  struct dump *closed = session_mark_dump(&e->session, "closed", true);
  const struct vault vault = {.ops = &disk_ops, .ctx = &e->session.disk, .cred = e->session.cred};
  nacre_volume *vol;
  report_must(vault_open(&vault, true, &vol), "opening what was closed");
  report_must(dump_volume(vol, closed), "reading what was closed");
  nacre_volume_abandon(vol);
}

static void check_trim(const struct edge *e) {
  if (count_resizes(e, true) == 0)
    report_fail("nothing was given back");
}

static const struct scene scenes[] = {
    {"almost full",
     24 * MIB,
     prepare_full,
     run_full,
     check_full,
     {.depth = 1, .lies = LIES_ALL_LOST, .choose_max = 7, .tears = 5}},
    {"growing past what the log was laid out for",
     64 * GIB,
     prepare_small,
     run_growth,
     check_growth,
     {.depth = 1, .lies = LIES_ANY_LOST, .choose_max = 7, .tears = 5}},
    {"giving back",
     64 * MIB,
     prepare_small,
     run_trim,
     check_trim,
     {.depth = 1, .lies = LIES_ANY_LOST, .choose_max = 8, .tears = 8}},
};

/* ---- Cutting ---- */

static void prepare(struct edge *e, const struct scene *scene) {
  struct vault vault = {
      .ops = &disk_ops, .ctx = &e->session.disk, .cred = e->session.cred, .chunk_bytes = CHUNK_BYTES};
  nacre_volume *vol;
  report_must(vault_create(&vault, scene->size_bytes), "making a volume");
  report_must(vault_open(&vault, false, &vol), "opening it");
  scene->prepare(vol);
  report_must(nacre_volume_close(vol), "closing it");
}

static void run_scene(const struct scene *scene, uint64_t seed, const nacre_credential *cred) {
  static struct edge e;
  static struct looker looker;
  struct prng prng = {.state = seed};
  memset(&e, 0, sizeof e);
  report_within("%s, seed %llu", scene->name, (unsigned long long)seed);
  session_init(&e.session, scene->size_bytes, cred);
  prepare(&e, scene);
  struct disk *disk = &e.session.disk;
  disk_mark(disk);
  const struct vault vault = {.ops = &recorder_ops, .ctx = &e.session.recorder, .cred = cred};
  report_must(vault_open(&vault, false, &e.vol), "opening it on a recorder");
  mark(&e, "open", true);
  scene->run(&e);
  if (e.vol != NULL)
    nacre_volume_abandon(e.vol);
  disk_rewind(disk);
  scene->check(&e);
  looker_cut(&looker, &e.session, disk, &scene->plan, &prng, &e.counts);
  report_ok("%s (seed %llu): %zu events; %lu states, %lu of them during openings and %lu after a sync that lied; %lu "
            "opened, the others differ from those in nothing that is read",
            scene->name, (unsigned long long)seed, e.session.recorder.count, e.counts.states, e.counts.nested,
            e.counts.lied, e.counts.opened);
  session_free(&e.session);
}

/* --deep [SEED], or NACRE_TORTURE in the environment: more seeds. */
int main(int argc, char **argv) {
  bool deep = getenv("NACRE_TORTURE") != NULL || (argc > 1 && strcmp(argv[1], "--deep") == 0);
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  vault_setup();
  nacre_credential *cred = vault_key(1);
  for (unsigned i = 0; i < (deep ? 10u : 1u); i++)
    for (size_t n = 0; n < sizeof scenes / sizeof scenes[0]; n++) {
      if (scenes[n].size_bytes < SIZE_MAX)
        run_scene(&scenes[n], seed + i, cred);
      else
        printf("skip - %s: so large a container in memory takes 64 bits\n", scenes[n].name);
    }
  nacre_credential_free(cred);
  return 0;
}
