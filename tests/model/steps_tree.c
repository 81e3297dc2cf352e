/* Steps on names. */
#include "model/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* A name in some folder, and what the reference has there. */
struct place {
  uint32_t dir;
  char name[RUN_NAME_BYTES];
  char *path;
  uint32_t node; /* REF_NONE: nothing */
};

static void place_at(struct run *r, struct place *p) {
  p->path = ref_path(&r->ref, p->dir, p->name);
  p->node = ref_find(&r->ref, p->dir, p->name);
}

static void new_place(struct run *r, struct place *p) {
  p->dir = run_folder(r);
  run_name(r, p->name);
  place_at(r, p);
}

static bool old_place(struct run *r, struct place *p) {
  if (!run_entry(r, &p->dir, p->name))
    return false;
  place_at(r, p);
  return true;
}

static struct ref_node *made(struct run *r, const struct place *p, uint32_t mode, const struct nacre_caller *caller) {
  uint32_t node = ref_new(&r->ref, mode, caller->uid, caller->gid);
  ref_link(&r->ref, p->dir, p->name, node);
  return ref_at(&r->ref, node);
}

static void step_create(struct run *r) {
  struct place p;
  new_place(r, &p);
  const struct nacre_caller caller = run_caller(r);
  uint32_t mode = (uint32_t)run_below(r, 01000);
  nacre_file *file = NULL;
  const unsigned flags = NACRE_O_READ | NACRE_O_WRITE | NACRE_O_CREATE | NACRE_O_EXCLUSIVE;
  enum nacre_err err = nacre_open(r->vol, p.path, flags, mode, &caller, &file);
  if (run_expect(r, err, p.node == REF_NONE ? NACRE_OK : NACRE_ERR_EXISTS) == OUTCOME_DONE) {
    made(r, &p, S_IFREG | mode, &caller);
    struct handle *h = run_chance(r, 30) ? run_free_handle(r) : NULL;
    if (h) {
      *h = (struct handle){.file = file, .node = ref_find(&r->ref, p.dir, p.name)};
      ref_at(&r->ref, h->node)->handles++;
    } else {
      nacre_close(file);
    }
  }
  free(p.path);
}

/* By inode numbers, as a mount does it. */
static void step_create_inode(struct run *r) {
  struct place p;
  new_place(r, &p);
  const struct nacre_caller caller = run_caller(r);
  struct nacre_attr dir = {.struct_size = sizeof dir}, attr = {.struct_size = sizeof attr};
  char *dir_path = p.dir == REF_ROOT ? strdup("") : strndup(p.path, strlen(p.path) - strlen(p.name) - 1);
  nacre_file *file = NULL;
  run_must(r, nacre_stat(r->vol, dir_path, &dir));
  enum nacre_err err =
      nacre_inode_create(r->vol, dir.ino, p.name, strlen(p.name), 0640, NACRE_O_WRITE, &caller, &attr, &file);
  if (run_expect(r, err, p.node == REF_NONE ? NACRE_OK : NACRE_ERR_EXISTS) == OUTCOME_DONE) {
    struct ref_node *n = made(r, &p, S_IFREG | 0640, &caller);
    compare_attr(r, p.path, n, &attr);
    nacre_close(file);
    struct nacre_attr again = {.struct_size = sizeof again};
    run_must(r, nacre_inode_lookup(r->vol, dir.ino, p.name, strlen(p.name), &again));
    compare_attr(r, p.path, n, &again);
    nacre_inode_unpin(r->vol, attr.ino, 2);
  }
  free(dir_path);
  free(p.path);
}

static void step_mkdir(struct run *r) {
  struct place p;
  new_place(r, &p);
  const struct nacre_caller caller = run_caller(r);
  uint32_t mode = (uint32_t)run_below(r, 01000);
  enum nacre_err err = nacre_mkdir(r->vol, p.path, mode, &caller);
  if (run_expect(r, err, p.node == REF_NONE ? NACRE_OK : NACRE_ERR_EXISTS) == OUTCOME_DONE)
    made(r, &p, S_IFDIR | mode, &caller);
  free(p.path);
}

static void step_symlink(struct run *r) {
  struct place p;
  new_place(r, &p);
  const struct nacre_caller caller = run_caller(r);
  char target[4096];
  size_t len = run_chance(r, 70) ? 1 + (size_t)run_below(r, 60) : 1 + (size_t)run_below(r, sizeof target - 1);
  for (size_t i = 0; i < len; i++)
    target[i] = (char)('a' + run_below(r, 26));
  target[len] = 0;
  enum nacre_err err = nacre_symlink(r->vol, target, p.path, &caller);
  if (run_expect(r, err, p.node == REF_NONE ? NACRE_OK : NACRE_ERR_EXISTS) == OUTCOME_DONE) {
    struct ref_node *n = made(r, &p, S_IFLNK | 0777, &caller);
    n->target = strdup(target);
  }
  free(p.path);
}

