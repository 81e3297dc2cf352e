/* Steps on attributes, listings, and on the volume as a whole. */
#include "model/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void step_stat(struct run *r) {
  uint32_t dir;
  char name[RUN_NAME_BYTES];
  struct nacre_attr attr = {.struct_size = sizeof attr};
  if (!run_entry(r, &dir, name))
    return;
  char *path = ref_path(&r->ref, dir, name);
  run_must(r, nacre_lstat(r->vol, path, &attr));
  compare_attr(r, path, ref_at(&r->ref, ref_find(&r->ref, dir, name)), &attr);
  free(path);
}

static void step_setattr(struct run *r) {
  uint32_t dir;
  char name[RUN_NAME_BYTES];
  if (!run_entry(r, &dir, name))
    return;
  struct ref_node *n = ref_at(&r->ref, ref_find(&r->ref, dir, name));
  struct nacre_attr attr = {.struct_size = sizeof attr};
  unsigned set = 0;
  if (run_chance(r, 50) && !S_ISLNK(n->mode)) {
    set |= NACRE_SET_MODE;
    attr.mode = (n->mode & S_IFMT) | (uint32_t)run_below(r, 01000);
  }
  if (run_chance(r, 40)) {
    set |= NACRE_SET_UID | NACRE_SET_GID;
    attr.uid = (uint32_t)run_below(r, 70000);
    attr.gid = (uint32_t)run_below(r, 70000);
  }
  if (run_chance(r, 40)) {
    set |= NACRE_SET_MTIME | NACRE_SET_ATIME;
    attr.mtime = (struct nacre_time){(int64_t)run_random(r) / 4, (uint32_t)run_below(r, 1000000000)};
    attr.atime = (struct nacre_time){(int64_t)run_below(r, 1ull << 33), (uint32_t)run_below(r, 1000000000)};
  }
  char *path = ref_path(&r->ref, dir, name);
  enum nacre_err err = nacre_setattr(r->vol, path, &attr, set);
  free(path);
  if (run_expect(r, err, NACRE_OK) != OUTCOME_DONE)
    return;
  if (set & NACRE_SET_MODE)
    n->mode = attr.mode;
  if (set & NACRE_SET_UID) {
    n->uid = attr.uid;
    n->gid = attr.gid;
  }
  if (set & NACRE_SET_MTIME) {
    n->mtime = attr.mtime;
    n->atime = attr.atime;
    n->mtime_known = n->atime_known = true;
  }
  ref_touch_meta(n);
}

static void step_readdir(struct run *r) {
  uint32_t dir = run_folder(r);
  char *path = ref_path(&r->ref, dir, ".");
  compare_folder(r, path, dir);
  free(path);
}

/* ---- Extended attributes ---- */

static struct ref_node *attributed(struct run *r, char **path) {
  uint32_t dir;
  char name[RUN_NAME_BYTES];
  for (unsigned i = 0; i < 8; i++) {
    if (!run_entry(r, &dir, name))
      return NULL;
    struct ref_node *n = ref_at(&r->ref, ref_find(&r->ref, dir, name));
    if (!S_ISREG(n->mode) && !S_ISDIR(n->mode))
      continue;
    *path = ref_path(&r->ref, dir, name);
    return n;
  }
  return NULL;
}

static void step_setxattr(struct run *r) {
  static const char *const spaces[] = {"user", "trusted", "security"};
  char *path = NULL, name[64];
  struct ref_node *n = attributed(r, &path);
  if (!n)
    return;
  snprintf(name, sizeof name, "%s.attribute-%u", spaces[run_below(r, 3)], (unsigned)run_below(r, 6));
  size_t len = run_chance(r, 80) ? (size_t)run_below(r, 300) : (size_t)run_below(r, 12000);
  const uint8_t *value = run_bytes(r, len);
  static const unsigned kinds[] = {0, 0, NACRE_XATTR_CREATE, NACRE_XATTR_REPLACE};
  unsigned flags = kinds[run_below(r, 4)];
  enum nacre_err wanted = NACRE_OK;
  if (flags == NACRE_XATTR_CREATE && ref_xattr_find(n, name))
    wanted = NACRE_ERR_EXISTS;
  else if (flags == NACRE_XATTR_REPLACE && !ref_xattr_find(n, name))
    wanted = NACRE_ERR_NO_ATTRIBUTE;
  if (run_expect(r, nacre_setxattr(r->vol, path, name, value, len, flags), wanted) == OUTCOME_DONE)
    ref_xattr_set(n, name, value, len);
  free(path);
}

static void step_getxattr(struct run *r) {
  static uint8_t buf[65536];
  char *path = NULL;
  struct ref_node *n = attributed(r, &path);
  size_t len = 0;
  if (!n)
    return;
  run_expect(r, nacre_getxattr(r->vol, path, "user.missing", buf, sizeof buf, &len), NACRE_ERR_NO_ATTRIBUTE);
  if (n->xattr_count > 0) {
    const struct ref_xattr *x = &n->xattrs[run_below(r, n->xattr_count)];
    run_must(r, nacre_getxattr(r->vol, path, x->name, NULL, 0, &len));
    if (len != x->len)
      run_fail(r, "%s: %s has %zu bytes instead of %zu", path, x->name, len, x->len);
    run_must(r, nacre_getxattr(r->vol, path, x->name, buf, len ? len : 1, &len));
    if (len != x->len || (len > 0 && memcmp(buf, x->value, len) != 0))
      run_fail(r, "%s: %s has another value", path, x->name);
    if (len > 1)
      run_expect(r, nacre_getxattr(r->vol, path, x->name, buf, len - 1, &len), NACRE_ERR_RANGE);
  }
  free(path);
}

static void step_removexattr(struct run *r) {
  char *path = NULL;
  struct ref_node *n = attributed(r, &path);
  if (!n)
    return;
  if (n->xattr_count == 0) {
    run_expect(r, nacre_removexattr(r->vol, path, "user.missing"), NACRE_ERR_NO_ATTRIBUTE);
  } else {
    char *name = strdup(n->xattrs[run_below(r, n->xattr_count)].name);
    if (run_expect(r, nacre_removexattr(r->vol, path, name), NACRE_OK) == OUTCOME_DONE)
      ref_xattr_remove(n, name);
    free(name);
  }
  free(path);
}

/* ---- The volume ---- */

static void step_statfs(struct run *r) {
  struct nacre_statfs s = {.struct_size = sizeof s};
  run_must(r, nacre_statfs(r->vol, &s));
  if (s.free_blocks > s.blocks || s.available_blocks > s.free_blocks ||
      s.blocks * s.block_bytes > r->config->size_bytes)
    run_fail(r, "statfs: %llu blocks, %llu free, %llu available", (unsigned long long)s.blocks,
             (unsigned long long)s.free_blocks, (unsigned long long)s.available_blocks);
}

const struct step steps_attr[] = {
    {"stat", 8, step_stat},         {"setattr", 6, step_setattr},   {"readdir", 2, step_readdir},
    {"setxattr", 4, step_setxattr}, {"getxattr", 3, step_getxattr}, {"removexattr", 2, step_removexattr},
    {"statfs", 1, step_statfs},
};
const size_t steps_attr_count = sizeof steps_attr / sizeof steps_attr[0];
