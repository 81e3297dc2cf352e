#include "fuse/files.h"

#include "fuse/atime.h"
#include "fuse/notify.h"
#include "fuse/privileges.h"
#include "fuse/reply.h"
#include "fuse/told.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Opening and closing ---- */

/* Never NACRE_O_APPEND: the kernel, which orders the writers of an inode, has already chosen the offset. */
static unsigned library_flags(const struct mount *m, int flags) {
  unsigned out = NACRE_O_READ;
  if ((flags & O_ACCMODE) == O_RDWR)
    out |= NACRE_O_WRITE;
  if ((flags & O_ACCMODE) == O_WRONLY) /* with writeback the kernel reads the rest of a page that it writes */
    out = m->options->writeback ? NACRE_O_READ | NACRE_O_WRITE : NACRE_O_WRITE;
  if ((flags & O_TRUNC) != 0) /* on Linux also with O_RDONLY; whether this caller may, the kernel has checked */
    out |= NACRE_O_TRUNCATE | NACRE_O_WRITE;
  return out;
}

static enum opened_want open_want(const struct mount *m, nacre_file *file, int flags, bool created) {
  if ((flags & O_ACCMODE) != O_WRONLY || m->options->writeback)
    return OPENED_CACHED;
  struct nacre_attr attr = {.struct_size = sizeof attr};
  if (created || (flags & O_TRUNC) != 0 || (nacre_fstat(file, &attr) == NACRE_OK && attr.size_bytes == 0))
    return OPENED_DIRECT_EMPTY;
  return OPENED_DIRECT;
}

static void describe_open(const struct mount *m, struct opened_file *opened, struct fuse_file_info *fi) {
  opened->no_atime = (fi->flags & O_NOATIME) != 0;
  fi->fh = (uint64_t)(uintptr_t)opened;
  fi->direct_io = opened->direct;
  /* What is read from the kernel's pages is not heard of here. With strict times at least each opening is. */
  fi->keep_cache = !opened->direct && atomic_load_explicit(&m->atime, memory_order_relaxed) != MOUNT_ATIME_STRICT;
  /* Errors of write-behind are fsync's to report, as on other filesystems, so that closing asks nothing of us. Where
   * the kernel holds writes back it does so all the same. */
  fi->noflush = !m->options->writeback;
}

void files_answer_open(struct mount *m, fuse_req_t req, const struct fuse_file_info *fi) {
  if (fuse_reply_open(req, fi) != 0)
    opened_remove(m->opened, opened_of(fi));
}

void files_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  struct mount *m = session_of(req);
  nacre_file *file = NULL;
  enum nacre_err err = nacre_inode_open(m->vol, ino, library_flags(m, fi->flags), &file);
  if (err != NACRE_OK) {
    reply_result(req, err);
    return;
  }
  bool settle = false;
  struct opened_file *opened = opened_add(m->opened, ino, file, open_want(m, file, fi->flags, false), &settle);
  if (opened == NULL) {
    nacre_close(file);
    fuse_reply_err(req, ENOMEM);
    return;
  }
  if ((fi->flags & O_TRUNC) != 0) {
    atomic_store(&opened->inode->atime_settled, false);
    err = privileges_drop(m, req, opened->inode);
  }
  if (err != NACRE_OK) {
    opened_remove(m->opened, opened);
    reply_result(req, err);
    return;
  }
  describe_open(m, opened, fi);
  if (settle)
    notify_opened(m->notifier, req, fi);
  else
    files_answer_open(m, req, fi);
}

/* For create and tmpfile: the inode's pin and the open file go together, to the kernel or back. */
static void answer_created(struct mount *m, fuse_req_t req, nacre_file *file, const struct nacre_attr *attr,
                           struct fuse_file_info *fi) {
  bool settle = false;
  struct opened_file *opened = opened_add(m->opened, attr->ino, file, open_want(m, file, fi->flags, true), &settle);
  if (opened == NULL) {
    nacre_close(file);
    nacre_inode_unpin(m->vol, attr->ino, 1);
    fuse_reply_err(req, ENOMEM);
    return;
  }
  atomic_store(&opened->inode->plain, (attr->mode & (S_ISUID | S_ISGID)) == 0);
  describe_open(m, opened, fi);
  struct fuse_entry_param entry;
  reply_fill_entry(m, req, attr, told_begin(m->told), &entry);
  if (fuse_reply_create(req, &entry, fi) != 0) {
    opened_remove(m->opened, opened);
    nacre_inode_unpin(m->vol, attr->ino, 1);
  }
}

void files_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi) {
  struct mount *m = session_of(req);
  struct nacre_caller caller = reply_caller(m, req);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  nacre_file *file = NULL;
  enum nacre_err err = nacre_inode_create(m->vol, parent, name, strlen(name), mode, library_flags(m, fi->flags),
                                          &caller, &attr, &file);
  if (err == NACRE_OK) {
    names_changed(m, req, parent);
    err = names_settle(m);
    if (err != NACRE_OK) {
      nacre_close(file);
      nacre_inode_unpin(m->vol, attr.ino, 1);
    }
  }
  if (err == NACRE_OK)
    answer_created(m, req, file, &attr, fi);
  else
    reply_result(req, err);
}

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
void files_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, struct fuse_file_info *fi) {
  struct mount *m = session_of(req);
  struct nacre_caller caller = reply_caller(m, req);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  nacre_file *file = NULL;
  enum nacre_err err = nacre_inode_tmpfile(m->vol, parent, mode, library_flags(m, fi->flags), &caller, &attr, &file);
  if (err == NACRE_OK)
    answer_created(m, req, file, &attr, fi);
  else
    reply_result(req, err);
}
#endif

