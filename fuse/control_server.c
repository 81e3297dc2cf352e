#include "fuse/control_server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 8
#define PATIENCE_S 2

/* A socket that refuses is taken for a dead one, so that ours gets its name only once it listens. */
static int bind_and_listen(int fd, const struct control_server *server) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int len = snprintf(address.sun_path, sizeof address.sun_path, "%s.new", server->path);
  if (len < 0 || (size_t)len >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  unlink(address.sun_path); /* left by an earlier process with our number */
  if (bind(fd, (const struct sockaddr *)&address, sizeof address) != 0)
    return -1;
  if (listen(fd, BACKLOG) == 0 && rename(address.sun_path, server->path) == 0)
    return 0;
  int error = errno;
  unlink(address.sun_path);
  errno = error;
  return -1;
}

int control_server_open(struct control_server *server) {
  server->fd = -1;
  char folder[sizeof server->path - 24];
  if (control_own_folder(folder, sizeof folder) != 0)
    return -1;
  snprintf(server->path, sizeof server->path, "%s/%ld" CONTROL_SUFFIX, folder, (long)getpid());
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return -1;
  if (bind_and_listen(fd, server) != 0) {
    int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  server->fd = fd;
  return 0;
}

void control_server_close(struct control_server *server) {
  if (server->fd < 0)
    return;
  unlink(server->path);
  close(server->fd);
  server->fd = -1;
}

static bool peer_may_ask(int connection) {
  struct ucred peer;
  socklen_t len = sizeof peer;
  return getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
         (peer.uid == 0 || peer.uid == geteuid());
}

static int read_request(int connection, char request[CONTROL_REQUEST_MAX_BYTES]) {
  size_t len = 0;
  while (len + 1 < CONTROL_REQUEST_MAX_BYTES) {
    ssize_t got = recv(connection, request + len, 1, 0);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return -1;
    if (request[len] == '\n') {
      request[len] = '\0';
      return 0;
    }
    len++;
  }
  return -1;
}

int control_server_accept(const struct control_server *server, char request[CONTROL_REQUEST_MAX_BYTES]) {
  int connection = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
  if (connection < 0)
    return -1;
  const struct timeval patience = {.tv_sec = PATIENCE_S};
  setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (peer_may_ask(connection) && read_request(connection, request) == 0)
    return connection;
  close(connection);
  return -1;
}

bool control_server_send(int connection, const struct control_line *line) {
  size_t sent = 0;
  while (sent < line->len) {
    ssize_t step = send(connection, line->text + sent, line->len - sent, MSG_NOSIGNAL);
    if (step < 0 && errno == EINTR)
      continue;
    if (step <= 0)
      return false;
    sent += (size_t)step;
  }
  return true;
}

void control_server_answer(int connection, enum nacre_err err, const char *message) {
  struct control_line line = {0};
  if (err == NACRE_OK) {
    control_add_text(&line, "ok");
  } else {
    char code[32];
    snprintf(code, sizeof code, "error %d ", (int)err);
    control_add_text(&line, code);
    control_add_text(&line, message);
  }
  control_end_line(&line);
  (void)control_server_send(connection, &line); /* whoever asked may have gone */
}
