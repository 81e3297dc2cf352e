/* Calls by path: the walk to the inode, then what the inode call does. */
#include "api/handle.h"
#include "api/path.h"
#include "api/structs.h"
#include "base/err.h"

#include <stdlib.h>
#include <sys/stat.h>

#define OPEN_RACES_MAX 16u

/* Walk to a name where something is to be made. */
static enum nacre_err walk_to_new(nacre_volume *vol, const char *path, bool folder, struct path *p) {
  ERR_TRY(path_walk(vol->v->fs, path, PATH_NO_FOLLOW, p));
  if (p->found)
    return err_set(NACRE_ERR_EXISTS, "the name exists already");
  if (p->trailing_slash && !folder)
    return err_set(NACRE_ERR_NOT_DIRECTORY, "a path with a slash at its end names a folder");
  return NACRE_OK;
}

/* Walk to a name that is to be removed or moved: "." and the root have none. */
static enum nacre_err walk_to_name(nacre_volume *vol, const char *path, bool must_exist, struct path *p) {
  ERR_TRY(path_walk(vol->v->fs, path, PATH_NO_FOLLOW, p));
  if (!p->found && must_exist)
    return err_set(NACRE_ERR_NOT_FOUND, "no such file or folder");
  if (p->found && p->name_len == 0)
    return err_set(NACRE_ERR_IN_USE, "the path ends in no name that could be changed");
  return NACRE_OK;
}

static enum nacre_err open_found(nacre_volume *vol, const struct path *p, unsigned flags, struct fs_file **file) {
  const unsigned of_making = NACRE_O_CREATE | NACRE_O_EXCLUSIVE | NACRE_O_NOFOLLOW;
  if ((flags & NACRE_O_CREATE) && (flags & NACRE_O_EXCLUSIVE))
    return err_set(NACRE_ERR_EXISTS, "the name exists already");
  if (S_ISLNK(p->attr.mode))
    return err_set(NACRE_ERR_LOOP, "is a symbolic link");
  return fs_open(vol->v->fs, p->attr.ino, flags & ~of_making, file);
}

static enum nacre_err open_missing(nacre_volume *vol, const struct path *p, unsigned flags, uint32_t mode,
                                   const struct nacre_caller *caller, struct fs_file **file) {
  const unsigned of_making = NACRE_O_CREATE | NACRE_O_EXCLUSIVE | NACRE_O_NOFOLLOW;
  if (!(flags & NACRE_O_CREATE))
    return err_set(NACRE_ERR_NOT_FOUND, "no such file");
  if (p->trailing_slash)
    return err_set(NACRE_ERR_IS_DIRECTORY, "a path with a slash at its end names a folder");
  return fs_create(vol->v->fs, path_folder(p), p->name, p->name_len, mode, flags & ~of_making, handle_caller(caller),
                   NULL, file);
}

enum nacre_err nacre_open(nacre_volume *vol, const char *path, unsigned flags, uint32_t mode,
                          const struct nacre_caller *caller, nacre_file **out) {
  ERR_TRY(handle_volume(vol));
  if (!out)
    return err_set(NACRE_ERR_ARGUMENT, "room for the handle is missing");
  bool exclusive = (flags & NACRE_O_CREATE) && (flags & NACRE_O_EXCLUSIVE);
  enum path_follow follow = exclusive || (flags & NACRE_O_NOFOLLOW) ? PATH_NO_FOLLOW : PATH_FOLLOW;
  struct fs_file *file = NULL;
  enum nacre_err err = NACRE_OK;
  /* Another thread may make or remove the name between the look and the call. */
  for (unsigned i = 0; i < OPEN_RACES_MAX; i++) {
    struct path p;
    bool raced = false;
    err = path_walk(vol->v->fs, path, follow, &p);
    if (err == NACRE_OK && p.found) {
      err = open_found(vol, &p, flags, &file);
    } else if (err == NACRE_OK) {
      err = open_missing(vol, &p, flags, mode, caller, &file);
      raced = err == NACRE_ERR_EXISTS && !exclusive;
    }
    path_free(&p);
    if (!raced)
      break;
  }
  ERR_TRY(err);
  return handle_new_file(vol, file, out);
}

enum nacre_err nacre_opendir(nacre_volume *vol, const char *path, nacre_dir **out) {
  struct path p;
  ERR_TRY(handle_volume(vol));
  if (!out)
    return err_set(NACRE_ERR_ARGUMENT, "room for the handle is missing");
  struct nacre_dir *dir = calloc(1, sizeof *dir);
  if (!dir)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = path_find(vol->v->fs, path, PATH_FOLLOW, &p);
  if (err == NACRE_OK)
    err = fs_check_dir(vol->v->fs, p.attr.ino);
  if (err == NACRE_OK && !p.pinned && p.depth > 0) {
    /* The path ended in the folder that the walk stands in: its pin is the walk's last. */
    p.depth--;
    p.pinned = true;
  }
  if (err == NACRE_OK) {
    *dir = (struct nacre_dir){.vol = vol, .ino = p.attr.ino, .pinned = p.pinned};
    p.pinned = false;
    *out = dir;
  } else {
    free(dir);
  }
  path_free(&p);
  return err;
}

static enum nacre_err stat_path(nacre_volume *vol, const char *path, enum path_follow follow,
                                struct nacre_attr *attr) {
  struct path p;
  ERR_TRY(handle_volume(vol));
  ERR_TRY(struct_check(attr));
  enum nacre_err err = path_find(vol->v->fs, path, follow, &p);
  if (err == NACRE_OK)
    struct_give(attr, &p.attr, sizeof p.attr);
  path_free(&p);
  return err;
}

