/* Folders: buckets of entries by the hash of their name. Internal to lib/fs.
 *
 * The mutating calls run in a transaction with the folder's lock held and put only the bucket: the folder's own
 * record (entries, times, links) is the caller's. */
#ifndef NACRE_FS_DIR_H
#define NACRE_FS_DIR_H

#include "fs/inode.h"

struct name {
  const char *bytes;
  size_t len;
};

/* NACRE_ERR_ARGUMENT, NACRE_ERR_NAME_TOO_LONG. */
NACRE_MUST_USE enum nacre_err dir_check_name(const struct name *name);
/* NACRE_ERR_NOT_FOUND. Needs no lock. */
NACRE_MUST_USE enum nacre_err dir_find(struct fs *fs, const struct inode *dir, const struct name *name, uint64_t *ino,
                                       uint8_t *type);
/* Whether an entry of that name could be added: NACRE_ERR_EXISTS, NACRE_ERR_NOT_FOUND for a folder that was removed.
 */
NACRE_MUST_USE enum nacre_err dir_check_insert(struct fs *fs, const struct inode *dir, const struct name *name);
NACRE_MUST_USE enum nacre_err dir_insert(struct fs *fs, struct txn *txn, const struct inode *dir,
                                         const struct name *name, uint64_t ino, uint8_t type);
NACRE_MUST_USE enum nacre_err dir_remove(struct fs *fs, struct txn *txn, const struct inode *dir,
                                         const struct name *name);
/* Let an existing entry name another inode. */
NACRE_MUST_USE enum nacre_err dir_replace(struct fs *fs, struct txn *txn, const struct inode *dir,
                                          const struct name *name, uint64_t ino, uint8_t type);
NACRE_MUST_USE enum nacre_err dir_is_empty(struct fs *fs, const struct inode *dir, bool *empty);

/* As in dirent.h. */
uint8_t dir_type(uint32_t mode);

#endif
