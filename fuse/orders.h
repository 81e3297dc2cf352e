/* Orders for the keyslots of the mounted volume: the request `key` of the control socket. */
#ifndef NACRE_FUSE_ORDERS_H
#define NACRE_FUSE_ORDERS_H

#include "fuse/session.h"

/* Carry it out and answer. */
void orders_answer(const struct mount *m, int connection, const char *request);

#endif
