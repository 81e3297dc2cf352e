/* Steps on the content of files. */
#include "model/run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A file opened for one step, by a handle that is open already or by a name. */
struct target {
  nacre_file *file;
  uint32_t node;
  bool close;
};

static bool target_open(struct run *r, struct target *t) {
  uint32_t dir;
  char name[RUN_NAME_BYTES];
  struct handle *h = run_chance(r, 50) ? run_handle(r) : NULL;
  if (h) {
    *t = (struct target){.file = h->file, .node = h->node};
    return true;
  }
  if (!run_file(r, &dir, name))
    return false;
  char *path = ref_path(&r->ref, dir, name);
  t->node = ref_find(&r->ref, dir, name);
  t->close = true;
  run_must(r, nacre_open(r->vol, path, NACRE_O_READ | NACRE_O_WRITE, 0, NULL, &t->file));
  free(path);
  return true;
}

static void target_close(struct target *t) {
  if (t->close)
    nacre_close(t->file);
}

static size_t some_length(struct run *r) {
  uint64_t kind = run_below(r, 9);
  if (run_chance(r, r->config->large_percent))
    return 1 + (size_t)run_below(r, r->config->file_max_bytes / 4);
  if (kind < 4)
    return 1 + (size_t)run_below(r, 200);
  return kind < 6 ? 4096 * (1 + (size_t)run_below(r, 4)) : 1 + (size_t)run_below(r, 40000);
}

/* Inside, around the end, at chunk borders, or far beyond, so that a hole comes to be. */
static size_t some_offset(struct run *r, const struct ref_node *n, size_t len) {
  size_t max = r->config->file_max_bytes - len;
  uint64_t kind = run_below(r, 10);
  size_t at;
  if (kind < 4)
    at = (size_t)run_below(r, n->size + 1);
  else if (kind < 6)
    at = n->size;
  else if (kind < 8)
    at = (size_t)run_below(r, n->size / r->config->chunk_bytes + 2) * r->config->chunk_bytes;
  else
    at = (size_t)run_below(r, max + 1);
  return at < max ? at : max;
}

/* What the file becomes if the change goes through. Only its content is copied. */
static struct ref_node content_copy(const struct ref_node *n) {
  struct ref_node whole = {0};
  ref_share(n, &whole);
  return whole;
}

/* A change of content was answered: take it over, or see how far it came. */
static void settle(struct run *r, struct target *t, struct ref_node *whole, enum nacre_err err) {
  if (run_expect(r, err, NACRE_OK) == OUTCOME_DONE) {
    struct ref_node *n = ref_at(&r->ref, t->node);
    ref_share(whole, n);
    ref_touch(n);
  } else {
    compare_partial(r, t->file, t->node, whole);
  }
  ref_forget(whole);
  target_close(t);
}

static void step_write(struct run *r) {
  struct target t = {0};
  if (!target_open(r, &t))
    return;
  struct ref_node *n = ref_at(&r->ref, t.node);
  size_t len = some_length(r), at = some_offset(r, n, len);
  const uint8_t *bytes = run_bytes(r, len);
  struct ref_node whole = content_copy(n);
  ref_write(&whole, bytes, len, at);
  run_note(r, "node %u: %zu bytes at %zu, was %zu", t.node, len, at, n->size);
  settle(r, &t, &whole, nacre_write(t.file, bytes, len, at));
}

/* Small ones in sequence: what fills a chunk bit by bit. */
static void step_write_run(struct run *r) {
  struct target t = {0};
  if (!target_open(r, &t))
    return;
  struct ref_node *n = ref_at(&r->ref, t.node);
  size_t piece = 1 + (size_t)run_below(r, 5000), count = 1 + (size_t)run_below(r, 12);
  size_t at = some_offset(r, n, piece * count);
  struct ref_node whole = content_copy(n);
  enum nacre_err err = NACRE_OK;
  for (size_t i = 0; i < count && err == NACRE_OK; i++) {
    const uint8_t *bytes = run_bytes(r, piece);
    ref_write(&whole, bytes, piece, at + i * piece);
    err = nacre_write(t.file, bytes, piece, at + i * piece);
  }
  settle(r, &t, &whole, err);
}

