/* What a volume ought to hold: names, inodes, contents, in plain memory. */
#ifndef NACRE_TESTS_SUPPORT_SHADOW_H
#define NACRE_TESTS_SUPPORT_SHADOW_H

#include "support/dump.h"

#define SHADOW_NODES_MAX 128u
#define SHADOW_NAMES_MAX 96u
#define SHADOW_XATTRS 4u

struct shadow_xattr {
  bool set;
  uint64_t hash; /* as dump_xattr gives it */
};

struct shadow_node {
  bool live;
  bool fixed; /* no step changes its content, or takes its name away */
  uint32_t mode, uid, gid, nlink;
  uint64_t rdev;
  unsigned handles;
  uint8_t *bytes;
  size_t size, cap;
  uint64_t hash; /* of the bytes, if hash_valid */
  bool hash_valid;
  uint64_t target;
  struct shadow_xattr xattrs[SHADOW_XATTRS];
  struct nacre_attr seen; /* as the volume last told it */
};

struct shadow_name {
  char path[DUMP_PATH_BYTES];
  unsigned node;
};

/* names[0] is the root, "". */
struct shadow {
  struct shadow_node nodes[SHADOW_NODES_MAX];
  struct shadow_name names[SHADOW_NAMES_MAX];
  size_t name_count;
};

void shadow_init(struct shadow *s, uint32_t root_mode);
void shadow_free(struct shadow *s);
struct shadow_node *shadow_at(struct shadow *s, const char *path); /* NULL: no such name */
struct shadow_name *shadow_find(struct shadow *s, const char *path);
bool shadow_is_full(const struct shadow *s);
bool shadow_has_children(const struct shadow *s, const char *path);
bool shadow_beneath(const char *folder, const char *path);

struct shadow_node *shadow_add(struct shadow *s, const char *path, uint32_t mode);
void shadow_link(struct shadow *s, const char *from, const char *to);
void shadow_remove(struct shadow *s, const char *path);
void shadow_rename(struct shadow *s, const char *from, const char *to);
void shadow_exchange(struct shadow *s, const char *a, const char *b);
/* Free a node that has neither name nor handle. */
void shadow_drop(struct shadow *s, struct shadow_node *n);

void shadow_resize(struct shadow_node *n, size_t size);
void shadow_write(struct shadow_node *n, const uint8_t *bytes, size_t len, size_t at);
void shadow_zero(struct shadow_node *n, size_t at, size_t len);

/* Ask the volume for every name's attributes, and keep its times and numbers. */
enum nacre_err shadow_look(struct shadow *s, nacre_volume *vol);
/* What dump_volume should give. */
void shadow_dump(struct shadow *s, struct dump *out);

#endif
