/* What the calls on names share. Internal to lib/fs. */
#ifndef NACRE_FS_NAMEI_H
#define NACRE_FS_NAMEI_H

#include "fs/dir.h"

#define NAMEI_TRIES 1000u

/* The inode of that name, with a reference. */
NACRE_MUST_USE enum nacre_err namei_child(struct fs *fs, const struct inode *dir, const struct name *name,
                                          struct inode **out);
/* Fill *attr, with a pin; nothing where attr is NULL. */
NACRE_MUST_USE enum nacre_err namei_give(struct fs *fs, struct inode *inode, struct nacre_attr *attr);

/* Under the folder's lock, in a transaction: it has gained or lost entries and folders. Puts its record. */
NACRE_MUST_USE enum nacre_err namei_update_dir(struct txn *txn, struct inode *dir, int entries, int folders);
/* The inode has no name any more (or has one again). Under its lock; its record is the caller's. */
NACRE_MUST_USE enum nacre_err namei_put_orphan(struct txn *txn, uint64_t ino);
/* One name less. Puts its record, and an orphan's where it was the last. */
NACRE_MUST_USE enum nacre_err namei_drop_link(struct txn *txn, struct inode *inode);

#endif
