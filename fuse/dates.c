#include "fuse/dates.h"

#include <linux/fuse.h>
#include <string.h>

static int64_t fit(int64_t seconds) {
  if (sizeof(time_t) >= sizeof seconds)
    return seconds;
  if (seconds > INT32_MAX)
    return INT32_MAX;
  return seconds < INT32_MIN ? INT32_MIN : seconds;
}

struct timespec dates_to_timespec(struct nacre_time t) {
  return (struct timespec){.tv_sec = (time_t)fit(t.s), .tv_nsec = (long)t.ns};
}

void dates_fit_request(struct fuse_buf *buf) {
  struct fuse_in_header header;
  struct fuse_setattr_in in;
  if (sizeof(time_t) >= sizeof(int64_t) || (buf->flags & FUSE_BUF_IS_FD) || buf->size < sizeof header + sizeof in)
    return;
  memcpy(&header, buf->mem, sizeof header);
  if (header.opcode != FUSE_SETATTR)
    return;
  char *at = (char *)buf->mem + sizeof header;
  memcpy(&in, at, sizeof in);
  in.atime = (uint64_t)fit((int64_t)in.atime);
  in.mtime = (uint64_t)fit((int64_t)in.mtime);
  in.ctime = (uint64_t)fit((int64_t)in.ctime);
  memcpy(at, &in, sizeof in);
}
