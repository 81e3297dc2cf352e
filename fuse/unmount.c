#include "fuse/unmount.h"

#include "fuse/aside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

void unmount_flush(const struct mount *m) {
  /* What could not be written is reported to whoever wrote it. */
  const int ignored = aside_sync(m->mountpoint, m->device);
  (void)ignored;
}

/* What is on top at the mount point may be another's mount, or nothing any more. */
static bool is_on_top(const struct mount *m) {
  dev_t device;
  return aside_stat(m->mountpoint, &device) == 0 && device == m->device;
}

static bool is_mounted_anywhere(const struct mount *m) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  if (file == NULL)
    return true;
  char *line = NULL;
  size_t room = 0;
  bool found = false;
  while (!found && getline(&line, &room, file) > 0) {
    unsigned number_major = 0;
    unsigned number_minor = 0;
    found = sscanf(line, "%*d %*d %u:%u ", &number_major, &number_minor) == 2 &&
            makedev(number_major, number_minor) == m->device;
  }
  free(line);
  fclose(file);
  return found;
}

static enum nacre_err unmount_as_root(const struct mount *m) {
  switch (aside_unmount(m->mountpoint)) {
  case 0:
    return NACRE_OK;
  case EBUSY:
    return NACRE_ERR_IN_USE;
  case EINVAL:
  case ENOENT:
    return NACRE_OK;
  case EPERM:
    return NACRE_ERR_PERMISSION;
  default:
    return NACRE_ERR_IO;
  }
}

static enum nacre_err unmount_as_user(const struct mount *m) {
  char *argv[] = {(char[]){"fusermount3"}, (char[]){"-u"}, (char[]){"--"}, m->mountpoint, NULL};
  posix_spawn_file_actions_t actions;
  if (posix_spawn_file_actions_init(&actions) != 0)
    return NACRE_ERR_NO_MEMORY;
  pid_t child = 0;
  int failed = 0;
  for (int fd = 0; fd <= 2 && failed == 0; fd++)
    failed = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  if (failed == 0)
    failed = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0)
    return failed == ENOMEM ? NACRE_ERR_NO_MEMORY : NACRE_ERR_UNSUPPORTED;
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR)
    continue;
  /* Its exit status does not say why it failed, nor can it always be had. */
  return is_on_top(m) ? NACRE_ERR_IN_USE : NACRE_OK;
}

enum nacre_err unmount_try(const struct mount *m) {
  if (!is_on_top(m)) /* covered by another mount, or gone */
    return is_mounted_anywhere(m) ? NACRE_ERR_IN_USE : NACRE_OK;
  return geteuid() == 0 ? unmount_as_root(m) : unmount_as_user(m);
}

bool unmount_is_done(const struct mount *m) {
  struct pollfd connection = {.fd = fuse_session_fd(m->session)};
  return atomic_load(&m->loop_done) || (poll(&connection, 1, 0) == 1 && (connection.revents & POLLERR) != 0);
}
