/* Long work on the mounted volume for a connection of the control socket, in a thread of its own: a check, a
 * rotation. It is started, watched and ended by one thread, the supervisor's. */
#ifndef NACRE_FUSE_TASK_H
#define NACRE_FUSE_TASK_H

#include "fuse/control_text.h"
#include "fuse/session.h"

struct task;

/* The work. It answers by the calls below; what it returns with a message of the library's is told as an error,
 * unless it has said how it ended. */
typedef enum nacre_err (*task_fn)(struct task *t);

/* `wake_fd`, an eventfd, is written to whenever it has ended. NULL without memory. */
struct task *task_new(struct mount *m, int wake_fd, task_fn fn);
/* Ends what still runs. */
void task_free(struct task *t);

/* Takes the connection over if it returns NACRE_OK. NACRE_ERR_IN_USE: it runs already. */
NACRE_MUST_USE enum nacre_err task_start(struct task *t, int connection, const char *request);
bool task_is_running(const struct task *t);
/* To poll for a hangup, which task_hung_up is told of; -1 where there is nothing to watch. */
int task_watched_fd(const struct task *t);
void task_hung_up(struct task *t);
/* Clear up after one that has ended by itself; nothing while it runs. */
void task_reap(struct task *t);
/* Break it off, if it runs, and wait for its end. */
void task_stop(struct task *t);

/* ---- For the work itself ---- */

nacre_volume *task_volume(const struct task *t);
struct mount *task_mount(const struct task *t);
/* Fired when it is to end. */
nacre_cancel *task_cancel(const struct task *t);
/* The line that asked for it. */
const char *task_request(const struct task *t);
/* Begin a line that starts with this word; add fields; send it. A peer that does not read ends the work. */
struct control_line *task_line(struct task *t, const char *word);
void task_send(struct task *t);
/* A nacre_progress_fn whose arg is the task. */
void task_progress(void *arg, const char *what, uint64_t done, uint64_t total);

/* ---- What there is: the two requests of control.h ---- */

enum nacre_err task_verify(struct task *t);
enum nacre_err task_rekey(struct task *t);

#endif
