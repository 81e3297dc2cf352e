/* Writing to a volume after harm was done to it: what could be read before and was not written to stays as it was,
 * what was refused stays refused, what was written is there or was refused, and a volume without problems has none
 * afterwards. */
#include "support/report.h"
#include "support/vault.h"
#include "tamper/contents.h"
#include "tamper/harm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEEDS 8u
#define DEED_BYTES 9000u
#define NEW_PATH "made-afterwards"

enum deed_kind { DEED_WRITE, DEED_APPEND, DEED_RESIZE, DEED_UNLINK, DEED_RENAME, DEED_ATTRIBUTE, DEED_KINDS };
static const char *const deed_names[] = {"write", "append", "resize", "unlink", "rename", "setxattr"};

struct deed {
  enum deed_kind kind;
  struct content *file; /* of what was there before */
  struct content after; /* what should become of it */
  nacre_file *handle;
  bool impossible; /* it takes bytes that cannot be read */
  enum nacre_err err;
};

struct trial {
  struct specimen specimen;
  struct contents sound; /* of the present state */
  struct prng prng;
  unsigned long refused, read_only, written, failed, lasting, impossible, done;
  /* Of the case at hand */
  nacre_volume *vol;
  struct dump before;
  struct contents contents;
  struct deed deeds[DEEDS];
  size_t deed_count;
  bool clean; /* verify finds nothing before */
  enum nacre_err synced;
};

static struct vault vault_of(struct trial *t) {
  return (struct vault){.ops = &disk_ops, .ctx = &t->specimen.disk, .cred = t->specimen.key};
}

/* ---- Deeds ---- */

static bool is_done_to(const struct trial *t, const char *path) {
  for (size_t i = 0; i < t->deed_count; i++)
    if (strcmp(t->deeds[i].file->path, path) == 0)
      return true;
  return false;
}

static void open_file(struct trial *t, struct deed *d) {
  d->err = nacre_open(t->vol, d->file->path, NACRE_O_READ | NACRE_O_WRITE, 0, NULL, &d->handle);
}

static void do_write(struct trial *t, struct deed *d, uint64_t at, size_t len) {
  uint8_t bytes[DEED_BYTES];
  prng_fill(&t->prng, bytes, len);
  d->impossible = !content_write(&d->after, bytes, len, at);
  open_file(t, d);
  if (d->err == NACRE_OK)
    d->err = nacre_write(d->handle, bytes, len, at);
}

static void do_resize(struct trial *t, struct deed *d, uint64_t size) {
  d->impossible = !content_resize(&d->after, size);
  open_file(t, d);
  if (d->err == NACRE_OK)
    d->err = nacre_ftruncate(d->handle, size);
}

static void do_deed(struct trial *t, struct deed *d) {
  size_t len = 1 + prng_below(&t->prng, prng_chance(&t->prng, 50) ? 300 : DEED_BYTES);
  switch (d->kind) {
  case DEED_WRITE:
    do_write(t, d, prng_below(&t->prng, d->file->size + 1), len);
    return;
  case DEED_APPEND:
    do_write(t, d, d->file->size + (prng_chance(&t->prng, 30) ? 5000 : 0), len);
    return;
  case DEED_RESIZE:
    do_resize(t, d, prng_below(&t->prng, d->file->size * 2 + 100));
    return;
  case DEED_UNLINK:
    d->err = nacre_unlink(t->vol, d->file->path);
    return;
  case DEED_RENAME:
    snprintf(d->after.path, sizeof d->after.path, "moved-%zu", t->deed_count);
    d->err = nacre_rename(t->vol, d->file->path, d->after.path, 0);
    return;
  case DEED_ATTRIBUTE:
  case DEED_KINDS:
    d->err = nacre_setxattr(t->vol, d->file->path, "user.afterwards", "x", 1, 0);
    return;
  }
}

/* Most of the specimen's files are empty. */
static struct content *some_file(struct trial *t) {
  struct content *file = &t->contents.files[prng_below(&t->prng, t->contents.count)];
  for (unsigned tries = 0; tries < 8 && file->size == 0; tries++)
    file = &t->contents.files[prng_below(&t->prng, t->contents.count)];
  return file;
}

/* To a file that has one name only. */
static void add_deed(struct trial *t) {
  struct content *file = some_file(t);
  if (file->nlink != 1 || is_done_to(t, file->path))
    return;
  struct deed *d = &t->deeds[t->deed_count];
  *d = (struct deed){.kind = (enum deed_kind)prng_below(&t->prng, DEED_KINDS), .file = file};
  content_copy(file, &d->after);
  do_deed(t, d);
  t->deed_count++;
}

static enum nacre_err make_file(struct trial *t) {
  nacre_file *file = NULL;
  enum nacre_err err =
      nacre_open(t->vol, NEW_PATH, NACRE_O_WRITE | NACRE_O_CREATE | NACRE_O_EXCLUSIVE, 0600, NULL, &file);
  if (err == NACRE_OK)
    err = nacre_write(file, "new", 3, 4096);
  nacre_close(file);
  return err;
}