void files_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)ino;
  opened_remove(session_of(req)->opened, opened_of(fi));
  fuse_reply_err(req, 0);
}

void files_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)ino;
  reply_result(req, nacre_file_error(opened_of(fi)->file));
}

void files_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi) {
  (void)ino;
  (void)datasync;
  const struct mount *m = session_of(req);
  reply_result(req, m->volume_read_only ? NACRE_OK : nacre_fsync(opened_of(fi)->file));
}

/* ---- Data ---- */

static void note_read(const struct mount *m, struct opened_file *opened) {
  const bool relative = atomic_load_explicit(&m->atime, memory_order_relaxed) == MOUNT_ATIME_RELATIVE;
  if (opened->no_atime || atomic_load_explicit(&m->verifying, memory_order_relaxed) ||
      (relative && atomic_load_explicit(&opened->inode->atime_settled, memory_order_relaxed)))
    return;
  /* Set first: a write that comes in between unsets it. Strict times are never settled. */
  if (relative)
    atomic_store(&opened->inode->atime_settled, true);
  atime_touch(m, opened->inode->ino);
}

static void note_change(struct opened_inode *inode) {
  if (atomic_load_explicit(&inode->atime_settled, memory_order_relaxed))
    atomic_store(&inode->atime_settled, false);
}

void files_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi) {
  (void)ino;
  struct mount *m = session_of(req);
  struct opened_file *opened = opened_of(fi);
  char *buf = reply_thread_buffer();
  if (buf == NULL) {
    fuse_reply_err(req, ENOMEM);
    return;
  }
  if (size > SESSION_MAX_IO_BYTES)
    size = SESSION_MAX_IO_BYTES;
  size_t done = 0;
  enum nacre_err err = nacre_read(opened->file, buf, size, (uint64_t)offset, &done);
  /* What was read before an error is held back: the kernel would take a short answer for the end of the file. */
  if (err != NACRE_OK) {
    reply_result(req, err);
    return;
  }
  note_read(m, opened);
  fuse_reply_buf(req, buf, done);
}

/* Whether the kernel may have cached what this write replaced: it was direct by our wish, or by O_DIRECT. For the
 * latter the kernel drops the pages itself, but for asynchronous writes before they are done only: whoever reads
 * meanwhile puts the old data back. */
static bool leaves_stale_pages(const struct opened_file *opened, const struct fuse_file_info *fi) {
  bool direct = opened->direct || (!fi->writepage && (fi->flags & O_DIRECT) != 0);
  return direct && atomic_load(&opened->inode->pages);
}

void files_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t offset,
                 struct fuse_file_info *fi) {
  struct mount *m = session_of(req);
  struct opened_file *opened = opened_of(fi);
  /* Pages that the kernel writes back come from nobody, and a write through a mapping clears nothing. */
  enum nacre_err err = fi->writepage ? NACRE_OK : privileges_drop(m, req, opened->inode);
  if (err == NACRE_OK)
    err = nacre_write(opened->file, buf, size, (uint64_t)offset);
  /* O_SYNC, or -o sync: the kernel leaves it to us where the file was opened direct, older kernels always. */
  if (err == NACRE_OK && (fi->flags & O_DSYNC) != 0)
    err = nacre_fsync(opened->file);
  if (err != NACRE_OK) {
    reply_result(req, err);
    return;
  }
  note_change(opened->inode);
  if (size != 0 && leaves_stale_pages(opened, fi))
    notify_written(m->notifier, req, ino, size, offset);
  else
    fuse_reply_write(req, size);
}

void files_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length,
                     struct fuse_file_info *fi) {
  struct mount *m = session_of(req);
  struct opened_file *opened = opened_of(fi);
  if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0) {
    fuse_reply_err(req, EOPNOTSUPP);
    return;
  }
  unsigned how = 0;
  if ((mode & FALLOC_FL_KEEP_SIZE) != 0)
    how |= NACRE_FALLOCATE_KEEP_SIZE;
  if ((mode & FALLOC_FL_PUNCH_HOLE) != 0)
    how |= NACRE_FALLOCATE_PUNCH_HOLE;
  if ((mode & FALLOC_FL_ZERO_RANGE) != 0)
    how |= NACRE_FALLOCATE_ZERO_RANGE;
  enum nacre_err err = privileges_drop(m, req, opened->inode);
  if (err == NACRE_OK)
    err = nacre_fallocate(opened->file, how, (uint64_t)offset, (uint64_t)length);
  note_change(opened->inode);
  notify_attributes(m, ino);
  reply_result(req, err);
}

void files_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi) {
  (void)ino;
  /* With writeback the kernel holds data that we have not seen, and would take our word that it is a hole. Told so
   * once, it calls all of a file data. */
  if (session_of(req)->options->writeback) {
    fuse_reply_err(req, ENOSYS);
    return;
  }
  nacre_file *file = opened_of(fi)->file;
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    fuse_reply_err(req, EINVAL);
    return;
  }
  uint64_t found = 0;
  enum nacre_err err = whence == SEEK_DATA ? nacre_seek_data(file, (uint64_t)offset, &found)
                                           : nacre_seek_hole(file, (uint64_t)offset, &found);
  if (err == NACRE_OK)
    fuse_reply_lseek(req, (off_t)found);
  else
    fuse_reply_err(req, err == NACRE_ERR_RANGE ? ENXIO : reply_errno(err));
}