enum nacre_err nacre_stat(nacre_volume *vol, const char *path, struct nacre_attr *attr) {
  return stat_path(vol, path, PATH_FOLLOW, attr);
}

enum nacre_err nacre_lstat(nacre_volume *vol, const char *path, struct nacre_attr *attr) {
  return stat_path(vol, path, PATH_NO_FOLLOW, attr);
}

enum nacre_err nacre_setattr(nacre_volume *vol, const char *path, const struct nacre_attr *attr, unsigned set) {
  struct path p;
  struct nacre_attr ours;
  ERR_TRY(handle_volume(vol));
  ERR_TRY(struct_check(attr));
  ERR_TRY(struct_take(&ours, sizeof ours, attr));
  enum nacre_err err = path_find(vol->v->fs, path, PATH_NO_FOLLOW, &p);
  if (err == NACRE_OK)
    err = fs_setattr(vol->v->fs, p.attr.ino, &ours, set);
  path_free(&p);
  return err;
}

enum nacre_err nacre_mkdir(nacre_volume *vol, const char *path, uint32_t mode, const struct nacre_caller *caller) {
  struct path p;
  ERR_TRY(handle_volume(vol));
  enum nacre_err err = walk_to_new(vol, path, true, &p);
  if (err == NACRE_OK)
    err = fs_mkdir(vol->v->fs, path_folder(&p), p.name, p.name_len, mode, handle_caller(caller), NULL);
  path_free(&p);
  return err;
}

enum nacre_err nacre_mknod(nacre_volume *vol, const char *path, uint32_t mode, uint64_t rdev,
                           const struct nacre_caller *caller) {
  struct path p;
  ERR_TRY(handle_volume(vol));
  enum nacre_err err = walk_to_new(vol, path, false, &p);
  if (err == NACRE_OK)
    err = fs_mknod(vol->v->fs, path_folder(&p), p.name, p.name_len, mode, rdev, handle_caller(caller), NULL);
  path_free(&p);
  return err;
}

enum nacre_err nacre_symlink(nacre_volume *vol, const char *target, const char *path,
                             const struct nacre_caller *caller) {
  struct path p;
  ERR_TRY(handle_volume(vol));
  if (!target)
    return err_set(NACRE_ERR_ARGUMENT, "a link's target is missing");
  enum nacre_err err = walk_to_new(vol, path, false, &p);
  if (err == NACRE_OK)
    err = fs_symlink(vol->v->fs, path_folder(&p), p.name, p.name_len, target, handle_caller(caller), NULL);
  path_free(&p);
  return err;
}

enum nacre_err nacre_readlink(nacre_volume *vol, const char *path, char *buf, size_t size_bytes) {
  struct path p;
  ERR_TRY(handle_volume(vol));
  if (!buf)
    return err_set(NACRE_ERR_ARGUMENT, "a buffer is missing");
  enum nacre_err err = path_find(vol->v->fs, path, PATH_NO_FOLLOW, &p);
  if (err == NACRE_OK)
    err = fs_readlink(vol->v->fs, p.attr.ino, buf, size_bytes);
  path_free(&p);
  return err;
}

enum nacre_err nacre_link(nacre_volume *vol, const char *from, const char *to) {
  struct path source, p;
  ERR_TRY(handle_volume(vol));
  enum nacre_err err = path_find(vol->v->fs, from, PATH_NO_FOLLOW, &source);
  if (err == NACRE_OK) {
    err = walk_to_new(vol, to, false, &p);
    if (err == NACRE_OK)
      err = fs_link(vol->v->fs, source.attr.ino, path_folder(&p), p.name, p.name_len, NULL);
    path_free(&p);
  }
  path_free(&source);
  return err;
}

enum nacre_err nacre_unlink(nacre_volume *vol, const char *path) {
  struct path p;
  ERR_TRY(handle_volume(vol));
  enum nacre_err err = walk_to_name(vol, path, true, &p);
  if (err == NACRE_OK)
    err = fs_unlink(vol->v->fs, path_folder(&p), p.name, p.name_len);
  path_free(&p);
  return err;
}

enum nacre_err nacre_rmdir(nacre_volume *vol, const char *path) {
  struct path p;
  ERR_TRY(handle_volume(vol));
  enum nacre_err err = walk_to_name(vol, path, true, &p);
  if (err == NACRE_OK)
    err = fs_rmdir(vol->v->fs, path_folder(&p), p.name, p.name_len);
  path_free(&p);
  return err;
}

/* What a slash at the end of either path demands. */
static enum nacre_err check_slashes(const struct path *from, const struct path *to) {
  if (!S_ISDIR(from->attr.mode) && (from->trailing_slash || to->trailing_slash))
    return err_set(NACRE_ERR_NOT_DIRECTORY, "a path with a slash at its end names a folder");
  return NACRE_OK;
}

enum nacre_err nacre_rename(nacre_volume *vol, const char *from, const char *to, unsigned flags) {
  struct path source, p;
  ERR_TRY(handle_volume(vol));
  enum nacre_err err = walk_to_name(vol, from, true, &source);
  if (err == NACRE_OK) {
    err = walk_to_name(vol, to, false, &p);
    if (err == NACRE_OK)
      err = check_slashes(&source, &p);
    if (err == NACRE_OK)
      err = fs_rename(vol->v->fs, path_folder(&source), source.name, source.name_len, path_folder(&p), p.name,
                      p.name_len, flags);
    path_free(&p);
  }
  path_free(&source);
  return err;
}