static void step_append(struct run *r) {
  uint32_t dir;
  char name[RUN_NAME_BYTES];
  if (!run_file(r, &dir, name))
    return;
  char *path = ref_path(&r->ref, dir, name);
  struct target t = {.node = ref_find(&r->ref, dir, name), .close = true};
  struct ref_node *n = ref_at(&r->ref, t.node);
  size_t len = some_length(r);
  if (n->size + len <= r->config->file_max_bytes) {
    const uint8_t *bytes = run_bytes(r, len);
    struct ref_node whole = content_copy(n);
    ref_write(&whole, bytes, len, n->size);
    run_must(r, nacre_open(r->vol, path, NACRE_O_READ | NACRE_O_WRITE | NACRE_O_APPEND, 0, NULL, &t.file));
    settle(r, &t, &whole, nacre_write(t.file, bytes, len, run_below(r, 1000)));
  }
  free(path);
}

static void step_truncate(struct run *r) {
  struct target t = {0};
  if (!target_open(r, &t))
    return;
  struct ref_node *n = ref_at(&r->ref, t.node);
  size_t size = run_chance(r, 20) ? 0 : some_offset(r, n, 0);
  struct ref_node whole = content_copy(n);
  ref_resize(&whole, size);
  run_note(r, "node %u: from %zu to %zu", t.node, n->size, size);
  bool smaller = size <= n->size;
  enum nacre_err err = nacre_ftruncate(t.file, size);
  if (smaller)
    run_must(r, err);
  settle(r, &t, &whole, err);
}

static void step_open_truncate(struct run *r) {
  uint32_t dir;
  char name[RUN_NAME_BYTES];
  if (!run_file(r, &dir, name))
    return;
  char *path = ref_path(&r->ref, dir, name);
  struct ref_node *n = ref_at(&r->ref, ref_find(&r->ref, dir, name));
  nacre_file *file = NULL;
  run_must(r, nacre_open(r->vol, path, NACRE_O_WRITE | NACRE_O_TRUNCATE, 0, NULL, &file));
  ref_resize(n, 0);
  ref_touch(n);
  nacre_close(file);
  free(path);
}

static void allocate(struct run *r, unsigned mode) {
  struct target t = {0};
  if (!target_open(r, &t))
    return;
  struct ref_node *n = ref_at(&r->ref, t.node);
  size_t len = some_length(r), at = some_offset(r, n, len);
  struct ref_node whole = content_copy(n);
  bool zeroes = (mode & (NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_ZERO_RANGE)) != 0;
  if (!(mode & NACRE_FALLOCATE_KEEP_SIZE) && at + len > whole.size)
    ref_resize(&whole, at + len);
  if (zeroes)
    ref_zero(&whole, at, len);
  run_note(r, "node %u: %zu bytes at %zu of %zu", t.node, len, at, n->size);
  settle(r, &t, &whole, nacre_fallocate(t.file, mode, at, len));
}

static void step_punch(struct run *r) {
  allocate(r, NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_KEEP_SIZE);
}

static void step_zero(struct run *r) {
  allocate(r, NACRE_FALLOCATE_ZERO_RANGE | (run_chance(r, 50) ? NACRE_FALLOCATE_KEEP_SIZE : 0));
}

static void step_allocate(struct run *r) {
  allocate(r, run_chance(r, 50) ? NACRE_FALLOCATE_KEEP_SIZE : 0);
}

