#include "crash/ace_ops.h"

#include "support/prng.h"
#include "support/report.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WRITE_MAX_BYTES 24576u
#define ATTRIBUTE "user.ace"

enum kind {
  OP_CREATE,
  OP_WRITE,
  OP_APPEND,
  OP_TRUNCATE,
  OP_PUNCH,
  OP_RENAME_OVER,
  OP_RENAME,
  OP_LINK,
  OP_UNLINK,
  OP_UNLINK_OPEN,
  OP_SETXATTR,
  OP_FSYNC,
  OP_SYNC
};

struct op {
  const char *name;
  enum kind kind;
  const char *path, *to;
  size_t at, len;
};

/* "a" has chunks and a tail, "b" a tail alone, "d/f" chunks; "n" is new. */
static const struct op ops[] = {
    {"create n", OP_CREATE, "n", NULL, 0, 0},
    {"create d/n", OP_CREATE, "d/n", NULL, 0, 0},
    {"write a", OP_WRITE, "a", NULL, 3000, 3000},
    {"write b", OP_WRITE, "b", NULL, 100, 50},
    {"write n", OP_WRITE, "n", NULL, 0, 9000},
    {"append to a", OP_APPEND, "a", NULL, 0, 500},
    {"append to d/f", OP_APPEND, "d/f", NULL, 0, 6000},
    {"append to n", OP_APPEND, "n", NULL, 0, 100},
    {"truncate a shorter", OP_TRUNCATE, "a", NULL, 6000, 0},
    {"truncate a longer", OP_TRUNCATE, "a", NULL, 20000, 0},
    {"truncate d/f to nothing", OP_TRUNCATE, "d/f", NULL, 0, 0},
    {"punch a", OP_PUNCH, "a", NULL, 4096, 4096},
    {"punch d/f", OP_PUNCH, "d/f", NULL, 100, 5000},
    {"rename a over d/f", OP_RENAME_OVER, "a", "d/f", 0, 0},
    {"rename b over a", OP_RENAME_OVER, "b", "a", 0, 0},
    {"rename n over b", OP_RENAME_OVER, "n", "b", 0, 0},
    {"rename a to n", OP_RENAME, "a", "n", 0, 0},
    {"rename d to e", OP_RENAME, "d", "e", 0, 0},
    {"link a to d/l", OP_LINK, "a", "d/l", 0, 0},
    {"link b to n", OP_LINK, "b", "n", 0, 0},
    {"unlink a", OP_UNLINK, "a", NULL, 0, 0},
    {"unlink d/f", OP_UNLINK, "d/f", NULL, 0, 0},
    {"unlink n", OP_UNLINK, "n", NULL, 0, 0},
    {"unlink a while open", OP_UNLINK_OPEN, "a", NULL, 0, 0},
    {"unlink d/f while open", OP_UNLINK_OPEN, "d/f", NULL, 0, 0},
    {"set an attribute of a", OP_SETXATTR, "a", NULL, 0, 30},
    {"set an attribute of d", OP_SETXATTR, "d", NULL, 0, 200},
    {"set a long attribute of b", OP_SETXATTR, "b", NULL, 0, 9000},
    {"fsync a", OP_FSYNC, "a", NULL, 0, 0},
    {"fsync d/f", OP_FSYNC, "d/f", NULL, 0, 0},
    /* What fsync of a folder, `nacre sync` and unmounting come to. */
    {"sync", OP_SYNC, NULL, NULL, 0, 0},
};

unsigned ace_op_count(void) {
  return sizeof ops / sizeof ops[0];
}

const char *ace_op_name(unsigned op) {
  return ops[op].name;
}

bool ace_op_is_sync(unsigned op) {
  return ops[op].kind == OP_FSYNC || ops[op].kind == OP_SYNC;
}

static bool folder_is_there(struct shadow *s, const char *path) {
  return strchr(path, '/') == NULL || shadow_at(s, "d") != NULL;
}

bool ace_op_is_possible(struct shadow *s, unsigned op) {
  const struct op *o = &ops[op];
  if (o->kind == OP_SYNC)
    return true;
  if (o->kind == OP_CREATE)
    return folder_is_there(s, o->path) && shadow_at(s, o->path) == NULL;
  if (shadow_at(s, o->path) == NULL)
    return false;
  if (o->kind == OP_RENAME_OVER)
    return shadow_at(s, o->to) != NULL && shadow_at(s, o->to) != shadow_at(s, o->path);
  if (o->to != NULL)
    return folder_is_there(s, o->to) && shadow_at(s, o->to) == NULL;
  return true;
}

/* Contents differ from one write to the next, and from one place of a file to another. */
static const uint8_t *noise(const struct op *o, size_t salt) {
  static uint8_t bytes[WRITE_MAX_BYTES];
  struct prng prng = {.state = (uint64_t)(o - ops) * 1000 + salt};
  prng_fill(&prng, bytes, o->len);
  return bytes;
}

/* ---- On the volume ---- */

