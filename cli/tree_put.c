#include "tree_put.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"
#include "listing.h"
#include "paths.h"
#include "report.h"
#include "size.h"
#include "xattr_copy.h"

/* One object on its way. */
struct source {
  int dir; /* folder on the host that `name` is in */
  const char *name;
  const char *shown; /* for messages */
  struct stat st;
};

static const struct nacre_caller no_mask = {0};

/* ---- Failures ------------------------------------------------------------------------------------ */

/* Whether the next file would fare no better. */
static bool is_hopeless(enum nacre_err err) {
  return err == NACRE_ERR_NO_SPACE || err == NACRE_ERR_IO || err == NACRE_ERR_READ_ONLY ||
         err == NACRE_ERR_NO_MEMORY || err == NACRE_ERR_FORKED || err == NACRE_ERR_CANCELLED;
}

static int fail_volume(struct put *put, const char *shown, enum nacre_err err) {
  const int code = report_library_path(put->volume, shown, err);
  if (is_hopeless(err)) {
    put->stop = true;
    put->tally = (struct tally){.failed = 1, .code = code};
  }
  return code;
}

static int fail_host(const struct put *put, const char *shown, int error) {
  const int code = error == EACCES || error == EPERM ? EXIT_NOT_PERMITTED : EXIT_OTHER;
  return report_error(code, put->volume, "%s: %s", shown, strerror(error));
}

static void show_progress(struct put *put) {
  char size[SIZE_TEXT_BYTES];
  progress_show(&put->progress, "%" PRIu64 " files, %s", put->files, size_text(put->bytes, size));
}

/* ---- A place that may be taken ---------------------------------------------------------------------- */

/* A name under which the new object is made: the right one if it is free, a passing one otherwise, so that what is
 * there stays until the new one is complete. */
struct making {
  const struct put_place *to;
  char passing[32];
  const char *name;
};

static int making_start(struct put *put, const struct put_place *to, const char *shown, struct making *making) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  *making = (struct making){.to = to, .name = to->name};
  if (to->name[0] == '\0')
    return report_error(EXIT_OTHER, put->volume, "%s: it has no name to be copied to; name the file", shown);
  const enum nacre_err err = nacre_inode_lookup(put->vol, to->dir, to->name, strlen(to->name), &attr);
  if (err == NACRE_ERR_NOT_FOUND)
    return EXIT_DONE;
  if (err != NACRE_OK)
    return fail_volume(put, shown, err);
  nacre_inode_unpin(put->vol, attr.ino, 1);
  if (S_ISDIR(attr.mode))
    return report_error(EXIT_OTHER, put->volume, "%s: a folder of that name is there; remove it first", shown);
  (void)snprintf(making->passing, sizeof making->passing, ".nacre-put-%ld", (long)getpid());
  making->name = making->passing;
  return EXIT_DONE;
}

/* Take the name away; it may never have come to be. */
static void drop(struct put *put, const struct making *making) {
  const enum nacre_err err = nacre_inode_unlink(put->vol, making->to->dir, making->name, strlen(making->name));
  (void)err;
}

/* Give the finished object its name, or take away what is not finished. */
static int making_end(struct put *put, const struct making *making, const char *shown, int code) {
  const size_t len = strlen(making->name);
  enum nacre_err err = NACRE_OK;
  if (code != EXIT_DONE) {
    drop(put, making);
    return code; /* that failure is the one to tell */
  }
  if (making->name != making->to->name)
    err = nacre_inode_rename(put->vol, making->to->dir, making->name, len, making->to->dir, making->to->name,
                             strlen(making->to->name), 0);
  return err == NACRE_OK ? EXIT_DONE : fail_volume(put, shown, err);
}

/* ---- Metadata ------------------------------------------------------------------------------------------- */

static int put_metadata(struct put *put, const struct source *from, const struct host_object *object, uint64_t ino,
                        bool inherits) {
  const struct stat *st = &from->st;
  if (inherits && !S_ISLNK(st->st_mode))
    xattr_volume_drop_inherited(put->vol, ino, S_ISDIR(st->st_mode));
  struct nacre_attr attr = {.struct_size = sizeof attr,
                            .mode = st->st_mode,
                            .uid = st->st_uid,
                            .gid = st->st_gid,
                            .atime = {st->st_atim.tv_sec, (uint32_t)st->st_atim.tv_nsec},
                            .mtime = {st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec}};
  unsigned set = NACRE_SET_UID | NACRE_SET_GID | NACRE_SET_ATIME | NACRE_SET_MTIME;
  if (!S_ISLNK(st->st_mode))
    set |= NACRE_SET_MODE;
  enum nacre_err err = nacre_inode_setattr(put->vol, ino, &attr, set);
  if (err == NACRE_OK)
    err = xattr_put(put->vol, ino, object, &put->xattrs_left_out);
  return err == NACRE_OK ? EXIT_DONE : fail_volume(put, from->shown, err);
}

