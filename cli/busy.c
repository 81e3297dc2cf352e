#include "busy.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* More than this many names help nobody. */
#define BUSY_NAMED_MAX 8

static bool is_beneath(const char *path, const char *dir) {
  const size_t len = strlen(dir);
  return strncmp(path, dir, len) == 0 && (path[len] == '\0' || path[len] == '/' || strcmp(dir, "/") == 0);
}

/* Only the text of the link is compared: to follow it would ask the mount itself, which may not answer. */
static bool link_is_beneath(int proc, const char *name, const char *dir) {
  char target[PATH_MAX + 1];
  const ssize_t len = readlinkat(proc, name, target, sizeof target - 1);
  if (len <= 0)
    return false;
  target[len] = '\0';
  return is_beneath(target, dir);
}

static bool has_open_file(int proc, const char *dir) {
  const int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *fds = fd >= 0 ? fdopendir(fd) : NULL;
  if (fds == NULL) {
    if (fd >= 0)
      (void)close(fd);
    return false;
  }
  bool found = false;
  const struct dirent *entry;
  while (!found && (entry = readdir(fds)) != NULL)
    found = entry->d_name[0] != '.' && link_is_beneath(dirfd(fds), entry->d_name, dir);
  (void)closedir(fds);
  return found;
}

static bool has_mapping(int proc, const char *dir) {
  const int fd = openat(proc, "maps", O_RDONLY | O_CLOEXEC);
  FILE *maps = fd >= 0 ? fdopen(fd, "r") : NULL;
  if (maps == NULL) {
    if (fd >= 0)
      (void)close(fd);
    return false;
  }
  bool found = false;
  char *line = NULL;
  size_t room = 0;
  ssize_t len;
  while (!found && (len = getline(&line, &room, maps)) > 0) {
    if (line[len - 1] == '\n')
      line[len - 1] = '\0';
    const char *path = strchr(line, '/');
    found = path != NULL && is_beneath(path, dir);
  }
  free(line);
  (void)fclose(maps);
  return found;
}

static void process_name(int proc, char *name, size_t size) {
  (void)snprintf(name, size, "process");
  const int fd = openat(proc, "comm", O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  const ssize_t len = read(fd, name, size - 1);
  (void)close(fd);
  if (len <= 0)
    return;
  name[len] = '\0';
  name[strcspn(name, "\n")] = '\0';
}

static bool is_busy(int proc, const char *dir) {
  return link_is_beneath(proc, "cwd", dir) || link_is_beneath(proc, "root", dir) || has_open_file(proc, dir) ||
         has_mapping(proc, dir);
}

/* Append "name (pid)" to *list. */
static void append(char **list, const char *name, const char *pid) {
  char *longer = NULL;
  if (asprintf(&longer, "%s%s%s (%s)", *list != NULL ? *list : "", *list != NULL ? ", " : "", name, pid) < 0)
    return;
  free(*list);
  *list = longer;
}

char *busy_processes(const char *dir) {
  DIR *procs = opendir("/proc");
  if (procs == NULL)
    return NULL;
  char *list = NULL;
  int named = 0;
  const struct dirent *entry;
  while (named < BUSY_NAMED_MAX && (entry = readdir(procs)) != NULL) {
    if (!isdigit((unsigned char)entry->d_name[0]) || strtol(entry->d_name, NULL, 10) == getpid())
      continue;
    const int proc = openat(dirfd(procs), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (proc < 0)
      continue;
    if (is_busy(proc, dir)) {
      char name[64];
      process_name(proc, name, sizeof name);
      append(&list, name, entry->d_name);
      named++;
    }
    (void)close(proc);
  }
  (void)closedir(procs);
  return list;
}
