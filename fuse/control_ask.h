/* The asking end of a control socket: a connection, lines out and in. */
#ifndef NACRE_FUSE_CONTROL_ASK_H
#define NACRE_FUSE_CONTROL_ASK_H

#include "fuse/control_text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* How long a process may take to tell its status, one of ours or all of another user's: root asks everybody's, and
 * must not wait for what a user made to be waited for. */
#define CONTROL_PATIENCE_MS 10000

/* What has come in and was not yet looked at: text[start, len). */
struct control_replies {
  int fd;
  int64_t deadline_ms; /* 0: none */
  size_t start, len;
  char text[CONTROL_LINE_MAX_BYTES];
};

/* On the clock of the deadlines. */
int64_t control_now_ms(void);

/* The connection, or -1 with errno: EAGAIN where it is let wait. Only to a process of `owner`. */
int control_connect(const char *path, uid_t owner);

/* Send a request and read the line that answers it. NULL without one. */
const char *control_ask(struct control_replies *in, const char *request);
/* The next line, without its newline, valid until the next call. NULL at the end, at the deadline, or where one is
 * too long. */
const char *control_next_line(struct control_replies *in);
/* Until the other end closes the connection, or the deadline. */
void control_wait_for_end(const struct control_replies *in);

#endif
