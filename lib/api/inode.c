/* Calls by inode number: arguments checked, then the filesystem's own. */
#include "api/handle.h"
#include "api/structs.h"
#include "base/err.h"

#include <stdlib.h>

static enum nacre_err check_name(const char *name) {
  return name ? NACRE_OK : err_set(NACRE_ERR_ARGUMENT, "a name is missing");
}

/* An attr that the caller may leave out: then the inode carries no pin. */
static enum nacre_err check_attr(const struct nacre_attr *attr) {
  return attr ? struct_check(attr) : NACRE_OK;
}

static void give_attr(struct nacre_attr *theirs, const struct nacre_attr *ours) {
  if (theirs)
    struct_give(theirs, ours, sizeof *ours);
}

/* What a call that makes an object checks first. */
static enum nacre_err check_new(const nacre_volume *vol, const char *name, const struct nacre_attr *attr) {
  ERR_TRY(handle_volume(vol));
  ERR_TRY(check_name(name));
  return check_attr(attr);
}

enum nacre_err nacre_inode_lookup(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len,
                                  struct nacre_attr *attr) {
  struct nacre_attr ours = {.struct_size = sizeof ours};
  ERR_TRY(handle_volume(vol));
  ERR_TRY(check_name(name));
  ERR_TRY(struct_check(attr));
  ERR_TRY(fs_lookup(vol->v->fs, dir, name, name_len, &ours));
  give_attr(attr, &ours);
  return NACRE_OK;
}

void nacre_inode_unpin(nacre_volume *vol, uint64_t ino, uint64_t pins) {
  if (handle_volume(vol) == NACRE_OK && pins > 0)
    fs_unpin(vol->v->fs, ino, pins);
}

enum nacre_err nacre_inode_getattr(nacre_volume *vol, uint64_t ino, struct nacre_attr *attr) {
  struct nacre_attr ours = {.struct_size = sizeof ours};
  ERR_TRY(handle_volume(vol));
  ERR_TRY(struct_check(attr));
  ERR_TRY(fs_getattr(vol->v->fs, ino, &ours));
  give_attr(attr, &ours);
  return NACRE_OK;
}

enum nacre_err nacre_inode_setattr(nacre_volume *vol, uint64_t ino, struct nacre_attr *attr, unsigned set) {
  struct nacre_attr ours;
  ERR_TRY(handle_volume(vol));
  ERR_TRY(struct_check(attr));
  ERR_TRY(struct_take(&ours, sizeof ours, attr));
  ERR_TRY(fs_setattr(vol->v->fs, ino, &ours, set));
  give_attr(attr, &ours);
  return NACRE_OK;
}

enum nacre_err nacre_inode_open(nacre_volume *vol, uint64_t ino, unsigned flags, nacre_file **out) {
  struct fs_file *file = NULL;
  ERR_TRY(handle_volume(vol));
  if (!out)
    return err_set(NACRE_ERR_ARGUMENT, "room for the handle is missing");
  ERR_TRY(fs_open(vol->v->fs, ino, flags, &file));
  return handle_new_file(vol, file, out);
}

enum nacre_err nacre_inode_opendir(nacre_volume *vol, uint64_t ino, nacre_dir **out) {
  ERR_TRY(handle_volume(vol));
  if (!out)
    return err_set(NACRE_ERR_ARGUMENT, "room for the handle is missing");
  ERR_TRY(fs_check_dir(vol->v->fs, ino));
  struct nacre_dir *dir = malloc(sizeof *dir);
  if (!dir)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  *dir = (struct nacre_dir){.vol = vol, .ino = ino};
  *out = dir;
  return NACRE_OK;
}

/* The handle of a file that was made, or, where there is no memory for it, its pin given back: the file stays. */
static enum nacre_err give_new_file(nacre_volume *vol, struct fs_file *file, const struct nacre_attr *ours,
                                    struct nacre_attr *attr, nacre_file **out) {
  enum nacre_err err = handle_new_file(vol, file, out);
  if (err == NACRE_OK)
    give_attr(attr, ours);
  else if (attr)
    fs_unpin(vol->v->fs, ours->ino, 1);
  return err;
}

enum nacre_err nacre_inode_create(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len, uint32_t mode,
                                  unsigned flags, const struct nacre_caller *caller, struct nacre_attr *attr,
                                  nacre_file **out) {
  struct nacre_attr ours = {.struct_size = sizeof ours};
  struct fs_file *file = NULL;
  ERR_TRY(check_new(vol, name, attr));
  if (!out)
    return err_set(NACRE_ERR_ARGUMENT, "room for the handle is missing");
  ERR_TRY(fs_create(vol->v->fs, dir, name, name_len, mode, flags, handle_caller(caller), attr ? &ours : NULL, &file));
  return give_new_file(vol, file, &ours, attr, out);
}

