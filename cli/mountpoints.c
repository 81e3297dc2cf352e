#include "mountpoints.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

char *mountpoint_resolve(const char *path) {
  char *whole = realpath(path, NULL);
  if (whole != NULL)
    return whole;
  /* A dead mount refuses even lstat: its folder's name is then the truth. */
  char *copy_dir = strdup(path), *copy_base = strdup(path);
  char *parent = copy_dir != NULL ? realpath(dirname(copy_dir), NULL) : NULL;
  if (parent != NULL && copy_base != NULL) {
    const char *base = basename(copy_base);
    if (asprintf(&whole, "%s/%s", strcmp(parent, "/") == 0 ? "" : parent, base) < 0)
      whole = NULL;
  }
  free(parent);
  free(copy_dir);
  free(copy_base);
  return whole;
}

/* Undo the octal escapes of /proc/self/mountinfo, in place. */
static void unescape(char *text) {
  char *out = text;
  while (*text != '\0') {
    if (text[0] == '\\' && text[1] >= '0' && text[1] <= '3' && text[2] >= '0' && text[2] <= '7' && text[3] >= '0' &&
        text[3] <= '7') {
      *out++ = (char)(((text[1] - '0') << 6) | ((text[2] - '0') << 3) | (text[3] - '0'));
      text += 4;
    } else {
      *out++ = *text++;
    }
  }
  *out = '\0';
}

/* A line of mountinfo in its fields: "ID PARENT DEV ROOT DIR OPTIONS [TAGS...] - TYPE SOURCE SUPER". */
struct fields {
  char *device, *dir, *flags, *type, *source, *super;
};

static bool parse_line(char *line, struct fields *fields) {
  char *rest = strstr(line, " - ");
  if (rest == NULL)
    return false;
  *rest = '\0';
  char *save = NULL;
  char *words[6];
  for (int i = 0; i < 6; i++)
    words[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
  *fields =
      (struct fields){.device = words[2], .dir = words[4], .flags = words[5], .type = strtok_r(rest + 3, " ", &save)};
  fields->source = strtok_r(NULL, " \n", &save);
  fields->super = strtok_r(NULL, " \n", &save);
  if (fields->flags == NULL || fields->type == NULL || fields->source == NULL || fields->super == NULL)
    return false;
  unescape(fields->dir);
  unescape(fields->source);
  return true;
}

static bool is_ours(const char *type) {
  return strcmp(type, "fuse.nacre") == 0 || strcmp(type, "nacre") == 0;
}

static unsigned owner_of(const struct fields *fields) {
  const char *uid = strstr(fields->super, "user_id=");
  return uid != NULL ? (unsigned)strtoul(uid + strlen("user_id="), NULL, 10) : 0;
}

static bool is_at(const struct fields *fields, const char *path) {
  return strcmp(fields->dir, path) == 0;
}

static bool is_own_of(const struct fields *fields, const char *path) {
  return is_ours(fields->type) && strcmp(fields->source, path) == 0 && owner_of(fields) == geteuid();
}

/* False without memory. */
static bool take(const struct fields *fields, struct mountpoint *found) {
  *found = (struct mountpoint){.dir = strdup(fields->dir),
                               .source = strdup(fields->source),
                               .super = strdup(fields->super),
                               .flags = strdup(fields->flags),
                               .uid = owner_of(fields)};
  (void)snprintf(found->device, sizeof found->device, "%s", fields->device);
  if (found->dir != NULL && found->source != NULL && found->super != NULL && found->flags != NULL)
    return true;
  mountpoint_free(found);
  return false;
}

/* The last of the lines that `wanted` says yes to, which is the topmost mount, if it is one of ours. */
static bool find_last(bool (*wanted)(const struct fields *fields, const char *path), const char *path,
                      struct mountpoint *found) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  if (file == NULL)
    return false;
  char *line = NULL;
  size_t room = 0;
  bool any = false;
  while (getline(&line, &room, file) > 0) {
    struct fields fields;
    if (!parse_line(line, &fields) || !wanted(&fields, path))
      continue;
    if (any)
      mountpoint_free(found);
    any = is_ours(fields.type) && take(&fields, found);
  }
  free(line);
  (void)fclose(file);
  return any;
}

bool mountpoint_at(const char *dir, struct mountpoint *found) {
  return find_last(is_at, dir, found);
}

bool mountpoint_find(const char *path, struct mountpoint *found) {
  return mountpoint_at(path, found) || find_last(is_own_of, path, found);
}

void mountpoint_free(struct mountpoint *mountpoint) {
  free(mountpoint->dir);
  free(mountpoint->source);
  free(mountpoint->super);
  free(mountpoint->flags);
  *mountpoint = (struct mountpoint){0};
}

bool mountpoint_is_elsewhere(const struct mountpoint *mountpoint) {
  FILE *file = fopen("/proc/self/mountinfo", "re");
  if (file == NULL)
    return false;
  char *line = NULL;
  size_t room = 0;
  bool found = false;
  while (!found && getline(&line, &room, file) > 0) {
    struct fields fields;
    found = parse_line(line, &fields) && strcmp(fields.device, mountpoint->device) == 0;
  }
  free(line);
  (void)fclose(file);
  return found;
}

bool mountpoint_is_dead(const char *dir) {
  struct statfs fs; /* stat would be answered from the kernel's cache for long after */
  return statfs(dir, &fs) != 0 && (errno == ENOTCONN || errno == ECONNABORTED);
}

/* fusermount3 says on stderr what it doesn't like; its exit code tells no more than that. */
static int run_fusermount(const char *dir, bool lazy) {
  char name[] = "fusermount3", quiet[] = "-q", flag[] = "-u", lazy_flag[] = "-uz", end[] = "--";
  char *copy = strdup(dir);
  if (copy == NULL)
    return ENOMEM;
  char *const argv[] = {name, quiet, lazy ? lazy_flag : flag, end, copy, NULL};
  pid_t pid;
  int status = 0;
  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error == 0) {
    error = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    if (error == 0)
      error = posix_spawnp(&pid, name, &actions, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&actions);
  }
  free(copy);
  if (error != 0)
    return error;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return errno;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : EBUSY;
}

int mountpoint_detach(const char *dir, int flags) {
  if (geteuid() == 0)
    return umount2(dir, flags | UMOUNT_NOFOLLOW) == 0 ? 0 : errno;
  return run_fusermount(dir, (flags & MNT_DETACH) != 0);
}
