/* A record of the intent log has what is in memory alone: inodes' records, which are put into the tree for it, and
 * the buffered chunks that have changed, which stay buffered. A chunk stands whole in the log before parts of it do:
 * what it was made from may be stored otherwise than it was when a replay looks for it. */
#include "fs/intent.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/err.h"
#include "format/intent.h"
#include "fs/file.h"
#include "fs/flush.h"
#include "fs/map.h"

/* Looking through more than that for what has changed costs as much as a commit. */
#define INODES_MAX 64u
#define DIRTY_MAX_BYTES (128u << 20)

/* ---- Writing ---- */

static enum nacre_err tell_inode(struct txn *txn, struct inode *inode) {
  pthread_mutex_lock(&inode->lock);
  enum nacre_err err = inode->attr_dirty ? inode_write(txn, inode) : NACRE_OK;
  pthread_mutex_unlock(&inode->lock);
  return err;
}

static uint32_t without_zeroes_behind(const struct dirty_chunk *c) {
  uint32_t len = c->len_bytes;
  while (len > 0 && c->data[len - 1] == 0)
    len--;
  return len;
}

/* Whoever replays the log has all of them in memory. */
static bool count_chunk(struct fs *fs, const struct dirty_chunk *c, uint64_t generation) {
  if (fs->log_generation != generation)
    fs->log_chunk_bytes = 0;
  fs->log_generation = generation;
  fs->log_chunk_bytes += c->len_bytes;
  return fs->log_chunk_bytes <= INTENT_CHUNKS_MAX_BYTES;
}

static bool log_chunk(const struct inode *inode, struct dirty_chunk *c, uint64_t generation, struct writer *items) {
  struct intent_item item = {.kind = INTENT_PART, .ino = inode->ino, .index = c->index};
  bool whole = c->logged_in != generation;
  if (!whole && c->log_from == c->log_to)
    return true;
  if (whole)
    item.kind = INTENT_WHOLE;
  item.from = whole ? 0 : c->log_from;
  item.bytes = c->data + item.from;
  item.len = whole ? without_zeroes_behind(c) : c->log_to - c->log_from;
  if (!intent_item_write(items, &item))
    return false;
  c->logged_in = generation;
  c->log_from = c->log_to = 0;
  return true;
}

/* Where it cannot be stored the commit says so, and who waits for it hears of it. */
static bool can_be_stored(struct fs *fs, const struct inode *inode, const struct dirty_chunk *c) {
  struct mapped mapped;
  enum nacre_err err = map_find(fs, inode, c->index, c->index, false, &mapped);
  return err == NACRE_OK || err == NACRE_ERR_NOT_FOUND;
}

static bool log_inode(struct fs *fs, struct txn *txn, struct inode *inode, struct writer *items) {
  bool fits = true;
  pthread_mutex_lock(&inode->lock);
  for (size_t i = 0; i < inode->dirty.count && fits; i++) {
    struct dirty_chunk *c = inode->dirty.chunks[i];
    fits = c->logged_in == txn->generation || (count_chunk(fs, c, txn->generation) && can_be_stored(fs, inode, c));
    fits = fits && log_chunk(inode, c, txn->generation, items);
  }
  pthread_mutex_unlock(&inode->lock);
  return fits;
}

static bool is_little(struct fs *fs) {
  pthread_mutex_lock(&fs->dirty_lock);
  bool few = fs->dirty_inodes <= INODES_MAX;
  pthread_mutex_unlock(&fs->dirty_lock);
  return few && atomic_load(&fs->dirty_bytes) <= DIRTY_MAX_BYTES;
}

enum nacre_err intent_hook(void *arg, struct txn *txn, struct writer *items, bool *fits) {
  struct fs *fs = arg;
  struct inode **inodes;
  size_t count;
  *fits = is_little(fs);
  if (!*fits)
    return NACRE_OK;
  ERR_TRY(flush_collect(fs, &inodes, &count));
  enum nacre_err err = NACRE_OK;
  for (size_t i = 0; i < count && err == NACRE_OK && *fits; i++) {
    if (items == NULL)
      err = tell_inode(txn, inodes[i]);
    else
      *fits = log_inode(fs, txn, inodes[i], items);
  }
  for (size_t i = 0; i < count; i++)
    inode_put(fs, inodes[i]);
  free(inodes);
  return err;
}

