#include "mounting.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "interrupt.h"
#include "mountpoints.h"
#include "mounts.h"
#include "report.h"
#include "size.h"
#include "utab.h"

#define WHY_BYTES 256

/* ---- Options ----------------------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Words of fstab(5) for mount(8) and others, beyond those that the mount itself lets pass; those that take back what
 * was never there; and what the table of mounts has of a mount of ours, which mount(8) adds for a remount. */
static bool is_for_others(const char *word) {
  static const char *const words[] = {
      "group",  "nogroup",    "loud",      "silent",        "quiet",      "owner",   "noowner",    "nousers",
      "nomand", "norelatime", "symfollow", "nostrictatime", "noiversion", "remount", "nolazytime", "seclabel"};
  static const char *const prefixes[] = {
      "x-", "X-", "comment=", "uhelper=", "user_id=", "group_id=", "rootmode=", "max_read="};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strcmp(word, words[i]) == 0)
      return true;
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
    if (starts_with(word, prefixes[i]))
      return true;
  return false;
}

/* The end of an option: a backslash takes the meaning from a comma. */
static char *option_end(char *word) {
  while (*word != '\0' && *word != ',')
    word += word[0] == '\\' && word[1] != '\0' ? 2 : 1;
  return word;
}

/* Take the backslashes from commas and backslashes, in place; all others are the value's own. */
static const char *unescape(char *value) {
  char *out = value;
  for (const char *from = value; *from != '\0'; from++) {
    if (from[0] == '\\' && (from[1] == ',' || from[1] == '\\'))
      from++;
    *out++ = *from;
  }
  *out = '\0';
  return value;
}

/* An option that is this program's and not the mount's: 1 taken, 0 not one of them, -1 makes no sense. */
static int take_own(struct mounting *mounting, char *word) {
  struct credential_source *source = &mounting->open.credential;
  uint64_t seconds;
  char *value = strchr(word, '=');
  value = value != NULL ? value + 1 : word + strlen(word);
  if (starts_with(word, "passfile=")) {
    source->passfile = unescape(value);
  } else if (starts_with(word, "key-file=")) {
    source->key_file = unescape(value);
  } else if (starts_with(word, "extpass=")) {
    source->extpass = unescape(value);
  } else if (starts_with(word, "idle=")) {
    if (!duration_parse(value, &seconds) || seconds > UINT32_MAX)
      return -1;
    mounting->mount.idle_s = (unsigned)seconds;
  } else if (starts_with(word, "memory=")) {
    if (!size_parse(value, &mounting->open.memory_bytes))
      return -1;
  } else if (starts_with(word, "identity=")) {
    source->identity = unescape(value);
  } else if (starts_with(word, "header=")) {
    volume_header.path = unescape(value);
  } else if (strcmp(word, "unattended") == 0) {
    source->unattended = true;
  } else if (starts_with(word, "unattended-timeout=")) {
    if (!duration_parse(value, &source->unattended_timeout_s))
      return -1;
  } else if (starts_with(word, "expect-id=")) {
    mounting->open.expect_id = value;
  } else if (strcmp(word, "no-anchor") == 0) {
    mounting->open.no_anchor = true;
  } else if (strcmp(word, "accept-rollback") == 0) {
    mounting->open.accept_rollback = true;
  } else if (strcmp(word, "foreground") == 0) {
    mounting->foreground = true;
  } else {
    return 0;
  }
  return 1;
}

int mounting_take_options(struct mounting *mounting, char *text, bool fstab) {
  for (char *word = text, *next = NULL; word != NULL; word = next) {
    char *end = option_end(word);
    next = *end != '\0' ? end + 1 : NULL;
    *end = '\0';
    if (*word == '\0')
      continue;
    char why[WHY_BYTES] = "";
    const int own = take_own(mounting, word);
    if (own < 0)
      return report_error(EXIT_USAGE, mounting->volume, "mount option '%s' makes no sense", word);
    if (own > 0 || (fstab && is_for_others(word)))
      continue;
    if (mount_parse_option(&mounting->mount, word, why, sizeof why) != 0)
      return report_error(EXIT_USAGE, mounting->volume, "%s; see nacre mount --help", why);
  }
  return EXIT_DONE;
}

