/* No key seals two things with one nonce: not over threads, crashes, rollbacks, clones, forks, changed keyslots and
 * failing ciphers. Everything that is ever sealed here goes into one list (nonce/seals.h). NACRE_TORTURE in the
 * environment: more of everything. */
#include "nonce/seals.h"
#include "support/disk.h"
#include "support/report.h"
#include "support/vault.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_BYTES (192ull << 20)
#define CHUNK_BYTES 4096u
#define FILE_BYTES (16u << 20)
#define WRITERS 4

static unsigned much = 1;
static nacre_credential *cred;

static struct vault vault_on(struct disk *d) {
  return (struct vault){.ops = &disk_ops, .ctx = d, .cred = cred, .chunk_bytes = CHUNK_BYTES};
}

static nacre_volume *open_on(struct disk *d, int threads) {
  struct vault v = vault_on(d);
  nacre_volume *vol = NULL;
  report_must(threads > 0 ? vault_open_threads(&v, threads, &vol) : vault_open(&v, false, &vol), "opening");
  return vol;
}

static void make(struct disk *d) {
  struct vault v = vault_on(d);
  disk_init(d, LIMIT_BYTES);
  report_must(vault_create(&v, LIMIT_BYTES), "creating");
}

static nacre_file *open_file(nacre_volume *vol, const char *path) {
  nacre_file *file = NULL;
  report_must(nacre_open(vol, path, NACRE_O_CREATE | NACRE_O_WRITE, 0600, NULL, &file), "opening a file");
  return file;
}

static enum nacre_err write_some(nacre_file *file, uint64_t offset, uint64_t len) {
  static const uint8_t bytes[1u << 16];
  for (uint64_t done = 0; done < len; done += sizeof bytes) {
    size_t part = len - done < sizeof bytes ? (size_t)(len - done) : sizeof bytes;
    enum nacre_err err = nacre_write(file, bytes, part, offset + done);
    if (err != NACRE_OK)
      return err;
  }
  return NACRE_OK;
}

/* A little of everything that seals: data, a tail, nodes, log and superblock. */
static void work(nacre_volume *vol, unsigned seed) {
  char path[32];
  snprintf(path, sizeof path, "file%u", seed % 5);
  nacre_file *file = open_file(vol, path);
  report_must(write_some(file, (uint64_t)(seed % 7) * 100000, 300000), "writing");
  report_must(nacre_fsync(file), "fsync");
  nacre_close(file);
}

static void none_repeats(const char *what, const struct seals_tally *before) {
  struct seals_tally now = seals_tally();
  if (now.repeated != 0)
    report_fail("%llu of %llu nonces came twice", (unsigned long long)now.repeated, (unsigned long long)now.seals);
  if (now.seals == before->seals)
    report_fail("nothing was sealed");
  report_ok("%s: %llu seals, %llu sessions", what, (unsigned long long)(now.seals - before->seals),
            (unsigned long long)(now.sessions - before->sessions));
}

/* ---- One volume ---- */

struct writer {
  pthread_t thread;
  nacre_volume *vol;
  unsigned number;
};

static void *writer_main(void *arg) {
  struct writer *w = arg;
  char path[32];
  snprintf(path, sizeof path, "writer%u", w->number);
  nacre_file *file = open_file(w->vol, path);
  for (unsigned round = 0; round < 2 * much; round++) {
    for (uint64_t at = 0; at < FILE_BYTES / 2; at += 1u << 20) {
      report_must(write_some(file, at, 1u << 20), "writing");
      if (at >> 20 & 1)
        report_must(nacre_fsync(file), "fsync");
    }
  }
  nacre_close(file);
  return NULL;
}

static void threads(void) {
  struct disk d;
  struct writer writers[WRITERS];
  make(&d);
  nacre_volume *vol = open_on(&d, 2);
  for (unsigned i = 0; i < WRITERS; i++) {
    writers[i] = (struct writer){.vol = vol, .number = i};
    if (pthread_create(&writers[i].thread, NULL, writer_main, &writers[i]) != 0)
      report_fail("no thread");
  }
  for (unsigned i = 0; i < WRITERS; i++)
    pthread_join(writers[i].thread, NULL);
  report_must(nacre_volume_close(vol), "closing");
  disk_free(&d);
}

