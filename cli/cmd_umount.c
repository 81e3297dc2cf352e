#include "command.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "busy.h"
#include "mountpoints.h"
#include "mounts.h"
#include "options.h"
#include "report.h"
#include "volume.h"

#define MESSAGE_BYTES 256
/* How long a process that can't be asked may take for its last commit before this gives up waiting. */
#define LAST_COMMIT_WAIT_S 60
/* Whoever looks at all mounts, as df does, keeps each busy for a moment. */
#define PASSING_WAIT_S 3
#define POLLS_A_SECOND 20

struct umount_options {
  bool all, lazy;
};

static const struct option_spec umount_specs[] = {
    {"all", 'a', OPTION_FLAG, offsetof(struct umount_options, all), NULL, "every volume that you have mounted"},
    {"lazy", 'l', OPTION_FLAG, offsetof(struct umount_options, lazy), NULL,
     "also where it is busy: what is open there fails from then on"},
    {0}};

static void pause_a_moment(void) {
  const struct timespec pause = {0, 1000000000 / POLLS_A_SECOND};
  (void)nanosleep(&pause, NULL);
}

/* Whether to try again what has failed for the `*tries`th time since the mount is busy: nobody is to be seen who uses
 * it. Else *who has the users' names, or NULL. */
static bool may_pass(const char *dir, int *tries, char **who) {
  *who = busy_processes(dir);
  if (*who != NULL || ++*tries > PASSING_WAIT_S * POLLS_A_SECOND)
    return false;
  pause_a_moment();
  return true;
}

static int report_busy(const char *name, char *who) {
  int code;
  if (who != NULL)
    code = report_error(EXIT_IN_USE, name, "in use by %s; end that, or give --lazy", who);
  else
    code = report_error(EXIT_IN_USE, name,
                        "something in it is open, by a process that you can't see; end that, or "
                        "give --lazy");
  free(who);
  return code;
}

/* Through its process, which says when all is on disk and the container free. */
static int umount_running(const char *name, const struct control_mount *mount, bool lazy) {
  char message[MESSAGE_BYTES] = "";
  char *who = NULL;
  int tries = 0;
  enum nacre_err err;
  do
    err = control_call(mount, lazy ? "umount lazy" : "umount", message, sizeof message);
  while (err == NACRE_ERR_IN_USE && may_pass(mount->dir, &tries, &who));
  if (err == NACRE_ERR_IN_USE)
    return report_busy(name, who);
  /* Not found: it has ended meanwhile; what it left behind is taken away by the caller. */
  if (err == NACRE_OK || err == NACRE_ERR_NOT_FOUND)
    return EXIT_DONE;
  return report_error(report_exit_code(err), name, "%s", message[0] != '\0' ? message : nacre_strerror(err));
}

/* A process that doesn't answer commits after the kernel has taken the mount away: wait until it lets go. */
static int wait_free(const char *name, const char *container) {
  for (int tries = 0; tries < LAST_COMMIT_WAIT_S * POLLS_A_SECOND; tries++) {
    const struct nacre_target target = volume_target(container);
    struct nacre_public_info info = {.struct_size = sizeof info};
    if (nacre_probe(&target, &info) != NACRE_OK || !info.in_use)
      return EXIT_DONE;
    pause_a_moment();
  }
  return report_error(EXIT_IN_USE, name, "unmounted, but its process still holds %s; wait before you take it away",
                      container);
}

/* No process answers for it: another user's, one that hangs, or one that has died. */
static int umount_by_kernel(const char *name, const struct mountpoint *at, bool lazy) {
  if (geteuid() != 0 && geteuid() != at->uid)
    return report_error(EXIT_NOT_PERMITTED, name, "another user mounted it; ask them, or root");
  const bool dead = mountpoint_is_dead(at->dir);
  char *who = NULL;
  int tries = 0, error;
  do
    error = mountpoint_detach(at->dir, lazy || dead);
  while (error == EBUSY && may_pass(at->dir, &tries, &who));
  if (error == EBUSY)
    return report_busy(name, who);
  if (error != 0)
    return report_errno(name, "cannot unmount", error);
  if (dead)
    report_note(name, "took away a mount whose process had died; what was not yet committed is lost");
  return dead ? EXIT_DONE : wait_free(name, at->source);
}

static int umount_one(const char *name, bool lazy) {
  struct mounts mounts;
  int code = mounts_load(&mounts);
  if (code == EXIT_DONE) {
    const struct control_mount *mount = mounts_find(&mounts, name);
    if (mount != NULL)
      code = umount_running(name, mount, lazy);
  }
  mounts_free(&mounts);
  if (code != EXIT_DONE)
    return code;
  char *path = mountpoint_resolve(name);
  struct mountpoint at;
  if (path == NULL)
    return EXIT_DONE;
  /* Also after the process has said it is done: it may have died on the way. */
  if (mountpoint_find(path, &at)) {
    code = umount_by_kernel(name, &at, lazy);
    mountpoint_free(&at);
  }
  free(path);
  return code;
}

/* Try each, and return the first failure's code. */
static int umount_all(bool lazy) {
  struct mounts mounts;
  int code = mounts_load(&mounts);
  for (size_t i = mounts.count; i > 0; i--) {
    const struct control_mount *mount = &mounts.list[i - 1];
    if (mount->uid != geteuid() && geteuid() != 0)
      continue;
    const int one = umount_running(mount->dir, mount, lazy);
    if (code == EXIT_DONE)
      code = one;
  }
  if (mounts.silent > 0) {
    const int silent =
        report_error(EXIT_IN_USE, NULL, "%zu more mount%s there whose process doesn't answer; name the folder",
                     mounts.silent, mounts.silent == 1 ? " is" : "s are");
    if (code == EXIT_DONE)
      code = silent;
  }
  mounts_free(&mounts);
  return code;
}

int cmd_umount(const struct command *self, int argc, char **argv) {
  struct umount_options o = {0};
  const struct option_group groups[] = {{"Options", umount_specs, &o}, {0}};
  const enum options_result parsed = options_parse(self, groups, 0, -1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  if (o.all == (argc > 0))
    return report_error(EXIT_USAGE, self->name, "give folders or volumes, or --all");
  if (o.all)
    return umount_all(o.lazy);
  int code = EXIT_DONE;
  for (int i = 0; i < argc; i++) {
    const int one = umount_one(argv[i], o.lazy);
    if (code == EXIT_DONE)
      code = one;
  }
  return code;
}
