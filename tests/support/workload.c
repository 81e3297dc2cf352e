#include "support/workload.h"

#include "support/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define NAMES 12u
#define DEPTH_MAX 3u

typedef enum nacre_err (*step_fn)(struct workload *w);

void workload_init(struct workload *w, uint64_t seed) {
  memset(w, 0, sizeof *w);
  w->prng.state = seed;
  w->write_max_bytes = 40000;
  w->file_max_bytes = 200000;
  w->noise = malloc(WORKLOAD_NOISE_BYTES);
  prng_fill(&w->prng, w->noise, WORKLOAD_NOISE_BYTES);
  shadow_init(&w->shadow, 0755);
}

static uint8_t *fill_bytes(size_t len) {
  struct prng prng = {.state = len};
  uint8_t *bytes = malloc(len);
  prng_fill(&prng, bytes, len);
  return bytes;
}

void workload_fill(struct workload *w, nacre_volume *vol, size_t len) {
  nacre_file *file;
  uint8_t *bytes = fill_bytes(len);
  report_must(nacre_open(vol, "fill", NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file), "making a file");
  report_must(nacre_write(file, bytes, len, 0), "filling a file");
  nacre_close(file);
  free(bytes);
  workload_filled(w, len);
}

void workload_filled(struct workload *w, size_t len) {
  uint8_t *bytes = fill_bytes(len);
  struct shadow_node *n = shadow_add(&w->shadow, "fill", S_IFREG | 0600);
  shadow_write(n, bytes, len, 0);
  n->fixed = true;
  free(bytes);
}

void workload_close_handles(struct workload *w) {
  for (unsigned i = 0; i < WORKLOAD_HANDLES; i++) {
    struct workload_handle *h = &w->handles[i];
    if (h->file == NULL)
      continue;
    nacre_close(h->file);
    h->file = NULL;
    w->shadow.nodes[h->node].handles--;
    shadow_drop(&w->shadow, &w->shadow.nodes[h->node]);
  }
}

void workload_free(struct workload *w) {
  shadow_free(&w->shadow);
  free(w->noise);
}

/* ---- Picking ---- */

static unsigned depth_of(const char *path) {
  unsigned depth = path[0] != 0;
  for (; *path; path++)
    depth += *path == '/';
  return depth;
}

/* A random name whose node has that type (0: any but the root). */
static bool pick(struct workload *w, uint32_t type, char path[DUMP_PATH_BYTES]) {
  size_t start = (size_t)prng_below(&w->prng, w->shadow.name_count);
  for (size_t i = 0; i < w->shadow.name_count; i++) {
    const struct shadow_name *name = &w->shadow.names[(start + i) % w->shadow.name_count];
    const struct shadow_node *n = &w->shadow.nodes[name->node];
    if (n->fixed || (type == 0 ? name->path[0] == 0 : (n->mode & S_IFMT) != type))
      continue;
    memcpy(path, name->path, DUMP_PATH_BYTES);
    return true;
  }
  return false;
}

/* A name in some folder; it may exist. */
static void some_path(struct workload *w, char path[DUMP_PATH_BYTES]) {
  char folder[DUMP_PATH_BYTES];
  do
    (void)pick(w, S_IFDIR, folder);
  while (depth_of(folder) >= DEPTH_MAX);
  unsigned n = (unsigned)prng_below(&w->prng, NAMES);
  char name[16];
  snprintf(name, sizeof name, "%s%u", n % 4 == 0 ? "long-name-" : "n", n);
  if (folder[0])
    snprintf(path, DUMP_PATH_BYTES, "%.64s/%s", folder, name);
  else
    snprintf(path, DUMP_PATH_BYTES, "%s", name);
}

static bool new_path(struct workload *w, char path[DUMP_PATH_BYTES]) {
  if (shadow_is_full(&w->shadow))
    return false;
  for (unsigned i = 0; i < 8; i++) {
    some_path(w, path);
    if (shadow_at(&w->shadow, path) == NULL)
      return true;
  }
  return false;
}

static const uint8_t *noise(struct workload *w, size_t len) {
  return w->noise + prng_below(&w->prng, WORKLOAD_NOISE_BYTES - len);
}

/* ---- Contents ---- */

/* A file open for one step: a handle that is kept, or a path. */
struct opened {
  nacre_file *file;
  struct shadow_node *node;
  bool kept;
};

