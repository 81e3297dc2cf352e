#include "model/ref.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void *must(void *p) {
  if (!p) {
    fprintf(stderr, "the reference is out of memory, or lost something\n");
    exit(2);
  }
  return p;
}

static void *copy_of(const void *p, size_t len) {
  void *copy = must(malloc(len ? len : 1));
  if (len > 0)
    memcpy(copy, p, len);
  return copy;
}

/* ---- Content: counted, so that the copy that a commit makes costs little ---- */

struct content {
  size_t refs, cap;
  uint8_t bytes[];
};

static struct content *content_of(const struct ref_node *n) {
  return (struct content *)(void *)(n->data - offsetof(struct content, bytes));
}

void ref_forget(struct ref_node *n) {
  if (n->data && --content_of(n)->refs == 0)
    free(content_of(n));
  n->data = NULL;
  n->size = 0;
}

void ref_share(const struct ref_node *from, struct ref_node *to) {
  if (from->data)
    content_of(from)->refs++;
  ref_forget(to);
  to->data = from->data;
  to->size = from->size;
}

/* Make the content this node's alone, with room for that many bytes. */
static void content_own(struct ref_node *n, size_t room) {
  if (n->data && content_of(n)->refs == 1 && content_of(n)->cap >= room)
    return;
  size_t cap = room + room / 4;
  struct content *c = must(malloc(sizeof *c + cap));
  *c = (struct content){.refs = 1, .cap = cap};
  size_t size = n->size;
  if (n->data)
    memcpy(c->bytes, n->data, size < cap ? size : cap);
  ref_forget(n);
  n->data = c->bytes;
  n->size = size;
}

static char *text_copy(const char *text) {
  return text ? copy_of(text, strlen(text) + 1) : NULL;
}

void ref_init(struct ref *r, uint32_t root_mode) {
  memset(r, 0, sizeof *r);
  uint32_t root = ref_new(r, S_IFDIR | root_mode, 0, 0);
  ref_at(r, root)->nlink = 2;
  ref_at(r, root)->parent = root;
}

static void node_clear(struct ref_node *n) {
  for (size_t i = 0; i < n->entry_count; i++)
    free(n->entries[i].name);
  for (size_t i = 0; i < n->xattr_count; i++) {
    free(n->xattrs[i].name);
    free(n->xattrs[i].value);
  }
  free(n->entries);
  free(n->xattrs);
  ref_forget(n);
  free(n->target);
  memset(n, 0, sizeof *n);
}

void ref_free(struct ref *r) {
  for (size_t i = 0; i < r->count; i++)
    node_clear(&r->nodes[i]);
  free(r->nodes);
  memset(r, 0, sizeof *r);
}

static void node_copy(const struct ref_node *from, struct ref_node *to) {
  *to = *from;
  to->handles = 0;
  to->data = NULL;
  ref_share(from, to);
  to->target = text_copy(from->target);
  to->entries = copy_of(from->entries, from->entry_count * sizeof *from->entries);
  for (size_t i = 0; i < from->entry_count; i++)
    to->entries[i].name = text_copy(from->entries[i].name);
  to->xattrs = copy_of(from->xattrs, from->xattr_count * sizeof *from->xattrs);
  for (size_t i = 0; i < from->xattr_count; i++) {
    to->xattrs[i].name = text_copy(from->xattrs[i].name);
    to->xattrs[i].value = copy_of(from->xattrs[i].value, from->xattrs[i].len);
  }
}

void ref_clone(const struct ref *from, struct ref *to) {
  to->count = from->count;
  to->nodes = must(calloc(from->count, sizeof *to->nodes));
  for (size_t i = 0; i < from->count; i++)
    if (from->nodes[i].live && from->nodes[i].nlink > 0)
      node_copy(&from->nodes[i], &to->nodes[i]);
}

struct ref_node *ref_at(struct ref *r, uint32_t node) {
  return &r->nodes[node];
}

bool ref_is_dir(struct ref *r, uint32_t node) {
  return S_ISDIR(r->nodes[node].mode);
}

/* Position of a name; entry_count where it is not there. */
static size_t entry_find(struct ref *r, uint32_t dir, const char *name) {
  const struct ref_node *d = ref_at(r, dir);
  size_t i = 0;
  while (i < d->entry_count && strcmp(d->entries[i].name, name) != 0)
    i++;
  return i;
}

uint32_t ref_find(struct ref *r, uint32_t dir, const char *name) {
  size_t i = entry_find(r, dir, name);
  return i < ref_at(r, dir)->entry_count ? ref_at(r, dir)->entries[i].node : REF_NONE;
}

bool ref_beneath(struct ref *r, uint32_t dir, uint32_t node) {
  while (node != dir && node != REF_ROOT)
    node = ref_at(r, node)->parent;
  return node == dir;
}

char *ref_path(struct ref *r, uint32_t dir, const char *name) {
  if (dir == REF_ROOT)
    return text_copy(name);
  struct ref_node *parent = ref_at(r, ref_at(r, dir)->parent);
  for (size_t i = 0; i < parent->entry_count; i++) {
    if (parent->entries[i].node != dir)
      continue;
    char *above = ref_path(r, ref_at(r, dir)->parent, parent->entries[i].name);
    size_t size = strlen(above) + strlen(name) + 2;
    char *path = must(malloc(size));
    snprintf(path, size, "%s/%s", above, name);
    free(above);
    return path;
  }
  fprintf(stderr, "the reference lost a folder\n");
  exit(2);
}