/* ---- Regular files ---------------------------------------------------------------------------------------- */

/* Copy [*at, end) as far as the file goes; *at is where it stopped. */
static int copy_range(struct put *put, int fd, bool seekable, nacre_file *file, const char *shown, uint64_t *at,
                      uint64_t end) {
  while (*at < end) {
    if (interrupt_pending()) {
      put->stop = true;
      return EXIT_OTHER;
    }
    const size_t want = end - *at < PUT_PIECE_BYTES ? (size_t)(end - *at) : PUT_PIECE_BYTES;
    const ssize_t got = seekable ? pread(fd, put->piece, want, (off_t)*at) : read(fd, put->piece, want);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return fail_host(put, shown, errno);
    if (got == 0)
      return EXIT_DONE;
    const enum nacre_err err = nacre_write(file, put->piece, (size_t)got, *at);
    if (err != NACRE_OK)
      return fail_volume(put, shown, err);
    *at += (uint64_t)got;
    put->bytes += (uint64_t)got;
    show_progress(put);
  }
  return EXIT_DONE;
}

/* Only what is data is read and written: a hole stays one. */
static int copy_sparse(struct put *put, int fd, nacre_file *file, const struct source *from) {
  const uint64_t size = (uint64_t)from->st.st_size;
  uint64_t at = 0;
  int code = EXIT_DONE;
  while (at < size && code == EXIT_DONE) {
    off_t data = lseek(fd, (off_t)at, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
      break;
    off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
    if (data < 0 || hole < 0) { /* a filesystem that can't tell */
      data = (off_t)at;
      hole = (off_t)size;
    }
    const uint64_t end = (uint64_t)hole < size ? (uint64_t)hole : size;
    uint64_t stopped = (uint64_t)data;
    code = copy_range(put, fd, true, file, from->shown, &stopped, end);
    if (stopped < end) /* cut short meanwhile */
      break;
    at = end;
  }
  at = size;
  /* What has grown since, and files of /proc that claim to be empty. */
  if (code == EXIT_DONE)
    code = copy_range(put, fd, true, file, from->shown, &at, UINT64_MAX);
  if (code != EXIT_DONE)
    return code;
  const enum nacre_err err = nacre_ftruncate(file, at);
  return err == NACRE_OK ? EXIT_DONE : fail_volume(put, from->shown, err);
}

static int put_content(struct put *put, int fd, const struct source *from, const struct making *making,
                       bool inherits) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  nacre_file *file = NULL;
  enum nacre_err err = nacre_inode_create(put->vol, making->to->dir, making->name, strlen(making->name), 0600,
                                          NACRE_O_WRITE, &no_mask, &attr, &file);
  if (err != NACRE_OK)
    return fail_volume(put, from->shown, err);
  int code = copy_sparse(put, fd, file, from);
  nacre_close(file);
  const struct host_object object = {.fd = fd};
  if (code == EXIT_DONE)
    code = put_metadata(put, from, &object, attr.ino, inherits);
  if (code == EXIT_DONE && from->st.st_nlink > 1)
    (void)linkmap_add(&put->links, from->st.st_dev, from->st.st_ino, attr.ino, NULL);
  nacre_inode_unpin(put->vol, attr.ino, 1);
  return making_end(put, making, from->shown, code);
}

