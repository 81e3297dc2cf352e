#include "audit.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"
#include "volume.h"

/* The first bytes of a header, of whatever version, and where its two copies stand: docs/format.md. */
#define MAGIC "nacre\r\n\x1a"
#define MAGIC_BYTES 8
#define SECOND_COPY_OFFSET (16 << 20)

static int unreadable(struct audit *audit, const char *path, int error) {
  audit->unreadable++;
  return report_errno(path, "cannot look at it", error);
}

static bool has_magic(int fd, off_t offset) {
  char bytes[MAGIC_BYTES];
  return pread(fd, bytes, sizeof bytes, offset) == (ssize_t)sizeof bytes && memcmp(bytes, MAGIC, MAGIC_BYTES) == 0;
}

/* Exit code; whether it is worth a closer look. */
static int look_for_magic(struct audit *audit, const char *path, bool *found) {
  *found = false;
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0)
    return unreadable(audit, path, errno);
  struct stat st;
  if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
    *found = has_magic(fd, 0) || has_magic(fd, SECOND_COPY_OFFSET);
  (void)close(fd);
  return EXIT_DONE;
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

/* Both copies one behind the other: not what is left of a container. */
static void look_at_header(struct audit_volume *volume) {
  const struct nacre_target header = volume_plain_target(volume->path);
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &blank_ops, .header = &header};
  struct nacre_public_info info = {.struct_size = sizeof info};
  if (nacre_probe(&target, &info) != NACRE_OK || info.header_copies_valid != 2)
    return;
  info.container_bytes = volume->info.container_bytes;
  info.in_use = volume->info.in_use;
  volume->info = info;
  volume->origin = AUDIT_HEADER;
}

static int look(struct audit *audit, const char *path) {
  bool found;
  const int code = look_for_magic(audit, path, &found);
  if (code != EXIT_DONE || !found)
    return code;
  struct audit_volume *volume = audit_add(audit, path);
  if (volume == NULL)
    return report_no_memory();
  const struct nacre_target target = volume_plain_target(path);
  const enum nacre_err err = nacre_probe(&target, &volume->info);
  if (err != NACRE_OK)
    (void)snprintf(volume->problem, sizeof volume->problem, "%s", nacre_last_error());
  if (volume->info.container_bytes == NACRE_HEADER_BYTES)
    volume->origin = AUDIT_BACKUP;
  else if (volume->info.container_bytes == 2 * NACRE_HEADER_BYTES)
    look_at_header(volume);
  if (volume->info.in_use)
    volume->mounted_on = volume_mounted_on(path);
  return EXIT_DONE;
}

static int visit(struct audit *audit, const FTSENT *entry) {
  switch (entry->fts_info) {
  case FTS_DNR:
  case FTS_ERR:
  case FTS_NS:
    return unreadable(audit, entry->fts_path, entry->fts_errno);
  case FTS_F:
    return look(audit, entry->fts_path);
  case FTS_DEFAULT:
    return S_ISBLK(entry->fts_statp->st_mode) ? look(audit, entry->fts_path) : EXIT_DONE;
  default:
    return EXIT_DONE;
  }
}

/* A link that is named is followed, one that is found is not. */
int audit_find(struct audit *audit, const char *path) {
  char *copy = strdup(path);
  char *const paths[] = {copy, NULL};
  FTS *walk = copy != NULL
                  ? fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | (audit->cross ? 0 : FTS_XDEV), NULL)
                  : NULL;
  int code = walk != NULL ? EXIT_DONE : report_no_memory();
  const FTSENT *entry;
  while (walk != NULL && (entry = fts_read(walk)) != NULL) {
    const int seen = visit(audit, entry);
    code = code == EXIT_DONE ? seen : code;
  }
  if (walk != NULL)
    (void)fts_close(walk);
  free(copy);
  return code;
}
