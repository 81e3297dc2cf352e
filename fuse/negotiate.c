#include "fuse/negotiate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#define MAX_BACKGROUND 64
#define READAHEAD_KB "512"

#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
#define want_feature(conn, feature) fuse_set_feature_flag(conn, feature)
#define drop_feature(conn, feature) fuse_unset_feature_flag(conn, feature)
#else
/* All known features fit in 32 bits here. */
static void want_feature(struct fuse_conn_info *conn, unsigned feature) {
  conn->want |= conn->capable & feature;
}
static void drop_feature(struct fuse_conn_info *conn, unsigned feature) {
  conn->want &= ~feature;
}
#endif

void negotiate_init(void *userdata, struct fuse_conn_info *conn) {
  const struct mount *m = userdata;
  conn->max_write = SESSION_MAX_IO_BYTES;
  conn->max_read = SESSION_MAX_IO_BYTES;
  conn->max_background = MAX_BACKGROUND;
  conn->time_gran = 1;

  want_feature(conn, FUSE_CAP_POSIX_ACL);
  want_feature(conn, FUSE_CAP_DONT_MASK);
  want_feature(conn, FUSE_CAP_CACHE_SYMLINKS);
  want_feature(conn, FUSE_CAP_PARALLEL_DIROPS);
  want_feature(conn, FUSE_CAP_READDIRPLUS);
  want_feature(conn, FUSE_CAP_READDIRPLUS_AUTO);
  want_feature(conn, FUSE_CAP_NO_OPENDIR_SUPPORT);
  want_feature(conn, FUSE_CAP_EXPORT_SUPPORT); /* file handles: inodes that the kernel has forgotten are found */
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
  want_feature(conn, FUSE_CAP_HANDLE_KILLPRIV_V2);
#endif
  drop_feature(conn, FUSE_CAP_HANDLE_KILLPRIV); /* does less than its second version */
  /* Nothing changes behind the kernel's back, so it need not compare times to find out. */
  drop_feature(conn, FUSE_CAP_AUTO_INVAL_DATA);
  if (m->options->writeback)
    want_feature(conn, FUSE_CAP_WRITEBACK_CACHE);
}

#if FUSE_VERSION < FUSE_MAKE_VERSION(3, 17)
/* libfuse before 3.17 cannot ask for these two, so they are put into its reply on the way out. Without the first the
 * kernel serialises lookups in a folder, without the second it asks for security.capability before every write. */
#define REPLY_FEATURES (FUSE_PARALLEL_DIROPS | FUSE_HANDLE_KILLPRIV_V2)

static ssize_t reply_with_features(int fd, struct iovec *iov, int count) {
  const struct fuse_out_header *header = iov[0].iov_base;
  struct fuse_init_out body;
  if (header->error != 0 || count != 2 || iov[1].iov_len != sizeof body)
    return writev(fd, iov, count);
  memcpy(&body, iov[1].iov_base, sizeof body);
  body.flags |= REPLY_FEATURES;
  struct iovec changed[2] = {iov[0], {.iov_base = &body, .iov_len = sizeof body}};
  return writev(fd, changed, 2);
}

static ssize_t hooked_writev(int fd, struct iovec *iov, int count, void *userdata) {
  struct mount *m = userdata;
  if (atomic_load_explicit(&m->answered_init, memory_order_relaxed))
    return writev(fd, iov, count);
  /* The kernel sends nothing else before it has this answer. */
  atomic_store(&m->answered_init, true);
  return reply_with_features(fd, iov, count);
}

static ssize_t hooked_read(int fd, void *buf, size_t len_bytes, void *userdata) {
  (void)userdata;
  return read(fd, buf, len_bytes);
}

int negotiate_complete_reply(struct mount *m) {
  static const struct fuse_custom_io io = {.read = hooked_read, .writev = hooked_writev};
  return fuse_session_custom_io(m->session, &io, fuse_session_fd(m->session));
}
#else
int negotiate_complete_reply(struct mount *m) {
  (void)m;
  return 0;
}
#endif

void negotiate_raise_readahead(const struct mount *m) {
  char path[64];
  snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/read_ahead_kb", major(m->device), minor(m->device));
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  ssize_t ignored = write(fd, READAHEAD_KB, sizeof READAHEAD_KB - 1);
  (void)ignored;
  close(fd);
}