static int put_regular(struct put *put, const struct source *from, const struct put_place *to, bool inherits) {
  /* Not blocking: it may have become a fifo since it was looked at. */
  const int fd = openat(from->dir, from->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
  if (fd < 0)
    return fail_host(put, from->shown, errno);
  struct source now = *from;
  struct making making;
  int code = EXIT_DONE;
  if (fstat(fd, &now.st) != 0)
    code = fail_host(put, from->shown, errno);
  else if (!S_ISREG(now.st.st_mode))
    code = report_error(EXIT_OTHER, put->volume, "%s: changed while it was copied", from->shown);
  if (code == EXIT_DONE)
    code = making_start(put, to, from->shown, &making);
  if (code == EXIT_DONE)
    code = put_content(put, fd, &now, &making, inherits);
  (void)close(fd);
  return code;
}

/* ---- Links and special files ---------------------------------------------------------------------------------- */

static int put_hard_link(struct put *put, const struct source *from, uint64_t ino, const struct put_place *to) {
  struct making making;
  struct nacre_attr attr = {.struct_size = sizeof attr};
  int code = making_start(put, to, from->shown, &making);
  if (code != EXIT_DONE)
    return code;
  const enum nacre_err err = nacre_inode_link(put->vol, ino, to->dir, making.name, strlen(making.name), &attr);
  if (err != NACRE_OK)
    return fail_volume(put, from->shown, err);
  nacre_inode_unpin(put->vol, attr.ino, 1);
  code = making_end(put, &making, from->shown, EXIT_DONE);
  /* Renaming one name of a file over another of the same file does nothing, as POSIX has it. */
  if (making.name != to->name)
    drop(put, &making);
  return code;
}

static enum nacre_err make_special(struct put *put, const struct source *from, const struct making *making,
                                   struct nacre_attr *attr, int *error) {
  const size_t len = strlen(making->name);
  if (!S_ISLNK(from->st.st_mode))
    return nacre_inode_mknod(put->vol, making->to->dir, making->name, len, (from->st.st_mode & S_IFMT) | 0600,
                             from->st.st_rdev, &no_mask, attr);
  char target[4096];
  const ssize_t got = readlinkat(from->dir, from->name, target, sizeof target);
  if (got < 0 || (size_t)got == sizeof target) {
    *error = got < 0 ? errno : ENAMETOOLONG;
    return NACRE_OK;
  }
  target[got] = '\0';
  return nacre_inode_symlink(put->vol, making->to->dir, making->name, len, target, &no_mask, attr);
}

static int put_special(struct put *put, const struct source *from, const struct put_place *to, bool inherits) {
  struct making making;
  struct nacre_attr attr = {.struct_size = sizeof attr};
  if ((S_ISCHR(from->st.st_mode) || S_ISBLK(from->st.st_mode)) && !put->special) {
    report_note(put->volume, "%s: a device, left out; --preserve-special copies it", from->shown);
    return EXIT_DONE;
  }
  int code = making_start(put, to, from->shown, &making);
  if (code != EXIT_DONE)
    return code;
  int error = 0;
  const enum nacre_err err = make_special(put, from, &making, &attr, &error);
  if (error != 0)
    return fail_host(put, from->shown, error);
  if (err != NACRE_OK)
    return fail_volume(put, from->shown, err);
  char path[64 + NAME_MAX + 1];
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d/%s", from->dir, from->name);
  const struct host_object object = {.fd = -1, .path = from->dir == AT_FDCWD ? from->name : path};
  code = put_metadata(put, from, &object, attr.ino, inherits);
  if (code == EXIT_DONE && from->st.st_nlink > 1)
    (void)linkmap_add(&put->links, from->st.st_dev, from->st.st_ino, attr.ino, NULL);
  nacre_inode_unpin(put->vol, attr.ino, 1);
  return making_end(put, &making, from->shown, code);
}

/* ---- Folders ----------------------------------------------------------------------------------------------------
 */

static void put_entry(struct put *put, const struct source *from, const struct put_place *to, bool inherits,
                      int depth);

static void put_below(struct put *put, DIR *dir, const char *shown, uint64_t ino, bool inherits, int depth) {
  const struct dirent *entry;
  while (!put->stop && (errno = 0, entry = readdir(dir)) != NULL) {
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    char *path = path_join(shown, entry->d_name);
    if (path == NULL) {
      tally_add(&put->tally, report_no_memory());
      put->stop = true;
      return;
    }
    const struct source below = {.dir = dirfd(dir), .name = entry->d_name, .shown = path};
    const struct put_place to = {.dir = ino, .name = entry->d_name};
    put_entry(put, &below, &to, inherits, depth);
    free(path);
  }
  if (!put->stop && errno != 0)
    tally_add(&put->tally, fail_host(put, shown, errno));
}

/* The folder that a source folder goes to: made, or there already. */
static int find_folder(struct put *put, const struct source *from, const struct put_place *to, uint64_t *ino,
                       bool *made) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  const size_t len = strlen(to->name);
  *made = false;
  *ino = to->dir;
  if (len == 0)
    return EXIT_DONE;
  enum nacre_err err = nacre_inode_mkdir(put->vol, to->dir, to->name, len, 0700, &no_mask, &attr);
  *made = err == NACRE_OK;
  if (err == NACRE_ERR_EXISTS)
    err = nacre_inode_lookup(put->vol, to->dir, to->name, len, &attr);
  if (err != NACRE_OK)
    return fail_volume(put, from->shown, err);
  nacre_inode_unpin(put->vol, attr.ino, 1);
  *ino = attr.ino;
  if (!S_ISDIR(attr.mode))
    return report_error(EXIT_OTHER, put->volume, "%s: what is there is no folder; remove it first", from->shown);
  return EXIT_DONE;
}

