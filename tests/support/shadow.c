#include "support/shadow.h"

#include "support/prng.h"
#include "support/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void shadow_init(struct shadow *s, uint32_t root_mode) {
  memset(s, 0, sizeof *s);
  s->nodes[0] = (struct shadow_node){.live = true, .mode = S_IFDIR | root_mode, .nlink = 2};
  s->name_count = 1;
}

void shadow_free(struct shadow *s) {
  for (unsigned i = 0; i < SHADOW_NODES_MAX; i++)
    free(s->nodes[i].bytes);
  memset(s, 0, sizeof *s);
}

/* ---- Names ---- */

struct shadow_name *shadow_find(struct shadow *s, const char *path) {
  for (size_t i = 0; i < s->name_count; i++)
    if (strcmp(s->names[i].path, path) == 0)
      return &s->names[i];
  return NULL;
}

struct shadow_node *shadow_at(struct shadow *s, const char *path) {
  struct shadow_name *name = shadow_find(s, path);
  return name ? &s->nodes[name->node] : NULL;
}

static struct shadow_name *existing(struct shadow *s, const char *path) {
  struct shadow_name *name = shadow_find(s, path);
  if (name == NULL)
    report_fail("the test has lost %s", path);
  return name;
}

bool shadow_is_full(const struct shadow *s) {
  unsigned live = 0;
  for (unsigned i = 0; i < SHADOW_NODES_MAX; i++)
    live += s->nodes[i].live;
  return s->name_count == SHADOW_NAMES_MAX || live == SHADOW_NODES_MAX;
}

bool shadow_beneath(const char *folder, const char *path) {
  size_t len = strlen(folder);
  return strncmp(folder, path, len) == 0 && (len == 0 ? path[0] != 0 : path[len] == '/');
}

bool shadow_has_children(const struct shadow *s, const char *path) {
  for (size_t i = 0; i < s->name_count; i++)
    if (shadow_beneath(path, s->names[i].path))
      return true;
  return false;
}

static struct shadow_node *parent_of(struct shadow *s, const char *path) {
  char folder[DUMP_PATH_BYTES];
  snprintf(folder, sizeof folder, "%s", path);
  char *slash = strrchr(folder, '/');
  *(slash ? slash : folder) = 0;
  return &s->nodes[existing(s, folder)->node];
}

static void add_name(struct shadow *s, const char *path, unsigned node) {
  if (s->name_count == SHADOW_NAMES_MAX)
    report_fail("the test has too many names");
  struct shadow_name *name = &s->names[s->name_count++];
  snprintf(name->path, sizeof name->path, "%s", path);
  name->node = node;
  if (S_ISDIR(s->nodes[node].mode))
    parent_of(s, path)->nlink++;
}

static void drop_name(struct shadow *s, struct shadow_name *name) {
  if (S_ISDIR(s->nodes[name->node].mode))
    parent_of(s, name->path)->nlink--;
  *name = s->names[--s->name_count];
}

struct shadow_node *shadow_add(struct shadow *s, const char *path, uint32_t mode) {
  unsigned i = 0;
  while (i < SHADOW_NODES_MAX && s->nodes[i].live)
    i++;
  if (i == SHADOW_NODES_MAX)
    report_fail("the test has too many inodes");
  s->nodes[i] = (struct shadow_node){.live = true, .mode = mode, .nlink = S_ISDIR(mode) ? 2 : 1};
  add_name(s, path, i);
  return &s->nodes[i];
}

void shadow_link(struct shadow *s, const char *from, const char *to) {
  unsigned node = existing(s, from)->node;
  s->nodes[node].nlink++;
  add_name(s, to, node);
}

void shadow_drop(struct shadow *s, struct shadow_node *n) {
  (void)s;
  if (n->nlink > 0 || n->handles > 0)
    return;
  free(n->bytes);
  memset(n, 0, sizeof *n);
}

