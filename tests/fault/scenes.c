#include "fault/scenes.h"

#include "support/dump.h"
#include "support/report.h"

#include <stdlib.h>
#include <string.h>

#define BIG_BYTES (3u << 20)
#define GROWTH_BYTES (16u << 20)
#define ORPHANS 3u

static struct vault on_disk(struct stage *s, unsigned key) {
  return (struct vault){.ops = &disk_ops, .ctx = &s->disk, .cred = s->keys[key], .chunk_bytes = 4096};
}

static enum nacre_err put_file(nacre_volume *vol, const char *path, size_t len) {
  nacre_file *file = NULL;
  uint8_t *bytes = malloc(len);
  memset(bytes, 0x5a, len);
  enum nacre_err err = nacre_open(vol, path, NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file);
  if (err == NACRE_OK)
    err = nacre_write(file, bytes, len, 0);
  nacre_close(file);
  free(bytes);
  return err;
}

/* One that can't read all superblocks opens as it stood at one that it can: there is nothing to be done with it. */
static enum nacre_err open_faulty(struct stage *s, nacre_volume **vol) {
  const struct vault vault = {.ops = &faulty_ops, .ctx = &s->faulty, .cred = s->keys[0]};
  enum nacre_err err = vault_open(&vault, false, vol);
  if (err != NACRE_OK || !vault_info(*vol).failed)
    return err;
  nacre_volume_abandon(*vol);
  return NACRE_ERR_READ_ONLY;
}

/* Close it, whatever came before; the first error counts. */
static enum nacre_err closed(nacre_volume *vol, enum nacre_err err) {
  enum nacre_err last = nacre_volume_close(vol);
  return err == NACRE_OK ? last : err;
}

/* It opens with that key for writing, is as it should be, and has a file of that length under that name (0: either
 * that or none). */
static void check_volume(struct stage *s, unsigned key, const char *path, uint64_t size_bytes) {
  const struct vault vault = on_disk(s, key);
  char message[DUMP_MESSAGE_BYTES];
  nacre_volume *vol;
  struct dump dump;
  report_must(vault_open(&vault, false, &vol), "opening on the sound store");
  struct nacre_volume_info info = vault_info(vol);
  if (info.read_only || info.fell_back)
    report_fail("on the sound store it opens %s", info.read_only ? "read-only" : "at an older commit");
  report_must(dump_volume(vol, &dump), "reading on the sound store");
  const struct dump_line *line = dump_find(&dump, path);
  if (size_bytes > 0 && (line == NULL || line->attr.size_bytes != size_bytes))
    report_fail("/%s is not as it was when it was synced", path);
  dump_free(&dump);
  if (vault_verify(vol, message, sizeof message) != NACRE_OK)
    report_fail("verify on the sound store: %s", message);
  report_must(nacre_volume_close(vol), "closing on the sound store");
}

/* ---- Making a volume ---- */

static void prepare_nothing(struct stage *s) {
  (void)s;
}

static enum nacre_err run_create(struct stage *s) {
  const struct vault vault = {.ops = &faulty_ops, .ctx = &s->faulty, .cred = s->keys[0]};
  return vault_create(&vault, SCENE_SIZE_BYTES);
}

/* A call that fails leaves no volume; where the store takes no more writes, what it left may be a whole one. */
static void check_create(struct stage *s, enum nacre_err told) {
  const struct vault vault = on_disk(s, 0);
  nacre_volume *vol;
  enum nacre_err err = vault_open(&vault, false, &vol);
  if (err == NACRE_OK)
    nacre_volume_abandon(vol);
  if (err == NACRE_OK && told != NACRE_OK && !s->lasting)
    report_fail("a volume opens that was not made (%s)", nacre_strerror(told));
  if (err == NACRE_OK || told == NACRE_OK)
    check_volume(s, 0, "", 0);
  else if (err != NACRE_ERR_NOT_VOLUME && err != NACRE_ERR_DAMAGED && err != NACRE_ERR_CREDENTIAL)
    report_must(err, "opening what was not made");
}

