/* Names, folders and attributes. */
#include "floor/floor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int fd_of(fuse_req_t req, fuse_ino_t ino) {
  return floor_fd_of(floor_of(req), floor_inode_of(floor_of(req), ino));
}

static void reply_result(fuse_req_t req, int result) {
  fuse_reply_err(req, result == 0 ? 0 : errno);
}

static void lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
  struct floor *f = floor_of(req);
  struct fuse_entry_param entry;
  int error = floor_find(f, parent, name, &entry);
  if (error == ENOENT && f->absent_s > 0) {
    entry = (struct fuse_entry_param){.entry_timeout = f->absent_s};
    error = 0;
  }
  if (error != 0)
    fuse_reply_err(req, error);
  else
    fuse_reply_entry(req, &entry);
}

static void forget(fuse_req_t req, fuse_ino_t ino, uint64_t lookups) {
  floor_forget(floor_of(req), ino, lookups);
  fuse_reply_none(req);
}

static void forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets) {
  for (size_t i = 0; i < count; i++)
    floor_forget(floor_of(req), forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(req);
}

static void getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  struct stat st;
  (void)fi;
  if (fstatat(fd_of(req, ino), "", &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0)
    fuse_reply_err(req, errno);
  else
    fuse_reply_attr(req, &st, floor_of(req)->cache_s);
}

static int set_times(const char *path, const struct stat *attr, int set) {
  struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
  if ((set & FUSE_SET_ATTR_ATIME) != 0)
    times[0] = attr->st_atim;
  if ((set & FUSE_SET_ATTR_MTIME) != 0)
    times[1] = attr->st_mtim;
  if ((set & FUSE_SET_ATTR_ATIME_NOW) != 0)
    times[0].tv_nsec = UTIME_NOW;
  if ((set & FUSE_SET_ATTR_MTIME_NOW) != 0)
    times[1].tv_nsec = UTIME_NOW;
  return utimensat(AT_FDCWD, path, times, 0);
}

static void setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int set, struct fuse_file_info *fi) {
  char path[FLOOR_PATH_BYTES];
  int result = 0;
  floor_proc_path(floor_of(req), floor_inode_of(floor_of(req), ino), path);
  if ((set & FUSE_SET_ATTR_MODE) != 0)
    result = chmod(path, attr->st_mode);
  if (result == 0 && (set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0)
    result = fchownat(fd_of(req, ino), "", (set & FUSE_SET_ATTR_UID) != 0 ? attr->st_uid : (uid_t)-1,
                      (set & FUSE_SET_ATTR_GID) != 0 ? attr->st_gid : (gid_t)-1, AT_EMPTY_PATH);
  if (result == 0 && (set & FUSE_SET_ATTR_SIZE) != 0)
    result = fi != NULL ? ftruncate((int)fi->fh, attr->st_size) : truncate(path, attr->st_size);
  if (result == 0 && (set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) != 0)
    result = set_times(path, attr, set);
  if (result != 0)
    fuse_reply_err(req, errno);
  else
    getattr(req, ino, fi);
}

static void make_folder(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode) {
  floor_reply_made(req, mkdirat(fd_of(req, parent), name, mode), parent, name);
}

static void make_node(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev) {
  floor_reply_made(req, mknodat(fd_of(req, parent), name, mode, dev), parent, name);
}

static void make_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name) {
  floor_reply_made(req, symlinkat(target, fd_of(req, parent), name), parent, name);
}

static void make_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name) {
  char path[FLOOR_PATH_BYTES];
  floor_proc_path(floor_of(req), floor_inode_of(floor_of(req), ino), path);
  floor_reply_made(req, linkat(AT_FDCWD, path, fd_of(req, parent), name, AT_SYMLINK_FOLLOW), parent, name);
}

static void read_symlink(fuse_req_t req, fuse_ino_t ino) {
  char target[PATH_MAX + 1];
  ssize_t len = readlinkat(fd_of(req, ino), "", target, sizeof target);
  if (len < 0 || (size_t)len == sizeof target) {
    fuse_reply_err(req, len < 0 ? errno : ENAMETOOLONG);
    return;
  }
  target[len] = '\0';
  fuse_reply_readlink(req, target);
}

static void unlink_name(fuse_req_t req, fuse_ino_t parent, const char *name) {
  reply_result(req, unlinkat(fd_of(req, parent), name, 0));
}

