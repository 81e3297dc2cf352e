/* Where a file's chunks are stored: its EXTENT records and its TAIL record. Internal to lib/fs. */
#ifndef NACRE_FS_MAP_H
#define NACRE_FS_MAP_H

#include "fs/inode.h"

#define MAP_CHUNK_MAX (FORMAT_FILE_MAX_BYTES >> 12)

/* An extent as the record says: chunks [first, first + x.count) of the file. */
struct mapped {
  uint64_t first;
  struct extent x;
};

/* The first extent that ends behind `from` and starts at or before `to`. exact: none that starts before `from` can
 * reach it, which saves the look back. NACRE_ERR_NOT_FOUND, without a message, where there is none. Needs no lock;
 * the answer holds as long as the inode's version does. */
NACRE_MUST_USE enum nacre_err map_find(struct fs *fs, const struct inode *inode, uint64_t from, uint64_t to,
                                       bool exact, struct mapped *out);
NACRE_MUST_USE enum nacre_err map_put(struct txn *txn, const struct inode *inode, uint64_t first,
                                      const struct extent *x);

/* A removal of chunks under way. Under the inode's lock, in one transaction. */
struct map_removal {
  uint64_t next; /* goes on here */
  unsigned left; /* extents that may still be changed in this step */
  bool changed;  /* something was: a failure now needs txn_abort */
  bool done;     /* nothing is left before `end` */
};
/* Remove chunks [r->next, end) from the map and give their space back, up to r->left extents; each costs up to two
 * records. Updates rec.units and the version, not the inode's record. */
NACRE_MUST_USE enum nacre_err map_remove(struct fs *fs, struct txn *txn, struct inode *inode, uint64_t end,
                                         struct map_removal *r);

/* How many extents start at or after `from`, counted up to `max`. */
NACRE_MUST_USE enum nacre_err map_count(struct fs *fs, const struct inode *inode, uint64_t from, unsigned max,
                                        unsigned *count);
/* Bring the records of these chunks into the cache, so that changing them later hardly fails. */
NACRE_MUST_USE enum nacre_err map_prefault(struct fs *fs, const struct inode *inode, uint64_t from, uint64_t to);

/* The stored tail of the file, which starts at `start` and has len bytes. */
NACRE_MUST_USE enum nacre_err map_get_tail(struct fs *fs, const struct inode *inode, uint64_t start, size_t len,
                                           uint8_t *out);
/* Where it starts. NACRE_ERR_NOT_FOUND where there is none. */
NACRE_MUST_USE enum nacre_err map_find_tail(struct fs *fs, const struct inode *inode, uint64_t *start);
NACRE_MUST_USE enum nacre_err map_put_tail(struct txn *txn, struct inode *inode, uint64_t start, const uint8_t *data,
                                           size_t len);
/* If there is one. *changed as in struct map_removal. */
NACRE_MUST_USE enum nacre_err map_delete_tail(struct txn *txn, struct inode *inode, bool *changed);

#endif
