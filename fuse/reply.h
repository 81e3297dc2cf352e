/* Answers to requests: attributes and errors as the kernel wants them, pins given back where an answer is lost. */
#ifndef NACRE_FUSE_REPLY_H
#define NACRE_FUSE_REPLY_H

#include "fuse/session.h"

/* The errno of an error that a mount may answer with. Never ENOSYS, by which the kernel would stop asking for good.
 */
int reply_errno(enum nacre_err err);
/* NACRE_OK answers "done". */
void reply_result(fuse_req_t req, enum nacre_err err);
void reply_attr_to_stat(const struct mount *m, const struct nacre_attr *attr, struct stat *st);
/* Attributes that were read after `begun`, a told_begin. */
void reply_attr(const struct mount *m, fuse_req_t req, const struct nacre_attr *attr, unsigned long long begun);
void reply_fill_entry(const struct mount *m, fuse_req_t req, const struct nacre_attr *attr, unsigned long long begun,
                      struct fuse_entry_param *entry);
/* With the pin that `attr` came with. */
void reply_entry(const struct mount *m, fuse_req_t req, const struct nacre_attr *attr, unsigned long long begun);
/* Who asks, as the library wants it; the mounter with owner=me. */
struct nacre_caller reply_caller(const struct mount *m, fuse_req_t req);

/* This thread's own buffer of SESSION_MAX_IO_BYTES, or NULL without memory. Wiped when the thread ends. */
char *reply_thread_buffer(void);

#endif