static bool open_some(struct workload *w, struct opened *o, enum nacre_err *err) {
  char path[DUMP_PATH_BYTES];
  const struct workload_handle *h = &w->handles[prng_below(&w->prng, WORKLOAD_HANDLES)];
  *err = NACRE_OK;
  if (h->file != NULL && prng_chance(&w->prng, 40)) {
    *o = (struct opened){.file = h->file, .node = &w->shadow.nodes[h->node], .kept = true};
    w->changed_ino = o->node->seen.ino;
    return true;
  }
  if (!pick(w, S_IFREG, path))
    return false;
  *o = (struct opened){.node = shadow_at(&w->shadow, path)};
  w->changed_ino = o->node->seen.ino;
  *err = nacre_open(w->vol, path, NACRE_O_READ | NACRE_O_WRITE, 0, NULL, &o->file);
  return *err == NACRE_OK;
}

static enum nacre_err close_opened(struct opened *o, enum nacre_err err) {
  if (!o->kept)
    nacre_close(o->file);
  return err;
}

static size_t some_length(struct workload *w) {
  uint64_t kind = prng_below(&w->prng, 10);
  if (kind < 4)
    return 1 + (size_t)prng_below(&w->prng, 300);
  if (kind < 6)
    return 4096 * (1 + (size_t)prng_below(&w->prng, 4));
  return 1 + (size_t)prng_below(&w->prng, w->write_max_bytes);
}

static size_t some_offset(struct workload *w, size_t size) {
  uint64_t kind = prng_below(&w->prng, 10);
  if (kind < 4)
    return (size_t)prng_below(&w->prng, size + 1);
  if (kind < 8)
    return size;
  return (size_t)prng_below(&w->prng, w->file_max_bytes);
}

static enum nacre_err step_write(struct workload *w) {
  struct opened o;
  enum nacre_err err;
  if (!open_some(w, &o, &err))
    return err;
  size_t len = some_length(w), at = some_offset(w, o.node->size);
  if (at + len > w->file_max_bytes)
    at = 0;
  const uint8_t *bytes = noise(w, len);
  err = nacre_write(o.file, bytes, len, at);
  shadow_write(o.node, bytes, len, at);
  return close_opened(&o, err);
}

static enum nacre_err step_append(struct workload *w) {
  char path[DUMP_PATH_BYTES];
  nacre_file *file = NULL;
  if (!pick(w, S_IFREG, path))
    return NACRE_OK;
  struct shadow_node *n = shadow_at(&w->shadow, path);
  size_t len = some_length(w);
  if (n->size + len > w->file_max_bytes)
    return NACRE_OK;
  const uint8_t *bytes = noise(w, len);
  w->changed_ino = n->seen.ino;
  enum nacre_err err = nacre_open(w->vol, path, NACRE_O_WRITE | NACRE_O_APPEND, 0, NULL, &file);
  if (err == NACRE_OK)
    err = nacre_write(file, bytes, len, 0);
  shadow_write(n, bytes, len, n->size);
  nacre_close(file);
  return err;
}

static enum nacre_err step_truncate(struct workload *w) {
  struct opened o;
  enum nacre_err err;
  if (!open_some(w, &o, &err))
    return err;
  size_t size = prng_chance(&w->prng, 20) ? 0 : some_offset(w, o.node->size);
  err = nacre_ftruncate(o.file, size);
  shadow_resize(o.node, size);
  return close_opened(&o, err);
}

static enum nacre_err step_allocate(struct workload *w) {
  static const unsigned modes[] = {NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_KEEP_SIZE, NACRE_FALLOCATE_ZERO_RANGE,
                                   NACRE_FALLOCATE_ZERO_RANGE | NACRE_FALLOCATE_KEEP_SIZE, 0};
  struct opened o;
  enum nacre_err err;
  if (!open_some(w, &o, &err))
    return err;
  unsigned mode = modes[prng_below(&w->prng, 4)];
  size_t len = some_length(w), at = some_offset(w, o.node->size);
  err = nacre_fallocate(o.file, mode, at, len);
  if (!(mode & NACRE_FALLOCATE_KEEP_SIZE) && at + len > o.node->size)
    shadow_resize(o.node, at + len);
  if (mode != 0)
    shadow_zero(o.node, at, len);
  return close_opened(&o, err);
}

/* ---- Names ---- */

static enum nacre_err step_create(struct workload *w) {
  char path[DUMP_PATH_BYTES];
  nacre_file *file = NULL;
  if (!new_path(w, path))
    return NACRE_OK;
  enum nacre_err err =
      nacre_open(w->vol, path, NACRE_O_WRITE | NACRE_O_CREATE | NACRE_O_EXCLUSIVE, 0640, NULL, &file);
  shadow_add(&w->shadow, path, S_IFREG | 0640);
  nacre_close(file);
  return err;
}

