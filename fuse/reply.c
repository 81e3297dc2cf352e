#include "fuse/reply.h"

#include "fuse/dates.h"
#include "fuse/told.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What programs take for the best unit of I/O: stdio and cp then send fewer, larger requests. */
#define PREFERRED_IO_BYTES 65536

int reply_errno(enum nacre_err err) {
  int number = nacre_err_to_errno(err);
  return number == ENOSYS ? EOPNOTSUPP : number;
}

void reply_result(fuse_req_t req, enum nacre_err err) {
  fuse_reply_err(req, reply_errno(err));
}

void reply_attr_to_stat(const struct mount *m, const struct nacre_attr *attr, struct stat *st) {
  *st = (struct stat){
      .st_ino = (ino_t)attr->ino,
      .st_mode = (mode_t)attr->mode,
      .st_nlink = (nlink_t)attr->nlink,
      .st_uid = m->options->owner_me ? m->uid : (uid_t)attr->uid,
      .st_gid = m->options->owner_me ? m->gid : (gid_t)attr->gid,
      .st_rdev = (dev_t)attr->rdev,
      .st_size = (off_t)attr->size_bytes,
      .st_blksize = PREFERRED_IO_BYTES,
      .st_blocks = (blkcnt_t)(attr->allocated_bytes / 512 + (attr->allocated_bytes % 512 != 0)),
      .st_atim = dates_to_timespec(attr->atime),
      .st_mtim = dates_to_timespec(attr->mtime),
      .st_ctim = dates_to_timespec(attr->ctime),
  };
}

static double attr_cache_s(const struct mount *m, fuse_req_t req, const struct nacre_attr *attr,
                           unsigned long long begun) {
  if (!S_ISDIR(attr->mode))
    return SESSION_CACHE_S;
  return told_folder(m->told, attr->ino, fuse_req_ctx(req)->pid, begun) ? SESSION_CACHE_FOLDER_S : 0;
}

void reply_attr(const struct mount *m, fuse_req_t req, const struct nacre_attr *attr, unsigned long long begun) {
  struct stat st;
  reply_attr_to_stat(m, attr, &st);
  fuse_reply_attr(req, &st, attr_cache_s(m, req, attr, begun));
}

void reply_fill_entry(const struct mount *m, fuse_req_t req, const struct nacre_attr *attr, unsigned long long begun,
                      struct fuse_entry_param *entry) {
  *entry = (struct fuse_entry_param){
      .ino = attr->ino,
      .generation = attr->generation,
      .attr_timeout = attr_cache_s(m, req, attr, begun),
      .entry_timeout = SESSION_CACHE_S,
  };
  reply_attr_to_stat(m, attr, &entry->attr);
}

void reply_entry(const struct mount *m, fuse_req_t req, const struct nacre_attr *attr, unsigned long long begun) {
  struct fuse_entry_param entry;
  reply_fill_entry(m, req, attr, begun, &entry);
  if (fuse_reply_entry(req, &entry) != 0)
    nacre_inode_unpin(m->vol, attr->ino, 1);
}

struct nacre_caller reply_caller(const struct mount *m, fuse_req_t req) {
  const struct fuse_ctx *ctx = fuse_req_ctx(req);
  return (struct nacre_caller){
      .uid = m->options->owner_me ? m->uid : ctx->uid,
      .gid = m->options->owner_me ? m->gid : ctx->gid,
      .umask = ctx->umask,
  };
}

static pthread_key_t buffer_key;
static pthread_once_t buffer_once = PTHREAD_ONCE_INIT;
static bool buffer_key_made;

static void buffer_free(void *buffer) {
  explicit_bzero(buffer, SESSION_MAX_IO_BYTES);
  free(buffer);
}

static void buffer_make_key(void) {
  buffer_key_made = pthread_key_create(&buffer_key, buffer_free) == 0;
}

char *reply_thread_buffer(void) {
  pthread_once(&buffer_once, buffer_make_key);
  if (!buffer_key_made)
    return NULL;
  void *buffer = pthread_getspecific(buffer_key);
  if (buffer != NULL)
    return buffer;
  if (posix_memalign(&buffer, 4096, SESSION_MAX_IO_BYTES) != 0)
    return NULL;
  if (pthread_setspecific(buffer_key, buffer) != 0) {
    free(buffer);
    return NULL;
  }
  return buffer;
}
