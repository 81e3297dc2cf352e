#include "tamper/specimen.h"

#include "support/report.h"
#include "support/vault.h"
#include "support/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STEPS_A_STATE 12u
/* Names with an attribute each, so that the tree has some leaves. */
#define LEAVES_NAMES 40u
#define LEAVES_XATTR_BYTES 1500u
/* The log starts anew when it is full. Long before the states, it is short after them. */
#define LOG_BYTES_LONG (58u * 4096u)
#define LOG_BYTES_SHORT (12u * 4096u)
#define COMMITS_MAX 200u

uint64_t specimen_slot(unsigned index) {
  return (index % 2) * (uint64_t)GROUP_1_OFFSET + HEADER_BYTES + (uint64_t)(index / 2) * (64u << 10);
}

bool specimen_is_deep(int argc, char **argv) {
  bool asked = getenv("NACRE_TORTURE") != NULL;
  for (int i = 1; i < argc; i++)
    asked |= strcmp(argv[i], "--deep") == 0;
  return asked;
}

uint64_t specimen_seed(int argc, char **argv) {
  uint64_t seed = argc > 1 ? strtoull(argv[argc - 1], NULL, 10) : 0;
  return seed == 0 ? 1 : seed;
}

/* ---- Making ---- */

static struct vault vault_of(struct specimen *s, const nacre_credential *key) {
  return (struct vault){
      .ops = &disk_ops, .ctx = &s->disk, .cred = key, .chunk_bytes = 4096, .accept_rollback = s->accept_rollback};
}

static bool in_fixed_area(uint64_t offset) {
  return offset < (512u << 10) || (offset >= GROUP_1_OFFSET && offset < GROUP_1_OFFSET + (512u << 10));
}

static void keep_span(struct disk_trace *t, struct disk_span span) {
  for (size_t i = 0; i < t->count; i++)
    if (t->spans[i].offset == span.offset)
      return;
  t->spans = realloc(t->spans, (t->count + 1) * sizeof *t->spans);
  t->spans[t->count++] = span;
}

static size_t trace_bytes(const struct disk_trace *t) {
  size_t bytes = 0;
  for (size_t i = 0; i < t->count; i++)
    bytes += t->spans[i].len;
  return bytes;
}

static void forget(struct disk_trace *t) {
  free(t->spans);
  *t = (struct disk_trace){0};
}

/* An opening reads the log, then the root; a list of all names the other nodes; contents come last. */
static void trace_parts(struct specimen *s) {
  const struct vault vault = vault_of(s, s->key);
  struct disk_trace opening = {0}, reading = {0};
  struct dump dump;
  nacre_volume *vol;
  forget(&s->log);
  forget(&s->nodes);
  forget(&s->data);
  disk_watch_reads(&s->disk, &opening);
  report_must(vault_open(&vault, true, &vol), "opening the specimen");
  disk_watch_reads(&s->disk, &reading);
  report_must(dump_volume(vol, &dump), "reading the specimen");
  disk_watch_reads(&s->disk, NULL);
  nacre_volume_abandon(vol);
  dump_free(&dump);
  while (opening.count > 0 && opening.spans[opening.count - 1].len != NODE_BYTES)
    opening.count--;
  if (opening.count == 0)
    report_fail("the test has not found the root");
  keep_span(&s->nodes, opening.spans[--opening.count]);
  for (size_t i = 0; i < opening.count; i++)
    if (!in_fixed_area(opening.spans[i].offset))
      keep_span(&s->log, opening.spans[i]);
  for (size_t i = 0; i < reading.count; i++)
    keep_span(reading.spans[i].len == NODE_BYTES ? &s->nodes : &s->data, reading.spans[i]);
  forget(&opening);
  forget(&reading);
}

static void keep_state(struct specimen *s, struct workload *w, size_t i) {
  workload_close_handles(w);
  report_must(nacre_volume_sync(w->vol), "a commit");
  report_must(dump_volume(w->vol, &s->states[i]), "reading a state");
  disk_init(&s->images[i], SPECIMEN_BYTES);
  disk_copy(&s->disk, &s->images[i]);
}

/* ---- Keyslots come and go: each change has a commit of its own, before the steps to its state ---- */

#define CHANGED_AT 3u
#define REMOVED_AT 6u
#define ADDED_AT 7u
#define REMOVED_AGAIN_AT 9u

static void make_slots(struct specimen *s, nacre_volume *vol, uint32_t slots[SPECIMEN_FORMER]) {
  report_must(nacre_slot_add(vol, s->former[0], NULL, "changed later", &slots[0]), "adding a slot");
  report_must(nacre_slot_add(vol, s->former[1], NULL, "removed later", &slots[1]), "adding a slot");
  s->former_until[0] = CHANGED_AT;
  s->former_until[1] = REMOVED_AT;
  s->former_until[2] = REMOVED_AGAIN_AT;
  s->headers_from = REMOVED_AGAIN_AT;
}

