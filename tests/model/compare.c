/* Looking at everything that the volume shows, and at what the reference says of it. */
#include "model/run.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PIECE_BYTES 100000u /* no multiple of any chunk */

static bool time_equal(struct nacre_time a, struct nacre_time b) {
  return a.s == b.s && a.ns == b.ns;
}

static void compare_times(struct run *r, const char *path, struct ref_node *n, const struct nacre_attr *attr) {
  if (n->mtime_known && !time_equal(n->mtime, attr->mtime))
    run_fail(r, "%s: mtime is not what was set", path);
  if (n->atime_known && !time_equal(n->atime, attr->atime))
    run_fail(r, "%s: atime is not what was set", path);
  if (n->seen.valid && !time_equal(n->seen.mtime, attr->mtime))
    run_fail(r, "node %u: mtime changed by itself from %lld.%09u to %lld.%09u: %s", (unsigned)(n - r->ref.nodes),
             (long long)n->seen.mtime.s, n->seen.mtime.ns, (long long)attr->mtime.s, attr->mtime.ns, path);
  if (n->seen.valid && !time_equal(n->seen.ctime, attr->ctime))
    run_fail(r, "%s: ctime changed by itself", path);
  if (n->seen.valid && !time_equal(n->seen.btime, attr->btime))
    run_fail(r, "%s: btime changed", path);
  n->seen = (struct ref_seen){.valid = true, .mtime = attr->mtime, .ctime = attr->ctime, .btime = attr->btime};
}

void compare_attr(struct run *r, const char *path, struct ref_node *n, const struct nacre_attr *attr) {
  uint64_t size = S_ISREG(n->mode) ? n->size : n->target ? strlen(n->target) : attr->size_bytes;
  if (attr->mode != n->mode || attr->uid != n->uid || attr->gid != n->gid)
    run_fail(r, "%s: mode %o uid %u gid %u instead of %o %u %u", path, attr->mode, attr->uid, attr->gid, n->mode,
             n->uid, n->gid);
  if (attr->nlink != n->nlink)
    run_fail(r, "%s: %u links instead of %u", path, attr->nlink, n->nlink);
  if (attr->size_bytes != size)
    run_fail(r, "%s: %llu bytes instead of %llu", path, (unsigned long long)attr->size_bytes,
             (unsigned long long)size);
  if (attr->rdev != n->rdev)
    run_fail(r, "%s: device %llx instead of %llx", path, (unsigned long long)attr->rdev, (unsigned long long)n->rdev);
  if (n->ino != 0 && (attr->ino != n->ino || attr->generation != n->generation))
    run_fail(r, "%s: it is another inode", path);
  n->ino = attr->ino;
  n->generation = attr->generation;
  compare_times(r, path, n, attr);
}

static size_t first_difference(const uint8_t *a, const uint8_t *b, size_t len) {
  size_t i = 0;
  while (i < len && a[i] == b[i])
    i++;
  return i;
}

void compare_file(struct run *r, nacre_file *file, uint32_t node) {
  struct ref_node *n = ref_at(&r->ref, node);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  static uint8_t buf[PIECE_BYTES];
  run_must(r, nacre_fstat(file, &attr));
  compare_attr(r, "a file", n, &attr);
  for (size_t at = 0; at <= n->size; at += sizeof buf) {
    size_t want = n->size - at < sizeof buf ? n->size - at : sizeof buf, done = 0;
    run_must(r, nacre_read(file, buf, sizeof buf, at, &done));
    if (done != want)
      run_fail(r, "node %u: read %zu bytes at %zu instead of %zu", node, done, at, want);
    if (want > 0 && memcmp(buf, n->data + at, want) != 0)
      run_fail(r, "node %u: byte %zu of %zu is wrong", node, at + first_difference(buf, n->data + at, want), n->size);
  }
}

void compare_partial(struct run *r, nacre_file *file, uint32_t node, const struct ref_node *whole) {
  struct ref_node *n = ref_at(&r->ref, node);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  run_must(r, nacre_fstat(file, &attr));
  size_t size = (size_t)attr.size_bytes, done = 0;
  if (size != n->size && (size < n->size || size > whole->size))
    run_fail(r, "node %u: %zu bytes after a failed change from %zu to %zu", node, size, n->size, whole->size);
  uint8_t *actual = malloc(size + 1);
  run_must(r, nacre_read(file, actual, size, 0, &done));
  bool changed = size != n->size;
  for (size_t i = 0; i < size; i++) {
    uint8_t old = i < n->size ? n->data[i] : 0;
    if (actual[i] != old && (i >= whole->size || actual[i] != whole->data[i]))
      run_fail(r, "node %u: byte %zu is neither the old nor the new one after a failed change", node, i);
    changed |= actual[i] != old;
  }
  if (changed) {
    r->partial++;
    ref_resize(n, size);
    ref_write(n, actual, size, 0);
  }
  ref_touch(n);
  free(actual);
}

