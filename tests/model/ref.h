/* The plain filesystem in memory that a volume is compared with. Nothing here is clever: files are flat buffers,
 * folders are arrays, and a commit is a deep copy. */
#ifndef NACRE_TESTS_MODEL_REF_H
#define NACRE_TESTS_MODEL_REF_H

#include <nacre.h>

#define REF_ROOT 0u
#define REF_NONE UINT32_MAX

struct ref_xattr {
  char *name;
  uint8_t *value;
  size_t len;
};

struct ref_entry {
  char *name;
  uint32_t node;
};

/* What the volume said of a node when it was last looked at; void after a change that touches it. */
struct ref_seen {
  bool valid;
  struct nacre_time mtime, ctime, btime;
};

struct ref_node {
  bool live;
  uint32_t mode, uid, gid, nlink;
  uint64_t rdev;
  uint64_t ino, generation; /* as the volume numbered it; ino 0 where it was not asked yet */
  uint32_t parent;          /* of a folder */
  unsigned handles;
  bool mtime_known, atime_known;
  struct nacre_time mtime, atime;
  struct ref_seen seen;
  uint8_t *data; /* shared with copies of the node until one of them changes */
  size_t size;
  char *target;
  struct ref_entry *entries;
  size_t entry_count;
  struct ref_xattr *xattrs;
  size_t xattr_count;
};

struct ref {
  struct ref_node *nodes;
  size_t count;
};

void ref_init(struct ref *r, uint32_t root_mode);
void ref_free(struct ref *r);
/* What a volume holds after it is opened again: all but the nodes that only a handle kept alive. */
void ref_clone(const struct ref *from, struct ref *to);

struct ref_node *ref_at(struct ref *r, uint32_t node);
bool ref_is_dir(struct ref *r, uint32_t node);
uint32_t ref_find(struct ref *r, uint32_t dir, const char *name);
/* Whether `node` is `dir` or lies beneath it. */
bool ref_beneath(struct ref *r, uint32_t dir, uint32_t node);
/* Path of a name in a folder, for the path calls. Freed by the caller. */
char *ref_path(struct ref *r, uint32_t dir, const char *name);

/* A node without a name. */
uint32_t ref_new(struct ref *r, uint32_t mode, uint32_t uid, uint32_t gid);
/* Names: the counts of links follow, and what has neither name nor handle goes. */
void ref_link(struct ref *r, uint32_t dir, const char *name, uint32_t node);
void ref_unlink(struct ref *r, uint32_t dir, const char *name);
void ref_rename(struct ref *r, uint32_t from_dir, const char *from, uint32_t to_dir, const char *to);
void ref_exchange(struct ref *r, uint32_t a_dir, const char *a, uint32_t b_dir, const char *b);
void ref_drop(struct ref *r, uint32_t node);

/* Give `to` the content of `from`; what it had is gone. */
void ref_share(const struct ref_node *from, struct ref_node *to);
void ref_forget(struct ref_node *n);
void ref_resize(struct ref_node *n, size_t size);
void ref_write(struct ref_node *n, const uint8_t *bytes, size_t len, size_t offset);
void ref_zero(struct ref_node *n, size_t offset, size_t len);
/* Content or attributes changed: times are no longer known. */
void ref_touch(struct ref_node *n);
/* Attributes changed, content did not: the time of the last write stays. */
void ref_touch_meta(struct ref_node *n);

struct ref_xattr *ref_xattr_find(struct ref_node *n, const char *name);
void ref_xattr_set(struct ref_node *n, const char *name, const uint8_t *value, size_t len);
void ref_xattr_remove(struct ref_node *n, const char *name);

#endif