/* ---- Before the volume is open --------------------------------------------------------------------- */

/* A mount that has just been taken away, by whatever program, still writes its last commit. Wait for that; for one
 * that stays, or another program, no longer than a moment. Nor for another user's, who may have us wait for ever. */
static void wait_for_former(const char *volume) {
  enum { WAIT_S = 2 };
  struct mounts mounts;
  char message[WHY_BYTES];
  enum nacre_err err = NACRE_ERR_NOT_FOUND;
  if (volume_is_free(volume) || mounts_load(&mounts) != EXIT_DONE)
    return;
  const struct control_mount *former = mounts_find(&mounts, volume);
  if (former != NULL && former->uid == geteuid())
    err = control_call(former, "gone", message, sizeof message);
  else if (former != NULL)
    err = NACRE_ERR_IN_USE;
  mounts_free(&mounts);
  /* Not found: it no longer listens, which is the moment before it lets go. */
  if (err == NACRE_ERR_NOT_FOUND)
    (void)volume_wait_free(volume, WAIT_S);
}

static int check_mountpoint(const char *dir, const struct mount_options *options) {
  char why[WHY_BYTES] = "";
  enum nacre_err err = mount_check(dir, options, why, sizeof why);
  if (err == NACRE_ERR_IN_USE && mountpoint_is_dead(dir)) {
    if (mountpoint_detach(dir, MNT_DETACH) == 0)
      report_note(dir, "took away a mount whose process had died");
    err = mount_check(dir, options, why, sizeof why); /* somebody else may have been faster */
  }
  if (err == NACRE_OK)
    return EXIT_DONE;
  const int code = report_exit_code(err);
  return report_error(code, dir, "%s", why[0] != '\0' ? why : nacre_strerror(err));
}

/* ---- Ready, or not ------------------------------------------------------------------------------------ */

/* What the serving process has to know when the mount answers. */
struct starting {
  const struct mounting *mounting;
  int pipe;    /* where the process that waits gets the exit code; -1 in the foreground */
  bool listed; /* in umount(8)'s table */
  bool said;
  int code;
};

static void tell(struct starting *starting, int code) {
  if (starting->pipe < 0)
    return;
  const unsigned char byte = (unsigned char)code;
  while (write(starting->pipe, &byte, 1) < 0 && errno == EINTR)
    continue;
  (void)close(starting->pipe);
  starting->pipe = -1;
}

/* Leave the terminal and the folder that this was started in. */
static void detach(void) {
  (void)setsid();
  if (chdir("/") != 0)
    return;
  const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0)
    return;
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    (void)dup2(null, fd);
  if (null > STDERR_FILENO)
    (void)close(null);
}

static const char *shown_source(const struct mounting *mounting) {
  return mounting->mount.fsname[0] != '\0' ? mounting->mount.fsname : mounting->volume;
}

static void on_ready(void *arg, enum nacre_err err, const char *message) {
  struct starting *starting = arg;
  starting->said = true;
  if (err != NACRE_OK) {
    starting->code = report_error(report_exit_code(err), starting->mounting->volume, "cannot mount on %s: %s",
                                  starting->mounting->dir, message != NULL ? message : nacre_strerror(err));
    return;
  }
  const struct mounting *mounting = starting->mounting;
  starting->listed = utab_is_of_use();
  if (starting->listed)
    utab_add(shown_source(mounting), mounting->dir);
  if (starting->pipe < 0)
    return;
  report_use_syslog();
  detach();
  tell(starting, EXIT_DONE);
}

/* A volume from another machine, or one that root made: say how to use it. */
static void note_owner(const struct mounting *mounting, nacre_volume *vol) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  if (mounting->mount.owner_me || nacre_stat(vol, "", &attr) != NACRE_OK || attr.uid == geteuid())
    return;
  report_note(mounting->volume,
              "its root folder belongs to uid %u, not to you; -o owner=me shows everything as yours",
              (unsigned)attr.uid);
}

