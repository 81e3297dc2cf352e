/* A container in a regular file or on a block device. */
#include "store/store.h"

#include "base/bytes.h"
#include "base/err.h"
#include "store/ahead.h"
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILE_ZEROES_BYTES (256u << 10)

struct file_store {
  int fd;
  bool device;
  bool locked;
  struct lock lock;
  struct ahead ahead;
  void (*waiting)(void *arg); /* NULL: nobody wants to know */
  void *waiting_arg;
  atomic_bool cannot_tell; /* whether a read would wait */
};

/* What is in memory, or -1: for the rest there may be a wait, and Linux has begun to read it. Errors are left to the
 * reading that waits to find again. */
static ssize_t read_in_memory(struct file_store *f, uint8_t *buf, size_t len, uint64_t offset) {
  struct iovec part = {.iov_base = buf, .iov_len = len};
  ssize_t n = preadv2(f->fd, &part, 1, (off_t)offset, RWF_NOWAIT);
  if (n > 0) /* 0 is not always the end: Linux 5.9 says so of what is not in memory */
    return n;
  if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL))
    atomic_store_explicit(&f->cannot_tell, true, memory_order_relaxed);
  return -1;
}

static bool can_tell(const struct file_store *f) {
  return !atomic_load_explicit(&f->cannot_tell, memory_order_relaxed);
}

static int file_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  struct file_store *f = ctx;
  uint8_t *at = buf;
  if (offset > INT64_MAX || len > INT64_MAX - offset)
    return EIO;
  bool waits = f->waiting == NULL || !can_tell(f);
  while (len > 0) {
    ssize_t n = waits ? pread(f->fd, at, len, (off_t)offset) : read_in_memory(f, at, len, offset);
    if (n < 0 && !waits) {
      if (can_tell(f))
        f->waiting(f->waiting_arg);
      waits = true;
      continue;
    }
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno;
    if (n == 0)
      return EIO; /* the end */
    at += n;
    len -= (size_t)n;
    offset += (uint64_t)n;
  }
  return 0;
}

static int file_read_at_once(void *ctx, void *buf, size_t len, uint64_t offset) {
  struct file_store *f = ctx;
  uint8_t *at = buf;
  if (offset > INT64_MAX || len > INT64_MAX - offset)
    return EIO;
  while (len > 0 && can_tell(f)) {
    ssize_t n = read_in_memory(f, at, len, offset);
    if (n < 0 && can_tell(f))
      return EAGAIN;
    if (n < 0)
      break;
    at += n;
    len -= (size_t)n;
    offset += (uint64_t)n;
  }
  return len == 0 ? 0 : file_read(f, at, len, offset);
}

static int file_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  struct file_store *f = ctx;
  const uint8_t *at = buf;
  const uint64_t from = offset;
  if (offset > INT64_MAX || len > INT64_MAX - offset)
    return EFBIG;
  while (len > 0) {
    ssize_t n = pwrite(f->fd, at, len, (off_t)offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno;
    if (n == 0)
      return EIO;
    at += n;
    len -= (size_t)n;
    offset += (uint64_t)n;
  }
  ahead_note(&f->ahead, from, offset - from);
  return 0;
}

/* Never tried again: after a failure the kernel may count lost pages as clean, and a second call would lie. */
static int file_sync(void *ctx) {
  const struct file_store *f = ctx;
  return fdatasync(f->fd) == 0 ? 0 : errno;
}

static int file_size(void *ctx, uint64_t *size) {
  const struct file_store *f = ctx;
  if (f->device)
    return ioctl(f->fd, BLKGETSIZE64, size) == 0 ? 0 : errno;
  struct stat st;
  if (fstat(f->fd, &st) != 0)
    return errno;
  *size = (uint64_t)st.st_size;
  return 0;
}