static void may_fail_with(enum nacre_err err, const char *what) {
  if (err != NACRE_OK && err != NACRE_ERR_DAMAGED && err != NACRE_ERR_READ_ONLY)
    report_fail("%s: %s (%s)", what, nacre_last_error(), nacre_strerror(err));
}

/* Everything is done through one opening, and ends with a commit; what it says of each is in the deeds. */
static enum nacre_err do_all(struct trial *t) {
  enum nacre_err made = make_file(t);
  may_fail_with(made, "making a file");
  for (unsigned i = 0; i < DEEDS && t->contents.count > 0; i++)
    add_deed(t);
  t->synced = nacre_volume_sync(t->vol);
  may_fail_with(t->synced, "a commit");
  /* A loss is told once, of what is committed otherwise. */
  bool told = false, failed = false;
  if (t->synced == NACRE_ERR_DAMAGED) {
    t->synced = nacre_volume_sync(t->vol);
    told = t->synced == NACRE_OK;
  }
  for (size_t i = 0; i < t->deed_count; i++) {
    struct deed *d = &t->deeds[i];
    if (d->err == NACRE_OK && d->handle != NULL)
      d->err = nacre_file_error(d->handle);
    may_fail_with(d->err, "changing a file");
    nacre_close(d->handle);
    if (d->err == NACRE_OK && t->synced == NACRE_OK && d->impossible)
      report_fail("a write that takes bytes which cannot be read is said to have succeeded (%s)", d->file->path);
    t->impossible += d->impossible;
    t->done += d->err == NACRE_OK;
    t->failed += d->err != NACRE_OK;
    failed = failed || (d->err != NACRE_OK && d->handle != NULL);
  }
  if (told && !failed)
    report_fail("a loss is told of the volume, and of no file");
  return made;
}

/* ---- Afterwards ---- */

static const struct deed *deed_for(const struct trial *t, const char *path) {
  for (size_t i = 0; i < t->deed_count; i++)
    if (strcmp(t->deeds[i].file->path, path) == 0)
      return &t->deeds[i];
  return NULL;
}

static void check_untouched_line(const struct dump_line *b, const struct dump_line *a) {
  bool folder = S_ISDIR(b->attr.mode);
  if (a->failed & ~b->failed)
    report_fail("%s can't be read any more", b->path);
  if (b->failed & ~a->failed)
    report_fail("%s could not be read before, and now it can", b->path);
  if (b->failed & DUMP_FAILED_ATTR)
    return;
  if (a->attr.ino != b->attr.ino || a->attr.mode != b->attr.mode || a->attr.uid != b->attr.uid ||
      (!folder && (a->attr.nlink != b->attr.nlink || a->attr.size_bytes != b->attr.size_bytes)))
    report_fail("%s: other attributes than before", b->path);
  if (a->xattrs != b->xattrs || a->target != b->target)
    report_fail("%s: another target or other extended attributes than before", b->path);
}

/* Names, attributes, links: of everything that no deed was for. */
static void check_lines(const struct trial *t, const struct dump *after, bool committed) {
  for (size_t i = 0; i < t->before.count; i++) {
    const struct dump_line *b = &t->before.lines[i], *a = dump_find(after, b->path);
    if (committed && deed_for(t, b->path) != NULL)
      continue;
    if (a == NULL)
      report_fail("%s is gone", b->path);
    check_untouched_line(b, a);
  }
  for (size_t i = 0; i < after->count; i++) {
    const char *path = after->lines[i].path;
    bool new = committed && (strcmp(path, NEW_PATH) == 0 || strncmp(path, "moved-", 6) == 0);
    if (!new &&dump_find(&t->before, path) == NULL)
      report_fail("%s was not there before", path);
  }
}

static void check_deed(const struct deed *d, struct contents *after) {
  struct content *found = contents_find(after, d->after.path), *old_place = contents_find(after, d->file->path);
  bool done = d->err == NACRE_OK;
  if (d->kind == DEED_UNLINK || d->kind == DEED_RENAME) {
    if (done && old_place != NULL)
      report_fail("%s is still there", d->file->path);
    if (done && d->kind == DEED_UNLINK)
      return;
    if (!done && found == NULL)
      found = old_place;
    if (!done && found == NULL && d->kind == DEED_UNLINK)
      return;
  }
  if (found == NULL)
    report_fail("%s is gone", d->after.path);
  const char *what = content_difference(&d->after, done ? NULL : d->file, found);
  if (what != NULL)
    report_fail("%s, after a %s that %s (%s): %s (%llu bytes before, %llu due, %llu found)", d->after.path,
                deed_names[d->kind], done ? "was done" : "failed", nacre_strerror(d->err), what,
                (unsigned long long)d->file->size, (unsigned long long)d->after.size,
                (unsigned long long)found->size);
}