static void step_read(struct run *r) {
  struct target t = {0};
  if (!target_open(r, &t))
    return;
  const struct ref_node *n = ref_at(&r->ref, t.node);
  size_t len = some_length(r), at = some_offset(r, n, len), done = 0;
  size_t want = at >= n->size ? 0 : len < n->size - at ? len : n->size - at;
  uint8_t *buf = malloc(len);
  run_must(r, nacre_read(t.file, buf, len, at, &done));
  if (done != want)
    run_fail(r, "node %u: read %zu bytes at %zu of %zu instead of %zu", t.node, done, at, n->size, want);
  if (want > 0 && memcmp(buf, n->data + at, want) != 0)
    run_fail(r, "node %u: %zu bytes at %zu of %zu are wrong", t.node, want, at, n->size);
  free(buf);
  target_close(&t);
}

/* Holes and data take turns, cover the file, and a hole holds zeroes. */
static void step_seek(struct run *r) {
  struct target t = {0};
  if (!target_open(r, &t))
    return;
  const struct ref_node *n = ref_at(&r->ref, t.node);
  uint64_t at = 0, found = 0;
  while (at < n->size) {
    enum nacre_err err = nacre_seek_data(t.file, at, &found);
    uint64_t data = err == NACRE_OK ? found : n->size;
    if ((err != NACRE_OK && err != NACRE_ERR_RANGE) || data < at || data > n->size)
      run_fail(r, "node %u: data at %llu after %llu", t.node, (unsigned long long)data, (unsigned long long)at);
    for (uint64_t i = at; i < data; i++)
      if (n->data[i] != 0)
        run_fail(r, "node %u: byte %llu of a hole is not zero", t.node, (unsigned long long)i);
    if (data == n->size)
      break;
    run_must(r, nacre_seek_hole(t.file, data, &found));
    if (found <= data || found > n->size)
      run_fail(r, "node %u: hole at %llu after data at %llu", t.node, (unsigned long long)found,
               (unsigned long long)data);
    at = found;
  }
  if (nacre_seek_data(t.file, n->size, &found) != NACRE_ERR_RANGE ||
      nacre_seek_hole(t.file, n->size, &found) != NACRE_ERR_RANGE)
    run_fail(r, "node %u: found something behind the end", t.node);
  target_close(&t);
}

static void step_compare(struct run *r) {
  struct target t = {0};
  if (!target_open(r, &t))
    return;
  compare_file(r, t.file, t.node);
  target_close(&t);
}

/* Mostly a record of the intent log, which is all that a cut right after it leaves. */
static void step_fsync(struct run *r) {
  struct target t = {0};
  if (run_below(r, 3) == 0) {
    run_fsync(r, NULL);
    return;
  }
  if (!target_open(r, &t))
    return;
  run_fsync(r, t.file);
  run_must(r, nacre_file_error(t.file));
  target_close(&t);
}

static void step_open(struct run *r) {
  struct handle *h = run_free_handle(r);
  uint32_t dir;
  char name[RUN_NAME_BYTES];
  if (!h || !run_file(r, &dir, name))
    return;
  char *path = ref_path(&r->ref, dir, name);
  h->node = ref_find(&r->ref, dir, name);
  run_must(r, nacre_open(r->vol, path, NACRE_O_READ | NACRE_O_WRITE, 0, NULL, &h->file));
  ref_at(&r->ref, h->node)->handles++;
  free(path);
}

static void step_close(struct run *r) {
  struct handle *h = run_handle(r);
  if (h)
    run_close_handle(r, h);
}

const struct step steps_file[] = {
    {"write", 22, step_write},
    {"write-run", 8, step_write_run},
    {"append", 5, step_append},
    {"truncate", 6, step_truncate},
    {"open-truncate", 1, step_open_truncate},
    {"punch", 4, step_punch},
    {"zero", 3, step_zero},
    {"allocate", 2, step_allocate},
    {"read", 16, step_read},
    {"seek", 3, step_seek},
    {"compare-file", 2, step_compare},
    {"fsync", 4, step_fsync},
    {"open", 6, step_open},
    {"close", 5, step_close},
};
const size_t steps_file_count = sizeof steps_file / sizeof steps_file[0];
