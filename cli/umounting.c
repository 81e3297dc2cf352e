#include "umounting.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "busy.h"
#include "mountpoints.h"
#include "mounts.h"
#include "remounting.h"
#include "report.h"
#include "utab.h"
#include "volume.h"

#define MESSAGE_BYTES 256
/* How long a process that can't be asked may take for its last commit before this gives up waiting. */
#define LAST_COMMIT_WAIT_S 60
/* Whoever looks at all mounts, as df does, keeps each busy for a moment. */
#define PASSING_WAIT_S 3
#define POLLS_A_SECOND 20

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
    code = report_error(EXIT_IN_USE, name, "in use by %s; end that, or give -l", who);
  else
    code = report_error(EXIT_IN_USE, name,
                        "something in it is open, by a process that you can't see; end that, or give -l");
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
  return report_message(name, err, message);
}

/* A process that doesn't answer commits after the kernel has taken the mount away: wait until it lets go. */
static int wait_free(const struct mountpoint *at, const char *container) {
  /* Another user can name anything as the container: it is not opened. */
  if (at->uid != geteuid())
    report_note(at->dir, "its process can't be asked, and may still be writing what was not yet committed");
  else if (!volume_wait_free(container, LAST_COMMIT_WAIT_S))
    return report_error(EXIT_IN_USE, at->dir,
                        "unmounted, but its process still holds %s; wait before you take it away", container);
  return EXIT_DONE;
}

/* 0 or an errno; with EBUSY *who has the users' names, or is NULL. */
static int detach(const struct mountpoint *at, int how, char **who) {
  int tries = 0, error;
  do
    error = mountpoint_detach(at->dir, how);
  while (error == EBUSY && may_pass(at->dir, &tries, who));
  return error;
}

/* No process answers for it: another user's, one that hangs, or one that has died. */
static int umount_by_kernel(const char *name, const struct mountpoint *at, bool lazy) {
  if (geteuid() != 0 && geteuid() != at->uid)
    return report_error(EXIT_NOT_PERMITTED, name, "another user mounted it; ask them, or root");
  const bool dead = mountpoint_is_dead(at->dir);
  char *who = NULL;
  const int error = detach(at, lazy || dead ? MNT_DETACH : 0, &who);
  if (error == EBUSY)
    return report_busy(name, who);
  if (error != 0)
    return report_errno(name, "cannot unmount", error);
  if (!dead)
    return wait_free(at, at->source);
  utab_remove(at->source, at->dir);
  report_note(name, "took away a mount whose process had died; what was not yet committed is lost");
  return EXIT_DONE;
}

/* Ask the process of what stands on the folder `path`, or else of the container that goes by this name. */
static int ask_to_end(const char *name, const char *path, bool lazy) {
  struct mounts mounts;
  struct mountpoint at;
  int code = mounts_load(&mounts);
  if (code == EXIT_DONE) {
    const bool is_folder = path != NULL && mountpoint_at(path, &at);
    const struct control_mount *mount = is_folder ? mounts_find_at(&mounts, &at) : mounts_find(&mounts, name);
    if (is_folder)
      mountpoint_free(&at);
    if (mount != NULL)
      code = umount_running(name, mount, lazy);
  }
  mounts_free(&mounts);
  return code;
}

int umounting_end(const char *name, bool lazy) {
  char *path = mountpoint_resolve(name);
  struct mountpoint at;
  int code = ask_to_end(name, path, lazy);
  if (code != EXIT_DONE || path == NULL) {
    free(path);
    return code;
  }
  /* Also after the process has said it is done: it may have died on the way. */
  if (mountpoint_find(path, &at)) {
    code = umount_by_kernel(name, &at, lazy);
    mountpoint_free(&at);
  }
  free(path);
  return code;
}

int umounting_end_all(bool lazy) {
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

/* ---- As umount(8) ---- */

/* After the kernel has taken a mount away: if that was its last place, its process commits and ends. */
static int wait_for_process(const struct mountpoint *at, const struct control_mount *mount) {
  char message[MESSAGE_BYTES] = "";
  enum nacre_err err = mount != NULL ? control_call(mount, "gone", message, sizeof message) : NACRE_ERR_NOT_FOUND;
  if (err == NACRE_ERR_ARGUMENT) /* a process from before that request */
    err = mountpoint_is_elsewhere(at) ? control_call(mount, "sync", message, sizeof message) : NACRE_ERR_NOT_FOUND;
  if (err == NACRE_ERR_IN_USE) { /* it is mounted somewhere else, too */
    if (!mountpoint_is_elsewhere(at))
      report_note(at->dir, "its process goes on: the mount lives on in another namespace; nacre umount %s ends it",
                  at->source);
    err = control_call(mount, "sync", message, sizeof message);
  }
  if (err == NACRE_OK)
    return EXIT_DONE;
  if (err == NACRE_ERR_NOT_FOUND || err == NACRE_ERR_LIMIT) /* it can't be asked, or not by so many at once */
    return mountpoint_is_elsewhere(at) ? EXIT_DONE : wait_free(at, mount != NULL ? mount->volume : at->source);
  return report_error(report_exit_code(err), at->dir, "%s", message[0] != '\0' ? message : nacre_strerror(err));
}

static bool is_still_there(const struct mountpoint *at) {
  struct mountpoint now;
  if (!mountpoint_at(at->dir, &now))
    return false;
  const bool same = strcmp(now.device, at->device) == 0;
  mountpoint_free(&now);
  return same;
}

static int take_away(const struct mountpoint *at, const struct umounting_flags *flags, const struct mounts *mounts) {
  const struct control_mount *mount = mounts_find_at(mounts, at);
  if (flags->force && mount != NULL) {
    const int code = umount_running(at->dir, mount, true);
    if (code != EXIT_DONE || !is_still_there(at))
      return code;
  }
  /* Whether it is dead is asked of its process, which may hang. */
  const bool dead = !flags->force && mountpoint_is_dead(at->dir);
  const int how = (flags->force ? MNT_FORCE : 0) | (flags->force || flags->lazy || dead ? MNT_DETACH : 0);
  char *who = NULL;
  const int error = detach(at, how, &who);
  if (error == EBUSY && flags->read_only) {
    free(who);
    return remounting_read_only(at);
  }
  if (error == EBUSY)
    return report_busy(at->dir, who);
  if (error != 0)
    return report_errno(at->dir, "cannot unmount", error);
  if (dead)
    report_note(at->dir, "took away a mount whose process had died; what was not yet committed is lost");
  if (flags->force)
    report_note(at->dir, "taken away without its process; what was not yet committed may be lost");
  return dead || flags->lazy || flags->force ? EXIT_DONE : wait_for_process(at, mount);
}

int umounting_take_away(const char *dir, const struct umounting_flags *flags) {
  char *path = mountpoint_resolve(dir);
  struct mountpoint at;
  if (path == NULL || !mountpoint_at(path, &at)) {
    free(path);
    return report_error(EXIT_OTHER, dir, "no volume is mounted there");
  }
  free(path);
  struct mounts mounts = {0};
  int code;
  if (geteuid() != 0 && geteuid() != at.uid)
    code = report_error(EXIT_NOT_PERMITTED, at.dir, "another user mounted it; ask them, or root");
  else
    code = mounts_load(&mounts);
  if (code == EXIT_DONE)
    code = take_away(&at, flags, &mounts);
  mounts_free(&mounts);
  mountpoint_free(&at);
  return code;
}