static void check_contents(struct trial *t, struct contents *after, bool committed) {
  for (size_t i = 0; i < t->contents.count; i++) {
    struct content *before = &t->contents.files[i];
    const struct deed *d = committed ? deed_for(t, before->path) : NULL;
    if (d != NULL) {
      check_deed(d, after);
      continue;
    }
    struct content *found = contents_find(after, before->path);
    const char *what = found == NULL ? "it is gone" : content_difference(before, NULL, found);
    if (what != NULL)
      report_fail("%s, which nothing was done to: %s", before->path, what);
  }
}

static void look_again(struct trial *t, enum nacre_err made) {
  const struct vault vault = vault_of(t);
  struct dump after;
  struct contents contents;
  char problem[DUMP_MESSAGE_BYTES];
  bool committed = t->synced == NACRE_OK;
  report_must(vault_open(&vault, true, &t->vol), "opening it again");
  (void)dump_volume(t->vol, &after);
  contents_read(t->vol, &after, &contents);
  check_lines(t, &after, committed);
  check_contents(t, &contents, committed);
  const struct content *new = contents_find(&contents, NEW_PATH);
  if (committed && made == NACRE_OK &&
      (new == NULL || new->size != 4099 || new->damaged[1] || memcmp(new->bytes + 4096, "new", 3) != 0))
    report_fail("a new file is not what was written");
  if (vault_verify(t->vol, problem, sizeof problem) != NACRE_OK && t->clean)
    report_fail("the volume had no problem, and now it has: %s", problem);
  nacre_volume_abandon(t->vol);
  contents_free(&contents);
  dump_free(&after);
}

/* ---- A case ---- */

/* As far as it is the present state, all that can be read is right. */
static void check_before(struct trial *t) {
  const struct dump_tolerance partly = {.failures = true};
  char message[DUMP_MESSAGE_BYTES];
  if (!dump_equal(&t->specimen.states[SPECIMEN_STATES - 1], &t->before, &partly, message))
    return;
  for (size_t i = 0; i < t->contents.count; i++) {
    struct content *found = &t->contents.files[i], *sound = contents_find(&t->sound, found->path);
    for (size_t c = 0; sound != NULL && c < CONTENTS_MAX_CHUNKS; c++)
      if (!found->damaged[c] && memcmp(found->bytes + c * CONTENTS_CHUNK_BYTES,
                                       sound->bytes + c * CONTENTS_CHUNK_BYTES, CONTENTS_CHUNK_BYTES) != 0)
        report_fail("%s: wrong data and no error", found->path);
  }
}

static void write_to_it(struct trial *t) {
  char problem[DUMP_MESSAGE_BYTES];
  (void)dump_volume(t->vol, &t->before);
  contents_read(t->vol, &t->before, &t->contents);
  check_before(t);
  t->clean = vault_verify(t->vol, problem, sizeof problem) == NACRE_OK;
  t->deed_count = 0;
  enum nacre_err made = do_all(t);
  t->written += t->synced == NACRE_OK;
  t->lasting += t->synced != NACRE_OK;
  nacre_volume_abandon(t->vol);
  look_again(t, made);
  for (size_t i = 0; i < t->deed_count; i++)
    content_free(&t->deeds[i].after);
  contents_free(&t->contents);
  dump_free(&t->before);
}

static void test_case(struct trial *t) {
  const struct vault vault = vault_of(t);
  report_watchdog(30);
  enum nacre_err err = vault_open(&vault, false, &t->vol);
  if (err != NACRE_OK)
    t->refused++;
  else
    write_to_it(t);
  disk_rewind(&t->specimen.disk);
}

static void read_sound(struct trial *t) {
  const struct vault vault = vault_of(t);
  report_must(vault_open(&vault, true, &t->vol), "opening the specimen");
  contents_read(t->vol, &t->specimen.states[SPECIMEN_STATES - 1], &t->sound);
  nacre_volume_abandon(t->vol);
}

int main(int argc, char **argv) {
  static struct trial t;
  unsigned long count = (specimen_is_deep(argc, argv) ? 100000 : 1500) / REPORT_SLOWNESS;
  uint64_t seed = specimen_seed(argc, argv);
  t.prng.state = seed;
  vault_setup();
  report_at("making the specimen, seed %llu", (unsigned long long)seed);
  specimen_make(&t.specimen, seed);
  read_sound(&t);
  disk_mark(&t.specimen.disk);
  test_case(&t);
  if (t.written != 1 || t.failed != 0)
    report_fail("a sound specimen can't be written to");
  for (unsigned long i = 0; i < count; i++) {
    harm_anything(&t.specimen, &t.prng);
    test_case(&t);
  }
  report_ok("%lu volumes written to after harm: %lu refused, %lu committed, %lu turned read-only", count, t.refused,
            t.written - 1, t.lasting);
  report_ok("changes: %lu done, %lu failed, %lu of them for want of what was there before", t.done, t.failed,
            t.impossible);
  contents_free(&t.sound);
  specimen_free(&t.specimen);
  return 0;
}
