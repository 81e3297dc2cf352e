/* Open files and the pieces that reading, writing and changing a file's shape share. Internal to lib/fs. */
#ifndef NACRE_FS_FILE_H
#define NACRE_FS_FILE_H

#include "fs/inode.h"

/* The chunk that was opened last stays here, so that small reads in sequence open each chunk once. */
struct fs_file {
  struct fs *fs;
  struct inode *inode; /* a reference; NULL before file_attach */
  unsigned flags;
  pthread_mutex_t lock; /* of what follows */
  uint32_t errors_seen; /* of inode->error_count */
  uint32_t losses_seen; /* of inode->loss_count */
  uint8_t *cached;      /* NULL: none yet */
  uint64_t cached_index;
  uint64_t cached_version; /* of the inode when it was read; a chunk in the dirty map takes precedence */
  bool cached_valid;
};

/* A handle without an inode as yet, so that nothing can fail once the file is made. fs_close frees it. */
NACRE_MUST_USE enum nacre_err file_new(struct fs *fs, unsigned flags, struct fs_file **out);
/* Takes a reference of its own. */
void file_attach(struct fs_file *file, struct inode *inode);

/* What chunk_load found. */
struct loaded {
  uint64_t version;
  bool stored;   /* there is something: the chunk is no hole */
  bool past_eof; /* the extent had other than zeroes past the end of the file, or there is a tail */
};
/* Read a chunk as it is stored into buf, zeroes where there is nothing and past the end of the file. No lock held.
 * The caller sees by the version, under the lock, whether it still holds. */
NACRE_MUST_USE enum nacre_err chunk_load(struct fs *fs, struct inode *inode, uint64_t index, uint8_t *buf,
                                         struct loaded *loaded);

/* The same for one that is buffered in part: whatever else of the file changes meanwhile, what is stored of it does
 * not. there (or NULL): don't wait for the medium; false where that would be needed, and then its data has begun to
 * be fetched. */
NACRE_MUST_USE enum nacre_err chunk_load_base(struct fs *fs, struct inode *inode, uint64_t index, uint8_t *buf,
                                              bool *there);
/* If it is buffered in part, read the rest. No lock held. */
NACRE_MUST_USE enum nacre_err chunk_complete(struct fs *fs, struct inode *inode, uint64_t index);
/* The same with all files, before an fsync: a record of the intent log takes none that is buffered in part, so that
 * what it promises does not hang on whether the rest can be read later. What is left in part, since it cannot be read
 * or is much, makes the fsync a commit, which says what is wrong. */
void parts_complete(struct fs *fs);

/* Space reserved for a change and not used up yet. */
struct budget {
  uint64_t units;
  uint64_t run_units;  /* what a chunk costs besides, whose predecessor is not buffered */
  uint64_t base_units; /* what an inode costs that is not listed as dirty */
};
/* For `chunks` newly buffered chunks in two runs. */
NACRE_MUST_USE enum nacre_err budget_reserve(struct fs *fs, const struct inode *inode, uint64_t chunks,
                                             struct budget *budget);
void budget_release(struct fs *fs, struct budget *budget);

/* Change bytes [from, to) of a chunk in memory (src NULL: to zero), extending the file where they lie past its end;
 * inside a transaction of class TXN_FLUSH. skip_holes: leave a chunk alone that is not there. *more: the budget did
 * not suffice; nothing was done. */
struct chunk_change {
  uint64_t index;
  uint32_t from, to;
  const uint8_t *src;
  bool skip_holes;
};
NACRE_MUST_USE enum nacre_err chunk_change(struct fs *fs, struct inode *inode, const struct chunk_change *change,
                                           struct budget *budget, bool *more);
/* Take a chunk into the dirty map that was in one before, with its space, when it went into the intent log. On an
 * error it stays the caller's. */
NACRE_MUST_USE enum nacre_err file_buffer_again(struct fs *fs, struct inode *inode, struct dirty_chunk *c);
/* Make it longer, zeroes in between; inside a TXN_FLUSH. */
NACRE_MUST_USE enum nacre_err file_extend(struct fs *fs, struct inode *inode, uint64_t size, struct budget *budget,
                                          bool *more);
/* mtime and ctime to now; lists the inode. Under the lock. */
void file_touch(struct fs *fs, struct inode *inode, struct budget *budget);

/* To any size. With inode.shape held exclusively and no transaction. */
NACRE_MUST_USE enum nacre_err file_set_size(struct fs *fs, struct inode *inode, uint64_t size);

#endif
