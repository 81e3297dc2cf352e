/* Files that are open. */
#include "floor/floor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static void describe(fuse_req_t req, int fd, bool created, struct fuse_file_info *fi) {
  bool tuned = floor_of(req)->tuned;
  int mode = fi->flags & O_ACCMODE;
  fi->fh = (uint64_t)fd;
  fi->direct_io = tuned && created && mode == O_WRONLY;
  fi->keep_cache = !fi->direct_io;
  fi->noflush = tuned && mode == O_RDONLY;
}

static void open_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  char path[FLOOR_PATH_BYTES];
  floor_proc_path(floor_of(req), floor_inode_of(floor_of(req), ino), path);
  int fd = open(path, (fi->flags & ~O_NOFOLLOW) | O_CLOEXEC);
  if (fd < 0) {
    fuse_reply_err(req, errno);
    return;
  }
  describe(req, fd, false, fi);
  fuse_reply_open(req, fi);
}

static void create_file(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi) {
  struct floor *f = floor_of(req);
  struct fuse_entry_param entry;
  int fd = openat(floor_fd_of(f, floor_inode_of(f, parent)), name, ((fi->flags | O_CREAT) & ~O_NOFOLLOW) | O_CLOEXEC,
                  mode);
  int error = fd < 0 ? errno : floor_find(f, parent, name, &entry);
  if (error != 0) {
    if (fd >= 0)
      close(fd);
    fuse_reply_err(req, error);
    return;
  }
  describe(req, fd, true, fi);
  fuse_reply_create(req, &entry, fi);
}

static void release_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)ino;
  close((int)fi->fh);
  fuse_reply_err(req, 0);
}

static void flush_file(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)ino;
  int copy = dup((int)fi->fh);
  fuse_reply_err(req, copy >= 0 && close(copy) == 0 ? 0 : errno);
}

static void sync_file(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi) {
  (void)ino;
  int result = datasync != 0 ? fdatasync((int)fi->fh) : fsync((int)fi->fh);
  fuse_reply_err(req, result == 0 ? 0 : errno);
}

static void allocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                     struct fuse_file_info *fi) {
  (void)ino;
  fuse_reply_err(req, fallocate((int)fi->fh, mode, offset, length) == 0 ? 0 : errno);
}

static void seek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi) {
  (void)ino;
  off_t at = lseek((int)fi->fh, offset, whence);
  if (at < 0)
    fuse_reply_err(req, errno);
  else
    fuse_reply_lseek(req, at);
}

/* ---- Contents, as libfuse's own example has it: through pipes where that works ---- */

static void read_spliced(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi) {
  struct fuse_bufvec data = FUSE_BUFVEC_INIT(size);
  (void)ino;
  data.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
  data.buf[0].fd = (int)fi->fh;
  data.buf[0].pos = offset;
  fuse_reply_data(req, &data, FUSE_BUF_SPLICE_MOVE);
}

static void write_spliced(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t offset,
                          struct fuse_file_info *fi) {
  struct fuse_bufvec out = FUSE_BUFVEC_INIT(fuse_buf_size(in));
  (void)ino;
  out.buf[0].flags = FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK;
  out.buf[0].fd = (int)fi->fh;
  out.buf[0].pos = offset;
  ssize_t written = fuse_buf_copy(&out, in, 0);
  if (written < 0)
    fuse_reply_err(req, (int)-written);
  else
    fuse_reply_write(req, (size_t)written);
}

/* ---- The same by copies ---- */

static void read_copied(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi) {
  (void)ino;
  char *data = malloc(size);
  ssize_t len = data == NULL ? -1 : pread((int)fi->fh, data, size, offset);
  if (len < 0)
    fuse_reply_err(req, errno);
  else
    fuse_reply_buf(req, data, (size_t)len);
  free(data);
}

static void write_copied(fuse_req_t req, fuse_ino_t ino, const char *data, size_t size, off_t offset,
                         struct fuse_file_info *fi) {
  (void)ino;
  ssize_t written = pwrite((int)fi->fh, data, size, offset);
  if (written < 0)
    fuse_reply_err(req, errno);
  else
    fuse_reply_write(req, (size_t)written);
}

void floor_files_operations(struct fuse_lowlevel_ops *ops, bool tuned) {
  ops->open = open_file;
  ops->create = create_file;
  ops->release = release_file;
  ops->flush = flush_file;
  ops->fsync = sync_file;
  ops->fallocate = allocate;
  ops->lseek = seek;
  if (tuned) {
    ops->read = read_copied;
    ops->write = write_copied;
  } else {
    ops->read = read_spliced;
    ops->write_buf = write_spliced;
  }
}