/* More than a session may seal, in one commit's time. */
static void a_lot(void) {
  struct disk d;
  uint64_t lot = (4ull << 30) / REPORT_SLOWNESS * much;
  make(&d);
  nacre_volume *vol = open_on(&d, 0);
  nacre_file *file = open_file(vol, "big");
  for (uint64_t done = 0; done < lot; done += FILE_BYTES)
    report_must(write_some(file, 0, FILE_BYTES), "writing");
  report_must(nacre_fsync(file), "fsync");
  nacre_close(file);
  report_must(nacre_volume_close(vol), "closing");
  disk_free(&d);
}

/* The ring comes round again and again, and the log's sets with it. */
static void commits(void) {
  struct disk d;
  make(&d);
  nacre_volume *vol = open_on(&d, 0);
  nacre_file *file = open_file(vol, "file");
  struct seals_tally before = seals_tally();
  struct nacre_volume_info info = vault_info(vol);
  uint64_t generation = info.generation;
  for (unsigned i = 0; i < 300 * much; i++) {
    report_must(write_some(file, (i % 50) * 5000, 5000), "writing");
    report_must(nacre_fsync(file), "fsync");
  }
  info = vault_info(vol);
  if (seals_tally().sessions - before.sessions < info.generation - generation)
    report_fail("there were more commits than sessions");
  nacre_close(file);
  report_must(nacre_volume_close(vol), "closing");
  disk_free(&d);
}

/* ---- Back in time ---- */

static void crashes(void) {
  struct disk d;
  make(&d);
  for (unsigned i = 0; i < 40 * much; i++) {
    nacre_volume *vol = open_on(&d, 0);
    work(vol, i);
    disk_mark(&d);
    nacre_file *file = open_file(vol, "lost");
    report_must(write_some(file, 0, 200000), "writing");
    if (i % 2 == 0)
      report_must(nacre_fsync(file), "fsync");
    nacre_close(file);
    nacre_volume_abandon(vol);
    disk_rewind(&d); /* all of it is lost, and comes once more */
  }
  disk_free(&d);
}

static void rollbacks(void) {
  struct disk d, old;
  make(&d);
  disk_init(&old, LIMIT_BYTES);
  disk_copy(&d, &old);
  for (unsigned i = 0; i < 20 * much; i++) {
    disk_copy(&old, &d);
    nacre_volume *vol = open_on(&d, 0);
    work(vol, 1);
    work(vol, 2);
    report_must(nacre_volume_close(vol), "closing");
  }
  disk_free(&d);
  disk_free(&old);
}

static void clones(void) {
  struct disk d, twin;
  make(&d);
  disk_init(&twin, LIMIT_BYTES);
  disk_copy(&d, &twin);
  for (unsigned i = 0; i < 5 * much; i++) {
    nacre_volume *a = open_on(&d, 1), *b = open_on(&twin, 1);
    for (unsigned j = 0; j < 10; j++) {
      work(a, j);
      work(b, j);
    }
    report_must(nacre_volume_close(a), "closing");
    report_must(nacre_volume_close(b), "closing the other");
  }
  disk_free(&d);
  disk_free(&twin);
}

/* ---- Two processes ---- */

static void child_of_fork(nacre_volume *vol, nacre_file *file, struct disk *d) {
  uint8_t byte = 1;
  nacre_file *other;
  struct seals_tally before = seals_tally();
  if (nacre_write(file, &byte, 1, 0) != NACRE_ERR_FORKED || nacre_fsync(file) != NACRE_ERR_FORKED ||
      nacre_volume_sync(vol) != NACRE_ERR_FORKED ||
      nacre_open(vol, "x", NACRE_O_CREATE | NACRE_O_WRITE, 0600, NULL, &other) != NACRE_ERR_FORKED ||
      nacre_volume_close(vol) != NACRE_ERR_FORKED || seals_tally().seals != before.seals)
    _exit(1);
  /* Its copy of the container, in its copy of the memory. */
  nacre_volume *own = open_on(d, 0);
  for (unsigned i = 0; i < 10; i++)
    work(own, i);
  report_must(nacre_volume_close(own), "closing in the child");
  _exit(0);
}

