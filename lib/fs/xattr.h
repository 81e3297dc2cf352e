/* Extended attributes as records. Internal to lib/fs; the calls are in fs.h.
 *
 * All with the inode's lock held, or on one that nobody knows yet. */
#ifndef NACRE_FS_XATTR_H
#define NACRE_FS_XATTR_H

#include "fs/inode.h"

/* As how many records apart from each other storing a value of that length counts, the inode's own included: parts
 * lie side by side. */
uint32_t xattr_records(size_t len);

/* The value. len is set even where it is longer than cap (NACRE_ERR_RANGE). NACRE_ERR_NO_ATTRIBUTE. buf may be NULL
 * with cap 0: then only len is told, without an error. */
NACRE_MUST_USE enum nacre_err xattr_load(struct fs *fs, const struct inode *inode, const char *name, void *buf,
                                         size_t cap, size_t *len);
/* value NULL: remove it, if it is there. Updates rec.flags; the inode's record is the caller's. *changed: a failure
 * left half of it. */
NACRE_MUST_USE enum nacre_err xattr_store(struct fs *fs, struct txn *txn, struct inode *inode, const char *name,
                                          const void *value, size_t len, bool *changed);

struct acl;
/* The access or default list; empty where there is none. */
NACRE_MUST_USE enum nacre_err xattr_load_acl(struct fs *fs, const struct inode *inode, const char *name,
                                             struct acl *acl);
NACRE_MUST_USE enum nacre_err xattr_store_acl(struct fs *fs, struct txn *txn, struct inode *inode, const char *name,
                                              const struct acl *acl, bool *changed);

#endif
