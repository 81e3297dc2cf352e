#include "utab.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TABLE "/run/mount/utab"
#define HELPER "/sbin/umount.nacre"
#define HELPER_OPTION "uhelper=nacre"

extern char **environ;

bool utab_is_of_use(void) {
  return geteuid() == 0 && access(HELPER, X_OK) == 0;
}

/* mount(8) and umount(8) write their table themselves: --fake leaves the mount alone. */
static void run_quietly(char *const argv[]) {
  posix_spawn_file_actions_t actions;
  if (posix_spawn_file_actions_init(&actions) != 0)
    return;
  pid_t child = 0;
  int failed = 0;
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO && failed == 0; fd++)
    failed = posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
  if (failed == 0)
    failed = posix_spawnp(&child, argv[0], &actions, NULL, argv, environ);
  (void)posix_spawn_file_actions_destroy(&actions);
  while (failed == 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
    continue;
}

/* Names that the table has to write otherwise are not found, and stay. */
static bool is_listed(const char *dir) {
  FILE *table = fopen(TABLE, "re");
  char *line = NULL, *target = NULL;
  size_t room = 0;
  bool found = false;
  if (table == NULL || asprintf(&target, " TARGET=%s ", dir) < 0)
    target = NULL;
  while (target != NULL && !found && getline(&line, &room, table) > 0)
    found = strstr(line, target) != NULL;
  free(target);
  free(line);
  if (table != NULL)
    (void)fclose(table);
  return found;
}

void utab_add(const char *source, const char *dir) {
  utab_remove(dir); /* of a process that was killed */
  char *own_source = strdup(source), *own_dir = strdup(dir);
  char *const argv[] = {(char[]){"mount"},
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

void utab_remove(const char *dir) {
  if (!utab_is_of_use() || !is_listed(dir))
    return;
  char *own_dir = strdup(dir);
  char *const argv[] = {
      (char[]){"umount"}, (char[]){"--fake"}, (char[]){"--internal-only"}, (char[]){"--"}, own_dir, NULL};
  if (own_dir != NULL)
    run_quietly(argv);
  free(own_dir);
}