void shadow_remove(struct shadow *s, const char *path) {
  struct shadow_name *name = existing(s, path);
  struct shadow_node *n = &s->nodes[name->node];
  n->nlink = S_ISDIR(n->mode) ? 0 : n->nlink - 1;
  drop_name(s, name);
  shadow_drop(s, n);
}

static void move_children(struct shadow *s, const char *from, const char *to) {
  for (size_t i = 0; i < s->name_count; i++) {
    struct shadow_name *name = &s->names[i];
    char moved[DUMP_PATH_BYTES * 2];
    if (!shadow_beneath(from, name->path))
      continue;
    snprintf(moved, sizeof moved, "%s%s", to, name->path + strlen(from));
    if (strlen(moved) >= sizeof name->path)
      report_fail("the test has too long a path");
    memcpy(name->path, moved, strlen(moved) + 1);
  }
}

void shadow_rename(struct shadow *s, const char *from, const char *to) {
  const struct shadow_name *replaced = shadow_find(s, to);
  if (replaced != NULL && replaced->node == existing(s, from)->node)
    return; /* two names of one inode: POSIX leaves both */
  if (replaced != NULL)
    shadow_remove(s, to);
  unsigned node = existing(s, from)->node;
  drop_name(s, existing(s, from));
  add_name(s, to, node);
  move_children(s, from, to);
}

void shadow_exchange(struct shadow *s, const char *a, const char *b) {
  unsigned node_a = existing(s, a)->node, node_b = existing(s, b)->node;
  drop_name(s, existing(s, a));
  drop_name(s, existing(s, b));
  move_children(s, a, "\x01");
  move_children(s, b, a);
  move_children(s, "\x01", b);
  add_name(s, a, node_b);
  add_name(s, b, node_a);
}

/* ---- Contents ---- */

void shadow_resize(struct shadow_node *n, size_t size) {
  if (size > n->cap) {
    n->cap = size * 2;
    n->bytes = realloc(n->bytes, n->cap);
  }
  if (size > n->size)
    memset(n->bytes + n->size, 0, size - n->size);
  n->size = size;
  n->hash_valid = false;
}

void shadow_write(struct shadow_node *n, const uint8_t *bytes, size_t len, size_t at) {
  if (at + len > n->size)
    shadow_resize(n, at + len);
  memcpy(n->bytes + at, bytes, len);
  n->hash_valid = false;
}

void shadow_zero(struct shadow_node *n, size_t at, size_t len) {
  if (at >= n->size)
    return;
  memset(n->bytes + at, 0, len < n->size - at ? len : n->size - at);
  n->hash_valid = false;
}

/* ---- Beside the volume ---- */

enum nacre_err shadow_look(struct shadow *s, nacre_volume *vol) {
  for (size_t i = 0; i < s->name_count; i++) {
    struct shadow_node *n = &s->nodes[s->names[i].node];
    n->seen.struct_size = sizeof n->seen;
    enum nacre_err err = nacre_lstat(vol, s->names[i].path, &n->seen);
    if (err != NACRE_OK)
      return err;
  }
  return NACRE_OK;
}

static uint64_t content_hash(struct shadow_node *n) {
  if (!n->hash_valid)
    n->hash = hash_bytes(n->bytes, n->size);
  n->hash_valid = true;
  return n->hash;
}

void shadow_dump(struct shadow *s, struct dump *out) {
  *out = (struct dump){0};
  for (size_t i = 0; i < s->name_count; i++) {
    struct shadow_node *n = &s->nodes[s->names[i].node];
    struct dump_line *line = dump_add(out, s->names[i].path);
    line->attr = n->seen;
    line->attr.mode = n->mode;
    line->attr.uid = n->uid;
    line->attr.gid = n->gid;
    line->attr.nlink = n->nlink;
    line->attr.rdev = n->rdev;
    line->target = n->target;
    if (S_ISREG(n->mode)) {
      line->attr.size_bytes = n->size;
      line->content = content_hash(n);
    }
    for (unsigned x = 0; x < SHADOW_XATTRS; x++)
      line->xattrs += n->xattrs[x].set ? n->xattrs[x].hash : 0;
  }
  dump_sort(out);
}
