#include "fuse/near.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_REQUESTS 32u
/* A client that is elsewhere at each look flees from us, or is driven: it is left alone for a while. */
#define MISSES_MAX 4u
#define REST_REQUESTS 4096u
#define STAT_BYTES 1024u
/* In /proc/PID/stat: what comes after the name in brackets begins with the third field, and this is the 39th. */
#define FIELD_AFTER_NAME 3u
#define FIELD_CORE 39u

/* -1 where that can't be known. */
static int core_of(pid_t thread) {
  char path[64], text[STAT_BYTES];
  snprintf(path, sizeof path, "/proc/%ld/stat", (long)thread);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -1;
  ssize_t len = read(fd, text, sizeof text - 1);
  close(fd);
  if (len <= 0)
    return -1;
  text[len] = '\0';
  const char *at = strrchr(text, ')');
  for (unsigned field = FIELD_AFTER_NAME - 1; at != NULL && field < FIELD_CORE; field++) {
    at = strchr(at, ' ');
    at = at == NULL ? NULL : at + 1;
  }
  char *end = NULL;
  long core = at == NULL ? -1 : strtol(at, &end, 10);
  return end != at && core >= 0 && core < CPU_SETSIZE ? (int)core : -1;
}

static void unbind(struct near *n) {
  if (n->bound)
    sched_setaffinity(0, sizeof n->home, &n->home);
  n->bound = false;
}

void near_free(struct near *n) {
  unbind(n);
  n->client = 0;
}

static void bind_to(struct near *n, int core) {
  cpu_set_t there;
  if (core < 0)
    return;
  if (!n->bound && sched_getaffinity(0, sizeof n->home, &n->home) != 0)
    return;
  if (!CPU_ISSET((size_t)core, &n->home))
    return;
  CPU_ZERO(&there);
  CPU_SET((size_t)core, &there);
  if (sched_setaffinity(0, sizeof there, &there) != 0)
    return;
  n->bound = true;
  n->core = core;
}

void near_request(struct near *n, pid_t client) {
  if (client <= 0)
    return;
  if (client != n->client) {
    near_free(n);
    n->client = client;
    n->run = n->misses = 0;
    n->pause = LOOK_REQUESTS;
  }
  if (++n->run < n->pause)
    return;
  n->run = 0;
  int core = core_of(client);
  bool there = n->bound && core == n->core;
  n->misses = there ? 0 : n->misses + 1;
  n->pause = n->misses < MISSES_MAX ? LOOK_REQUESTS : REST_REQUESTS;
  if (n->misses == MISSES_MAX) {
    unbind(n);
    n->misses = 0;
  } else if (!there) {
    bind_to(n, core);
  }
}
