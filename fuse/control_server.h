/* The daemon's end of the control socket. Used by one thread. */
#ifndef NACRE_FUSE_CONTROL_SERVER_H
#define NACRE_FUSE_CONTROL_SERVER_H

#include "fuse/control_text.h"

struct control_server {
  int fd; /* to poll for a connection */
  char path[128];
};

/* 0 or -1 with errno. */
int control_server_open(struct control_server *server);
void control_server_close(struct control_server *server);
/* Take a connection of this user's or root's, and its request without the newline. The connection, or -1. */
int control_server_accept(const struct control_server *server, char request[CONTROL_REQUEST_MAX_BYTES]);
/* Answer with "ok" or "error", and leave the connection open. */
void control_server_answer(int connection, enum nacre_err err, const char *message);
/* Whether it was sent: not where the other end has gone, or does not read for a while. */
bool control_server_send(int connection, const struct control_line *line);

#endif
