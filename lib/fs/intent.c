/* A record of the intent log has what is in memory alone: inodes' records, which are put into the tree for it, and
 * the buffered chunks that have changed, which stay buffered.
 *
 * Of a chunk the record has the bytes that changed, where a replay finds the others: in a record before, or as the
 * commit stored them. The second holds because
 *   - a freeze leaves no chunk in a dirty map; so one that is there now came in this generation,
 *   - where base_in is this generation, it was then what the extents say, byte for byte: no tail, no end of the file,
 *   - those extents are the commit's: since its freeze none was written or freed, for that asks for a commit
 *     (data_write, data_free), and a record is not made where one is asked for,
 *   - what a commit reaches is not overwritten while that commit, or the one after it, is the newest. */
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
/* Each costs a read, and is forgotten. */
#define MISSED_MAX 65536u

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

/* Where it cannot be stored the commit says so, and who waits for it hears of it. */
static bool can_be_stored(struct fs *fs, const struct inode *inode, const struct dirty_chunk *c) {
  struct mapped mapped;
  enum nacre_err err = map_find(fs, inode, c->index, c->index, false, &mapped);
  return err == NACRE_OK || err == NACRE_ERR_NOT_FOUND;
}

static bool log_chunk(struct fs *fs, const struct inode *inode, struct dirty_chunk *c, uint64_t generation,
                      struct writer *items) {
  if (!dirty_is_whole(c)) /* once it is, it stays so: no record hangs on what can be read later */
    return false;
  bool first = c->logged_in != generation;
  bool whole = first && c->base_in != generation;
  struct intent_item item = {.kind = whole ? INTENT_WHOLE : INTENT_PART, .ino = inode->ino, .index = c->index};
  if (!whole && c->log_from == c->log_to)
    return true;
  if (first && !(count_chunk(fs, c, generation) && can_be_stored(fs, inode, c)))
    return false;
  item.from = whole ? 0 : c->log_from;
  item.bytes = c->data + item.from;
  item.len = whole ? without_zeroes_behind(c) : c->log_to - c->log_from;
  if (!intent_item_write(items, &item))
    return false;
  c->logged_in = generation;
  c->log_from = c->log_to = 0;
  return true;
}

static bool log_inode(struct fs *fs, struct txn *txn, struct inode *inode, struct writer *items) {
  bool fits = true;
  pthread_mutex_lock(&inode->lock);
  for (size_t i = 0; i < inode->dirty.count && fits; i++)
    fits = log_chunk(fs, inode, inode->dirty.chunks[i], txn->generation, items);
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
  bool reading;    /* it stays in memory: no space is needed */
  uint64_t bytes;  /* of chunks */
  unsigned missed; /* parts that mean nothing */
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

/* What a part changes, where the chunk does not stand in the log before. What cannot be read stays as it is: who
 * reads the file hears of it, now and later. *missed: it is so, and the part means nothing. */
static enum nacre_err load_base(struct replay *r, struct inode *inode, struct dirty_chunk *c, bool *missed) {
  struct loaded loaded;
  if ((inode->rec.flags & RECORD_INODE_TAIL) && inode->tail_start / inode_chunk_bytes(inode) == c->index)
    return makes_no_sense();
  enum nacre_err err = chunk_load(r->fs, inode, c->index, c->data, &loaded);
  *missed = err == NACRE_ERR_DAMAGED || err == NACRE_ERR_IO;
  if (*missed && ++r->missed > MISSED_MAX)
    return makes_no_sense();
  /* It may be read the next time: then it shall be there. */
  if (err == NACRE_ERR_IO)
    r->reading |= engine_replay_missed(r->fs->engine);
  return *missed ? NACRE_OK : err;
}

/* *out NULL: it cannot be had. */
static enum nacre_err new_chunk(struct replay *r, struct inode *inode, const struct intent_item *item,
                                struct dirty_chunk **out) {
  r->bytes += inode_chunk_bytes(inode);
  *out = NULL;
  if (r->bytes > INTENT_CHUNKS_MAX_BYTES)
    return makes_no_sense();
  struct dirty_chunk *c = dirty_chunk_new(item->index, inode_chunk_bytes(inode));
  if (c == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for buffered data");
  bool missed = false;
  enum nacre_err err = item->kind == INTENT_PART ? load_base(r, inode, c, &missed) : NACRE_OK;
  if (err == NACRE_OK && !missed)
    err = r->reading ? buffer_for_reading(r->fs, inode, c) : file_buffer_again(r->fs, inode, c);
  if (err != NACRE_OK || missed) {
    r->bytes -= inode_chunk_bytes(inode);
    dirty_chunk_free(c);
    return err;
  }
  *out = c;
  return NACRE_OK;
}

static enum nacre_err take_chunk(struct replay *r, struct inode *inode, const struct intent_item *item) {
  struct dirty_chunk *c = dirty_find(&inode->dirty, item->index);
  if (!S_ISREG(inode->rec.mode) || item->from + item->len > inode_chunk_bytes(inode) ||
      item->index >= u64_ceil_div(inode->rec.size, inode_chunk_bytes(inode)))
    return makes_no_sense();
  if (c == NULL)
    ERR_TRY(new_chunk(r, inode, item, &c));
  if (c == NULL)
    return NACRE_OK;
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