static int serve(const struct mounting *mounting, int pipe) {
  struct starting starting = {.mounting = mounting, .pipe = pipe};
  const struct volume_request request = {.path = mounting->volume,
                                         .options = &mounting->open,
                                         .read_only = mounting->mount.read_only,
                                         .threads = -1,
                                         .waiting = mount_waiting};
  nacre_volume *vol = NULL;
  int code = volume_open(&request, &vol);
  if (code == EXIT_DONE) {
    note_owner(mounting, vol);
    interrupt_release(); /* from here on the mount takes the signals */
    const enum nacre_err err = mount_run(vol, mounting->dir, &mounting->mount, on_ready, &starting);
    if (err != NACRE_OK)
      code = starting.code != EXIT_DONE ? starting.code : report_library(mounting->volume, err);
    if (starting.listed) /* before the next mount of the volume can be */
      utab_remove(shown_source(mounting), mounting->dir);
    code = volume_close(mounting->volume, vol, code);
  }
  tell(&starting, code);
  return code;
}

/* Descriptors that the caller happened to have open must not stay so for as long as the mount lives. */
static void close_inherited(int one, int other) {
  const int low = one < other ? one : other;
  const int high = one < other ? other : one;
  unsigned from = STDERR_FILENO + 1;
  if (low > STDERR_FILENO) {
    if ((unsigned)low > from)
      (void)close_range(from, (unsigned)low - 1, 0);
    from = (unsigned)low + 1;
  }
  if ((unsigned)high > from)
    (void)close_range(from, (unsigned)high - 1, 0);
  (void)close_range((unsigned)high + 1, ~0u, 0);
}

/* Wait for the serving process's word. Its errors it has printed itself. */
static int wait_ready(int pipe, pid_t child) {
  unsigned char code = EXIT_OTHER;
  ssize_t got;
  do
    got = read(pipe, &code, 1);
  while (got < 0 && errno == EINTR);
  (void)close(pipe);
  if (got == 1)
    return code;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    continue;
  if (WIFSIGNALED(status))
    return report_error(EXIT_OTHER, NULL, "the mount's process was ended by signal %d", WTERMSIG(status));
  return report_error(EXIT_OTHER, NULL, "the mount's process ended without a word");
}

/* The volume is opened in the process that serves it: the library's handles don't outlive a fork. Until it is ready
 * that process keeps the terminal, for the passphrase. */
static int serve_in_background(const struct mounting *mounting) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return report_errno(mounting->volume, "cannot start", errno);
  const pid_t child = fork();
  if (child < 0)
    return report_errno(mounting->volume, "cannot start", errno);
  if (child == 0) {
    close_inherited(ends[1], mounting->open.credential.passphrase_fd);
    const int code = serve(mounting, ends[1]);
    (void)fflush(NULL);
    _exit(code);
  }
  (void)close(ends[1]);
  return wait_ready(ends[0], child);
}

/* Before there are threads. glibc gives each a heap of its own, and what one frees another cannot use: after random
 * writes the process was twice as large as what it held. The library's buffers are large, so that threads seldom meet
 * at the one heap. */
static void share_heap(void) {
#ifdef M_ARENA_MAX
  (void)mallopt(M_ARENA_MAX, 1);
#endif
}

int mounting_run(struct mounting *mounting) {
  share_heap();
  char *volume = realpath(mounting->volume, NULL);
  char *dir = mountpoint_resolve(mounting->dir);
  char *header = volume_header.path != NULL ? realpath(volume_header.path, NULL) : NULL;
  struct nacre_public_info info;
  wait_for_former(mounting->volume);
  int code = volume_check(mounting->volume, mounting->mount.read_only, &info);
  if (code == EXIT_DONE && (volume == NULL || dir == NULL))
    code = report_errno(volume == NULL ? mounting->volume : mounting->dir, "cannot resolve the path", errno);
  if (code == EXIT_DONE) {
    mounting->volume = volume;
    mounting->dir = dir;
    /* The process of the mount leaves the working folder. One that can't be resolved has failed the check. */
    volume_header.path = header;
    mounting->mount.volume_path = volume;
    code = check_mountpoint(dir, &mounting->mount);
  }
  if (code == EXIT_DONE)
    code = mounting->foreground ? serve(mounting, -1) : serve_in_background(mounting);
  volume_header.path = NULL;
  free(header);
  free(volume);
  free(dir);
  return code;
}