enum nacre_err nacre_inode_tmpfile(nacre_volume *vol, uint64_t dir, uint32_t mode, unsigned flags,
                                   const struct nacre_caller *caller, struct nacre_attr *attr, nacre_file **out) {
  struct nacre_attr ours = {.struct_size = sizeof ours};
  struct fs_file *file = NULL;
  ERR_TRY(handle_volume(vol));
  ERR_TRY(check_attr(attr));
  if (!out)
    return err_set(NACRE_ERR_ARGUMENT, "room for the handle is missing");
  ERR_TRY(fs_tmpfile(vol->v->fs, dir, mode, flags, handle_caller(caller), attr ? &ours : NULL, &file));
  return give_new_file(vol, file, &ours, attr, out);
}

enum nacre_err nacre_inode_mkdir(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len, uint32_t mode,
                                 const struct nacre_caller *caller, struct nacre_attr *attr) {
  struct nacre_attr ours = {.struct_size = sizeof ours};
  ERR_TRY(check_new(vol, name, attr));
  ERR_TRY(fs_mkdir(vol->v->fs, dir, name, name_len, mode, handle_caller(caller), attr ? &ours : NULL));
  give_attr(attr, &ours);
  return NACRE_OK;
}

enum nacre_err nacre_inode_mknod(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len, uint32_t mode,
                                 uint64_t rdev, const struct nacre_caller *caller, struct nacre_attr *attr) {
  struct nacre_attr ours = {.struct_size = sizeof ours};
  ERR_TRY(check_new(vol, name, attr));
  ERR_TRY(fs_mknod(vol->v->fs, dir, name, name_len, mode, rdev, handle_caller(caller), attr ? &ours : NULL));
  give_attr(attr, &ours);
  return NACRE_OK;
}

enum nacre_err nacre_inode_symlink(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len,
                                   const char *target, const struct nacre_caller *caller, struct nacre_attr *attr) {
  struct nacre_attr ours = {.struct_size = sizeof ours};
  ERR_TRY(check_new(vol, name, attr));
  if (!target)
    return err_set(NACRE_ERR_ARGUMENT, "a link's target is missing");
  ERR_TRY(fs_symlink(vol->v->fs, dir, name, name_len, target, handle_caller(caller), attr ? &ours : NULL));
  give_attr(attr, &ours);
  return NACRE_OK;
}

enum nacre_err nacre_inode_readlink(nacre_volume *vol, uint64_t ino, char *buf, size_t size_bytes) {
  ERR_TRY(handle_volume(vol));
  if (!buf)
    return err_set(NACRE_ERR_ARGUMENT, "a buffer is missing");
  return fs_readlink(vol->v->fs, ino, buf, size_bytes);
}

enum nacre_err nacre_inode_link(nacre_volume *vol, uint64_t ino, uint64_t dir, const char *name, size_t name_len,
                                struct nacre_attr *attr) {
  struct nacre_attr ours = {.struct_size = sizeof ours};
  ERR_TRY(check_new(vol, name, attr));
  ERR_TRY(fs_link(vol->v->fs, ino, dir, name, name_len, attr ? &ours : NULL));
  give_attr(attr, &ours);
  return NACRE_OK;
}

enum nacre_err nacre_inode_unlink(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len) {
  ERR_TRY(handle_volume(vol));
  ERR_TRY(check_name(name));
  return fs_unlink(vol->v->fs, dir, name, name_len);
}

enum nacre_err nacre_inode_rmdir(nacre_volume *vol, uint64_t dir, const char *name, size_t name_len) {
  ERR_TRY(handle_volume(vol));
  ERR_TRY(check_name(name));
  return fs_rmdir(vol->v->fs, dir, name, name_len);
}

enum nacre_err nacre_inode_rename(nacre_volume *vol, uint64_t from_dir, const char *from, size_t from_len,
                                  uint64_t to_dir, const char *to, size_t to_len, unsigned flags) {
  ERR_TRY(handle_volume(vol));
  ERR_TRY(check_name(from));
  ERR_TRY(check_name(to));
  return fs_rename(vol->v->fs, from_dir, from, from_len, to_dir, to, to_len, flags);
}
