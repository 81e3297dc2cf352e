/*
 * What the parts of the front end share: one mount and the requests that reach it.
 *
 * Every handler answers its request exactly once. An inode that the kernel learns of by a reply carries one pin of
 * the library; where the reply does not arrive, the pin is given back (reply.h does both).
 */
#ifndef NACRE_FUSE_SESSION_H
#define NACRE_FUSE_SESSION_H

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>

#include "fuse/mount.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

/* All changes go through this process, and the kernel is told of those that it does not make itself. */
#define SESSION_CACHE_S 3600.0
/* But for a folder's attributes, where an answer can overtake a change (told.h): should that be missed once, then not
 * for long. */
#define SESSION_CACHE_FOLDER_S 1.0
#define SESSION_MAX_IO_BYTES (1u << 20)

struct notifier;
struct open_table;
struct told;

struct mount {
  nacre_volume *vol;
  const struct mount_options *options;
  char *mountpoint; /* absolute */
  struct fuse_session *session;
  struct open_table *opened;
  struct notifier *notifier;
  struct told *told;
  pthread_t loop_thread;
  uid_t uid; /* the mounter */
  gid_t gid;
  atomic_bool read_only; /* the mount. This and the next two change where it is remounted */
  _Atomic(enum mount_atime) atime;
  atomic_bool no_folder_atime;
  bool volume_read_only; /* the volume was opened so: there is nothing to commit */
  int64_t since_s;
  dev_t device;                /* of the mounted filesystem, once it answers */
  atomic_bool answered_init;   /* the reply to INIT has been sent */
  atomic_bool ending;          /* the loop is to end, though the mount is busy */
  atomic_bool loop_done;       /* no request is served any more */
  atomic_bool verifying;       /* a check keeps all changes waiting */
  atomic_llong last_request_s; /* monotonic; kept only where idle_s is set */
};

/* The mount that a request belongs to; notes that it is in use. */
struct mount *session_of(fuse_req_t req);

extern const struct fuse_lowlevel_ops session_operations;

/* One group of handlers each, entered into the table by session.c. */
void names_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void names_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count);
void names_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);
void names_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void names_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void names_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void names_readlink(fuse_req_t req, fuse_ino_t ino);
void names_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void names_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void names_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void names_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
                  unsigned int flags);
/* After a change of a folder's names, before it is answered: sees to it that the kernel knows of it. */
void names_changed(struct mount *m, fuse_req_t req, fuse_ino_t folder);
/* After a change of names: makes it durable if the mount has -o dirsync or -o sync. */
NACRE_MUST_USE enum nacre_err names_settle(const struct mount *m);

void folders_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void folders_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void folders_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void folders_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

void files_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void files_tmpfile(fuse_req_t req, fuse_ino_t parent, mode_t mode, struct fuse_file_info *fi);
void files_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void files_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void files_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void files_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void files_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset, struct fuse_file_info *fi);
void files_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t offset,
                 struct fuse_file_info *fi);
void files_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi);
void files_lseek(fuse_req_t req, fuse_ino_t ino, off_t offset, int whence, struct fuse_file_info *fi);

void attributes_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void attributes_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi);
void attributes_statfs(fuse_req_t req, fuse_ino_t ino);

void xattrs_get(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void xattrs_set(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
void xattrs_list(fuse_req_t req, fuse_ino_t ino, size_t size);
void xattrs_remove(fuse_req_t req, fuse_ino_t ino, const char *name);

#endif
