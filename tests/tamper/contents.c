#include "tamper/contents.h"

#include "support/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static size_t chunks_of(uint64_t size) {
  return (size_t)((size + CONTENTS_CHUNK_BYTES - 1) / CONTENTS_CHUNK_BYTES);
}

/* ---- Reading ---- */

static void read_chunks(nacre_file *file, struct content *c) {
  for (size_t i = 0; i < chunks_of(c->size); i++) {
    uint64_t at = i * (uint64_t)CONTENTS_CHUNK_BYTES;
    size_t due = c->size - at < CONTENTS_CHUNK_BYTES ? (size_t)(c->size - at) : CONTENTS_CHUNK_BYTES, done = 0;
    enum nacre_err err = nacre_read(file, c->bytes + at, due, at, &done);
    if (err != NACRE_OK && err != NACRE_ERR_DAMAGED)
      report_fail("reading %s: %s", c->path, nacre_strerror(err));
    if (err == NACRE_OK && done != due)
      report_fail("%s ends early", c->path);
    c->damaged[i] = err != NACRE_OK;
    if (c->damaged[i])
      memset(c->bytes + at, 0, CONTENTS_CHUNK_BYTES);
  }
}

static void read_file(nacre_volume *vol, const struct dump_line *line, struct contents *out) {
  nacre_file *file = NULL;
  if (nacre_open(vol, line->path, NACRE_O_READ, 0, NULL, &file) != NACRE_OK)
    return;
  if (line->attr.size_bytes > CONTENTS_MAX_BYTES)
    report_fail("%s is larger than the test thinks", line->path);
  struct content *c = &out->files[out->count++];
  *c = (struct content){
      .nlink = line->attr.nlink, .size = line->attr.size_bytes, .bytes = calloc(1, CONTENTS_MAX_BYTES)};
  memcpy(c->path, line->path, sizeof c->path);
  read_chunks(file, c);
  nacre_close(file);
}

void contents_read(nacre_volume *vol, const struct dump *d, struct contents *out) {
  *out = (struct contents){.files = calloc(d->count + 1, sizeof *out->files)};
  for (size_t i = 0; i < d->count; i++)
    if (!(d->lines[i].failed & DUMP_FAILED_ATTR) && S_ISREG(d->lines[i].attr.mode))
      read_file(vol, &d->lines[i], out);
}

void content_free(struct content *c) {
  free(c->bytes);
  c->bytes = NULL;
}

void contents_free(struct contents *c) {
  for (size_t i = 0; i < c->count; i++)
    content_free(&c->files[i]);
  free(c->files);
  *c = (struct contents){0};
}

struct content *contents_find(struct contents *c, const char *path) {
  for (size_t i = 0; i < c->count; i++)
    if (strcmp(c->files[i].path, path) == 0)
      return &c->files[i];
  return NULL;
}

/* ---- Changing ---- */

void content_copy(const struct content *from, struct content *to) {
  *to = *from;
  to->bytes = malloc(CONTENTS_MAX_BYTES);
  memcpy(to->bytes, from->bytes, CONTENTS_MAX_BYTES);
}

/* The bytes from `at` on are new, or none at all. */
static bool replace(struct content *c, uint64_t at, uint64_t end) {
  bool whole = true;
  for (size_t i = (size_t)(at / CONTENTS_CHUNK_BYTES); i < chunks_of(end) && i < chunks_of(c->size); i++) {
    uint64_t start = i * (uint64_t)CONTENTS_CHUNK_BYTES, stop = start + CONTENTS_CHUNK_BYTES;
    if (stop > c->size)
      stop = c->size;
    bool covered = at <= start && end >= stop;
    whole &= covered || !c->damaged[i];
    c->damaged[i] &= !covered;
    c->new_hole[i] = false;
  }
  return whole;
}

bool content_resize(struct content *c, uint64_t size) {
  bool whole = true;
  if (size > c->size)
    whole = replace(c, c->size, size);
  for (size_t i = chunks_of(c->size); i < chunks_of(size); i++)
    c->new_hole[i] = true;
  for (size_t i = chunks_of(size); i < chunks_of(c->size); i++)
    c->damaged[i] = false;
  if (size < c->size)
    memset(c->bytes + size, 0, (size_t)(c->size - size));
  c->size = size;
  return whole;
}

bool content_write(struct content *c, const uint8_t *bytes, size_t len, uint64_t at) {
  bool whole = at <= c->size || content_resize(c, at);
  whole &= replace(c, at, at + len);
  memcpy(c->bytes + at, bytes, len);
  for (size_t i = (size_t)(at / CONTENTS_CHUNK_BYTES); i < chunks_of(at + len); i++)
    c->new_hole[i] = false;
  if (at + len > c->size)
    c->size = at + len;
  return whole;
}

/* ---- Comparing ---- */

static bool chunk_equal(const struct content *a, const struct content *b, size_t i) {
  uint64_t at = i * (uint64_t)CONTENTS_CHUNK_BYTES;
  if (a->damaged[i] || b->damaged[i])
    return a->damaged[i] == b->damaged[i];
  return memcmp(a->bytes + at, b->bytes + at, CONTENTS_CHUNK_BYTES) == 0;
}

const char *content_difference(const struct content *expected, const struct content *old,
                               const struct content *found) {
  if (found->size != expected->size && (old == NULL || found->size != old->size))
    return "its size";
  for (size_t i = 0; i < chunks_of(found->size); i++) {
    if (chunk_equal(expected, found, i) || (old != NULL && chunk_equal(old, found, i)))
      continue;
    if (found->damaged[i] && expected->new_hole[i])
      continue;
    /* What a failed change was about to add may be refused. */
    if (old != NULL && found->damaged[i] && i >= chunks_of(old->size))
      continue;
    return found->damaged[i] ? "it can't be read any more" : "its content";
  }
  return NULL;
}