uint32_t ref_new(struct ref *r, uint32_t mode, uint32_t uid, uint32_t gid) {
  uint32_t node = 0;
  while (node < r->count && r->nodes[node].live)
    node++;
  if (node == r->count) {
    size_t count = r->count ? r->count * 2 : 16;
    r->nodes = must(realloc(r->nodes, count * sizeof *r->nodes));
    memset(r->nodes + r->count, 0, (count - r->count) * sizeof *r->nodes);
    r->count = count;
  }
  r->nodes[node] = (struct ref_node){.live = true, .mode = mode, .uid = uid, .gid = gid};
  return node;
}

static void entry_add(struct ref *r, uint32_t dir, const char *name, uint32_t node) {
  struct ref_node *d = ref_at(r, dir);
  d->entries = must(realloc(d->entries, (d->entry_count + 1) * sizeof *d->entries));
  d->entries[d->entry_count++] = (struct ref_entry){.name = text_copy(name), .node = node};
  ref_touch(d);
  if (!ref_is_dir(r, node))
    return;
  d->nlink++;
  ref_at(r, node)->parent = dir;
}

static void entry_remove(struct ref *r, uint32_t dir, const char *name) {
  struct ref_node *d = ref_at(r, dir);
  struct ref_entry *e = &d->entries[entry_find(r, dir, name)];
  if (ref_is_dir(r, e->node))
    d->nlink--;
  free(e->name);
  *e = d->entries[--d->entry_count];
  ref_touch(d);
}

void ref_link(struct ref *r, uint32_t dir, const char *name, uint32_t node) {
  struct ref_node *n = ref_at(r, node);
  n->nlink += S_ISDIR(n->mode) ? 2 : 1;
  ref_touch_meta(n);
  entry_add(r, dir, name, node);
}

void ref_drop(struct ref *r, uint32_t node) {
  struct ref_node *n = ref_at(r, node);
  if (n->nlink == 0 && n->handles == 0)
    node_clear(n);
}

void ref_unlink(struct ref *r, uint32_t dir, const char *name) {
  uint32_t node = ref_find(r, dir, name);
  struct ref_node *n = ref_at(r, node);
  entry_remove(r, dir, name);
  n->nlink -= S_ISDIR(n->mode) ? 2 : 1;
  ref_touch_meta(n);
  ref_drop(r, node);
}

void ref_rename(struct ref *r, uint32_t from_dir, const char *from, uint32_t to_dir, const char *to) {
  uint32_t node = ref_find(r, from_dir, from);
  uint32_t over = ref_find(r, to_dir, to);
  if (over == node)
    return;
  if (over != REF_NONE)
    ref_unlink(r, to_dir, to);
  entry_remove(r, from_dir, from);
  entry_add(r, to_dir, to, node);
  ref_touch_meta(ref_at(r, node));
}

void ref_exchange(struct ref *r, uint32_t a_dir, const char *a, uint32_t b_dir, const char *b) {
  uint32_t a_node = ref_find(r, a_dir, a), b_node = ref_find(r, b_dir, b);
  if (a_node == b_node)
    return;
  entry_remove(r, a_dir, a);
  entry_remove(r, b_dir, b);
  entry_add(r, a_dir, a, b_node);
  entry_add(r, b_dir, b, a_node);
  ref_touch_meta(ref_at(r, a_node));
  ref_touch_meta(ref_at(r, b_node));
}

void ref_resize(struct ref_node *n, size_t size) {
  content_own(n, size > n->size ? size : n->size);
  if (size > n->size)
    memset(n->data + n->size, 0, size - n->size);
  n->size = size;
}

void ref_write(struct ref_node *n, const uint8_t *bytes, size_t len, size_t offset) {
  if (len == 0)
    return;
  ref_resize(n, offset + len > n->size ? offset + len : n->size);
  memcpy(n->data + offset, bytes, len);
}

void ref_zero(struct ref_node *n, size_t offset, size_t len) {
  if (offset >= n->size)
    return;
  content_own(n, n->size);
  memset(n->data + offset, 0, len < n->size - offset ? len : n->size - offset);
}

void ref_touch_meta(struct ref_node *n) {
  n->seen.valid = false;
}

void ref_touch(struct ref_node *n) {
  ref_touch_meta(n);
  n->mtime_known = false;
}

struct ref_xattr *ref_xattr_find(struct ref_node *n, const char *name) {
  for (size_t i = 0; i < n->xattr_count; i++)
    if (strcmp(n->xattrs[i].name, name) == 0)
      return &n->xattrs[i];
  return NULL;
}

void ref_xattr_set(struct ref_node *n, const char *name, const uint8_t *value, size_t len) {
  struct ref_xattr *x = ref_xattr_find(n, name);
  if (!x) {
    n->xattrs = must(realloc(n->xattrs, (n->xattr_count + 1) * sizeof *n->xattrs));
    x = &n->xattrs[n->xattr_count++];
    x->name = text_copy(name);
  } else {
    free(x->value);
  }
  x->value = copy_of(value, len);
  x->len = len;
  ref_touch_meta(n);
}

void ref_xattr_remove(struct ref_node *n, const char *name) {
  struct ref_xattr *x = must(ref_xattr_find(n, name));
  free(x->name);
  free(x->value);
  *x = n->xattrs[--n->xattr_count];
  ref_touch_meta(n);
}
