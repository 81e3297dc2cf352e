#include "tree_get.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interrupt.h"
#include "listing.h"
#include "paths.h"
#include "report.h"
#include "size.h"
#include "stream_out.h"
#include "xattr_copy.h"

/* Where one object goes. */
struct dest {
  int dir;          /* open, beneath the root */
  const char *name; /* in it; no slash, never . or .. */
  const char *path; /* from the root to it */
  const char *shown;
  bool inherits; /* the folder has a default ACL */
};

/* ---- Failures -------------------------------------------------------------------------------------- */

static int stop_with(struct get *get, int code) {
  get->stop = true;
  get->tally = (struct tally){.failed = 1, .code = code};
  return code;
}

static int fail_volume(struct get *get, const char *shown, enum nacre_err err) {
  const int code = report_library_path(get->volume, shown, err);
  if (err == NACRE_ERR_NO_MEMORY || err == NACRE_ERR_FORKED || err == NACRE_ERR_CANCELLED)
    return stop_with(get, code);
  return code;
}

static int fail_host(struct get *get, const char *shown, int error) {
  const int code = report_error(report_exit_code_errno(error), get->volume, "%s: %s", shown, strerror(error));
  return error == ENOSPC || error == EDQUOT || error == EIO || error == EROFS ? stop_with(get, code) : code;
}

static void show_progress(struct get *get) {
  char size[SIZE_TEXT_BYTES];
  progress_show(&get->progress, "%" PRIu64 " files, %s", get->files, size_text(get->bytes, size));
}

/* The kernel's names of a folder's entry, that even llistxattr takes. */
static void entry_path(const struct dest *to, const char *name, char path[64 + NAME_MAX + 1]) {
  (void)snprintf(path, 64 + NAME_MAX + 1, "/proc/self/fd/%d/%s", to->dir, name);
}

/* ---- A name that may be taken --------------------------------------------------------------------------- */

/* What is there keeps its name until the new object is complete, and is then replaced, never written through. */
struct making {
  const struct dest *to;
  char passing[32];
  const char *name;
};