static void forks(void) {
  struct disk d;
  make(&d);
  for (unsigned i = 0; i < 3 * much; i++) {
    nacre_volume *vol = open_on(&d, 0);
    nacre_file *file = open_file(vol, "file");
    report_must(write_some(file, 0, 100000), "writing");
    pid_t child = fork();
    if (child < 0)
      report_fail("no fork");
    if (child == 0)
      child_of_fork(vol, file, &d);
    int status;
    if (waitpid(child, &status, 0) != child || status != 0)
      report_fail("the child could use what its parent had opened");
    for (unsigned j = 0; j < 10; j++)
      work(vol, j);
    nacre_close(file);
    report_must(nacre_volume_close(vol), "closing");
  }
  disk_free(&d);
}

/* ---- Keys, anchors, failures ---- */

static void keyslots(void) {
  struct disk d;
  make(&d);
  nacre_volume *vol = open_on(&d, 0);
  struct seals_tally before = seals_tally();
  for (unsigned i = 0; i < 20 * much; i++) {
    nacre_credential *other = vault_key(2);
    uint32_t slot;
    report_must(nacre_slot_add(vol, other, NULL, "other", &slot), "adding a slot");
    report_must(nacre_slot_change(vol, slot, other, NULL, NULL), "changing it");
    report_must(nacre_slot_remove(vol, slot, false), "removing it");
    nacre_credential_free(other);
  }
  if (seals_tally().boxes - before.boxes < 40)
    report_fail("slots were made without sealing a key to them");
  report_must(nacre_volume_close(vol), "closing");
  disk_free(&d);
}

struct anchor {
  uint8_t bytes[NACRE_ANCHOR_MAX_BYTES];
  size_t len;
  unsigned stored;
};

static int anchor_load(void *ctx, const uint8_t fingerprint[32], void *buf, size_t cap_bytes, size_t *len_bytes) {
  const struct anchor *a = ctx;
  (void)fingerprint;
  if (a->len > cap_bytes)
    return ERANGE;
  memcpy(buf, a->bytes, a->len);
  *len_bytes = a->len;
  return 0;
}

static int anchor_store(void *ctx, const uint8_t fingerprint[32], const void *buf, size_t len_bytes) {
  struct anchor *a = ctx;
  (void)fingerprint;
  memcpy(a->bytes, buf, len_bytes);
  a->len = len_bytes;
  a->stored++;
  return 0;
}

/* Put back, it is sealed anew with the same things in it. */
static void anchors(void) {
  static const struct nacre_anchor_ops ops = {.struct_size = sizeof ops, .load = anchor_load, .store = anchor_store};
  struct disk d;
  struct anchor kept = {.len = 0}, first = {.len = 0};
  make(&d);
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &disk_ops, .ctx = &d};
  const struct nacre_open_options options = {
      .struct_size = sizeof options, .anchor = &ops, .anchor_ctx = &kept, .accept_rollback = true};
  for (unsigned i = 0; i < 20 * much; i++) {
    nacre_volume *vol = NULL;
    report_must(nacre_volume_open(&target, &options, cred, &vol), "opening with an anchor");
    work(vol, i);
    report_must(nacre_volume_close(vol), "closing");
    if (i == 0)
      first = kept;
    else if (i % 5 == 0)
      kept = first;
  }
  if (kept.stored == 0)
    report_fail("no anchor was kept");
  disk_free(&d);
}

static void cancel_at_once(void *arg, const char *what, uint64_t done, uint64_t total) {
  (void)what;
  (void)done;
  (void)total;
  nacre_cancel_fire(arg);
}

/* Two copies that both carry on the same rotation, at work meanwhile, seal the same data under the same new key. */
static void rotations(void) {
  struct disk d, copy;
  make(&d);
  disk_init(&copy, d.limit_bytes);
  for (unsigned i = 0; i < 10 * much; i++) {
    nacre_cancel *cancel;
    nacre_volume *vol = open_on(&d, 0);
    report_must(nacre_cancel_new(&cancel), "a token");
    const struct nacre_rekey_options options = {
        .struct_size = sizeof options, .progress = cancel_at_once, .progress_arg = cancel, .cancel = cancel};
    work(vol, i);
    report_must(nacre_volume_sync(vol), "sync");
    if (nacre_rekey(vol, &options, NULL) != NACRE_ERR_CANCELLED)
      report_fail("the rotation was not broken off");
    nacre_cancel_free(cancel);
    nacre_volume_abandon(vol);
    disk_copy(&d, &copy);
    struct disk *both[] = {&d, &copy};
    for (unsigned n = 0; n < 2; n++) {
      vol = open_on(both[n], 2);
      work(vol, i + 1);
      report_must(nacre_rekey(vol, NULL, NULL), "carrying on");
      report_must(nacre_volume_close(vol), "closing");
    }
  }
  disk_free(&d);
  disk_free(&copy);
}

