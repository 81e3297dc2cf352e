#include "support/dump.h"

#include "support/prng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define READ_BYTES 131072u
#define NAMES_BYTES 65536u

/* ---- Lines ---- */

void dump_free(struct dump *d) {
  free(d->lines);
  *d = (struct dump){0};
}

struct dump_line *dump_add(struct dump *d, const char *path) {
  if (d->count == d->cap) {
    d->cap = d->cap * 2 + 32;
    d->lines = realloc(d->lines, d->cap * sizeof *d->lines);
  }
  struct dump_line *line = &d->lines[d->count++];
  memset(line, 0, sizeof *line);
  snprintf(line->path, sizeof line->path, "%s", path);
  return line;
}

static int by_path(const void *a, const void *b) {
  const struct dump_line *x = a, *y = b;
  return strcmp(x->path, y->path);
}

void dump_sort(struct dump *d) {
  if (d->count > 0)
    qsort(d->lines, d->count, sizeof *d->lines, by_path);
}

struct dump_line *dump_find(const struct dump *d, const char *path) {
  struct dump_line wanted = {0};
  snprintf(wanted.path, sizeof wanted.path, "%s", path);
  return d->count == 0 ? NULL : bsearch(&wanted, d->lines, d->count, sizeof *d->lines, by_path);
}

uint64_t dump_xattr(const char *name, const void *value, size_t len) {
  return hash_bytes(name, strlen(name)) * 31 + hash_bytes(value, len);
}

/* ---- Walking ---- */

struct walk {
  nacre_volume *vol;
  struct dump *dump;
  const char *folder;
  enum nacre_err err; /* the first */
};

static bool failed(struct walk *w, struct dump_line *line, enum nacre_err err, enum dump_failed what) {
  if (err == NACRE_OK)
    return false;
  if (w->err == NACRE_OK)
    w->err = err;
  line->failed |= what;
  return true;
}

static enum nacre_err read_content(nacre_volume *vol, const char *path, uint64_t size, uint64_t *hash) {
  nacre_file *file = NULL;
  enum nacre_err err = nacre_open(vol, path, NACRE_O_READ, 0, NULL, &file);
  if (err != NACRE_OK)
    return err;
  uint8_t *bytes = malloc((size_t)size + 1);
  size_t at = 0, done = 1;
  while (err == NACRE_OK && at < size && done > 0) {
    size_t len = (size_t)size - at < READ_BYTES ? (size_t)size - at : READ_BYTES;
    err = nacre_read(file, bytes + at, len, at, &done);
    at += done;
  }
  *hash = hash_bytes(bytes, at);
  free(bytes);
  nacre_close(file);
  return err;
}

static enum nacre_err read_xattrs(nacre_volume *vol, const char *path, uint64_t *hash) {
  char *names = malloc(NAMES_BYTES);
  uint8_t *value = malloc(NAMES_BYTES);
  size_t len = 0, value_len;
  *hash = 0;
  enum nacre_err err = nacre_listxattr(vol, path, names, NAMES_BYTES, &len);
  for (size_t at = 0; err == NACRE_OK && at < len; at += strlen(names + at) + 1) {
    err = nacre_getxattr(vol, path, names + at, value, NAMES_BYTES, &value_len);
    if (err == NACRE_OK)
      *hash += dump_xattr(names + at, value, value_len);
  }
  free(names);
  free(value);
  return err;
}

static enum nacre_err read_target(nacre_volume *vol, const char *path, uint64_t *hash) {
  char target[4096];
  enum nacre_err err = nacre_readlink(vol, path, target, sizeof target);
  if (err == NACRE_OK)
    *hash = hash_bytes(target, strlen(target));
  return err;
}

static bool on_entry(void *arg, const struct nacre_dirent *entry) {
  struct walk *w = arg;
  char path[DUMP_PATH_BYTES];
  if (strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0)
    return true;
  snprintf(path, sizeof path, "%s%s%s", w->folder, w->folder[0] ? "/" : "", entry->name);
  dump_add(w->dump, path);
  return true;
}

static enum nacre_err list_folder(struct walk *w, const char *path) {
  nacre_dir *dir = NULL;
  enum nacre_err err = nacre_opendir(w->vol, path, &dir);
  if (err != NACRE_OK)
    return err;
  w->folder = path;
  err = nacre_readdir(dir, 0, false, on_entry, w);
  nacre_closedir(dir);
  return err;
}

