/* How much memory this process may have. */
#include "base/env.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define CGROUPS "/sys/fs/cgroup"
#define PATH_BYTES 4096

/* 0 and "max" are no limit, and so is what can't be read. */
static uint64_t limit_in(const char *path) {
  char text[32] = "";
  FILE *file = fopen(path, "re");
  if (!file)
    return UINT64_MAX;
  const bool got = fgets(text, sizeof text, file) != NULL;
  (void)fclose(file);
  if (!got || text[0] < '0' || text[0] > '9')
    return UINT64_MAX;
  errno = 0;
  const unsigned long long value = strtoull(text, NULL, 10);
  return errno != 0 || value == 0 ? UINT64_MAX : value;
}

/* The least of a group and those that it is in: each holds. `group` is cut. */
static uint64_t limit_of_groups(const char *root, char *group, const char *name) {
  uint64_t least = UINT64_MAX;
  for (;;) {
    char path[2 * PATH_BYTES];
    const int len = snprintf(path, sizeof path, "%s%s/%s", root, group, name);
    const uint64_t limit = len > 0 && (size_t)len < sizeof path ? limit_in(path) : UINT64_MAX;
    least = limit < least ? limit : least;
    char *slash = strrchr(group, '/');
    if (!slash)
      return least;
    *slash = '\0';
  }
}

/* Lines of /proc/self/cgroup: "0::/path" for version 2, "N:memory:/path" (one of several names) for version 1. */
static uint64_t cgroup_limit(void) {
  char line[PATH_BYTES];
  uint64_t least = UINT64_MAX;
  FILE *file = fopen("/proc/self/cgroup", "re");
  while (file && fgets(line, sizeof line, file) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char *names = strchr(line, ':');
    char *group = names ? strchr(names + 1, ':') : NULL;
    if (!group)
      continue;
    *group++ = '\0';
    uint64_t limit = UINT64_MAX;
    if (names[1] == '\0')
      limit = limit_of_groups(CGROUPS, group, "memory.max");
    else if (strstr(names, "memory"))
      limit = limit_of_groups(CGROUPS "/memory", group, "memory.limit_in_bytes");
    least = limit < least ? limit : least;
  }
  if (file)
    (void)fclose(file);
  return least;
}

uint64_t env_memory_bytes(void) {
  const uint64_t ram = env_ram_bytes();
  uint64_t least = ram > 0 ? ram : UINT64_MAX;
  const uint64_t groups = cgroup_limit();
  struct rlimit space;
  if (groups < least)
    least = groups;
  if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY && space.rlim_cur < least)
    least = space.rlim_cur;
  return least == UINT64_MAX ? 0 : least;
}