static int file_truncate(int fd, uint64_t size) {
  int result;
  do
    result = ftruncate(fd, (off_t)size);
  while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

static int file_fallocate(int fd, uint64_t from, uint64_t to) {
  int result;
  do
    result = fallocate(fd, 0, (off_t)from, (off_t)(to - from));
  while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

/* Where there is no fallocate (exfat, some network filesystems), written zeroes are what really takes the space. */
static int file_write_zeroes(struct file_store *f, uint64_t from, uint64_t to) {
  static const uint8_t zeroes[FILE_ZEROES_BYTES];
  int errnum = file_truncate(f->fd, to);
  while (errnum == 0 && from < to) {
    size_t len = (size_t)u64_min(to - from, sizeof zeroes);
    errnum = file_write(f, zeroes, len, from);
    from += len;
  }
  return errnum;
}

static int file_resize(void *ctx, uint64_t size) {
  struct file_store *f = ctx;
  uint64_t now = 0;
  if (size > INT64_MAX)
    return EFBIG;
  int errnum = file_size(f, &now);
  if (errnum != 0 || size == now)
    return errnum;
  if (size < now)
    return file_truncate(f->fd, size);
  errnum = file_fallocate(f->fd, now, size);
  if (errnum == EOPNOTSUPP || errnum == ENOSYS || errnum == ENODEV)
    errnum = file_write_zeroes(f, now, size);
  /* Half a step's worth of space is of no use, and its owner may want it back. */
  if (errnum != 0)
    (void)file_truncate(f->fd, now);
  return errnum;
}

static int file_discard(void *ctx, uint64_t offset, uint64_t len) {
  const struct file_store *f = ctx;
  if (offset > INT64_MAX || len > INT64_MAX - offset)
    return EINVAL;
  if (f->device) {
    uint64_t range[2] = {offset, len};
    return ioctl(f->fd, BLKDISCARD, range) == 0 ? 0 : errno;
  }
  int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  return fallocate(f->fd, mode, (off_t)offset, (off_t)len) == 0 ? 0 : errno;
}

/* Such as an eMMC's secure erase. */
static int file_purge(void *ctx, uint64_t offset, uint64_t len) {
  const struct file_store *f = ctx;
  uint64_t range[2] = {offset, len};
  if (!f->device)
    return EOPNOTSUPP;
  return ioctl(f->fd, BLKSECDISCARD, range) == 0 ? 0 : errno;
}

static void file_forget(void *ctx) {
  const struct file_store *f = ctx;
  if (f->device)
    (void)ioctl(f->fd, BLKFLSBUF, 0); /* root's alone; the next one is anybody's */
  (void)posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void file_on_wait(void *ctx, void (*waiting)(void *arg), void *arg) {
  struct file_store *f = ctx;
  f->waiting = waiting;
  f->waiting_arg = arg;
}

static void file_close(void *ctx) {
  struct file_store *f = ctx;
  ahead_end(&f->ahead);
  if (f->locked)
    lock_drop(&f->lock);
  (void)close(f->fd);
  free(f);
}

static const struct nacre_store_ops file_ops = {
    .struct_size = sizeof file_ops,
    .read = file_read,
    .write = file_write,
    .sync = file_sync,
    .size = file_size,
    .resize = file_resize,
    .discard = file_discard,
    .close = file_close,
};

static const struct store_medium_ops file_medium_ops = {
    .purge = file_purge, .forget = file_forget, .read_at_once = file_read_at_once, .on_wait = file_on_wait};

/* Takes the descriptor, also when it fails. */
static enum nacre_err file_adopt(int fd, unsigned flags, struct store *out) {
  struct stat st;
  enum nacre_err err = NACRE_OK;
  bool read_only = (flags & FILE_STORE_READ_ONLY) != 0;
  struct file_store *f = calloc(1, sizeof *f);
  if (f == NULL) {
    err = err_set(NACRE_ERR_NO_MEMORY, "no memory for a container");
    goto fail;
  }
  f->fd = fd;
  if (fstat(fd, &st) != 0) {
    err = err_set_errno(NACRE_ERR_IO, errno, "looking at the container");
    goto fail;
  }
  if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
    err = err_set(NACRE_ERR_NOT_VOLUME, "neither a regular file nor a block device");
    goto fail;
  }
  f->device = S_ISBLK(st.st_mode);
  if ((flags & FILE_STORE_NO_LOCK) == 0) {
    err = lock_take(fd, !read_only, &f->lock);
    if (err != NACRE_OK)
      goto fail;
    f->locked = true;
  }
  /* After a failed sync Linux keeps the pages that it lost, as clean ones. Who builds on what the container holds, or
   * remembers it, must see what is on the storage. Who only looks at it while it is in use need not. */
  if (f->locked || !read_only)
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ahead_start(&f->ahead, fd);
  *out = (struct store){.ops = file_ops, .ctx = f, .read_only = read_only, .medium = &file_medium_ops};
  if (f->device)
    out->ops.resize = NULL;
  return NACRE_OK;

fail:
  free(f);
  (void)close(fd);
  return err;
}

static enum nacre_err file_open_failed(int errnum) {
  switch (errnum) {
  case ENOENT:
  case ENOTDIR:
  case ELOOP:
  case EISDIR:
  case ENXIO:
    return err_set_errno(NACRE_ERR_NOT_VOLUME, errnum, "can't open the container");
  case EACCES:
  case EPERM:
    return err_set_errno(NACRE_ERR_PERMISSION, errnum, "can't open the container");
  case EROFS:
    return err_set_errno(NACRE_ERR_READ_ONLY, errnum, "can't open the container");
  case EBUSY:
  case ETXTBSY:
    return err_set(NACRE_ERR_IN_USE, "the device is mounted or otherwise in use");
  case ENOSPC:
  case EDQUOT:
    return err_set_errno(NACRE_ERR_NO_SPACE, errnum, "can't make the container");
  case ENOMEM:
  case EMFILE:
  case ENFILE:
    return err_set_errno(NACRE_ERR_NO_MEMORY, errnum, "can't open the container");
  default:
    return err_set_errno(NACRE_ERR_IO, errnum, "can't open the container");
  }
}

/* The name of a new file is durable only when its folder is. */
static enum nacre_err file_sync_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
  if (folder == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a path");
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(folder);
  /* A folder that may be written to but not read can't be synced; nothing is gained by refusing it. */
  if (fd < 0)
    return errno == EACCES ? NACRE_OK : err_set_errno(NACRE_ERR_IO, errno, "can't open the container's folder");
  int errnum = fsync(fd) == 0 ? 0 : errno;
  (void)close(fd);
  if (errnum != 0 && errnum != EINVAL && errnum != EBADF)
    return err_set_errno(NACRE_ERR_IO, errnum, "syncing the container's folder");
  return NACRE_OK;
}

static enum nacre_err file_create(const char *path, int *fd) {
  *fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
  if (*fd < 0)
    return file_open_failed(errno);
  enum nacre_err err = file_sync_folder(path);
  if (err != NACRE_OK) {
    (void)close(*fd);
    (void)unlink(path);
  }
  return err;
}

enum nacre_err file_store_open(const char *path, unsigned flags, struct store *out) {
  *out = (struct store){0};
  int mode = (flags & FILE_STORE_READ_ONLY) != 0 ? O_RDONLY : O_RDWR;
  struct stat st;
  /* On a device, O_EXCL keeps off what the kernel has mounted; and other readers too, so that readers do without. */
  bool device = stat(path, &st) == 0 && S_ISBLK(st.st_mode);
  if (device && (flags & (FILE_STORE_NO_LOCK | FILE_STORE_READ_ONLY)) == 0)
    mode |= O_EXCL;
  /* Not to hang on a fifo, which is refused once it is open. */
  int fd = open(path, mode | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0 && errno == ENOENT && (flags & FILE_STORE_CREATE) != 0)
    ERR_TRY(file_create(path, &fd));
  if (fd < 0)
    return file_open_failed(errno);
  return file_adopt(fd, flags, out);
}

enum nacre_err file_store_from_fd(int fd, unsigned flags, struct store *out) {
  *out = (struct store){0};
  int mode = fcntl(fd, F_GETFL);
  if (mode < 0)
    return err_set_errno(NACRE_ERR_ARGUMENT, errno, "the container's descriptor");
  bool writes = (flags & FILE_STORE_READ_ONLY) == 0;
  if ((mode & O_ACCMODE) == O_WRONLY || (mode & O_PATH) != 0 || (writes && (mode & O_ACCMODE) == O_RDONLY))
    return err_set(NACRE_ERR_ARGUMENT, "the container's descriptor is not open for what is asked of it");
  if ((mode & O_APPEND) != 0)
    return err_set(NACRE_ERR_ARGUMENT, "the container's descriptor is open for appending");
  int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (own < 0)
    return err_set_errno(NACRE_ERR_NO_MEMORY, errno, "duplicating the container's descriptor");
  return file_adopt(own, flags, out);
}

enum nacre_err file_store_in_use(const char *path, bool *in_use) {
  *in_use = false;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0)
    return file_open_failed(errno);
  enum nacre_err err = lock_held(fd, in_use);
  (void)close(fd);
  return err;
}