/* ---- Changing keyslots ---- */

static void prepare_file(struct stage *s) {
  const struct vault vault = on_disk(s, 0);
  nacre_volume *vol;
  report_must(vault_create(&vault, SCENE_SIZE_BYTES), "making a volume");
  report_must(vault_open(&vault, false, &vol), "opening it");
  report_must(put_file(vol, "file", 10000), "writing a file");
  report_must(nacre_volume_close(vol), "closing it");
}

/* A change begins that makes those keys open. */
static void expect(struct stage *s, unsigned opens) {
  s->opens_before = s->opens_after;
  s->opens_after = opens;
}

static enum nacre_err change_keys(struct stage *s, nacre_volume *vol) {
  uint32_t second;
  expect(s, 1 | 2);
  enum nacre_err err = nacre_slot_add(vol, s->keys[1], NULL, "second", &second);
  if (err != NACRE_OK)
    return err;
  expect(s, 4 | 2);
  err = nacre_slot_change(vol, 0, s->keys[2], NULL, NULL);
  if (err == NACRE_OK)
    err = nacre_mkdir(vol, "between", 0700, NULL);
  if (err != NACRE_OK)
    return err;
  expect(s, 4);
  err = nacre_slot_remove(vol, second, false);
  if (err == NACRE_OK)
    expect(s, 4);
  return err;
}

static enum nacre_err run_keys(struct stage *s) {
  nacre_volume *vol;
  s->opens_before = s->opens_after = 1;
  enum nacre_err err = open_faulty(s, &vol);
  if (err != NACRE_OK)
    return err;
  return closed(vol, change_keys(s, vol));
}

static void check_keys(struct stage *s, enum nacre_err told) {
  unsigned must = told == NACRE_OK ? s->opens_after : s->opens_before & s->opens_after;
  unsigned may = told == NACRE_OK ? s->opens_after : s->opens_before | s->opens_after;
  unsigned opens = 0;
  for (unsigned i = 0; i < SCENE_KEYS; i++) {
    const struct vault vault = on_disk(s, i);
    nacre_volume *vol;
    enum nacre_err err = vault_open(&vault, true, &vol);
    if (err == NACRE_ERR_CREDENTIAL)
      continue;
    report_must(err, "opening on the sound store");
    nacre_volume_abandon(vol);
    check_volume(s, i, "file", 10000);
    opens |= 1u << i;
  }
  if ((opens & must) != must || (opens & ~may) || opens == 0)
    report_fail("keys %x open; %x must, %x may", opens, must, may);
}

/* ---- Closing, and giving space back ---- */

static enum nacre_err grow_and_write(nacre_volume *vol, bool *synced) {
  nacre_file *file = NULL;
  enum nacre_err err = nacre_open(vol, "file", NACRE_O_WRITE, 0, NULL, &file);
  if (err == NACRE_OK)
    err = nacre_fallocate(file, NACRE_FALLOCATE_KEEP_SIZE, 0, GROWTH_BYTES);
  if (err == NACRE_OK)
    err = nacre_fsync(file);
  nacre_close(file);
  if (err == NACRE_OK)
    err = put_file(vol, "more", 300000);
  if (err == NACRE_OK)
    err = nacre_volume_sync(vol);
  *synced = err == NACRE_OK;
  return err;
}

static enum nacre_err run_trim(struct stage *s) {
  nacre_volume *vol;
  s->synced = false;
  enum nacre_err err = open_faulty(s, &vol);
  if (err != NACRE_OK)
    return err;
  return closed(vol, grow_and_write(vol, &s->synced));
}

static void check_trim(struct stage *s, enum nacre_err told) {
  check_volume(s, 0, "file", 10000);
  check_volume(s, 0, "more", s->synced ? 300000 : 0);
  if (told == NACRE_OK && s->faulty.hits == 0 && s->disk.size_bytes > GROWTH_BYTES + (8u << 20))
    report_fail("nothing was given back");
}

