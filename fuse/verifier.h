/* A check of the mounted volume for a connection of the control socket, in a thread of its own; one at a time. It is
 * started, watched and ended by one thread, the supervisor's. */
#ifndef NACRE_FUSE_VERIFIER_H
#define NACRE_FUSE_VERIFIER_H

#include "fuse/session.h"

struct verifier;

/* `wake_fd`, an eventfd, is written to whenever a check has ended. NULL without memory. */
struct verifier *verifier_new(struct mount *m, int wake_fd);
/* Ends a check that still runs. */
void verifier_free(struct verifier *v);

/* Takes the connection over if it returns NACRE_OK. NACRE_ERR_IN_USE: one runs already. */
NACRE_MUST_USE enum nacre_err verifier_start(struct verifier *v, int connection);
bool verifier_is_running(const struct verifier *v);
/* To poll for a hangup, which verifier_hung_up is told of; -1 where there is nothing to watch. */
int verifier_watched_fd(const struct verifier *v);
void verifier_hung_up(struct verifier *v);
/* Clear up after a check that has ended by itself; nothing while it runs. */
void verifier_reap(struct verifier *v);
/* Break off the check, if one runs, and wait for its end. */
void verifier_stop(struct verifier *v);

#endif
