#include "fuse/atime.h"
#include "fuse/notify.h"
#include "fuse/reply.h"
#include "fuse/told.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LINK_TARGET_ROOM_BYTES 4096

void names_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
  struct mount *m = session_of(req);
  unsigned long long begun = told_begin(m->told);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  enum nacre_err err = nacre_inode_lookup(m->vol, parent, name, strlen(name), &attr);
  if (err == NACRE_OK) {
    reply_entry(m, req, &attr, begun);
  } else if (err == NACRE_ERR_NOT_FOUND) {
    /* Inode 0: the kernel may remember that there is no such name. */
    struct fuse_entry_param none = {.entry_timeout = SESSION_CACHE_S};
    fuse_reply_entry(req, &none);
  } else {
    reply_result(req, err);
  }
}

static void unpin(const struct mount *m, fuse_ino_t ino, uint64_t pins) {
  if (ino != NACRE_ROOT_INO)
    nacre_inode_unpin(m->vol, ino, pins);
}

void names_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count) {
  unpin(fuse_req_userdata(req), ino, count);
  fuse_reply_none(req);
}

void names_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets) {
  for (size_t i = 0; i < count; i++)
    unpin(fuse_req_userdata(req), forgets[i].ino, forgets[i].nlookup);
  fuse_reply_none(req);
}

void names_changed(struct mount *m, fuse_req_t req, fuse_ino_t folder) {
  if (told_changed(m->told, folder, fuse_req_ctx(req)->pid))
    notify_attributes(m, folder);
}

enum nacre_err names_settle(const struct mount *m) {
  return m->options->dirsync || m->options->sync ? nacre_volume_fsync(m->vol) : NACRE_OK;
}

/* A name was taken out of a folder, or not. */
static void answer_change(struct mount *m, fuse_req_t req, enum nacre_err err, fuse_ino_t parent) {
  if (err == NACRE_OK) {
    names_changed(m, req, parent);
    err = names_settle(m);
  }
  reply_result(req, err);
}

/* A name was put into a folder, or not. */
static void answer_new(struct mount *m, fuse_req_t req, enum nacre_err err, fuse_ino_t parent,
                       const struct nacre_attr *attr) {
  if (err == NACRE_OK) {
    names_changed(m, req, parent);
    err = names_settle(m);
    if (err != NACRE_OK)
      unpin(m, attr->ino, 1);
  }
  if (err == NACRE_OK)
    reply_entry(m, req, attr, told_begin(m->told)); /* until then nobody reaches a new folder, so it can't change */
  else
    reply_result(req, err);
}

void names_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode) {
  struct mount *m = session_of(req);
  struct nacre_caller caller = reply_caller(m, req);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  answer_new(m, req, nacre_inode_mkdir(m->vol, parent, name, strlen(name), mode, &caller, &attr), parent, &attr);
}

void names_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev) {
  struct mount *m = session_of(req);
  struct nacre_caller caller = reply_caller(m, req);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  answer_new(m, req, nacre_inode_mknod(m->vol, parent, name, strlen(name), mode, rdev, &caller, &attr), parent,
             &attr);
}

void names_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name) {
  struct mount *m = session_of(req);
  struct nacre_caller caller = reply_caller(m, req);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  answer_new(m, req, nacre_inode_symlink(m->vol, parent, name, strlen(name), target, &caller, &attr), parent, &attr);
}

void names_readlink(fuse_req_t req, fuse_ino_t ino) {
  struct mount *m = session_of(req);
  char target[LINK_TARGET_ROOM_BYTES];
  enum nacre_err err = nacre_inode_readlink(m->vol, ino, target, sizeof target);
  if (err != NACRE_OK) {
    reply_result(req, err);
    return;
  }
  atime_touch(m, ino);
  fuse_reply_readlink(req, target);
}

void names_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name) {
  struct mount *m = session_of(req);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  answer_new(m, req, nacre_inode_link(m->vol, ino, parent, name, strlen(name), &attr), parent, &attr);
}

void names_unlink(fuse_req_t req, fuse_ino_t parent, const char *name) {
  struct mount *m = session_of(req);
  answer_change(m, req, nacre_inode_unlink(m->vol, parent, name, strlen(name)), parent);
}

void names_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name) {
  struct mount *m = session_of(req);
  answer_change(m, req, nacre_inode_rmdir(m->vol, parent, name, strlen(name)), parent);
}

void names_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t new_parent, const char *new_name,
                  unsigned int flags) {
  struct mount *m = session_of(req);
  if ((flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) {
    fuse_reply_err(req, EINVAL);
    return;
  }
  unsigned how = 0;
  if ((flags & RENAME_NOREPLACE) != 0)
    how |= NACRE_RENAME_NOREPLACE;
  if ((flags & RENAME_EXCHANGE) != 0)
    how |= NACRE_RENAME_EXCHANGE;
  enum nacre_err err =
      nacre_inode_rename(m->vol, parent, name, strlen(name), new_parent, new_name, strlen(new_name), how);
  if (err == NACRE_OK && new_parent != parent)
    names_changed(m, req, new_parent);
  answer_change(m, req, err, parent);
}