static void remove_folder(fuse_req_t req, fuse_ino_t parent, const char *name) {
  reply_result(req, unlinkat(fd_of(req, parent), name, AT_REMOVEDIR));
}

static void rename_name(fuse_req_t req, fuse_ino_t from, const char *name, fuse_ino_t to, const char *new_name,
                        unsigned flags) {
  reply_result(req, renameat2(fd_of(req, from), name, fd_of(req, to), new_name, flags));
}

static void stat_fs(fuse_req_t req, fuse_ino_t ino) {
  struct statvfs st;
  if (fstatvfs(fd_of(req, ino), &st) != 0)
    fuse_reply_err(req, errno);
  else
    fuse_reply_statfs(req, &st);
}

/* ---- Folders ---- */

struct listing {
  DIR *folder;
  long at; /* where `folder` is, unless `entry` is still to be told */
  struct dirent *entry;
};

static struct listing *listing_of(const struct fuse_file_info *fi) {
  return (struct listing *)(uintptr_t)fi->fh; /* NOLINT(performance-no-int-to-ptr): how FUSE carries it */
}

static void open_folder(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  struct listing *l = calloc(1, sizeof *l);
  int fd = openat(fd_of(req, ino), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (l == NULL || fd < 0 || (l->folder = fdopendir(fd)) == NULL) {
    fuse_reply_err(req, errno);
    if (fd >= 0)
      close(fd);
    free(l);
    return;
  }
  fi->fh = (uintptr_t)l;
  fi->cache_readdir = 1;
  fuse_reply_open(req, fi);
}

static size_t add_plus(fuse_req_t req, char *at, size_t space, fuse_ino_t ino, const struct dirent *entry) {
  struct fuse_entry_param param = {.attr = {.st_ino = entry->d_ino, .st_mode = (mode_t)entry->d_type << 12}};
  bool dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
  if (!dots && floor_find(floor_of(req), ino, entry->d_name, &param) != 0)
    return 0;
  size_t need = fuse_add_direntry_plus(req, at, space, entry->d_name, &param, entry->d_off);
  if (need > space && !dots)
    floor_forget(floor_of(req), param.ino, 1);
  return need;
}

static size_t add_plain(fuse_req_t req, char *at, size_t space, const struct dirent *entry) {
  struct stat st = {.st_ino = entry->d_ino, .st_mode = (mode_t)entry->d_type << 12};
  return fuse_add_direntry(req, at, space, entry->d_name, &st, entry->d_off);
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct listing *l, bool plus) {
  char *out = malloc(size);
  size_t used = 0;
  if (out == NULL) {
    fuse_reply_err(req, ENOMEM);
    return;
  }
  if (offset != l->at) {
    seekdir(l->folder, offset);
    l->entry = NULL;
    l->at = offset;
  }
  while (l->entry != NULL || (l->entry = readdir(l->folder)) != NULL) {
    size_t space = size - used;
    size_t need =
        plus ? add_plus(req, out + used, space, ino, l->entry) : add_plain(req, out + used, space, l->entry);
    if (need > space)
      break;
    used += need;
    l->at = l->entry->d_off;
    l->entry = NULL;
  }
  fuse_reply_buf(req, out, used);
  free(out);
}

static void list_folder(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi) {
  list(req, ino, size, offset, listing_of(fi), false);
}

static void list_folder_plus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi) {
  list(req, ino, size, offset, listing_of(fi), true);
}

static void release_folder(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  struct listing *l = listing_of(fi);
  (void)ino;
  closedir(l->folder);
  free(l);
  fuse_reply_err(req, 0);
}

static void sync_folder(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi) {
  int fd = dirfd(listing_of(fi)->folder);
  (void)ino;
  reply_result(req, datasync != 0 ? fdatasync(fd) : fsync(fd));
}

void floor_names_operations(struct fuse_lowlevel_ops *ops) {
  ops->lookup = lookup;
  ops->forget = forget;
  ops->forget_multi = forget_multi;
  ops->getattr = getattr;
  ops->setattr = setattr;
  ops->mkdir = make_folder;
  ops->mknod = make_node;
  ops->symlink = make_symlink;
  ops->link = make_link;
  ops->readlink = read_symlink;
  ops->unlink = unlink_name;
  ops->rmdir = remove_folder;
  ops->rename = rename_name;
  ops->statfs = stat_fs;
  ops->opendir = open_folder;
  ops->readdir = list_folder;
  ops->readdirplus = list_folder_plus;
  ops->releasedir = release_folder;
  ops->fsyncdir = sync_folder;
}
