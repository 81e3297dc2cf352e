#include "public_view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "volume.h"

/* The first bytes of a header, of whatever version, and where its two copies stand: docs/format.md. */
#define MAGIC "nacre\r\n\x1a"
#define MAGIC_BYTES 8
#define SECOND_COPY_OFFSET (16 << 20)
/* A header that is kept apart has both copies one behind the other. */
#define DETACHED_BYTES ((uint64_t)2 * NACRE_HEADER_BYTES)

static bool has_magic(int fd, off_t offset) {
  char bytes[MAGIC_BYTES];
  return pread(fd, bytes, sizeof bytes, offset) == (ssize_t)sizeof bytes && memcmp(bytes, MAGIC, MAGIC_BYTES) == 0;
}

int public_view_is_marked(const char *path, bool *marked) {
  *marked = false;
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0)
    return errno;
  struct stat st;
  if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
    *marked = has_magic(fd, 0) || has_magic(fd, SECOND_COPY_OFFSET) ||
              (st.st_size == (off_t)DETACHED_BYTES && has_magic(fd, NACRE_HEADER_BYTES));
  (void)close(fd);
  return 0;
}

/* A container of which nothing is known: what the header's file goes with. */
static int blank_read(void *ctx, void *buf, size_t len_bytes, uint64_t offset_bytes) {
  (void)ctx;
  (void)offset_bytes;
  memset(buf, 0, len_bytes);
  return 0;
}

static int blank_write(void *ctx, const void *buf, size_t len_bytes, uint64_t offset_bytes) {
  (void)ctx;
  (void)buf;
  (void)len_bytes;
  (void)offset_bytes;
  return EROFS;
}

static int blank_size(void *ctx, uint64_t *size_bytes) {
  (void)ctx;
  *size_bytes = 2 * (uint64_t)SECOND_COPY_OFFSET;
  return 0;
}

static int blank_sync(void *ctx) {
  (void)ctx;
  return 0;
}

static void blank_close(void *ctx) {
  (void)ctx;
}

static const struct nacre_store_ops blank_ops = {.struct_size = sizeof blank_ops,
                                                 .read = blank_read,
                                                 .write = blank_write,
                                                 .sync = blank_sync,
                                                 .size = blank_size,
                                                 .close = blank_close};

/* The header's file alone, as if the container beside it were there. */
static enum nacre_err probe_header(const char *path, struct nacre_public_info *info) {
  const struct nacre_target header = volume_plain_target(path);
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &blank_ops, .header = &header};
  const enum nacre_err err = nacre_probe(&target, info);
  info->container_bytes = DETACHED_BYTES;
  return err;
}

static enum public_origin origin_of(uint64_t bytes) {
  if (bytes == NACRE_HEADER_BYTES)
    return PUBLIC_BACKUP;
  return bytes == DETACHED_BYTES ? PUBLIC_HEADER : PUBLIC_CONTAINER;
}

enum nacre_err public_view_take(struct public_view *view, const char *path, const struct nacre_target *target) {
  *view = (struct public_view){.info = {.struct_size = sizeof view->info}};
  enum nacre_err err = nacre_probe(target, &view->info);
  /* The length tells, unless what is looked at is in two places. */
  if (target->header == NULL)
    view->origin = origin_of(view->info.container_bytes);
  if (view->origin == PUBLIC_HEADER)
    err = probe_header(path, &view->info);
  if (err != NACRE_OK)
    (void)snprintf(view->problem, sizeof view->problem, "%s", nacre_last_error());
  if (view->info.in_use)
    view->mounted_on = volume_mounted_on(path);
  return err;
}