/* The pair of a nonce whose seal failed is spent all the same. */
static void failures(void) {
  struct disk d;
  make(&d);
  unsigned failed = 0;
  for (unsigned every = 1; every < 30 * much; every++) {
    nacre_volume *vol = open_on(&d, every % 2 ? 0 : 2);
    nacre_file *file = open_file(vol, "file");
    seals_fail_every(every);
    for (unsigned i = 0; i < 5; i++) {
      failed += write_some(file, 0, 400000) != NACRE_OK;
      failed += nacre_fsync(file) != NACRE_OK;
    }
    seals_fail_every(0);
    nacre_close(file);
    nacre_volume_abandon(vol);
  }
  if (failed == 0)
    report_fail("the cipher failed, and nobody said so");
  nacre_volume *vol = open_on(&d, 0);
  work(vol, 1);
  report_must(nacre_volume_close(vol), "closing");
  disk_free(&d);
}

/* ---- The count that the volume keeps ---- */

static void count_agrees(void) {
  struct disk d;
  make(&d);
  nacre_volume *vol = open_on(&d, 2);
  struct seals_tally before = seals_tally();
  uint64_t counted = vault_info(vol).sealed_blocks;
  for (unsigned i = 0; i < 20; i++)
    work(vol, i);
  report_must(nacre_volume_sync(vol), "sync");
  counted = vault_info(vol).sealed_blocks - counted;
  uint64_t sealed = seals_tally().seals - before.seals;
  if (counted != sealed)
    report_fail("the volume counts %llu blocks of %llu", (unsigned long long)counted, (unsigned long long)sealed);
  report_must(nacre_volume_close(vol), "closing");
  disk_free(&d);
}

static const struct {
  const char *name;
  void (*run)(void);
} scenes[] = {
    {"four threads write", threads},
    {"more than a session seals", a_lot},
    {"the ring comes round", commits},
    {"crashes", crashes},
    {"a container put back, and continued", rollbacks},
    {"two copies, both written", clones},
    {"forks", forks},
    {"keyslots changed", keyslots},
    {"keys rotated, by two copies of one container", rotations},
    {"anchors kept and put back", anchors},
    {"a cipher that fails", failures},
    {"the volume's own count agrees", count_agrees},
};

/* What the list is for: with one session for all, it must find something. */
static void repeats_are_found(void) {
  struct seals_tally before = seals_tally();
  seals_repeat_sessions(true);
  clones();
  seals_repeat_sessions(false);
  struct seals_tally now = seals_tally();
  if (now.repeated == 0)
    report_fail("a session that came again was not noticed");
  report_ok("a session that comes again is noticed: %llu of %llu nonces", (unsigned long long)now.repeated,
            (unsigned long long)(now.seals - before.seals));
}

int main(void) {
  if (getenv("NACRE_TORTURE") != NULL)
    much = 20;
  vault_setup();
  seals_start(2000000ull * much);
  cred = vault_key(1);
  for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
    struct seals_tally before = seals_tally();
    report_within("%s", scenes[i].name);
    scenes[i].run();
    none_repeats(scenes[i].name, &before);
  }
  struct seals_tally all = seals_tally();
  if (all.session_bytes_max > (1ull << 30) + (2u << 20))
    report_fail("a session sealed %llu bytes", (unsigned long long)all.session_bytes_max);
  report_ok("in all %llu seals and %llu boxes with %llu keys in %llu sessions, none with a nonce twice",
            (unsigned long long)all.seals, (unsigned long long)all.boxes, (unsigned long long)all.keys,
            (unsigned long long)all.sessions);
  report_within("the list itself");
  repeats_are_found();
  nacre_credential_free(cred);
  return 0;
}