/* May add lines, and so move them. */
static void walk_line(struct walk *w, size_t index) {
  struct dump_line *line = &w->dump->lines[index];
  char path[DUMP_PATH_BYTES];
  memcpy(path, line->path, sizeof path);
  line->attr.struct_size = sizeof line->attr;
  if (failed(w, line, nacre_lstat(w->vol, path, &line->attr), DUMP_FAILED_ATTR))
    return;
  failed(w, line, read_xattrs(w->vol, path, &line->xattrs), DUMP_FAILED_XATTRS);
  if (S_ISREG(line->attr.mode))
    failed(w, line, read_content(w->vol, path, line->attr.size_bytes, &line->content), DUMP_FAILED_CONTENT);
  if (S_ISLNK(line->attr.mode))
    failed(w, line, read_target(w->vol, path, &line->target), DUMP_FAILED_TARGET);
  if (S_ISDIR(line->attr.mode)) {
    enum nacre_err err = list_folder(w, path);
    failed(w, &w->dump->lines[index], err, DUMP_FAILED_LIST);
  }
}

enum nacre_err dump_volume(nacre_volume *vol, struct dump *out) {
  *out = (struct dump){0};
  struct walk w = {.vol = vol, .dump = out};
  dump_add(out, "");
  for (size_t i = 0; i < out->count; i++)
    walk_line(&w, i);
  dump_sort(out);
  return w.err;
}

/* ---- Comparing ---- */

/* Whether a name may be missing from `d` because a folder above it could not be listed. */
static bool hidden_in(const struct dump *d, const char *path) {
  char folder[DUMP_PATH_BYTES];
  snprintf(folder, sizeof folder, "%s", path);
  while (folder[0] != 0) {
    char *slash = strrchr(folder, '/');
    *(slash ? slash : folder) = 0;
    const struct dump_line *line = dump_find(d, folder);
    if (line != NULL && (line->failed & (DUMP_FAILED_ATTR | DUMP_FAILED_LIST)))
      return true;
  }
  return false;
}

static bool time_equal(struct nacre_time a, struct nacre_time b) {
  return a.s == b.s && a.ns == b.ns;
}

/* What differs, or NULL. */
static const char *attr_difference(const struct dump_line *e, const struct dump_line *a,
                                   const struct dump_tolerance *tolerance) {
  const struct nacre_attr *x = &e->attr, *y = &a->attr;
  if (x->mode != y->mode || x->uid != y->uid || x->gid != y->gid || x->rdev != y->rdev)
    return "mode or owner";
  if (x->nlink != y->nlink)
    return "link count";
  if ((x->ino != y->ino || x->generation != y->generation) && !(tolerance->guessed && x->ino == 0))
    return "inode number";
  if (x->size_bytes != y->size_bytes && y->ino != tolerance->except && !(tolerance->guessed && S_ISDIR(x->mode)))
    return "size";
  if (tolerance->guessed)
    return NULL;
  if (!time_equal(x->mtime, y->mtime) || !time_equal(x->ctime, y->ctime) || !time_equal(x->btime, y->btime))
    return "times";
  return NULL;
}

static const char *line_difference(const struct dump_line *e, const struct dump_line *a,
                                   const struct dump_tolerance *tolerance) {
  unsigned skip = tolerance->failures ? e->failed | a->failed : 0;
  if ((e->failed | a->failed) & ~skip)
    return "it could not be read";
  if (skip & DUMP_FAILED_ATTR)
    return NULL;
  const char *what = attr_difference(e, a, tolerance);
  if (what != NULL)
    return what;
  if (!(skip & DUMP_FAILED_XATTRS) && e->xattrs != a->xattrs)
    return "extended attributes";
  if (!(skip & DUMP_FAILED_TARGET) && e->target != a->target)
    return "link target";
  if (!(skip & DUMP_FAILED_CONTENT) && e->content != a->content && a->attr.ino != tolerance->except)
    return "content";
  return NULL;
}

bool dump_equal(const struct dump *expected, const struct dump *actual, const struct dump_tolerance *tolerance,
                char message[DUMP_MESSAGE_BYTES]) {
  for (size_t i = 0; i < expected->count; i++) {
    const struct dump_line *e = &expected->lines[i];
    const struct dump_line *a = dump_find(actual, e->path);
    if (a == NULL && tolerance->failures && hidden_in(actual, e->path))
      continue;
    const char *what = a == NULL ? "it is missing" : line_difference(e, a, tolerance);
    if (what == NULL)
      continue;
    snprintf(message, DUMP_MESSAGE_BYTES, "/%s: %s (%llu bytes, %u links; %llu bytes, %u links expected)", e->path,
             what, a ? (unsigned long long)a->attr.size_bytes : 0, a ? a->attr.nlink : 0,
             (unsigned long long)e->attr.size_bytes, e->attr.nlink);
    return false;
  }
  for (size_t i = 0; i < actual->count; i++) {
    const char *path = actual->lines[i].path;
    if (dump_find(expected, path) != NULL)
      continue;
    snprintf(message, DUMP_MESSAGE_BYTES, "/%s: it should not be there", path);
    return false;
  }
  return true;
}
