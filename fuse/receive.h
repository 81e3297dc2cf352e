/*
 * Receiving requests. Leaders and followers: a leader receives a request and answers it itself, then receives the
 * next; a follower waits to take a lead over. With one client there is one leader, so that its requests go to a
 * thread that is awake, on a warm core; when several threads wait in line instead, each request wakes another one,
 * and small files take two to three times as long.
 *
 * A lead changes hands
 *   - before a request that takes long for sure: fsync, or the reading or writing of many pages;
 *   - from a leader that is about to wait for the medium while another request is there already;
 *   - from a leader that has been busy with one request for a millisecond or two, which a watch finds out;
 * and there are more leads while requests queue up, as many as cores at most, and fewer again when they don't.
 */
#ifndef NACRE_FUSE_RECEIVE_H
#define NACRE_FUSE_RECEIVE_H

#include "fuse/session.h"

/* Serve requests with so many threads until the session has ended. 0, or a negative errno. A signal that has a
 * handler and comes after `ending` was set ends it too, as soon as all is received that the kernel was to write. */
int receive_loop(struct fuse_session *session, unsigned threads, const atomic_bool *ending);

/* The calling thread is about to wait for the medium. Nothing where it is no leader. */
void receive_waiting(void);

#endif
