#include "xattr_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

/* The most that Linux and the volume take, for a value and for all names of an object. */
#define XATTR_BYTES ((size_t)64 << 10)

static ssize_t host_list(const struct host_object *object, char *names) {
  return object->fd >= 0 ? flistxattr(object->fd, names, XATTR_BYTES) : llistxattr(object->path, names, XATTR_BYTES);
}

static ssize_t host_get(const struct host_object *object, const char *name, char *value) {
  return object->fd >= 0 ? fgetxattr(object->fd, name, value, XATTR_BYTES)
                         : lgetxattr(object->path, name, value, XATTR_BYTES);
}

static int host_set(const struct host_object *object, const char *name, const char *value, size_t len) {
  return object->fd >= 0 ? fsetxattr(object->fd, name, value, len, 0) : lsetxattr(object->path, name, value, len, 0);
}

static bool starts_with(const char *name, const char *prefix) {
  return strncmp(name, prefix, strlen(prefix)) == 0;
}

static bool is_acl(const char *name) {
  return strcmp(name, XATTR_ACCESS_ACL) == 0 || strcmp(name, XATTR_DEFAULT_ACL) == 0;
}

static bool is_kept(const char *name) {
  return starts_with(name, "user.") || starts_with(name, "trusted.") || starts_with(name, "security.") ||
         is_acl(name);
}

/* A failure that leaves out one attribute rather than ending the copy. */
static bool is_refusal(enum nacre_err err) {
  return err == NACRE_ERR_TOO_LARGE || err == NACRE_ERR_UNSUPPORTED || err == NACRE_ERR_ARGUMENT ||
         err == NACRE_ERR_NAME_TOO_LONG || err == NACRE_ERR_PERMISSION || err == NACRE_ERR_RANGE ||
         err == NACRE_ERR_NO_ATTRIBUTE;
}

enum nacre_err xattr_put(nacre_volume *vol, uint64_t ino, const struct host_object *from, unsigned long *left_out) {
  char *names = malloc(2 * XATTR_BYTES);
  if (names == NULL)
    return NACRE_ERR_NO_MEMORY;
  char *value = names + XATTR_BYTES;
  const ssize_t total = host_list(from, names); /* a filesystem without attributes says ENOTSUP: none */
  enum nacre_err err = NACRE_OK;
  for (ssize_t at = 0; at < total && err == NACRE_OK; at += (ssize_t)strlen(names + at) + 1) {
    if (!is_kept(names + at))
      continue;
    const ssize_t len = host_get(from, names + at, value);
    if (len < 0) {
      *left_out += errno != ENODATA;
      continue;
    }
    err = nacre_inode_setxattr(vol, ino, names + at, value, (size_t)len, 0);
    if (is_refusal(err)) {
      ++*left_out;
      err = NACRE_OK;
    }
  }
  free(names);
  return err;
}

static void get_one(const struct host_object *to, const char *name, const char *value, size_t len,
                    unsigned long *left_out) {
  if (host_set(to, name, value, len) == 0)
    return;
  if (!starts_with(name, "security.") && !starts_with(name, "trusted."))
    ++*left_out;
}

enum nacre_err xattr_get(nacre_volume *vol, uint64_t ino, const struct host_object *to, bool special,
                         unsigned long *left_out) {
  size_t total = 0;
  enum nacre_err err = nacre_inode_listxattr(vol, ino, NULL, 0, &total);
  if (err != NACRE_OK || total == 0) /* as with most objects */
    return err;
  char *names = malloc(2 * XATTR_BYTES);
  if (names == NULL)
    return NACRE_ERR_NO_MEMORY;
  char *value = names + XATTR_BYTES;
  err = nacre_inode_listxattr(vol, ino, names, XATTR_BYTES, &total);
  for (size_t at = 0; at < total && err == NACRE_OK; at += strlen(names + at) + 1) {
    const char *name = names + at;
    size_t len = 0;
    if (!is_kept(name) || (strcmp(name, "security.capability") == 0 && !special))
      continue;
    err = nacre_inode_getxattr(vol, ino, name, value, XATTR_BYTES, &len);
    if (err == NACRE_OK)
      get_one(to, name, value, len, left_out);
    else if (is_refusal(err))
      err = NACRE_OK;
  }
  free(names);
  return err;
}

bool xattr_host_inherits(int dir) {
  return fgetxattr(dir, XATTR_DEFAULT_ACL, NULL, 0) > 0;
}

void xattr_host_drop_inherited(const struct host_object *object, bool is_dir) {
  if (object->fd < 0)
    return; /* only files and folders have ACLs, and both are open */
  (void)fremovexattr(object->fd, XATTR_ACCESS_ACL);
  if (is_dir)
    (void)fremovexattr(object->fd, XATTR_DEFAULT_ACL);
}

bool xattr_volume_inherits(nacre_volume *vol, uint64_t dir) {
  size_t len = 0;
  return nacre_inode_getxattr(vol, dir, XATTR_DEFAULT_ACL, NULL, 0, &len) == NACRE_OK && len > 0;
}

void xattr_volume_drop_inherited(nacre_volume *vol, uint64_t ino, bool is_dir) {
  /* Not to have one is no error: an ACL may say no more than the mode does. */
  enum nacre_err err = nacre_inode_removexattr(vol, ino, XATTR_ACCESS_ACL);
  if (is_dir)
    err = nacre_inode_removexattr(vol, ino, XATTR_DEFAULT_ACL);
  (void)err;
}
