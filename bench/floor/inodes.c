/* What the kernel knows: an open descriptor for each inode, found by device and number. Inodes that the limit of
 * descriptors has no room for are kept by file handle. */
#include "floor/floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct floor_inode *floor_inode_of(struct floor *f, fuse_ino_t ino) {
  if (ino == FUSE_ROOT_ID)
    return &f->root;
  return (struct floor_inode *)(uintptr_t)ino; /* NOLINT(performance-no-int-to-ptr): how FUSE carries it */
}

#define SPARE_DESCRIPTORS 512 /* for files and folders that are open, and requests */

int floor_fd_of(const struct floor *f, const struct floor_inode *inode) {
  /* No request needs more at once. The last ones stay open with their thread. */
  static _Thread_local int borrowed[4] = {-1, -1, -1, -1};
  static _Thread_local unsigned next;
  if (inode->fd >= 0)
    return inode->fd;
  int *slot = &borrowed[next++ % (sizeof borrowed / sizeof borrowed[0])];
  if (*slot >= 0)
    close(*slot);
  return *slot = open_by_handle_at(f->store, inode->handle, O_PATH | O_CLOEXEC);
}

/* Where descriptors are short, one is kept as a handle. Who may not open by handle keeps it. */
static void keep_handle(const struct floor *f, struct floor_inode *inode) {
  int mount_id = 0;
  if (inode->fd < f->descriptors_max - SPARE_DESCRIPTORS)
    return;
  struct file_handle *handle = malloc(sizeof *handle + MAX_HANDLE_SZ);
  if (handle == NULL)
    return;
  handle->handle_bytes = MAX_HANDLE_SZ;
  int fd = name_to_handle_at(inode->fd, "", handle, &mount_id, AT_EMPTY_PATH) != 0
               ? -1
               : open_by_handle_at(f->store, handle, O_PATH | O_CLOEXEC);
  if (fd < 0) {
    free(handle);
    return;
  }
  close(fd);
  close(inode->fd);
  inode->fd = -1;
  inode->handle = handle;
}

static void inode_free(struct floor_inode *inode) {
  if (inode->fd >= 0)
    close(inode->fd);
  free(inode->handle);
  free(inode);
}

void floor_proc_path(const struct floor *f, const struct floor_inode *inode, char path[FLOOR_PATH_BYTES]) {
  snprintf(path, FLOOR_PATH_BYTES, "/proc/self/fd/%d", floor_fd_of(f, inode));
}

static struct floor_inode **bucket_of(struct floor *f, dev_t dev, ino_t ino) {
  return &f->buckets[((uint64_t)ino * 0x9e3779b97f4a7c15ull + dev) >> 48];
}

/* The one that is known already, or `fresh`. */
static struct floor_inode *remember(struct floor *f, struct floor_inode *fresh) {
  pthread_mutex_lock(&f->lock);
  struct floor_inode **bucket = bucket_of(f, fresh->dev, fresh->ino), *known = *bucket;
  while (known != NULL && (known->dev != fresh->dev || known->ino != fresh->ino))
    known = known->next;
  if (known == NULL) {
    fresh->next = *bucket;
    *bucket = known = fresh;
  }
  known->lookups++;
  pthread_mutex_unlock(&f->lock);
  return known;
}

int floor_find(struct floor *f, fuse_ino_t parent, const char *name, struct fuse_entry_param *entry) {
  *entry = (struct fuse_entry_param){.attr_timeout = f->cache_s, .entry_timeout = f->cache_s};
  struct floor_inode *fresh = calloc(1, sizeof *fresh);
  if (fresh == NULL)
    return ENOMEM;
  fresh->fd = openat(floor_fd_of(f, floor_inode_of(f, parent)), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (fresh->fd < 0 || fstatat(fresh->fd, "", &entry->attr, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0) {
    int error = errno;
    inode_free(fresh);
    return error;
  }
  keep_handle(f, fresh);
  fresh->dev = entry->attr.st_dev;
  fresh->ino = entry->attr.st_ino;
  struct floor_inode *known = remember(f, fresh);
  if (known != fresh)
    inode_free(fresh);
  entry->ino = (uintptr_t)known;
  return 0;
}

void floor_forget(struct floor *f, fuse_ino_t ino, uint64_t lookups) {
  struct floor_inode *inode = floor_inode_of(f, ino);
  if (inode == &f->root)
    return;
  pthread_mutex_lock(&f->lock);
  inode->lookups -= lookups;
  bool gone = inode->lookups == 0;
  if (gone) {
    struct floor_inode **at = bucket_of(f, inode->dev, inode->ino);
    while (*at != inode)
      at = &(*at)->next;
    *at = inode->next;
  }
  pthread_mutex_unlock(&f->lock);
  if (gone)
    inode_free(inode);
}

void floor_reply_made(fuse_req_t req, int result, fuse_ino_t parent, const char *name) {
  struct fuse_entry_param entry;
  int error = result != 0 ? errno : floor_find(floor_of(req), parent, name, &entry);
  if (error != 0)
    fuse_reply_err(req, error);
  else
    fuse_reply_entry(req, &entry);
}
