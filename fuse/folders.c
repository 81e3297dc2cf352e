#include "fuse/atime.h"
#include "fuse/reply.h"
#include "fuse/told.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

/* No entry of READDIRPLUS takes less, so that a reply of n bytes gives at most n / this many pins. */
#define PLUS_ENTRY_MIN_BYTES 128

struct listing {
  const struct mount *m;
  fuse_req_t req;
  unsigned long long begun; /* told_begin */
  char *buf;
  size_t size, used;
  uint64_t *pinned; /* inodes of this reply that carry a pin; NULL without attributes */
  size_t pinned_count;
};

/* The kernel, told ENOSYS once, opens folders without asking and caches their entries. Listing needs no state of
 * ours between two requests: offsets hold for the life of the folder. */
void folders_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)ino;
  (void)fi;
  fuse_reply_err(req, ENOSYS);
}

static size_t add_plus(struct listing *l, const struct nacre_dirent *entry) {
  struct fuse_entry_param param = {0};
  if (entry->attr != NULL) {
    reply_fill_entry(l->m, l->req, entry->attr, l->begun, &param);
  } else {
    param.attr.st_ino = (ino_t)entry->ino;
    param.attr.st_mode = (mode_t)entry->type << 12;
  }
  return fuse_add_direntry_plus(l->req, l->buf + l->used, l->size - l->used, entry->name, &param, (off_t)entry->next);
}

static size_t add_plain(struct listing *l, const struct nacre_dirent *entry) {
  struct stat st = {.st_ino = (ino_t)entry->ino, .st_mode = (mode_t)entry->type << 12};
  return fuse_add_direntry(l->req, l->buf + l->used, l->size - l->used, entry->name, &st, (off_t)entry->next);
}

static bool add_entry(void *arg, const struct nacre_dirent *entry) {
  struct listing *l = arg;
  size_t needed = l->pinned != NULL ? add_plus(l, entry) : add_plain(l, entry);
  if (needed > l->size - l->used)
    return false;
  l->used += needed;
  if (l->pinned != NULL && entry->attr != NULL)
    l->pinned[l->pinned_count++] = entry->attr->ino;
  return true;
}

static void unpin_all(const struct listing *l) {
  for (size_t i = 0; i < l->pinned_count; i++)
    nacre_inode_unpin(l->m->vol, l->pinned[i], 1);
}

static void list_folder(struct listing *l, fuse_ino_t ino, uint64_t offset) {
  nacre_dir *dir = NULL;
  enum nacre_err err = nacre_inode_opendir(l->m->vol, ino, &dir);
  if (err == NACRE_OK) {
    err = nacre_readdir(dir, offset, l->pinned != NULL, add_entry, l);
    nacre_closedir(dir);
  }
  /* What came before an error is answered; the error comes again with the next request. */
  if (err != NACRE_OK && l->used == 0) {
    reply_result(l->req, err);
    return;
  }
  if (offset == 0 && !atomic_load_explicit(&l->m->no_folder_atime, memory_order_relaxed))
    atime_touch(l->m, ino);
  if (fuse_reply_buf(l->req, l->buf, l->used) != 0)
    unpin_all(l);
}

static void answer_listing(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, bool plus) {
  struct listing l = {.m = session_of(req), .req = req, .buf = reply_thread_buffer()};
  l.begun = told_begin(l.m->told);
  l.size = size < SESSION_MAX_IO_BYTES ? size : SESSION_MAX_IO_BYTES;
  if (plus)
    l.pinned = malloc((l.size / PLUS_ENTRY_MIN_BYTES + 1) * sizeof *l.pinned);
  if (l.buf == NULL || (plus && l.pinned == NULL))
    fuse_reply_err(req, ENOMEM);
  else
    list_folder(&l, ino, (uint64_t)offset);
  free(l.pinned);
}

void folders_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi) {
  (void)fi;
  answer_listing(req, ino, size, offset, false);
}

void folders_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi) {
  (void)fi;
  answer_listing(req, ino, size, offset, true);
}

/* sync(2) never reaches a FUSE filesystem, so this is the call by which a program can ask for all of the volume. */
void folders_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi) {
  (void)ino;
  (void)datasync;
  (void)fi;
  reply_result(req, nacre_volume_fsync(session_of(req)->vol));
}