static void step_mknod(struct run *r) {
  static const uint32_t types[] = {S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFREG};
  struct place p;
  new_place(r, &p);
  const struct nacre_caller caller = run_caller(r);
  uint32_t mode = types[run_below(r, 5)] | 0644;
  uint64_t rdev =
      S_ISCHR(mode) || S_ISBLK(mode) ? makedev((unsigned)run_below(r, 300), (unsigned)run_below(r, 300)) : 0;
  enum nacre_err err = nacre_mknod(r->vol, p.path, mode, rdev, &caller);
  if (run_expect(r, err, p.node == REF_NONE ? NACRE_OK : NACRE_ERR_EXISTS) == OUTCOME_DONE)
    made(r, &p, mode, &caller)->rdev = rdev;
  free(p.path);
}

static void step_unlink(struct run *r) {
  struct place p;
  if (run_chance(r, 5))
    new_place(r, &p);
  else if (!old_place(r, &p))
    return;
  run_note(r, "%s", p.path);
  enum nacre_err err = nacre_unlink(r->vol, p.path);
  if (p.node == REF_NONE)
    run_expect(r, err, NACRE_ERR_NOT_FOUND);
  else if (ref_is_dir(&r->ref, p.node))
    run_expect(r, err, NACRE_ERR_IS_DIRECTORY);
  else {
    run_must(r, err);
    ref_unlink(&r->ref, p.dir, p.name);
  }
  free(p.path);
}

static void step_rmdir(struct run *r) {
  struct place p;
  if (!old_place(r, &p))
    return;
  enum nacre_err err = nacre_rmdir(r->vol, p.path);
  if (!ref_is_dir(&r->ref, p.node))
    run_expect(r, err, NACRE_ERR_NOT_DIRECTORY);
  else if (ref_at(&r->ref, p.node)->entry_count > 0)
    run_expect(r, err, NACRE_ERR_NOT_EMPTY);
  else {
    run_must(r, err);
    ref_unlink(&r->ref, p.dir, p.name);
  }
  free(p.path);
}

static void step_link(struct run *r) {
  struct place from, to;
  if (!old_place(r, &from))
    return;
  new_place(r, &to);
  enum nacre_err wanted = NACRE_OK;
  if (to.node != REF_NONE)
    wanted = NACRE_ERR_EXISTS;
  else if (ref_is_dir(&r->ref, from.node))
    wanted = NACRE_ERR_PERMISSION;
  if (run_expect(r, nacre_link(r->vol, from.path, to.path), wanted) == OUTCOME_DONE)
    ref_link(&r->ref, to.dir, to.name, from.node);
  free(from.path);
  free(to.path);
}

/* ---- Rename ---- */

static enum nacre_err rename_over(struct run *r, const struct place *from, const struct place *to) {
  bool from_dir = ref_is_dir(&r->ref, from->node);
  if (to->node == REF_NONE || to->node == from->node)
    return NACRE_OK;
  if (from_dir != ref_is_dir(&r->ref, to->node))
    return from_dir ? NACRE_ERR_NOT_DIRECTORY : NACRE_ERR_IS_DIRECTORY;
  return from_dir && ref_at(&r->ref, to->node)->entry_count > 0 ? NACRE_ERR_NOT_EMPTY : NACRE_OK;
}

/* What must come of it. Where a move breaks two rules at once, either answer is right: then REFUSED is enough. */
static bool rename_allowed(struct run *r, const struct place *from, const struct place *to, unsigned flags,
                           enum nacre_err *wanted) {
  *wanted = NACRE_OK;
  bool circle = ref_is_dir(&r->ref, from->node) && ref_beneath(&r->ref, from->node, to->dir);
  bool circle_back =
      to->node != REF_NONE && ref_is_dir(&r->ref, to->node) && ref_beneath(&r->ref, to->node, from->dir);
  unsigned broken = 0;
  if (circle || (circle_back && flags == NACRE_RENAME_EXCHANGE)) {
    *wanted = NACRE_ERR_ARGUMENT;
    broken++;
  }
  if (flags == NACRE_RENAME_NOREPLACE && to->node != REF_NONE) {
    *wanted = NACRE_ERR_EXISTS;
    broken++;
  } else if (flags == NACRE_RENAME_EXCHANGE && to->node == REF_NONE) {
    *wanted = NACRE_ERR_NOT_FOUND;
    broken++;
  } else if (flags == 0 && rename_over(r, from, to) != NACRE_OK) {
    *wanted = rename_over(r, from, to);
    broken++;
  }
  return broken < 2;
}