/* ---- Opening after a crash ---- */

/* Files without names, whose deletion begins with the next opening. */
static void prepare_orphans(struct stage *s) {
  const struct vault vault = on_disk(s, 0);
  nacre_volume *vol;
  nacre_file *files[ORPHANS];
  prepare_file(s);
  report_must(vault_open(&vault, false, &vol), "opening it");
  for (unsigned i = 0; i < ORPHANS; i++) {
    const char name[] = {(char)('a' + i), 0};
    report_must(put_file(vol, name, BIG_BYTES / (i + 1)), "writing a file");
    report_must(nacre_open(vol, name, NACRE_O_READ, 0, NULL, &files[i]), "opening it");
    report_must(nacre_unlink(vol, name), "unlinking it");
  }
  report_must(nacre_volume_sync(vol), "a commit");
  for (unsigned i = 0; i < ORPHANS; i++)
    nacre_close(files[i]); /* what that deletes is never committed */
  nacre_volume_abandon(vol);
}

static enum nacre_err run_recovery(struct stage *s) {
  nacre_volume *vol;
  enum nacre_err err = open_faulty(s, &vol);
  return err == NACRE_OK ? closed(vol, NACRE_OK) : err;
}

static void check_recovery(struct stage *s, enum nacre_err told) {
  const struct vault vault = on_disk(s, 0);
  nacre_volume *vol;
  (void)told;
  check_volume(s, 0, "file", 10000);
  report_must(vault_open(&vault, true, &vol), "opening it again");
  if (vault_info(vol).used_bytes > BIG_BYTES)
    report_fail("deleted files take %llu bytes still", (unsigned long long)vault_info(vol).used_bytes);
  nacre_volume_abandon(vol);
}

/* ---- Rotating the keys ---- */

static void prepare_files(struct stage *s) {
  const struct vault vault = on_disk(s, 0);
  nacre_volume *vol;
  prepare_file(s);
  report_must(vault_open(&vault, false, &vol), "opening it");
  report_must(put_file(vol, "big", BIG_BYTES), "writing a file");
  report_must(nacre_volume_close(vol), "closing it");
}

static enum nacre_err run_rekey(struct stage *s) {
  nacre_volume *vol;
  enum nacre_err err = open_faulty(s, &vol);
  if (err != NACRE_OK)
    return err;
  return closed(vol, nacre_rekey(vol, NULL, NULL));
}

/* Broken off by whatever it was, it is carried on to its end, and nothing is missing. */
static void check_rekey(struct stage *s, enum nacre_err told) {
  const struct vault vault = on_disk(s, 0);
  struct nacre_rekey_status status = {.struct_size = sizeof status};
  nacre_volume *vol;
  check_volume(s, 0, "big", BIG_BYTES);
  report_must(vault_open(&vault, false, &vol), "opening on the sound store");
  report_must(nacre_rekey_get_status(vol, &status), "asking for the rotation's status");
  if (told == NACRE_OK && s->faulty.hits == 0 && status.under_way)
    report_fail("the rotation is not over");
  if (status.under_way)
    report_must(nacre_rekey(vol, NULL, NULL), "carrying the rotation on");
  report_must(nacre_volume_close(vol), "closing on the sound store");
  check_volume(s, 0, "big", BIG_BYTES);
}

const struct scene scenes[] = {
    {"a volume is made", prepare_nothing, run_create, check_create, false},
    {"keyslots are changed", prepare_file, run_keys, check_keys, false},
    {"keys are rotated", prepare_files, run_rekey, check_rekey, true},
    {"a container gives space back", prepare_file, run_trim, check_trim, false},
    {"deleted files are found at an opening", prepare_orphans, run_recovery, check_recovery, false},
};
const unsigned scene_count = sizeof scenes / sizeof scenes[0];
