#include "anchor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "hex.h"
#include "report.h"

#define FINGERPRINT_BYTES 32
#define NAME_BYTES HEX_TEXT_BYTES(FINGERPRINT_BYTES)
#define TEMPORARY_BYTES (NAME_BYTES + 12)

/* Of the whole process, which has one user. The descriptor is opened before there is a mount: one that then lies over
 * the folder, as over a whole home, is not what is written to, by the very commit that the write would wait for. */
static char folder[PATH_MAX];
static int folder_fd = -1;
static int folder_error;

static bool find_folder(void) {
  const char *base = getenv("XDG_STATE_HOME");
  const char *below = "";
  if (base == NULL || base[0] != '/') {
    base = getenv("HOME");
    below = "/.local/state";
  }
  if (base == NULL || base[0] != '/') {
    const struct passwd *user = getpwuid(geteuid()); // NOLINT(concurrency-mt-unsafe): before any thread
    base = user != NULL ? user->pw_dir : NULL;
  }
  if (base == NULL || base[0] != '/')
    return false;
  const int length = snprintf(folder, sizeof folder, "%s%s/nacre/anchors", base, below);
  return length > 0 && (size_t)length < sizeof folder;
}

/* The folder with all above it, for the user alone. */
static int make_folder(void) {
  char path[PATH_MAX];
  memcpy(path, folder, sizeof path);
  for (char *end = strchr(path + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
    *end = '\0';
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
      return errno;
    *end = '/';
  }
  return mkdir(path, 0700) != 0 && errno != EEXIST ? errno : 0;
}

static void open_folder(void) {
  folder_error = make_folder();
  folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_fd < 0 && folder_error == 0)
    folder_error = errno;
}

/* ---- Reading --------------------------------------------------------------------------------------- */

static int read_whole(int fd, void *buf, size_t cap, size_t *len) {
  *len = 0;
  for (;;) {
    char past;
    const bool full = *len == cap;
    const ssize_t got = full ? read(fd, &past, 1) : read(fd, (char *)buf + *len, cap - *len);
    if (got < 0 && errno != EINTR)
      return errno;
    if (got > 0 && full)
      return ERANGE;
    if (got == 0)
      return 0;
    if (got > 0)
      *len += (size_t)got;
  }
}

static int anchor_load(void *ctx, const uint8_t fingerprint[FINGERPRINT_BYTES], void *buf, size_t cap, size_t *len) {
  char name[NAME_BYTES];
  (void)ctx;
  *len = 0;
  if (folder_fd < 0)
    return 0; /* nothing was ever remembered; that nothing will be, store says */
  (void)hex_text(fingerprint, FINGERPRINT_BYTES, name);
  const int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0)
    return errno == ENOENT ? 0 : errno;
  int error = read_whole(fd, buf, cap, len);
  if (error == 0 && *len == 0)
    error = ENODATA; /* something was there */
  (void)close(fd);
  return error;
}

/* ---- Writing --------------------------------------------------------------------------------------- */

static int write_whole(int fd, const void *buf, size_t len) {
  for (size_t done = 0; done < len;) {
    const ssize_t put = write(fd, (const char *)buf + done, len - done);
    if (put < 0 && errno != EINTR)
      return errno;
    if (put > 0)
      done += (size_t)put;
  }
  return fsync(fd) != 0 ? errno : 0;
}

/* The new text under another name, durable, before it takes the old one's place. */
static int replace(const char *name, const void *buf, size_t len) {
  char temporary[TEMPORARY_BYTES];
  (void)snprintf(temporary, sizeof temporary, "%s.%d", name, (int)getpid());
  const int fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return errno;
  int error = write_whole(fd, buf, len);
  if (close(fd) != 0 && error == 0)
    error = errno;
  if (error == 0 && renameat(folder_fd, temporary, folder_fd, name) != 0)
    error = errno;
  if (error != 0)
    (void)unlinkat(folder_fd, temporary, 0);
  else if (fsync(folder_fd) != 0)
    error = errno;
  return error;
}

static int anchor_store(void *ctx, const uint8_t fingerprint[FINGERPRINT_BYTES], const void *buf, size_t len) {
  char name[NAME_BYTES];
  (void)ctx;
  if (folder_fd < 0)
    return folder_error;
  (void)hex_text(fingerprint, FINGERPRINT_BYTES, name);
  return replace(name, buf, len);
}

const struct nacre_anchor_ops *anchor_files(const char **why) {
  static const struct nacre_anchor_ops ops = {.struct_size = sizeof ops, .load = anchor_load, .store = anchor_store};
  *why = "this user has no home folder";
  if (folder_fd < 0 && !find_folder())
    return NULL;
  if (folder_fd < 0)
    open_folder();
  return &ops;
}

/* ---- Saying ---------------------------------------------------------------------------------------- */

#define DATE_BYTES 32

static void date_text(int64_t time_s, char text[DATE_BYTES]) {
  const time_t when = (time_t)time_s;
  struct tm tm;
  if (localtime_r(&when, &tm) == NULL || strftime(text, DATE_BYTES, "%Y-%m-%d %H:%M:%S", &tm) == 0)
    (void)snprintf(text, DATE_BYTES, "an unknown date");
}

static void note_state(const char *path, const struct nacre_anchor_report *r) {
  char seen[DATE_BYTES], here[DATE_BYTES];
  date_text(r->seen_time_s, seen);
  date_text(r->volume_time_s, here);
  switch (r->state) {
  case NACRE_ANCHOR_CUT_OFF:
    report_warning(path,
                   "the last minutes of an opening that was cut off are missing (commit %llu of %s was seen, this is "
                   "%llu of %s): the medium lost what it had said was stored, or somebody put an older state back",
                   (unsigned long long)r->seen_generation, seen, (unsigned long long)r->volume_generation, here);
    break;
  case NACRE_ANCHOR_FORGOTTEN:
    report_warning(path, "since %s it was opened elsewhere so often that nobody can tell whether it was rolled back",
                   seen);
    break;
  case NACRE_ANCHOR_UNREADABLE:
    report_warning(path, "what was remembered of it in %s is unusable (%s): a rollback would not have been noticed",
                   folder, r->error != 0 ? strerror(r->error) : "damaged");
    break;
  case NACRE_ANCHOR_ACCEPTED:
    report_warning(path, "rolled back from commit %llu of %s to %llu of %s, and accepted",
                   (unsigned long long)r->seen_generation, seen, (unsigned long long)r->volume_generation, here);
    break;
  case NACRE_ANCHOR_NONE:
  case NACRE_ANCHOR_NEW:
  case NACRE_ANCHOR_FOUND:
    break;
  }
}

void anchor_note(const char *path, nacre_volume *vol) {
  struct nacre_anchor_report report = {.struct_size = sizeof report};
  if (nacre_volume_get_anchor(vol, &report) != NACRE_OK)
    return;
  note_state(path, &report);
  if (report.store_error != 0)
    report_warning(path,
                   "its state can't be remembered in %s (%s): a rollback will not be noticed; --no-anchor for none",
                   folder, strerror(report.store_error));
}