static void compare_xattrs(struct run *r, const char *path, struct ref_node *n) {
  static char names[65536];
  static uint8_t value[65536];
  size_t len = 0, count = 0;
  run_must(r, nacre_listxattr(r->vol, path, names, sizeof names, &len));
  for (size_t at = 0; at < len; at += strlen(names + at) + 1) {
    struct ref_xattr *x = ref_xattr_find(n, names + at);
    size_t value_len = 0;
    if (!x)
      run_fail(r, "%s: has the attribute %s, which nobody set", path, names + at);
    run_must(r, nacre_getxattr(r->vol, path, names + at, value, sizeof value, &value_len));
    if (value_len != x->len || (value_len > 0 && memcmp(value, x->value, value_len) != 0))
      run_fail(r, "%s: the attribute %s has another value", path, names + at);
    count++;
  }
  if (count != n->xattr_count)
    run_fail(r, "%s: %zu attributes instead of %zu", path, count, n->xattr_count);
}

static void compare_node(struct run *r, const char *path, uint32_t node) {
  struct ref_node *n = ref_at(&r->ref, node);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  enum nacre_err err = nacre_lstat(r->vol, path, &attr);
  if (err != NACRE_OK)
    run_fail(r, "%s: lstat: %s", path, nacre_strerror(err));
  compare_attr(r, path, n, &attr);
  compare_xattrs(r, path, n);
  if (n->target) {
    char target[4096];
    run_must(r, nacre_readlink(r->vol, path, target, sizeof target));
    if (strcmp(target, n->target) != 0)
      run_fail(r, "%s: the link's target is wrong", path);
  }
  if (S_ISREG(n->mode)) {
    nacre_file *file = NULL;
    run_must(r, nacre_open(r->vol, path, NACRE_O_READ, 0, NULL, &file));
    compare_file(r, file, node);
    nacre_close(file);
  }
}

/* ---- Folders ---- */

struct listing {
  struct run *r;
  struct ref_node *folder;
  const char *path;
  size_t names;
  unsigned stop_after; /* 0: never */
  uint64_t next;
  bool with_attr;
  size_t pin_count;
  uint64_t pins[1024];
};

static bool on_entry(void *arg, const struct nacre_dirent *e) {
  struct listing *l = arg;
  struct run *r = l->r;
  if (l->stop_after > 0 && l->stop_after-- == 1)
    return false;
  l->next = e->next;
  if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
    return true;
  l->names++;
  for (size_t i = 0; i < l->folder->entry_count; i++) {
    const struct ref_entry *entry = &l->folder->entries[i];
    if (strcmp(entry->name, e->name) != 0)
      continue;
    struct ref_node *n = ref_at(&r->ref, entry->node);
    if (e->type != (n->mode & S_IFMT) >> 12 || e->name_len != strlen(e->name) || (n->ino != 0 && n->ino != e->ino))
      run_fail(r, "%s: the entry %s is wrong", l->path, e->name);
    if (l->with_attr) {
      if (!e->attr || e->attr->mode != n->mode || e->attr->nlink != n->nlink || l->pin_count == 1024)
        run_fail(r, "%s: the attributes of the entry %s are wrong", l->path, e->name);
      l->pins[l->pin_count++] = e->ino;
    }
    return true;
  }
  run_fail(r, "%s: lists %s, which is not there", l->path, e->name);
}

void compare_folder(struct run *r, const char *path, uint32_t node) {
  struct listing *l = calloc(1, sizeof *l);
  nacre_dir *dir = NULL;
  *l = (struct listing){.r = r, .folder = ref_at(&r->ref, node), .path = path, .with_attr = run_chance(r, 30)};
  run_must(r, nacre_opendir(r->vol, path, &dir));
  /* In pieces now and then: going on where the last call stopped must neither skip nor repeat. */
  if (run_chance(r, 50)) {
    l->stop_after = (unsigned)run_below(r, 8) + 2;
    run_must(r, nacre_readdir(dir, 0, l->with_attr, on_entry, l));
    l->stop_after = 0;
  }
  run_must(r, nacre_readdir(dir, l->next, l->with_attr, on_entry, l));
  if (l->names != l->folder->entry_count)
    run_fail(r, "%s: lists %zu names instead of %zu", path, l->names, l->folder->entry_count);
  nacre_closedir(dir);
  for (size_t i = 0; i < l->pin_count; i++)
    nacre_inode_unpin(r->vol, l->pins[i], 1);
  free(l);
}

static void compare_tree(struct run *r, const char *path, uint32_t node) {
  compare_folder(r, path, node);
  for (size_t i = 0; i < ref_at(&r->ref, node)->entry_count; i++) {
    const struct ref_entry *e = &ref_at(&r->ref, node)->entries[i];
    char *below = ref_path(&r->ref, node, e->name);
    compare_node(r, below, e->node);
    if (ref_is_dir(&r->ref, e->node))
      compare_tree(r, below, e->node);
    free(below);
  }
}

void compare_all(struct run *r) {
  compare_node(r, "", REF_ROOT);
  compare_tree(r, "", REF_ROOT);
  for (unsigned i = 0; i < RUN_HANDLES; i++)
    if (r->handles[i].file)
      compare_file(r, r->handles[i].file, r->handles[i].node);
  r->compares++;
}
