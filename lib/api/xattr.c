/* Extended attributes, by inode and by path. */
#include "api/handle.h"
#include "api/path.h"
#include "base/err.h"

static enum nacre_err check_get(const char *name, const void *buf, size_t size_bytes, const size_t *len) {
  if (!name || (!buf && size_bytes > 0) || !len)
    return err_set(NACRE_ERR_ARGUMENT, "a name or a buffer is missing");
  return NACRE_OK;
}

static enum nacre_err check_set(const char *name, const void *value, size_t len_bytes, unsigned flags) {
  if (!name || (!value && len_bytes > 0))
    return err_set(NACRE_ERR_ARGUMENT, "a name or a value is missing");
  if (flags & ~(unsigned)(NACRE_XATTR_CREATE | NACRE_XATTR_REPLACE))
    return err_set(NACRE_ERR_ARGUMENT, "no such flag of setxattr");
  return NACRE_OK;
}

enum nacre_err nacre_inode_getxattr(nacre_volume *vol, uint64_t ino, const char *name, void *buf, size_t size_bytes,
                                    size_t *len) {
  ERR_TRY(handle_volume(vol));
  ERR_TRY(check_get(name, buf, size_bytes, len));
  return fs_getxattr(vol->v->fs, ino, name, buf, size_bytes, len);
}

enum nacre_err nacre_inode_setxattr(nacre_volume *vol, uint64_t ino, const char *name, const void *value,
                                    size_t len_bytes, unsigned flags) {
  ERR_TRY(handle_volume(vol));
  ERR_TRY(check_set(name, value, len_bytes, flags));
  return fs_setxattr(vol->v->fs, ino, name, value, len_bytes, flags);
}

enum nacre_err nacre_inode_listxattr(nacre_volume *vol, uint64_t ino, char *buf, size_t size_bytes, size_t *len) {
  ERR_TRY(handle_volume(vol));
  ERR_TRY(check_get("", buf, size_bytes, len));
  return fs_listxattr(vol->v->fs, ino, buf, size_bytes, len);
}

enum nacre_err nacre_inode_removexattr(nacre_volume *vol, uint64_t ino, const char *name) {
  ERR_TRY(handle_volume(vol));
  if (!name)
    return err_set(NACRE_ERR_ARGUMENT, "a name is missing");
  return fs_removexattr(vol->v->fs, ino, name);
}

enum nacre_err nacre_getxattr(nacre_volume *vol, const char *path, const char *name, void *buf, size_t size_bytes,
                              size_t *len) {
  struct path p;
  ERR_TRY(handle_volume(vol));
  ERR_TRY(check_get(name, buf, size_bytes, len));
  enum nacre_err err = path_find(vol->v->fs, path, PATH_NO_FOLLOW, &p);
  if (err == NACRE_OK)
    err = fs_getxattr(vol->v->fs, p.attr.ino, name, buf, size_bytes, len);
  path_free(&p);
  return err;
}

enum nacre_err nacre_setxattr(nacre_volume *vol, const char *path, const char *name, const void *value,
                              size_t len_bytes, unsigned flags) {
  struct path p;
  ERR_TRY(handle_volume(vol));
  ERR_TRY(check_set(name, value, len_bytes, flags));
  enum nacre_err err = path_find(vol->v->fs, path, PATH_NO_FOLLOW, &p);
  if (err == NACRE_OK)
    err = fs_setxattr(vol->v->fs, p.attr.ino, name, value, len_bytes, flags);
  path_free(&p);
  return err;
}

enum nacre_err nacre_listxattr(nacre_volume *vol, const char *path, char *buf, size_t size_bytes, size_t *len) {
  struct path p;
  ERR_TRY(handle_volume(vol));
  ERR_TRY(check_get("", buf, size_bytes, len));
  enum nacre_err err = path_find(vol->v->fs, path, PATH_NO_FOLLOW, &p);
  if (err == NACRE_OK)
    err = fs_listxattr(vol->v->fs, p.attr.ino, buf, size_bytes, len);
  path_free(&p);
  return err;
}

enum nacre_err nacre_removexattr(nacre_volume *vol, const char *path, const char *name) {
  struct path p;
  ERR_TRY(handle_volume(vol));
  if (!name)
    return err_set(NACRE_ERR_ARGUMENT, "a name is missing");
  enum nacre_err err = path_find(vol->v->fs, path, PATH_NO_FOLLOW, &p);
  if (err == NACRE_OK)
    err = fs_removexattr(vol->v->fs, p.attr.ino, name);
  path_free(&p);
  return err;
}
