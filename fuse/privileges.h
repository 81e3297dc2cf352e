/*
 * Setuid and setgid bits and file capabilities go when somebody writes to the file. The kernel is told that we see to
 * it (FUSE_HANDLE_KILLPRIV_V2), which spares it a request before every write; direct writes it never checks.
 */
#ifndef NACRE_FUSE_PRIVILEGES_H
#define NACRE_FUSE_PRIVILEGES_H

#include "fuse/opened.h"

/* Before data of an open file is changed for this request. Costs one load once the file is known to be plain. */
NACRE_MUST_USE enum nacre_err privileges_drop(struct mount *m, fuse_req_t req, struct opened_inode *inode);

#endif