static int making_start(struct get *get, const struct dest *to, struct making *making) {
  struct stat st;
  *making = (struct making){.to = to, .name = to->name};
  if (fstatat(to->dir, to->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? EXIT_DONE : fail_host(get, to->shown, errno);
  if (S_ISDIR(st.st_mode))
    return report_error(EXIT_OTHER, get->volume, "%s: a folder of that name is there; remove it first", to->shown);
  (void)snprintf(making->passing, sizeof making->passing, ".nacre-get-%ld", (long)getpid());
  making->name = making->passing;
  return EXIT_DONE;
}

static int making_end(struct get *get, const struct making *making, int code) {
  if (code != EXIT_DONE) {
    (void)unlinkat(making->to->dir, making->name, 0);
    return code;
  }
  if (making->name != making->to->name &&
      renameat(making->to->dir, making->name, making->to->dir, making->to->name) != 0) {
    code = fail_host(get, making->to->shown, errno);
    (void)unlinkat(making->to->dir, making->name, 0);
  }
  return code;
}

/* ---- Metadata ------------------------------------------------------------------------------------------------ */

static mode_t allowed_mode(const struct get *get, const struct nacre_attr *attr, bool owned) {
  mode_t mode = attr->mode & 07777;
  /* A setuid bit would now mean whoever copies; on folders setgid only hands on the group. */
  if (!get->special || !owned)
    mode &= S_ISDIR(attr->mode) ? (mode_t) ~(mode_t)S_ISUID : (mode_t) ~(mode_t)(S_ISUID | S_ISGID);
  return mode;
}

static void host_times(const struct nacre_attr *attr, struct timespec times[2]) {
  times[0] = (struct timespec){.tv_sec = (time_t)attr->atime.s, .tv_nsec = (long)attr->atime.ns};
  times[1] = (struct timespec){.tv_sec = (time_t)attr->mtime.s, .tv_nsec = (long)attr->mtime.ns};
}

static int get_metadata_fd(struct get *get, const struct nacre_attr *attr, int fd, const struct dest *to,
                           bool drop_acl) {
  const struct host_object object = {.fd = fd};
  struct timespec times[2];
  host_times(attr, times);
  if (drop_acl)
    xattr_host_drop_inherited(&object, S_ISDIR(attr->mode));
  /* Refused, it is this user's from now on. */
  const bool owned = fchown(fd, attr->uid, attr->gid) == 0;
  if (fchmod(fd, allowed_mode(get, attr, owned)) != 0 && errno != EPERM)
    return fail_host(get, to->shown, errno);
  const enum nacre_err err = xattr_get(get->vol, attr->ino, &object, get->special, &get->xattrs_left_out);
  if (err != NACRE_OK)
    return fail_volume(get, to->shown, err);
  return futimens(fd, times) == 0 || errno == EPERM ? EXIT_DONE : fail_host(get, to->shown, errno);
}

/* For what can't be opened without consequences: links, fifos, sockets, devices. */
static int get_metadata_at(struct get *get, const struct nacre_attr *attr, const char *name, const struct dest *to) {
  char path[64 + NAME_MAX + 1];
  struct timespec times[2];
  host_times(attr, times);
  entry_path(to, name, path);
  const struct host_object object = {.fd = -1, .path = path};
  const bool owned = fchownat(to->dir, name, attr->uid, attr->gid, AT_SYMLINK_NOFOLLOW) == 0;
  if (!S_ISLNK(attr->mode) && fchmodat(to->dir, name, allowed_mode(get, attr, owned), 0) != 0 && errno != EPERM)
    return fail_host(get, to->shown, errno);
  const enum nacre_err err = xattr_get(get->vol, attr->ino, &object, get->special, &get->xattrs_left_out);
  if (err != NACRE_OK)
    return fail_volume(get, to->shown, err);
  (void)utimensat(to->dir, name, times, AT_SYMLINK_NOFOLLOW); /* not every filesystem dates links */
  return EXIT_DONE;
}

/* ---- Regular files ------------------------------------------------------------------------------------------------
 */

static int write_at(int fd, const char *bytes, size_t len, uint64_t offset) {
  while (len > 0) {
    const ssize_t done = pwrite(fd, bytes, len, (off_t)offset);
    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0)
      return errno;
    bytes += done;
    len -= (size_t)done;
    offset += (uint64_t)done;
  }
  return 0;
}

static int copy_range(struct get *get, nacre_file *file, int fd, const char *shown, uint64_t at, uint64_t end) {
  while (at < end) {
    if (interrupt_pending())
      return stop_with(get, EXIT_OTHER);
    const size_t want = end - at < GET_PIECE_BYTES ? (size_t)(end - at) : GET_PIECE_BYTES;
    size_t got = 0;
    const enum nacre_err err = nacre_read(file, get->piece, want, at, &got);
    if (err != NACRE_OK)
      return fail_volume(get, shown, err);
    if (got == 0)
      break;
    const int error = write_at(fd, get->piece, got, at);
    if (error != 0)
      return fail_host(get, shown, error);
    at += got;
    get->bytes += got;
    show_progress(get);
  }
  return EXIT_DONE;
}

static int copy_sparse(struct get *get, nacre_file *file, int fd, const struct nacre_attr *attr, const char *shown) {
  uint64_t at = 0;
  while (at < attr->size_bytes) {
    uint64_t data = at, hole = attr->size_bytes;
    enum nacre_err err = nacre_seek_data(file, at, &data);
    if (err == NACRE_ERR_RANGE)
      break;
    if (err == NACRE_OK)
      err = nacre_seek_hole(file, data, &hole);
    if (err != NACRE_OK)
      return fail_volume(get, shown, err);
    const uint64_t end = hole < attr->size_bytes ? hole : attr->size_bytes;
    const int code = copy_range(get, file, fd, shown, data, end);
    if (code != EXIT_DONE)
      return code;
    if (end <= at) /* no progress: the answers contradict each other */
      return report_error(EXIT_DAMAGED, get->volume, "%s: its extents make no sense", shown);
    at = end;
  }
  return ftruncate(fd, (off_t)attr->size_bytes) == 0 ? EXIT_DONE : fail_host(get, shown, errno);
}

static int get_content(struct get *get, nacre_file *file, const struct nacre_attr *attr,
                       const struct making *making) {
  const struct dest *to = making->to;
  const int fd = openat(to->dir, making->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0)
    return fail_host(get, to->shown, errno);
  int code = copy_sparse(get, file, fd, attr, to->shown);
  if (code == EXIT_DONE)
    code = get_metadata_fd(get, attr, fd, to, to->inherits);
  if (close(fd) != 0 && code == EXIT_DONE)
    code = fail_host(get, to->shown, errno);
  return making_end(get, making, code);
}

static int get_regular(struct get *get, const struct nacre_attr *attr, const struct dest *to) {
  struct making making;
  nacre_file *file = NULL;
  int code = making_start(get, to, &making);
  if (code != EXIT_DONE)
    return code;
  const enum nacre_err err = nacre_inode_open(get->vol, attr->ino, NACRE_O_READ, &file);
  if (err != NACRE_OK)
    return fail_volume(get, to->shown, err);
  code = get_content(get, file, attr, &making);
  nacre_close(file);
  return code;
}

/* ---- Links and special files
 * ------------------------------------------------------------------------------------------ */

/* Open the folder of a path beneath the root, one component after the other, none of them a link. `base` is where the
 * last component starts. */
static int open_parent(const struct get *get, const char *path, const char **base) {
  int dir = fcntl(get->root, F_DUPFD_CLOEXEC, 3);
  const char *slash;
  while (dir >= 0 && (slash = strchr(path, '/')) != NULL) {
    char name[NAME_MAX + 1];
    const size_t len = (size_t)(slash - path);
    if (len > NAME_MAX) {
      (void)close(dir);
      return -1;
    }
    memcpy(name, path, len);
    name[len] = '\0';
    const int next = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    (void)close(dir);
    dir = next;
    path = slash + 1;
  }
  *base = path;
  return dir;
}

/* Make another name of a file that was copied before. False where the host has no hard links: then it is copied. */
static bool get_hard_link(struct get *get, const char *earlier, const struct dest *to, int *code) {
  const char *base = NULL;
  const int dir = open_parent(get, earlier, &base);
  if (dir < 0)
    return false;
  struct making making;
  *code = making_start(get, to, &making);
  bool linked = *code != EXIT_DONE;
  if (!linked && linkat(dir, base, to->dir, making.name, 0) == 0) {
    *code = making_end(get, &making, EXIT_DONE);
    if (making.name != to->name) /* rename does nothing between two names of one file */
      (void)unlinkat(to->dir, making.name, 0);
    linked = true;
  }
  (void)close(dir);
  return linked;
}

static int make_special(struct get *get, const struct nacre_attr *attr, const struct making *making) {
  const struct dest *to = making->to;
  if (!S_ISLNK(attr->mode)) {
    const mode_t type = attr->mode & S_IFMT;
    return mknodat(to->dir, making->name, type | 0600, (dev_t)attr->rdev) == 0 ? EXIT_DONE
                                                                               : fail_host(get, to->shown, errno);
  }
  char target[4096];
  const enum nacre_err err = nacre_inode_readlink(get->vol, attr->ino, target, sizeof target);
  if (err != NACRE_OK)
    return fail_volume(get, to->shown, err);
  return symlinkat(target, to->dir, making->name) == 0 ? EXIT_DONE : fail_host(get, to->shown, errno);
}

static int get_special(struct get *get, const struct nacre_attr *attr, const struct dest *to) {
  if ((S_ISCHR(attr->mode) || S_ISBLK(attr->mode)) && !get->special) {
    report_note(get->volume, "%s: a device, left out; --preserve-special makes it", to->shown);
    return EXIT_DONE;
  }
  struct making making;
  int code = making_start(get, to, &making);
  if (code == EXIT_DONE)
    code = make_special(get, attr, &making);
  if (code != EXIT_DONE)
    return code;
  return making_end(get, &making, get_metadata_at(get, attr, making.name, to));
}

/* ---- Folders
 * ------------------------------------------------------------------------------------------------------------ */

static void get_entry(struct get *get, const struct nacre_attr *attr, const struct dest *to, int depth);

static void get_listed(struct get *get, const struct listing_entry *entry, int dir, const struct dest *above,
                       bool inherits, int depth) {
  /* The library lists no such names; a mistake there must not lead out of the folder. */
  const char *name = entry->name;
  if (strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || *name == '\0') {
    tally_add(&get->tally, report_error(EXIT_DAMAGED, get->volume, "%s: an entry has no proper name", above->shown));
    return;
  }
  char *path = path_join(above->path, name);
  char *shown = path_join(above->shown, name);
  if (path != NULL && shown != NULL) {
    const struct dest to = {.dir = dir, .name = name, .path = path, .shown = shown, .inherits = inherits};
    get_entry(get, &entry->attr, &to, depth);
  } else {
    (void)stop_with(get, report_no_memory());
  }
  free(path);
  free(shown);
}

static int get_below(struct get *get, uint64_t ino, int dir, const struct dest *above, bool inherits, int depth) {
  nacre_dir *from = NULL;
  enum nacre_err err = nacre_inode_opendir(get->vol, ino, &from);
  if (err != NACRE_OK)
    return fail_volume(get, above->shown, err);
  struct listing listing = {0};
  int code = EXIT_DONE;
  while (!listing.at_end && !get->stop) {
    err = listing_next(get->vol, from, LISTING_BATCH, &listing);
    for (size_t i = 0; i < listing.count && !get->stop; i++)
      get_listed(get, &listing.entries[i], dir, above, inherits, depth);
    if (err != NACRE_OK && !get->stop)
      code = fail_volume(get, above->shown, err);
  }
  listing_free(&listing);
  nacre_closedir(from);
  return code;
}

/* The folder's copy, made or there already; never through a link. -1 after saying why. */
static int open_folder(struct get *get, const struct dest *to, bool *made, int *code) {
  *made = false;
  if (to->name[0] == '\0')
    return fcntl(get->root, F_DUPFD_CLOEXEC, 3);
  *made = mkdirat(to->dir, to->name, 0700) == 0;
  int fd = -1;
  if (*made || errno == EEXIST)
    fd = openat(to->dir, to->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
    *code = report_error(EXIT_OTHER, get->volume, "%s: what is there is no folder; remove it first", to->shown);
  else if (fd < 0)
    *code = fail_host(get, to->shown, errno);
  return fd;
}

static int get_folder(struct get *get, const struct nacre_attr *attr, const struct dest *to, int depth) {
  if (depth > WALK_DEPTH_MAX)
    return report_error(EXIT_DAMAGED, get->volume, "%s: folders nested too deep", to->shown);
  bool made = false;
  int code = EXIT_DONE;
  const int fd = open_folder(get, to, &made, &code);
  if (fd < 0)
    return code;
  const struct host_object object = {.fd = fd};
  if (made && to->inherits)
    xattr_host_drop_inherited(&object, true);
  code = get_below(get, attr->ino, fd, to, !made && xattr_host_inherits(fd), depth);
  if (!get->stop) {
    const int metadata = get_metadata_fd(get, attr, fd, to, false);
    code = code == EXIT_DONE ? metadata : code;
  }
  (void)close(fd);
  return code;
}

/* ---- One object
 * ------------------------------------------------------------------------------------------------------------- */

static int get_object(struct get *get, const struct nacre_attr *attr, const struct dest *to, int depth) {
  if (S_ISDIR(attr->mode))
    return get_folder(get, attr, to, depth + 1);
  int code = EXIT_DONE;
  const struct linkmap_entry *known = attr->nlink > 1 ? linkmap_find(&get->links, 0, attr->ino) : NULL;
  if (known != NULL && get_hard_link(get, known->path, to, &code))
    return code;
  code = S_ISREG(attr->mode) ? get_regular(get, attr, to) : get_special(get, attr, to);
  if (code == EXIT_DONE && attr->nlink > 1)
    (void)linkmap_add(&get->links, 0, attr->ino, 0, to->path);
  return code;
}

static void get_entry(struct get *get, const struct nacre_attr *attr, const struct dest *to, int depth) {
  if (interrupt_pending()) {
    (void)stop_with(get, EXIT_OTHER);
    return;
  }
  const int code = get_object(get, attr, to, depth);
  if (get->stop && code != EXIT_DONE)
    return; /* counted where it happened */
  /* A file that does not authenticate is left out of the copy: the rest is only a part. */
  if (code == EXIT_DAMAGED)
    get->tally.done++;
  tally_add(&get->tally, code);
  get->files += code == EXIT_DONE && !S_ISDIR(attr->mode);
  show_progress(get);
}

bool get_start(struct get *get, const char *volume, nacre_volume *vol, bool special) {
  *get = (struct get){.volume = volume, .vol = vol, .root = -1, .special = special, .piece = malloc(GET_PIECE_BYTES)};
  progress_start(&get->progress);
  return get->piece != NULL;
}

void get_end(struct get *get) {
  progress_clear(&get->progress);
  if (get->xattrs_left_out > 0)
    report_note(get->volume, "%lu extended attributes could not be kept there", get->xattrs_left_out);
  linkmap_free(&get->links);
  free(get->piece);
}

void get_tree(struct get *get, const char *shown, const struct nacre_attr *attr, const char *name) {
  const struct dest to = {
      .dir = get->root, .name = name, .path = name, .shown = shown, .inherits = xattr_host_inherits(get->root)};
  get_entry(get, attr, &to, 0);
}
