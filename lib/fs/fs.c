/* The filesystem as a whole: its life, its root, its figures. */
#include "fs/fs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/env.h"
#include "base/err.h"
#include "fs/file.h"
#include "fs/flush.h"
#include "fs/intent.h"
#include "fs/reclaim.h"

#define MEMORY_MIN_BYTES (1u << 20)
#define DIRTY_INODE_BYTES 1024u
/* What an inode costs besides data, for statfs's guess of how many more there may be. */
#define INODE_COST_BYTES 512u

static uint8_t log2_of(uint32_t bytes) {
  uint8_t log2 = 0;
  while ((1u << log2) < bytes)
    log2++;
  return log2;
}

enum nacre_err fs_new(struct engine *e, struct workers *w, uint64_t memory_bytes, struct fs **out) {
  *out = NULL;
  struct fs *fs = calloc(1, sizeof *fs);
  if (fs == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a filesystem");
  memory_bytes = u64_max(memory_bytes, MEMORY_MIN_BYTES);
  fs->engine = e;
  fs->workers = w;
  fs->chunk_log2 = log2_of(engine_chunk_bytes(e));
  fs->dirty_max_bytes = memory_bytes / 2;
  fs->dirty_inodes_max = memory_bytes / 4 / DIRTY_INODE_BYTES;
  atomic_init(&fs->inode_count, 0);
  atomic_init(&fs->dirty_bytes, 0);
  atomic_init(&fs->zombie_count, 0);
  pthread_mutex_init(&fs->rename_lock, NULL);
  pthread_mutex_init(&fs->dirty_lock, NULL);
  pthread_cond_init(&fs->dirty_less, NULL);
  pthread_mutex_init(&fs->zombie_lock, NULL);
  enum nacre_err err = inode_table_init(fs, memory_bytes);
  if (err != NACRE_OK) {
    fs_free(fs);
    return err;
  }
  engine_set_flush(e, flush_hook, fs);
  engine_set_capture(e, intent_hook);
  *out = fs;
  return NACRE_OK;
}

void fs_free(struct fs *fs) {
  if (fs == NULL)
    return;
  flush_drain(fs);
  engine_set_capture(fs->engine, NULL);
  engine_set_flush(fs->engine, NULL, NULL);
  inode_table_free(fs);
  pthread_mutex_destroy(&fs->rename_lock);
  pthread_mutex_destroy(&fs->dirty_lock);
  pthread_cond_destroy(&fs->dirty_less);
  pthread_mutex_destroy(&fs->zombie_lock);
  free(fs);
}

enum nacre_err fs_make_root(struct fs *fs, uint32_t uid, uint32_t gid, uint32_t mode) {
  struct nacre_time now = env_realtime();
  struct txn txn;
  ERR_TRY(txn_begin(fs->engine, TXN_NORMAL, 1, &txn));
  struct record_inode rec = {.mode = S_IFDIR | (mode & 07777u),
                             .uid = uid,
                             .gid = gid,
                             .nlink = 2,
                             .generation = txn.generation,
                             .atime = now,
                             .mtime = now,
                             .ctime = now,
                             .btime = now,
                             .chunk_log2 = fs->chunk_log2,
                             .hash_version = RECORD_NAME_HASH_SIPHASH,
                             .parent = NACRE_ROOT_INO};
  env_random(rec.seed, sizeof rec.seed);
  uint8_t value[RECORD_INODE_MAX_BYTES];
  struct key key = key_make(NACRE_ROOT_INO, FORMAT_RECORD_INODE, 0);
  enum nacre_err err = tree_put(&txn, &key, value, record_inode_encode(&rec, value));
  if (err == NACRE_OK)
    engine_count_inodes(&txn, 1);
  txn_end(&txn);
  return err;
}

enum nacre_err fs_sync(struct fs *fs) {
  reclaim_zombies(fs);
  return engine_commit(fs->engine);
}

enum nacre_err fs_sync_lightly(struct fs *fs) {
  reclaim_zombies(fs);
  parts_complete(fs);
  return engine_sync(fs->engine);
}

enum nacre_err fs_take_loss(struct fs *fs) {
  pthread_mutex_lock(&fs->dirty_lock);
  const struct loss loss = fs->loss;
  fs->loss.err = NACRE_OK;
  pthread_mutex_unlock(&fs->dirty_lock);
  if (loss.err == NACRE_OK)
    return NACRE_OK;
  return err_set(loss.err,
                 "what was written to the file with the number %" PRIu64 "%s could not be stored and is lost",
                 loss.ino, loss.others ? ", and to others," : "");
}

void fs_statfs(struct fs *fs, struct nacre_statfs *out) {
  struct engine_info info;
  engine_get_info(fs->engine, &info);
  out->block_bytes = FORMAT_UNIT_BYTES;
  out->blocks = info.units_limit;
  out->free_blocks = out->available_blocks = info.free_units;
  out->free_files = info.free_units * (FORMAT_UNIT_BYTES / INODE_COST_BYTES);
  out->files = info.inodes + out->free_files;
}

uint64_t fs_dirty_bytes(struct fs *fs) {
  return atomic_load(&fs->dirty_bytes);
}

uint64_t fs_memory_bytes(struct fs *fs) {
  return atomic_load(&fs->dirty_bytes) + atomic_load(&fs->inode_count) * sizeof(struct inode);
}
