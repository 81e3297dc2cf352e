#include "fuse/notify.h"
#include "fuse/opened.h"
#include "fuse/privileges.h"
#include "fuse/reply.h"
#include "fuse/told.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

void attributes_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
  (void)fi;
  struct mount *m = session_of(req);
  unsigned long long begun = told_begin(m->told);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  enum nacre_err err = nacre_inode_getattr(m->vol, ino, &attr);
  if (err == NACRE_OK)
    reply_attr(m, req, &attr, begun);
  else
    reply_result(req, err);
}

static struct nacre_time timespec_to_time(struct timespec t) {
  return (struct nacre_time){.s = (int64_t)t.tv_sec, .ns = (uint32_t)t.tv_nsec};
}

static const struct {
  int asked;
  unsigned set;
} set_names[] = {
    {FUSE_SET_ATTR_MODE, NACRE_SET_MODE},
    {FUSE_SET_ATTR_UID, NACRE_SET_UID},
    {FUSE_SET_ATTR_GID, NACRE_SET_GID},
    {FUSE_SET_ATTR_SIZE, NACRE_SET_SIZE},
    {FUSE_SET_ATTR_ATIME, NACRE_SET_ATIME},
    {FUSE_SET_ATTR_MTIME, NACRE_SET_MTIME},
    {FUSE_SET_ATTR_ATIME_NOW, NACRE_SET_ATIME_NOW},
    {FUSE_SET_ATTR_MTIME_NOW, NACRE_SET_MTIME_NOW},
    {FUSE_SET_ATTR_CTIME, NACRE_SET_CTIME},
};

static unsigned wanted_set(const struct mount *m, int to_set) {
  unsigned set = 0;
  for (size_t i = 0; i < sizeof set_names / sizeof set_names[0]; i++)
    if ((to_set & set_names[i].asked) != 0)
      set |= set_names[i].set;
  /* The kernel sends "now" beside the time that it thinks it is. */
  if ((set & NACRE_SET_ATIME_NOW) != 0)
    set &= ~(unsigned)NACRE_SET_ATIME;
  if ((set & NACRE_SET_MTIME_NOW) != 0)
    set &= ~(unsigned)NACRE_SET_MTIME;
  if (m->options->owner_me)
    set &= ~(unsigned)(NACRE_SET_UID | NACRE_SET_GID);
  return set;
}

/* Another owner or a new size takes privileges away: the first for everybody, the second for all but root. */
static enum nacre_err add_kill(struct mount *m, fuse_req_t req, fuse_ino_t ino, unsigned *set) {
  bool owner_changes = (*set & (NACRE_SET_UID | NACRE_SET_GID)) != 0 && (*set & NACRE_SET_MODE) == 0;
  bool by_root = fuse_req_ctx(req)->uid == 0;
  if (owner_changes && by_root)
    *set |= NACRE_SET_KILL_PRIV;
  if (by_root || (!owner_changes && (*set & NACRE_SET_SIZE) == 0))
    return NACRE_OK;
  struct nacre_attr now = {.struct_size = sizeof now};
  enum nacre_err err = nacre_inode_getattr(m->vol, ino, &now);
  if (err == NACRE_OK)
    *set |= privileges_to_kill(m, req, &now);
  return err;
}

void attributes_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi) {
  (void)fi;
  struct mount *m = session_of(req);
  struct nacre_attr attr = {
      .struct_size = sizeof attr,
      .mode = st->st_mode,
      .uid = st->st_uid,
      .gid = st->st_gid,
      .size_bytes = (uint64_t)st->st_size,
      .atime = timespec_to_time(st->st_atim),
      .mtime = timespec_to_time(st->st_mtim),
      .ctime = timespec_to_time(st->st_ctim),
  };
  unsigned set = wanted_set(m, to_set);
  unsigned long long begun = told_begin(m->told);
  enum nacre_err err = add_kill(m, req, ino, &set);
  if (err == NACRE_OK)
    err = set == 0 ? nacre_inode_getattr(m->vol, ino, &attr) : nacre_inode_setattr(m->vol, ino, &attr, set);
  opened_attributes_changed(m->opened, ino);
  if (err == NACRE_OK)
    reply_attr(m, req, &attr, begun);
  else
    reply_result(req, err);
}

void attributes_statfs(fuse_req_t req, fuse_ino_t ino) {
  (void)ino;
  struct mount *m = session_of(req);
  struct nacre_statfs sizes = {.struct_size = sizeof sizes};
  enum nacre_err err = nacre_statfs(m->vol, &sizes);
  if (err != NACRE_OK) {
    reply_result(req, err);
    return;
  }
  struct statvfs st = {
      .f_bsize = (unsigned long)sizes.block_bytes,
      .f_frsize = (unsigned long)sizes.block_bytes,
      .f_blocks = sizes.blocks,
      .f_bfree = sizes.free_blocks,
      .f_bavail = sizes.available_blocks,
      .f_files = sizes.files,
      .f_ffree = sizes.free_files,
      .f_favail = sizes.free_files,
      .f_namemax = NACRE_NAME_MAX_BYTES,
  };
  fuse_reply_statfs(req, &st);
}
