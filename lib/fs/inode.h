/* The table of inodes in memory, and the state that all files of this room share. Internal to lib/fs.
 *
 * Lock order: fs.rename_lock, inode.shape, the engine's gate (txn_begin .. txn_end), inode.lock (several: by
 * ascending number), fs.dirty_lock, shard.lock, fs.zombie_lock. The last three are held for a few instructions only
 * and nothing of the engine is called under them. The flush hook takes nothing above inode.lock, so waiting for a
 * commit is allowed with rename_lock and shape held. */
#ifndef NACRE_FS_INODE_H
#define NACRE_FS_INODE_H

#include <pthread.h>
#include <stdatomic.h>

#include "format/record.h"
#include "fs/dirty.h"
#include "fs/fs.h"

/* Invariants
 *   - The record of a new file may not be in the tree at all before its first flush.
 *   - It stays in the table while referenced, listed as dirty, or without a name (nlink 0) but pinned; else it is
 * kept in its shard's list of unused ones, the oldest of which make room. Pins themselves are counted apart, so that
 * a pinned inode costs 16 bytes when its memory is needed.
 *   - rec is the truth. The record in the tree may lag behind it only while attr_dirty, and then the inode is listed,
 *     so that the next commit's flush makes up for it. The record may also run ahead of the stored extents (a size
 *     whose data is still buffered): the same flush makes up for that.
 *   - `version` changes with every change of what is stored for the file (extents, tail), under the lock.
 *   - If the flag RECORD_INODE_TAIL is set, the stored tail starts at tail_start; it counts only while the chunk that
 *     holds it is not in the dirty map.
 *   - eof_stale: the stored bytes past the end of the file in its last chunk may be other than zero, or a tail. */
struct inode {
  /* Under the shard's lock. */
  struct inode *hash_next;
  struct inode *lru_prev, *lru_next; /* lru_next also links zombies */
  uint64_t ino;
  uint32_t refs;
  bool dead;   /* being deleted: cannot be found any more */
  bool listed; /* as dirty; changes under the inode's lock too */
  bool in_lru;

  struct inode *dirty_prev, *dirty_next; /* under fs.dirty_lock */

  pthread_rwlock_t shape; /* shared by writers; exclusive for appends, truncation and fallocate */
  pthread_mutex_t lock;
  pthread_cond_t written; /* some chunk is no longer being written */

  /* Under the lock. */
  struct record_inode rec;
  uint64_t version;
  uint64_t tail_start;
  uint64_t base_units;           /* reserved for its own records while listed */
  uint64_t run_first, run_count; /* whole chunks written in sequence and not yet handed to a worker */
  struct dirty_map dirty;
  uint32_t error_count; /* failures of write-behind */
  uint32_t loss_count;  /* those of them whose data was given up */
  uint32_t losses_told; /* the loss_count that some handle has reported last */
  enum nacre_err error; /* the last one */
  bool attr_dirty;
  bool eof_stale;
  bool linkable; /* an O_TMPFILE without a name as yet */
};

struct pin {
  uint64_t ino, count;
};

struct shard {
  pthread_mutex_t lock;
  struct inode **buckets;
  size_t bucket_count, used;
  struct inode *lru_first, *lru_last; /* the last was used longest ago */
  size_t lru_count;
  uint64_t removals; /* lets a loader see that what it read may be old */
  struct pin *pins;  /* open addressing, ino 0: empty */
  size_t pins_cap, pins_used;
};

#define FS_SHARDS 64u

/* What was given up since fs_take_loss was called last; err NACRE_OK: nothing. */
struct loss {
  enum nacre_err err;
  uint64_t ino; /* of the first */
  bool others;
};

struct fs {
  struct engine *engine;
  struct workers *workers;
  uint8_t chunk_log2; /* of new files */
  uint64_t dirty_max_bytes;
  size_t shard_lru_max;
  struct shard shards[FS_SHARDS];
  atomic_uint_fast64_t inode_count; /* in memory */
  atomic_uint_fast64_t dirty_bytes;
  pthread_mutex_t rename_lock;

  /* Of who makes records of the intent log: one at a time. */
  uint64_t log_generation, log_chunk_bytes; /* chunks that stand in the log of this generation */

  pthread_mutex_t dirty_lock;
  pthread_cond_t dirty_less; /* buffers were freed, or a job ended */
  struct inode *dirty_first, *dirty_last;
  uint64_t dirty_inodes, dirty_inodes_max;
  uint64_t jobs;  /* queued or running; under dirty_lock */
  bool relieving; /* one of them stores what waits longest */
  struct loss loss;

  pthread_mutex_t zombie_lock;
  struct inode *zombies;
  atomic_uint_fast64_t zombie_count;
};

/* ---- Table ---- */

NACRE_MUST_USE enum nacre_err inode_table_init(struct fs *fs, uint64_t memory_bytes);
void inode_table_free(struct fs *fs);
/* Find or load, with a reference. NACRE_ERR_NOT_FOUND. */
NACRE_MUST_USE enum nacre_err inode_get(struct fs *fs, uint64_t ino, struct inode **out);
/* The same for a folder: NACRE_ERR_NOT_DIRECTORY. */
NACRE_MUST_USE enum nacre_err inode_get_dir(struct fs *fs, uint64_t ino, struct inode **out);
void inode_ref(struct fs *fs, struct inode *inode);
/* For one that is found by the list of dirty ones; false if it is being deleted. */
bool inode_ref_live(struct fs *fs, struct inode *inode);
/* NULL is allowed. The last reference of one without name and pins makes it a zombie; see reclaim.h. */
void inode_put(struct fs *fs, struct inode *inode);
/* For a number that nobody knows yet: outside the table, with one reference. NULL when out of memory. */
struct inode *inode_new(struct fs *fs, uint64_t ino, const struct record_inode *rec);
void inode_publish(struct fs *fs, struct inode *inode);
/* Take a dead one out of the table and free it, with all that it buffers. */
void inode_destroy(struct fs *fs, struct inode *inode);
/* Of one that was not published. */
void inode_free(struct fs *fs, struct inode *inode);

NACRE_MUST_USE enum nacre_err inode_pin(struct fs *fs, uint64_t ino);
void inode_unpin(struct fs *fs, uint64_t ino, uint64_t pins);

/* Lock up to four, some of which may be NULL or the same, by ascending number. */
void inode_lock_all(struct inode *const inodes[], unsigned count);
void inode_unlock_all(struct inode *const inodes[], unsigned count);

/* ---- Under the inode's lock ---- */

static inline uint32_t inode_chunk_bytes(const struct inode *inode) {
  return 1u << inode->rec.chunk_log2;
}
void inode_fill_attr(const struct inode *inode, struct nacre_attr *attr);
/* Put the record as rec says. */
NACRE_MUST_USE enum nacre_err inode_write(struct txn *txn, struct inode *inode);
/* List it for the next flush. */
void inode_list_dirty(struct fs *fs, struct inode *inode);
void inode_unlist(struct fs *fs, struct inode *inode);
/* Unlist it if nothing is dirty any more. */
void inode_unlist_clean(struct fs *fs, struct inode *inode);
/* Chunks entered or left a dirty map. */
void inode_count_dirty(struct fs *fs, int64_t delta_bytes);

/* Reads the record and checks it. */
NACRE_MUST_USE enum nacre_err inode_load_record(struct fs *fs, uint64_t ino, struct record_inode *rec);

#endif