static void change_slots(struct specimen *s, nacre_volume *vol, size_t state, uint32_t slots[SPECIMEN_FORMER]) {
  if (state == CHANGED_AT) {
    nacre_credential *other = vault_key(77);
    report_must(nacre_slot_change(vol, slots[0], other, NULL, NULL), "changing a slot");
    nacre_credential_free(other);
  }
  if (state == REMOVED_AT)
    report_must(nacre_slot_remove(vol, slots[1], false), "removing a slot");
  if (state == ADDED_AT)
    report_must(nacre_slot_add(vol, s->former[2], NULL, NULL, &slots[2]), "adding a slot");
  if (state == REMOVED_AGAIN_AT)
    report_must(nacre_slot_remove(vol, slots[2], false), "removing a slot");
}

static void make_states(struct specimen *s, struct workload *w) {
  uint32_t slots[SPECIMEN_FORMER] = {0};
  make_slots(s, w->vol, slots);
  for (size_t i = 0; i < SPECIMEN_STATES; i++) {
    change_slots(s, w->vol, i, slots);
    for (unsigned step = 0; step < STEPS_A_STATE; step++)
      report_must(workload_step(w), w->step);
    keep_state(s, w, i);
  }
}

static void make_leaves(nacre_volume *vol) {
  uint8_t value[LEAVES_XATTR_BYTES];
  struct prng prng = {.state = 9};
  for (unsigned i = 0; i < LEAVES_NAMES; i++) {
    char path[DUMP_PATH_BYTES];
    snprintf(path, sizeof path, "leaves-%u", i);
    prng_fill(&prng, value, sizeof value);
    report_must(nacre_mknod(vol, path, S_IFREG | 0600, 0, NULL), "making a file");
    report_must(nacre_setxattr(vol, path, "user.leaf", value, sizeof value, 0), "setting an attribute");
  }
}

/* Commits that change next to nothing. */
static void lengthen_log(struct specimen *s, nacre_volume *vol) {
  for (unsigned i = 0; i < COMMITS_MAX; i++) {
    struct nacre_attr attr = {.struct_size = sizeof attr, .mtime = {.s = i}};
    report_must(nacre_setattr(vol, "", &attr, NACRE_SET_MTIME), "setting a time");
    report_must(nacre_volume_sync(vol), "a commit");
    trace_parts(s);
    if (trace_bytes(&s->log) >= LOG_BYTES_LONG)
      return;
  }
  report_fail("the log does not become long");
}

static void find_newest_slot(struct specimen *s) {
  const struct disk *before = &s->images[SPECIMEN_STATES - 2];
  unsigned found = 0;
  for (unsigned i = 0; i < RING_SLOTS; i++) {
    uint64_t offset = specimen_slot(i);
    if (memcmp(before->bytes + offset, s->disk.bytes + offset, SUPERBLOCK_BYTES) == 0)
      continue;
    s->newest_slot = offset;
    found++;
  }
  if (found != 1)
    report_fail("the last state is %u commits after the one before", found);
}

void specimen_make(struct specimen *s, uint64_t seed) {
  struct workload w;
  memset(s, 0, sizeof *s);
  s->key = vault_key(1);
  for (uint8_t i = 0; i < SPECIMEN_FORMER; i++)
    s->former[i] = vault_key((uint8_t)(2 + i));
  disk_init(&s->disk, SPECIMEN_BYTES);
  const struct vault vault = vault_of(s, s->key);
  report_must(vault_create(&vault, SPECIMEN_BYTES), "making a volume");
  workload_init(&w, seed);
  w.write_max_bytes = 12000;
  w.file_max_bytes = 30000;
  report_must(vault_open(&vault, false, &w.vol), "opening it");
  make_leaves(w.vol);
  lengthen_log(s, w.vol);
  make_states(s, &w);
  s->generation = vault_info(w.vol).generation;
  report_must(nacre_volume_close(w.vol), "closing it");
  workload_free(&w);
  find_newest_slot(s);
  trace_parts(s);
  if (trace_bytes(&s->log) > LOG_BYTES_SHORT || s->nodes.count < 3)
    report_fail("the specimen has %zu bytes of log and %zu nodes", trace_bytes(&s->log), s->nodes.count);
}

void specimen_free(struct specimen *s) {
  for (size_t i = 0; i < SPECIMEN_STATES; i++) {
    disk_free(&s->images[i]);
    dump_free(&s->states[i]);
  }
  disk_free(&s->disk);
  forget(&s->log);
  forget(&s->nodes);
  forget(&s->data);
  nacre_credential_free(s->key);
  for (size_t i = 0; i < SPECIMEN_FORMER; i++)
    nacre_credential_free(s->former[i]);
}

/* ---- Looking ---- */