static enum nacre_err step_mkdir(struct workload *w) {
  char path[DUMP_PATH_BYTES];
  if (!new_path(w, path))
    return NACRE_OK;
  enum nacre_err err = nacre_mkdir(w->vol, path, 0750, NULL);
  shadow_add(&w->shadow, path, S_IFDIR | 0750);
  return err;
}

static enum nacre_err step_symlink(struct workload *w) {
  char path[DUMP_PATH_BYTES], target[1500];
  if (!new_path(w, path))
    return NACRE_OK;
  size_t len = 1 + (size_t)prng_below(&w->prng, prng_chance(&w->prng, 30) ? sizeof target - 2 : 40);
  for (size_t i = 0; i < len; i++)
    target[i] = (char)('a' + prng_below(&w->prng, 26));
  target[len] = 0;
  enum nacre_err err = nacre_symlink(w->vol, target, path, NULL);
  struct shadow_node *n = shadow_add(&w->shadow, path, S_IFLNK | 0777);
  n->target = hash_bytes(target, len);
  n->seen.size_bytes = len;
  return err;
}

static enum nacre_err step_mknod(struct workload *w) {
  char path[DUMP_PATH_BYTES];
  if (!new_path(w, path))
    return NACRE_OK;
  bool device = prng_chance(&w->prng, 50);
  uint32_t mode = (device ? S_IFCHR : S_IFIFO) | 0600;
  enum nacre_err err = nacre_mknod(w->vol, path, mode, device ? 0x103 : 0, NULL);
  shadow_add(&w->shadow, path, mode)->rdev = device ? 0x103 : 0;
  return err;
}

static enum nacre_err step_link(struct workload *w) {
  char from[DUMP_PATH_BYTES], to[DUMP_PATH_BYTES];
  if (!pick(w, S_IFREG, from) || !new_path(w, to))
    return NACRE_OK;
  enum nacre_err err = nacre_link(w->vol, from, to);
  shadow_link(&w->shadow, from, to);
  return err;
}

static enum nacre_err step_remove(struct workload *w) {
  char path[DUMP_PATH_BYTES];
  if (!pick(w, 0, path) || shadow_has_children(&w->shadow, path))
    return NACRE_OK;
  bool folder = S_ISDIR(shadow_at(&w->shadow, path)->mode);
  enum nacre_err err = folder ? nacre_rmdir(w->vol, path) : nacre_unlink(w->vol, path);
  shadow_remove(&w->shadow, path);
  return err;
}

static bool may_replace(struct workload *w, const char *from, const char *to) {
  const struct shadow_node *a = shadow_at(&w->shadow, from), *b = shadow_at(&w->shadow, to);
  if (strcmp(from, to) == 0 || shadow_beneath(from, to) || shadow_beneath(to, from))
    return false;
  return b == NULL || (S_ISDIR(a->mode) == S_ISDIR(b->mode) && !shadow_has_children(&w->shadow, to));
}

static enum nacre_err step_rename(struct workload *w) {
  char from[DUMP_PATH_BYTES], to[DUMP_PATH_BYTES];
  if (!pick(w, 0, from))
    return NACRE_OK;
  some_path(w, to);
  if (!may_replace(w, from, to))
    return NACRE_OK;
  enum nacre_err err = nacre_rename(w->vol, from, to, 0);
  shadow_rename(&w->shadow, from, to);
  return err;
}

static enum nacre_err step_rename_over(struct workload *w) {
  char from[DUMP_PATH_BYTES], to[DUMP_PATH_BYTES];
  if (!pick(w, S_IFREG, from) || !pick(w, S_IFREG, to) || !may_replace(w, from, to))
    return NACRE_OK;
  enum nacre_err err = nacre_rename(w->vol, from, to, 0);
  shadow_rename(&w->shadow, from, to);
  return err;
}

static enum nacre_err step_exchange(struct workload *w) {
  char a[DUMP_PATH_BYTES], b[DUMP_PATH_BYTES];
  if (!pick(w, 0, a) || !pick(w, 0, b) || strcmp(a, b) == 0 || shadow_beneath(a, b) || shadow_beneath(b, a))
    return NACRE_OK;
  enum nacre_err err = nacre_rename(w->vol, a, b, NACRE_RENAME_EXCHANGE);
  shadow_exchange(&w->shadow, a, b);
  return err;
}

/* ---- Attributes ---- */

