#include "fuse/control_ask.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

int64_t control_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Whether there is something to read before the deadline; 0: there is none. */
static bool wait_until(int fd, int64_t deadline_ms) {
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  for (;;) {
    int64_t left_ms = deadline_ms == 0 ? -1 : deadline_ms - control_now_ms();
    if (deadline_ms != 0 && left_ms <= 0)
      return false;
    int got = poll(&ready, 1, (int)left_ms);
    if (got > 0)
      return true;
    if (got < 0 && errno != EINTR)
      return false;
  }
}

int control_connect(const char *path, uid_t owner) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  memcpy(address.sun_path, path, strlen(path) + 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -1;
  const struct timeval patience = {.tv_sec = CONTROL_PATIENCE_MS / 1000};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  struct ucred peer = {0};
  socklen_t len = sizeof peer;
  if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 ||
      getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  if (peer.uid == owner)
    return fd;
  close(fd);
  errno = EPERM;
  return -1;
}

static int send_request(int fd, const char *request) {
  char text[CONTROL_REQUEST_MAX_BYTES];
  int len = snprintf(text, sizeof text, "%s\n", request);
  return len < 0 || (size_t)len >= sizeof text || send(fd, text, (size_t)len, MSG_NOSIGNAL) != len ? -1 : 0;
}

const char *control_next_line(struct control_replies *in) {
  for (;;) {
    char *line = in->text + in->start;
    char *end = memchr(line, '\n', in->len - in->start);
    if (end != NULL) {
      *end = '\0';
      in->start = (size_t)(end - in->text) + 1;
      return line;
    }
    memmove(in->text, line, in->len - in->start);
    in->len -= in->start;
    in->start = 0;
    if (in->len == sizeof in->text || !wait_until(in->fd, in->deadline_ms))
      return NULL;
    ssize_t got = recv(in->fd, in->text + in->len, sizeof in->text - in->len, 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return NULL;
    in->len += (size_t)got;
  }
}

const char *control_ask(struct control_replies *in, const char *request) {
  return send_request(in->fd, request) == 0 ? control_next_line(in) : NULL;
}

void control_wait_for_end(const struct control_replies *in) {
  char rest[64];
  ssize_t got = 1;
  while ((got > 0 || (got < 0 && errno == EINTR)) && wait_until(in->fd, in->deadline_ms))
    got = recv(in->fd, rest, sizeof rest, 0);
}