static int put_folder(struct put *put, const struct source *from, const struct put_place *to, bool inherits,
                      int depth) {
  if (depth > WALK_DEPTH_MAX)
    return report_error(EXIT_OTHER, put->volume, "%s: folders nested too deep", from->shown);
  const int fd = openat(from->dir, from->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
  if (dir == NULL) {
    const int code = fail_host(put, from->shown, errno);
    if (fd >= 0)
      (void)close(fd);
    return code;
  }
  uint64_t ino = 0;
  bool made = false;
  int code = find_folder(put, from, to, &ino, &made);
  if (code == EXIT_DONE) {
    if (made && inherits) /* or everything below would inherit it, too */
      xattr_volume_drop_inherited(put->vol, ino, true);
    put_below(put, dir, from->shown, ino, !made && xattr_volume_inherits(put->vol, ino), depth);
    const struct host_object object = {.fd = fd};
    /* Last, since what is made in a folder changes its times. */
    if (!put->stop)
      code = put_metadata(put, from, &object, ino, false);
  }
  (void)closedir(dir);
  return code;
}

/* ---- One object
 * ---------------------------------------------------------------------------------------------------- */

static void put_entry(struct put *put, const struct source *source, const struct put_place *to, bool inherits,
                      int depth) {
  struct source from = *source;
  if (interrupt_pending()) {
    put->stop = true;
    return;
  }
  if (fstatat(from.dir, from.name, &from.st, AT_SYMLINK_NOFOLLOW) != 0) {
    tally_add(&put->tally, fail_host(put, from.shown, errno));
    return;
  }
  int code;
  const bool is_folder = S_ISDIR(from.st.st_mode);
  const struct linkmap_entry *known =
      from.st.st_nlink > 1 && !is_folder ? linkmap_find(&put->links, from.st.st_dev, from.st.st_ino) : NULL;
  if (is_folder)
    code = put_folder(put, &from, to, inherits, depth + 1);
  else if (known != NULL)
    code = put_hard_link(put, &from, known->copy, to);
  else if (S_ISREG(from.st.st_mode))
    code = put_regular(put, &from, to, inherits);
  else
    code = put_special(put, &from, to, inherits);
  if (put->stop && code != EXIT_DONE)
    return; /* counted where it happened */
  tally_add(&put->tally, code);
  put->files += code == EXIT_DONE && !is_folder;
  show_progress(put);
}

bool put_start(struct put *put, const char *volume, nacre_volume *vol, bool special) {
  *put = (struct put){.volume = volume, .vol = vol, .special = special, .piece = malloc(PUT_PIECE_BYTES)};
  progress_start(&put->progress);
  return put->piece != NULL;
}

void put_end(struct put *put) {
  progress_clear(&put->progress);
  if (put->xattrs_left_out > 0)
    report_note(put->volume, "%lu extended attributes could not be copied", put->xattrs_left_out);
  linkmap_free(&put->links);
  free(put->piece);
}

void put_tree(struct put *put, const char *source, const struct put_place *to) {
  const struct source from = {.dir = AT_FDCWD, .name = source, .shown = source};
  put_entry(put, &from, to, xattr_volume_inherits(put->vol, to->dir), 0);
}

static int stream_into(struct put *put, int fd, const struct making *making) {
  const struct nacre_caller caller = caller_self();
  struct nacre_attr attr = {.struct_size = sizeof attr};
  nacre_file *file = NULL;
  const enum nacre_err err = nacre_inode_create(put->vol, making->to->dir, making->name, strlen(making->name), 0666,
                                                NACRE_O_WRITE, &caller, &attr, &file);
  if (err != NACRE_OK)
    return fail_volume(put, making->to->name, err);
  uint64_t at = 0;
  const int code = copy_range(put, fd, false, file, making->to->name, &at, UINT64_MAX);
  nacre_close(file);
  nacre_inode_unpin(put->vol, attr.ino, 1);
  return making_end(put, making, making->to->name, code);
}

void put_stream(struct put *put, int fd, const struct put_place *to) {
  struct making making;
  int code = making_start(put, to, to->name, &making);
  if (code == EXIT_DONE)
    code = stream_into(put, fd, &making);
  if (!put->stop)
    tally_add(&put->tally, code);
}
