/* What is agreed with the kernel: the features of the connection, and how far it reads ahead. */
#ifndef NACRE_FUSE_NEGOTIATE_H
#define NACRE_FUSE_NEGOTIATE_H

#include "fuse/session.h"

void negotiate_init(void *userdata, struct fuse_conn_info *conn);
/* After fuse_session_mount: add to the INIT reply what this libfuse leaves out. 0 or a negative errno. */
int negotiate_complete_reply(struct mount *m);
/* Raise the read-ahead of the mount, which the protocol can only lower. Needs root; a hint. */
void negotiate_raise_readahead(const struct mount *m);

#endif