static enum nacre_err run_on_file(struct ace *a, const struct op *o) {
  nacre_file *file = NULL;
  const uint8_t *bytes = noise(o, shadow_at(&a->shadow, o->path)->size);
  unsigned flags = NACRE_O_WRITE | (o->kind == OP_APPEND ? NACRE_O_APPEND : 0u);
  enum nacre_err err = nacre_open(a->vol, o->path, flags, 0, NULL, &file);
  if (err != NACRE_OK)
    return err;
  if (o->kind == OP_WRITE || o->kind == OP_APPEND)
    err = nacre_write(file, bytes, o->len, o->at);
  else if (o->kind == OP_TRUNCATE)
    err = nacre_ftruncate(file, o->at);
  else if (o->kind == OP_PUNCH)
    err = nacre_fallocate(file, NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_KEEP_SIZE, o->at, o->len);
  else
    err = nacre_fsync(file);
  nacre_close(file);
  return err;
}

static enum nacre_err run_create(struct ace *a, const char *path) {
  nacre_file *file = NULL;
  enum nacre_err err =
      nacre_open(a->vol, path, NACRE_O_WRITE | NACRE_O_CREATE | NACRE_O_EXCLUSIVE, 0640, NULL, &file);
  nacre_close(file);
  return err;
}

static enum nacre_err run_unlink_open(struct ace *a, const struct op *o) {
  enum nacre_err err = nacre_open(a->vol, o->path, NACRE_O_READ, 0, NULL, &a->kept[a->kept_count]);
  if (err != NACRE_OK)
    return err;
  a->kept_count++;
  return nacre_unlink(a->vol, o->path);
}

static enum nacre_err run(struct ace *a, const struct op *o) {
  switch (o->kind) {
  case OP_CREATE:
    return run_create(a, o->path);
  case OP_WRITE:
  case OP_APPEND:
  case OP_TRUNCATE:
  case OP_PUNCH:
  case OP_FSYNC:
    return run_on_file(a, o);
  case OP_RENAME_OVER:
  case OP_RENAME:
    return nacre_rename(a->vol, o->path, o->to, 0);
  case OP_LINK:
    return nacre_link(a->vol, o->path, o->to);
  case OP_UNLINK:
    return nacre_unlink(a->vol, o->path);
  case OP_UNLINK_OPEN:
    return run_unlink_open(a, o);
  case OP_SETXATTR:
    return nacre_setxattr(a->vol, o->path, ATTRIBUTE, noise(o, 0), o->len, 0);
  case OP_SYNC:
    return nacre_volume_sync(a->vol);
  }
  return NACRE_ERR_ARGUMENT;
}

/* ---- In the shadow ---- */

static void change_content(struct shadow_node *n, const struct op *o) {
  const uint8_t *bytes = noise(o, n->size);
  if (o->kind == OP_WRITE)
    shadow_write(n, bytes, o->len, o->at);
  else if (o->kind == OP_APPEND)
    shadow_write(n, bytes, o->len, n->size);
  else if (o->kind == OP_TRUNCATE)
    shadow_resize(n, o->at);
  else if (o->kind == OP_PUNCH)
    shadow_zero(n, o->at, o->len);
}

void ace_op_model(struct shadow *s, unsigned op) {
  const struct op *o = &ops[op];
  if (o->kind == OP_CREATE)
    shadow_add(s, o->path, S_IFREG | 0640);
  else if (o->kind == OP_RENAME_OVER || o->kind == OP_RENAME)
    shadow_rename(s, o->path, o->to);
  else if (o->kind == OP_LINK)
    shadow_link(s, o->path, o->to);
  else if (o->kind == OP_UNLINK || o->kind == OP_UNLINK_OPEN)
    shadow_remove(s, o->path);
  else if (o->kind == OP_SETXATTR)
    shadow_at(s, o->path)->xattrs[0] =
        (struct shadow_xattr){.set = true, .hash = dump_xattr(ATTRIBUTE, noise(o, 0), o->len)};
  else if (o->kind != OP_SYNC)
    change_content(shadow_at(s, o->path), o);
}

void ace_op_run(struct ace *a, unsigned op) {
  report_must(run(a, &ops[op]), ops[op].name);
  ace_op_model(&a->shadow, op);
}

/* ---- Before and after ---- */

static const struct {
  const char *path;
  size_t len;
} files[] = {{"a", 10000}, {"b", 700}, {"d/f", 8192}};
#define FILES (sizeof files / sizeof files[0])

static const uint8_t *first_content(size_t file) {
  static uint8_t bytes[WRITE_MAX_BYTES];
  struct prng prng = {.state = file};
  prng_fill(&prng, bytes, files[file].len);
  return bytes;
}

void ace_populate(nacre_volume *vol) {
  report_must(nacre_mkdir(vol, "d", 0750, NULL), "making a folder");
  for (size_t i = 0; i < FILES; i++) {
    nacre_file *file = NULL;
    report_must(nacre_open(vol, files[i].path, NACRE_O_WRITE | NACRE_O_CREATE, 0640, NULL, &file), "making a file");
    report_must(nacre_write(file, first_content(i), files[i].len, 0), "writing a file");
    nacre_close(file);
  }
}

void ace_populate_shadow(struct shadow *s) {
  shadow_add(s, "d", S_IFDIR | 0750);
  for (size_t i = 0; i < FILES; i++)
    shadow_write(shadow_add(s, files[i].path, S_IFREG | 0640), first_content(i), files[i].len, 0);
}

void ace_close_kept(struct ace *a) {
  while (a->kept_count > 0)
    nacre_close(a->kept[--a->kept_count]);
}