static void step_rename(struct run *r) {
  struct place from, to;
  if (!old_place(r, &from))
    return;
  if (run_chance(r, 50) || !old_place(r, &to))
    new_place(r, &to);
  static const unsigned kinds[] = {0, 0, 0, NACRE_RENAME_NOREPLACE, NACRE_RENAME_EXCHANGE};
  unsigned flags = kinds[run_below(r, 5)];
  enum nacre_err wanted;
  bool certain = rename_allowed(r, &from, &to, flags, &wanted);
  run_note(r, "%s to %s, flags %u", from.path, to.path, flags);
  enum nacre_err err = nacre_rename(r->vol, from.path, to.path, flags);
  if (!certain) {
    if (err == NACRE_OK)
      run_fail(r, "%s to %s was allowed", from.path, to.path);
  } else if (run_expect(r, err, wanted) == OUTCOME_DONE) {
    if (flags == NACRE_RENAME_EXCHANGE)
      ref_exchange(&r->ref, from.dir, from.name, to.dir, to.name);
    else
      ref_rename(&r->ref, from.dir, from.name, to.dir, to.name);
  }
  free(from.path);
  free(to.path);
}

/* ---- Files without a name ---- */

static void step_tmpfile(struct run *r) {
  struct handle *h = run_free_handle(r);
  if (!h)
    return;
  const struct nacre_caller caller = run_caller(r);
  enum nacre_err err =
      nacre_inode_tmpfile(r->vol, NACRE_ROOT_INO, 0600, NACRE_O_READ | NACRE_O_WRITE, &caller, NULL, &h->file);
  if (run_expect(r, err, NACRE_OK) != OUTCOME_DONE) {
    h->file = NULL;
    return;
  }
  h->node = ref_new(&r->ref, S_IFREG | 0600, caller.uid, caller.gid);
  h->unnamed = true;
  ref_at(&r->ref, h->node)->handles++;
}

static void step_name_tmpfile(struct run *r) {
  struct handle *h = run_handle(r);
  char name[RUN_NAME_BYTES];
  if (!h || !h->unnamed)
    return;
  run_name(r, name);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  run_must(r, nacre_fstat(h->file, &attr));
  bool there = ref_find(&r->ref, REF_ROOT, name) != REF_NONE;
  enum nacre_err err = nacre_inode_link(r->vol, attr.ino, NACRE_ROOT_INO, name, strlen(name), NULL);
  if (run_expect(r, err, there ? NACRE_ERR_EXISTS : NACRE_OK) == OUTCOME_DONE) {
    ref_link(&r->ref, REF_ROOT, name, h->node);
    h->unnamed = false;
  }
}

/* ---- Names that cannot be ---- */

static void step_wrong(struct run *r) {
  char name[600];
  struct nacre_attr attr = {.struct_size = sizeof attr};
  memset(name, 'x', sizeof name);
  name[256 + run_below(r, 300)] = 0;
  run_expect(r, nacre_mkdir(r->vol, name, 0700, NULL), NACRE_ERR_NAME_TOO_LONG);
  run_expect(r, nacre_lstat(r->vol, "missing/below", &attr), NACRE_ERR_NOT_FOUND);
  run_expect(r, nacre_inode_lookup(r->vol, NACRE_ROOT_INO, "a/b", 3, &attr), NACRE_ERR_ARGUMENT);
  uint32_t dir;
  if (!run_file(r, &dir, name))
    return;
  char *path = ref_path(&r->ref, dir, name);
  snprintf(name, sizeof name, "%s", "below");
  char *below = malloc(strlen(path) + 8);
  sprintf(below, "%s/%s", path, name);
  run_expect(r, nacre_mkdir(r->vol, below, 0700, NULL), NACRE_ERR_NOT_DIRECTORY);
  free(below);
  free(path);
}

const struct step steps_tree[] = {
    {"create", 14, step_create},
    {"create-inode", 4, step_create_inode},
    {"mkdir", 5, step_mkdir},
    {"symlink", 3, step_symlink},
    {"mknod", 2, step_mknod},
    {"unlink", 10, step_unlink},
    {"rmdir", 4, step_rmdir},
    {"link", 4, step_link},
    {"rename", 12, step_rename},
    {"tmpfile", 1, step_tmpfile},
    {"name-tmpfile", 2, step_name_tmpfile},
    {"wrong", 1, step_wrong},
};
const size_t steps_tree_count = sizeof steps_tree / sizeof steps_tree[0];
