#include "fuse/atime.h"

#include <time.h>

#define DAY_S (24 * 3600)

static bool time_after(struct nacre_time a, struct nacre_time b) {
  return a.s != b.s ? a.s > b.s : a.ns > b.ns;
}

static bool atime_is_due(const struct nacre_attr *attr) {
  if (!time_after(attr->atime, attr->mtime) || !time_after(attr->atime, attr->ctime))
    return true;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return (int64_t)now.tv_sec - attr->atime.s >= DAY_S;
}

void atime_touch(const struct mount *m, fuse_ino_t ino) {
  enum mount_atime rule = atomic_load_explicit(&m->atime, memory_order_relaxed);
  if (atomic_load_explicit(&m->read_only, memory_order_relaxed) || rule == MOUNT_ATIME_NEVER ||
      atomic_load_explicit(&m->verifying, memory_order_relaxed))
    return;
  struct nacre_attr attr = {.struct_size = sizeof attr};
  if (nacre_inode_getattr(m->vol, ino, &attr) != NACRE_OK || (rule == MOUNT_ATIME_RELATIVE && !atime_is_due(&attr)))
    return;
  enum nacre_err ignored = nacre_inode_setattr(m->vol, ino, &attr, NACRE_SET_ATIME_NOW | NACRE_SET_KEEP_CTIME);
  (void)ignored;
}
