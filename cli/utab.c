#include "utab.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TABLE "/run/mount/utab"
#define HELPER "/sbin/umount.nacre"
#define HELPER_OPTION "uhelper=nacre"
#define PATIENCE_S 5
#define POLLS_A_SECOND 100

bool utab_is_of_use(void) {
  return geteuid() == 0 && access(HELPER, X_OK) == 0;
}

/* 0: it has ended, and been reaped. */
static int wait_for(pid_t child) {
  const struct timespec pause = {0, 1000000000 / POLLS_A_SECOND};
  for (int tries = 0; tries < PATIENCE_S * POLLS_A_SECOND; tries++) {
    const pid_t got = waitpid(child, NULL, WNOHANG);
    if (got == child || (got < 0 && errno != EINTR))
      return 0;
    (void)nanosleep(&pause, NULL);
  }
  return -1;
}

/* mount(8) and umount(8) write their table themselves: --fake leaves the mount alone. Another program may keep the
 * table locked: then it goes without. */
static void run_quietly(char *const argv[]) {
  char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  char *const environment[] = {path, NULL};
  posix_spawn_file_actions_t actions;
  if (posix_spawn_file_actions_init(&actions) != 0)
    return;
  pid_t child = 0;
  int failed = 0;
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && failed == 0; fd++)
    failed = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  if (failed == 0)
    failed = posix_spawn(&child, argv[0], &actions, NULL, argv, environment);
  (void)posix_spawn_file_actions_destroy(&actions);
  if (failed != 0 || wait_for(child) == 0)
    return;
  (void)kill(child, SIGKILL);
  (void)waitpid(child, NULL, 0);
}

static char *text_of(const char *key, const char *value) {
  char *text = NULL;
  return asprintf(&text, "%s=%s ", key, value) < 0 ? NULL : text;
}

/* Names that the table has to write otherwise are not found, and stay. */
static bool is_listed(const char *source, const char *dir) {
  FILE *table = fopen(TABLE, "re");
  char *target = text_of(" TARGET", dir), *from = source != NULL ? text_of("SRC", source) : strdup("");
  char *line = NULL;
  size_t room = 0;
  bool found = false;
  while (table != NULL && target != NULL && from != NULL && !found && getline(&line, &room, table) > 0)
    found = strstr(line, target) != NULL && strstr(line, from) != NULL;
  free(target);
  free(from);
  free(line);
  if (table != NULL)
    (void)fclose(table);
  return found;
}

void utab_add(const char *source, const char *dir) {
  utab_remove(NULL, dir); /* of a process that was killed */
  char *own_source = strdup(source), *own_dir = strdup(dir);
  char *const argv[] = {(char[]){"/bin/mount"},
                        (char[]){"--fake"},
                        (char[]){"--internal-only"},
                        (char[]){"-t"},
                        (char[]){"fuse.nacre"},
                        (char[]){"-o"},
                        (char[]){HELPER_OPTION},
                        (char[]){"--"},
                        own_source,
                        own_dir,
                        NULL};
  if (own_source != NULL && own_dir != NULL)
    run_quietly(argv);
  free(own_source);
  free(own_dir);
}

void utab_remove(const char *source, const char *dir) {
  if (!utab_is_of_use() || !is_listed(source, dir))
    return;
  char *own_dir = strdup(dir);
  char *const argv[] = {
      (char[]){"/bin/umount"}, (char[]){"--fake"}, (char[]){"--internal-only"}, (char[]){"--"}, own_dir, NULL};
  if (own_dir != NULL)
    run_quietly(argv);
  free(own_dir);
}