static bool is_refusal(enum nacre_err err) {
  return err == NACRE_ERR_DAMAGED || err == NACRE_ERR_CREDENTIAL || err == NACRE_ERR_NOT_VOLUME ||
         err == NACRE_ERR_UNSUPPORTED || err == NACRE_ERR_LIMIT || err == NACRE_ERR_ROLLED_BACK;
}

static const struct dump *state_at(const struct specimen *s, size_t i) {
  return i < SPECIMEN_STATES ? &s->states[i] : s->others[i - SPECIMEN_STATES];
}

/* Whatever can be read belongs to one state. */
static void recognise(struct specimen *s, const struct dump *found, struct specimen_look *look) {
  const struct dump_tolerance exact = {0}, partly = {.failures = true};
  const size_t newest = SPECIMEN_STATES - 1, count = SPECIMEN_STATES + s->other_count;
  char message[DUMP_MESSAGE_BYTES], present[DUMP_MESSAGE_BYTES] = "";
  /* The present one first, then the older ones from the latest on, then the others. */
  for (size_t n = 0; n < count; n++) {
    size_t i = n < SPECIMEN_STATES ? newest - n : n;
    look->state = i;
    look->verdict = i == newest ? VERDICT_RIGHT : VERDICT_OLDER;
    if (dump_equal(state_at(s, i), found, &exact, message))
      return;
    look->verdict = i == newest ? VERDICT_PARTLY : VERDICT_OLDER;
    if (dump_equal(state_at(s, i), found, &partly, message))
      return;
    if (i == newest)
      memcpy(present, message, sizeof present);
  }
  report_fail("wrong data and no error; compared with the present state, %s", present);
}

struct specimen_look specimen_look(struct specimen *s, const nacre_credential *key, bool read_only) {
  const struct vault vault = vault_of(s, key);
  struct specimen_look look = {.verdict = VERDICT_REFUSED};
  struct dump found;
  char message[DUMP_MESSAGE_BYTES];
  nacre_volume *vol;
  look.err = vault_open(&vault, read_only, &vol);
  if (look.err != NACRE_OK) {
    if (!is_refusal(look.err))
      report_fail("opening: %s (%s)", nacre_last_error(), nacre_strerror(look.err));
    return look;
  }
  look.fell_back = vault_info(vol).fell_back;
  enum nacre_err err = dump_volume(vol, &found);
  recognise(s, &found, &look);
  dump_free(&found);
  if (err != NACRE_OK && err != NACRE_ERR_DAMAGED)
    report_fail("reading: %s", nacre_strerror(err));
  enum nacre_err verified = vault_verify(vol, message, sizeof message);
  if (err != NACRE_OK && verified != NACRE_ERR_DAMAGED)
    report_fail("verify finds nothing where reading gave an error (%s)", nacre_strerror(verified));
  nacre_volume_abandon(vol);
  return look;
}

struct specimen_look specimen_glance(struct specimen *s, bool read_only) {
  const struct vault vault = vault_of(s, s->key);
  const struct dump *present = &s->states[SPECIMEN_STATES - 1];
  struct specimen_look look = {.verdict = VERDICT_REFUSED};
  struct nacre_attr root = {.struct_size = sizeof root};
  nacre_volume *vol;
  look.err = vault_open(&vault, read_only, &vol);
  if (look.err != NACRE_OK) {
    if (!is_refusal(look.err))
      report_fail("opening: %s (%s)", nacre_last_error(), nacre_strerror(look.err));
    return look;
  }
  struct nacre_volume_info info = vault_info(vol);
  look.fell_back = info.fell_back;
  /* Who falls back and may write begins with a commit of his own. */
  bool older = info.generation < s->generation || (info.fell_back && info.generation > s->generation);
  look.verdict = older ? VERDICT_OLDER : VERDICT_RIGHT;
  report_must(nacre_lstat(vol, "", &root), "looking at the root folder");
  if (!older && root.ctime.ns != present->lines[0].attr.ctime.ns)
    report_fail("the present generation, but another root folder");
  nacre_volume_abandon(vol);
  return look;
}

struct specimen_look specimen_look_back(struct specimen *s, const nacre_credential *key, bool read_only) {
  report_watchdog(30);
  struct specimen_look look = specimen_look(s, key, read_only);
  disk_rewind(&s->disk);
  return look;
}

/* ---- Tampering ---- */

void specimen_put(struct specimen *s, const void *bytes, size_t len, uint64_t offset) {
  disk_mark(&s->disk);
  if (disk_write(&s->disk, bytes, len, offset) != 0)
    report_fail("the test writes past the end");
}

void specimen_flip(struct specimen *s, uint64_t offset, struct prng *prng) {
  uint8_t byte = (uint8_t)(s->disk.bytes[offset] ^ (1u << prng_below(prng, 8)));
  specimen_put(s, &byte, 1, offset);
}
