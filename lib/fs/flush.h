/* From the dirty map to the store: background jobs, pressure, and the part of the commits. Internal to lib/fs. */
#ifndef NACRE_FS_FLUSH_H
#define NACRE_FS_FLUSH_H

#include "fs/inode.h"

/* How many chunks written in sequence are handed to a worker at once. */
static inline uint64_t flush_run_chunks(const struct inode *inode) {
  return u64_min((1u << 20) >> inode->rec.chunk_log2, FORMAT_EXTENT_CHUNKS_MAX);
}

/* Store a batch of chunks of [first, end) that nobody else is writing, inside a transaction of class TXN_FLUSH.
 * *more: there was one, and may be others. */
NACRE_MUST_USE enum nacre_err flush_batch(struct fs *fs, struct txn *txn, struct inode *inode, uint64_t first,
                                          uint64_t end, bool *more);

/* Let a worker store chunks [first, first + count). Outside of transactions, without the inode's lock. */
void flush_submit(struct fs *fs, struct inode *inode, uint64_t first, uint64_t count);
/* Have a worker store what has waited longest, if more is buffered than needs to be. */
void flush_relieve(struct fs *fs);
/* Wait until there is room for more buffered data, storing some: of this inode, or of the one that waits longest.
 * Outside of transactions, without locks of inodes. */
NACRE_MUST_USE enum nacre_err flush_pressure(struct fs *fs, struct inode *inode);
/* The same for inodes that only their records are dirty of. */
NACRE_MUST_USE enum nacre_err flush_crowd(struct fs *fs);
/* The engine's hook; arg is the struct fs. */
enum nacre_err flush_hook(void *arg, bool final, struct txn *txn);
/* All inodes listed now, with references. NULL with *count 0 when there is none. */
NACRE_MUST_USE enum nacre_err flush_collect(struct fs *fs, struct inode ***out, size_t *count);
/* Wait for the jobs to end. */
void flush_drain(struct fs *fs);

#endif