/* ---- Replaying ---- */

struct replay {
  struct fs *fs;
  bool reading;   /* it stays in memory: no space is needed */
  uint64_t bytes; /* of chunks */
};

static enum nacre_err makes_no_sense(void) {
  return err_set(NACRE_ERR_DAMAGED, "a record of the intent log makes no sense");
}

/* The record's size may be ahead of what is stored, so that it does not tell where the tail is. */
static enum nacre_err locate_tail(struct fs *fs, struct inode *inode) {
  uint64_t start;
  enum nacre_err err = map_find_tail(fs, inode, &start);
  if (err == NACRE_ERR_NOT_FOUND)
    return NACRE_OK;
  ERR_TRY(err);
  pthread_mutex_lock(&inode->lock);
  inode->tail_start = start;
  pthread_mutex_unlock(&inode->lock);
  return NACRE_OK;
}

/* It stays in memory. */
static enum nacre_err buffer_for_reading(struct fs *fs, struct inode *inode, struct dirty_chunk *c) {
  pthread_mutex_lock(&inode->lock);
  enum nacre_err err = dirty_insert(&inode->dirty, c);
  if (err == NACRE_OK) {
    inode_count_dirty(fs, c->len_bytes);
    inode_list_dirty(fs, inode);
  }
  pthread_mutex_unlock(&inode->lock);
  return err;
}

static enum nacre_err new_chunk(struct replay *r, struct inode *inode, uint64_t index, struct dirty_chunk **out) {
  r->bytes += inode_chunk_bytes(inode);
  if (r->bytes > INTENT_CHUNKS_MAX_BYTES)
    return makes_no_sense();
  struct dirty_chunk *c = dirty_chunk_new(index, inode_chunk_bytes(inode));
  if (c == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for buffered data");
  enum nacre_err err = r->reading ? buffer_for_reading(r->fs, inode, c) : file_buffer_again(r->fs, inode, c);
  if (err != NACRE_OK)
    dirty_chunk_free(c);
  else
    *out = c;
  return err;
}

static enum nacre_err take_chunk(struct replay *r, struct inode *inode, const struct intent_item *item) {
  struct dirty_chunk *c = dirty_find(&inode->dirty, item->index);
  if (!S_ISREG(inode->rec.mode) || item->from + item->len > inode_chunk_bytes(inode) ||
      item->index >= u64_ceil_div(inode->rec.size, inode_chunk_bytes(inode)))
    return makes_no_sense();
  if (c == NULL && item->kind == INTENT_PART)
    return makes_no_sense();
  if (c == NULL)
    ERR_TRY(new_chunk(r, inode, item->index, &c));
  if (item->kind == INTENT_WHOLE)
    memset(c->data, 0, c->len_bytes);
  memcpy(c->data + item->from, item->bytes, item->len);
  return NACRE_OK;
}

static enum nacre_err replay_chunk(void *arg, struct txn *txn, const struct intent_item *item) {
  (void)txn;
  struct replay *r = arg;
  struct inode *inode;
  enum nacre_err err = inode_get(r->fs, item->ino, &inode);
  if (err == NACRE_ERR_NOT_FOUND)
    return NACRE_OK; /* a later record deletes it */
  ERR_TRY(err);
  if (inode->dirty.count == 0)
    err = locate_tail(r->fs, inode);
  if (err == NACRE_OK)
    err = take_chunk(r, inode, item);
  inode_put(r->fs, inode);
  return err;
}

enum nacre_err fs_replay(struct fs *fs) {
  struct engine_info info;
  engine_get_info(fs->engine, &info);
  struct replay r = {.fs = fs, .reading = info.read_only || info.failed};
  return engine_replay(fs->engine, replay_chunk, &r);
}
