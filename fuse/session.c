#include "fuse/session.h"

#include "fuse/negotiate.h"

#include <time.h>

struct mount *session_of(fuse_req_t req) {
  struct mount *m = fuse_req_userdata(req);
  if (m->options->idle_s != 0) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    atomic_store_explicit(&m->last_request_s, (long long)now.tv_sec, memory_order_relaxed);
  }
  return m;
}

/* Left out on purpose: flock and POSIX locks, which the kernel then keeps itself; copy_file_range, for which it
 * copies through the page cache; write_buf, which would turn splicing on; access, since modes and ACLs are the
 * kernel's. */
const struct fuse_lowlevel_ops session_operations = {
    .init = negotiate_init,
    .lookup = names_lookup,
    .forget = names_forget,
    .forget_multi = names_forget_multi,
    .mkdir = names_mkdir,
    .mknod = names_mknod,
    .symlink = names_symlink,
    .readlink = names_readlink,
    .link = names_link,
    .unlink = names_unlink,
    .rmdir = names_rmdir,
    .rename = names_rename,
    .opendir = folders_opendir,
    .readdir = folders_readdir,
    .readdirplus = folders_readdirplus,
    .fsyncdir = folders_fsyncdir,
    .create = files_create,
    .open = files_open,
    .release = files_release,
    .flush = files_flush,
    .fsync = files_fsync,
    .read = files_read,
    .write = files_write,
    .fallocate = files_fallocate,
    .lseek = files_lseek,
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
    .tmpfile = files_tmpfile,
#endif
    .getattr = attributes_getattr,
    .setattr = attributes_setattr,
    .statfs = attributes_statfs,
    .getxattr = xattrs_get,
    .setxattr = xattrs_set,
    .listxattr = xattrs_list,
    .removexattr = xattrs_remove,
};