static enum nacre_err step_xattr(struct workload *w) {
  static const char *const names[SHADOW_XATTRS] = {"user.a", "user.bb", "trusted.c", "security.dddddddd"};
  char path[DUMP_PATH_BYTES];
  if (!pick(w, 0, path))
    return NACRE_OK;
  unsigned i = (unsigned)prng_below(&w->prng, SHADOW_XATTRS);
  struct shadow_node *n = shadow_at(&w->shadow, path);
  if (!S_ISREG(n->mode) && !S_ISDIR(n->mode))
    return NACRE_OK;
  if (n->xattrs[i].set && prng_chance(&w->prng, 30)) {
    n->xattrs[i].set = false;
    return nacre_removexattr(w->vol, path, names[i]);
  }
  size_t len = (size_t)prng_below(&w->prng, prng_chance(&w->prng, 20) ? 12000 : 200);
  const uint8_t *value = noise(w, len);
  n->xattrs[i] = (struct shadow_xattr){.set = true, .hash = dump_xattr(names[i], value, len)};
  return nacre_setxattr(w->vol, path, names[i], value, len, 0);
}

static enum nacre_err step_setattr(struct workload *w) {
  char path[DUMP_PATH_BYTES];
  if (!pick(w, 0, path))
    return NACRE_OK;
  struct shadow_node *n = shadow_at(&w->shadow, path);
  struct nacre_attr attr = {.struct_size = sizeof attr, .uid = n->uid, .mode = n->mode};
  unsigned set = NACRE_SET_MTIME | NACRE_SET_UID;
  attr.uid = (uint32_t)prng_below(&w->prng, 2000);
  attr.mtime = (struct nacre_time){.s = (int64_t)prng_below(&w->prng, 4000000000u), .ns = 123456789};
  if (!S_ISLNK(n->mode)) {
    attr.mode = (n->mode & S_IFMT) | (uint32_t)prng_below(&w->prng, 01000);
    set |= NACRE_SET_MODE;
  }
  enum nacre_err err = nacre_setattr(w->vol, path, &attr, set);
  n->mode = attr.mode;
  n->uid = attr.uid;
  return err;
}

/* ---- Handles: what is unlinked while open must be gone after a cut, and its space too ---- */

static enum nacre_err step_handle(struct workload *w) {
  char path[DUMP_PATH_BYTES];
  struct workload_handle *h = &w->handles[prng_below(&w->prng, WORKLOAD_HANDLES)];
  if (h->file != NULL) {
    nacre_close(h->file);
    h->file = NULL;
    w->shadow.nodes[h->node].handles--;
    shadow_drop(&w->shadow, &w->shadow.nodes[h->node]);
    return NACRE_OK;
  }
  if (!pick(w, S_IFREG, path))
    return NACRE_OK;
  enum nacre_err err = nacre_open(w->vol, path, NACRE_O_READ | NACRE_O_WRITE, 0, NULL, &h->file);
  if (err != NACRE_OK)
    return err;
  h->node = shadow_find(&w->shadow, path)->node;
  w->shadow.nodes[h->node].handles++;
  return NACRE_OK;
}

/* ---- Steps ---- */

static const struct {
  const char *name;
  unsigned weight;
  step_fn run;
} steps[] = {
    {"write", 24, step_write},      {"append", 8, step_append},  {"truncate", 6, step_truncate},
    {"allocate", 5, step_allocate}, {"create", 12, step_create}, {"mkdir", 6, step_mkdir},
    {"symlink", 3, step_symlink},   {"mknod", 2, step_mknod},    {"link", 4, step_link},
    {"remove", 10, step_remove},    {"rename", 6, step_rename},  {"rename-over", 4, step_rename_over},
    {"exchange", 2, step_exchange}, {"xattr", 6, step_xattr},    {"setattr", 4, step_setattr},
    {"handle", 5, step_handle},
};

enum nacre_err workload_step(struct workload *w) {
  unsigned total = 0;
  for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
    total += steps[i].weight;
  unsigned at = (unsigned)prng_below(&w->prng, total);
  size_t i = 0;
  while (at >= steps[i].weight)
    at -= steps[i++].weight;
  w->step = steps[i].name;
  w->changed_ino = 0;
  return steps[i].run(w);
}

enum nacre_err workload_sync(struct workload *w) {
  struct opened o;
  enum nacre_err err;
  w->step = "sync";
  if (prng_chance(&w->prng, 50) && open_some(w, &o, &err)) {
    w->changed_ino = 0;
    return close_opened(&o, nacre_fsync(o.file));
  }
  w->changed_ino = 0;
  return prng_chance(&w->prng, 50) ? nacre_volume_fsync(w->vol) : nacre_volume_sync(w->vol);
}
