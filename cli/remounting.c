#include "remounting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mounts.h"
#include "report.h"

#define MESSAGE_BYTES 256
#define ATIME_FLAGS (MS_NOATIME | MS_RELATIME | MS_STRICTATIME)

/* ---- Flags ---- */

struct flag_word {
  const char *text;
  unsigned long set, clear;
};

/* What the kernel changes in a mount that is there. */
static const struct flag_word flag_words[] = {
    {"ro", MS_RDONLY, 0},
    {"rw", 0, MS_RDONLY},
    {"nosuid", MS_NOSUID, 0},
    {"suid", 0, MS_NOSUID},
    {"nodev", MS_NODEV, 0},
    {"dev", 0, MS_NODEV},
    {"noexec", MS_NOEXEC, 0},
    {"exec", 0, MS_NOEXEC},
    {"noatime", MS_NOATIME, ATIME_FLAGS},
    {"relatime", MS_RELATIME, ATIME_FLAGS},
    {"atime", MS_RELATIME, ATIME_FLAGS},
    {"strictatime", MS_STRICTATIME, ATIME_FLAGS},
    {"nodiratime", MS_NODIRATIME, 0},
    {"diratime", 0, MS_NODIRATIME},
    /* Of the filesystem; they stay as they are. */
    {"sync", MS_SYNCHRONOUS, 0},
    {"dirsync", MS_DIRSYNC, 0},
};

/* Find the next word of a list; false at its end. A backslash takes the meaning from a comma. */
static bool next_word(const char **list, const char **word, size_t *len) {
  const char *at = *list;
  if (*at == '\0')
    return false;
  *word = at;
  while (*at != '\0' && *at != ',')
    at += at[0] == '\\' && at[1] != '\0' ? 2 : 1;
  *len = (size_t)(at - *word);
  *list = *at == ',' ? at + 1 : at;
  return true;
}

static bool has_word(const char *list, const char *text) {
  const char *word;
  size_t len;
  while (next_word(&list, &word, &len))
    if (strlen(text) == len && memcmp(word, text, len) == 0)
      return true;
  return false;
}

static unsigned long add_flags(unsigned long flags, const char *list) {
  const char *word;
  size_t len;
  while (next_word(&list, &word, &len))
    for (size_t i = 0; i < sizeof flag_words / sizeof flag_words[0]; i++)
      if (strlen(flag_words[i].text) == len && memcmp(word, flag_words[i].text, len) == 0)
        flags = (flags & ~flag_words[i].clear) | flag_words[i].set;
  return flags;
}

bool remounting_is_asked(const char *list) {
  return has_word(list, "remount");
}

/* ---- The mount and its process ---- */

/* Not all that can be asked of a new mount can be asked of an old one. */
static int refuse_new(const struct mounting *mounting, const struct mountpoint *at) {
  const struct {
    bool asked;
    const char *word;
  } fixed[] = {
      {mounting->mount.allow_other, "allow_other"},
      {mounting->mount.sync, "sync"},
      {mounting->mount.dirsync, "dirsync"},
  };
  for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
    if (fixed[i].asked && !has_word(at->super, fixed[i].word))
      return report_error(EXIT_NOT_POSSIBLE, at->dir, "'%s' takes a new mount: unmount it first", fixed[i].word);
  return EXIT_DONE;
}

/* Whether the process can write, before the kernel lets others try. */
static int refuse_writing(const struct mountpoint *at, const struct control_mount *mount) {
  if (mount != NULL && mount->volume_read_only)
    return report_error(EXIT_NOT_POSSIBLE, at->dir,
                        "the volume was opened read-only: unmount it and mount it with 'rw'");
  if (mount != NULL && mount->failed)
    return report_error(EXIT_NOT_POSSIBLE, at->dir, "the volume takes no more changes: %s", mount->failure);
  return EXIT_DONE;
}

static int commit(const struct mountpoint *at, const struct control_mount *mount) {
  char message[MESSAGE_BYTES] = "";
  enum nacre_err err = NACRE_ERR_NOT_FOUND;
  if (mount != NULL)
    err = control_call(mount, "sync", message, sizeof message);
  if (err == NACRE_OK)
    return EXIT_DONE;
  return report_error(report_exit_code(err), at->dir, "is read-only now, but not all is known to be committed: %s",
                      message[0] != '\0' ? message : "its process can't be asked");
}

/* 0 or an errno. The path may lead elsewhere by now, where another user owns a part of it. */
static int remount(const struct mountpoint *at, unsigned long flags) {
  const int fd = open(at->dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    return errno;
  struct statx st;
  char device[sizeof at->device], path[32];
  int error = statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) == 0 ? 0 : errno;
  if (error == 0) {
    (void)snprintf(device, sizeof device, "%u:%u", st.stx_dev_major, st.stx_dev_minor);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    error = strcmp(device, at->device) == 0 ? 0 : ESTALE;
  }
  if (error == 0 && mount(at->source, path, NULL, flags | MS_REMOUNT, NULL) != 0)
    error = errno;
  (void)close(fd);
  return error;
}

static int change(const struct mountpoint *at, const struct control_mount *process, unsigned long flags) {
  const bool read_only = (flags & MS_RDONLY) != 0;
  int code = read_only ? EXIT_DONE : refuse_writing(at, process);
  if (code != EXIT_DONE)
    return code;
  if (at->uid != 0) /* what is in there is a user's choice */
    flags |= MS_NOSUID | MS_NODEV;
  const int error = remount(at, flags);
  if (error != 0)
    return error == EBUSY ? report_error(EXIT_IN_USE, at->dir, "a file in it is open for writing")
                          : report_errno(at->dir, "cannot remount", error);
  return read_only ? commit(at, process) : EXIT_DONE;
}

static int run(const struct mountpoint *at, unsigned long flags) {
  if (geteuid() != 0)
    return report_error(EXIT_NOT_PERMITTED, at->dir, "only root may remount");
  struct mounts mounts;
  int code = mounts_load(&mounts);
  if (code == EXIT_DONE) {
    code = change(at, mounts_find_at(&mounts, at), flags);
  }
  mounts_free(&mounts);
  return code;
}

int remounting_run(const struct mounting *mounting, const char *list) {
  char *dir = mountpoint_resolve(mounting->dir);
  struct mountpoint at;
  if (dir == NULL || !mountpoint_at(dir, &at)) {
    free(dir);
    return report_error(EXIT_OTHER, mounting->dir, "no volume is mounted there");
  }
  free(dir);
  int code = refuse_new(mounting, &at);
  if (code == EXIT_DONE)
    code = run(&at, add_flags(add_flags(0, at.super) & ~(unsigned long)MS_RDONLY, list));
  mountpoint_free(&at);
  return code;
}

int remounting_read_only(const struct mountpoint *at) {
  return run(at, add_flags(add_flags(0, at->super), at->flags) | MS_RDONLY);
}
