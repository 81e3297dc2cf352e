/*
 * Setuid and setgid bits and file capabilities go when somebody writes to the file. The kernel is told that we see to
 * it (FUSE_HANDLE_KILLPRIV_V2), which spares it a request before every write; direct writes it never checks.
 */
#ifndef NACRE_FUSE_PRIVILEGES_H
#define NACRE_FUSE_PRIVILEGES_H

#include "fuse/opened.h"

/* Whether the caller is in that group, by any of their groups. With owner=me everyone is. */
bool privileges_has_group(const struct mount *m, fuse_req_t req, gid_t gid);
/* What to set so that a change by an ordinary caller drops what it should from an inode like this: NACRE_SET_*. */
unsigned privileges_to_kill(const struct mount *m, fuse_req_t req, const struct nacre_attr *attr);
/* Before data of an open file is changed for this request. Costs one load once the file is known to be plain. */
NACRE_MUST_USE enum nacre_err privileges_drop(struct mount *m, fuse_req_t req, struct opened_inode *inode);

#endif
