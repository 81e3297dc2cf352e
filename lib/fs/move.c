/* Writing an extent of an older epoch anew under the current one, while the file is in use.
 *
 * What it says is read and opened with no lock held, sealed and written inside the transaction, and takes the old
 * one's place in the records under the inode's lock, if the file's map is still the one that was read from. If it is
 * not, what was written is given back and the extent is looked up again. Whoever changes the map meanwhile writes
 * under the current epoch, so that there is less to do each time. */
#include "base/err.h"
#include "base/secmem.h"
#include "fs/map.h"
#include "fs/reclaim.h"

/* The new record, and one for what is left of the old one where space came in pieces. */
#define MOVE_RECORDS 2u

struct move {
  struct fs *fs;
  struct inode *inode;
  struct fs_move *request;
  struct mapped from; /* what is to be moved: an extent, or as many chunks of one as may be at once */
  uint32_t left;      /* chunks of the extent behind those */
  uint64_t version;   /* of the inode when it was found */
  uint32_t moved;     /* chunks that the last step moved; 0: the file changed meanwhile */
  uint64_t units;     /* written in all */
  uint64_t used;      /* bytes of the buffer that data was in */
};

/* NACRE_ERR_NOT_FOUND where nothing of an older epoch begins at `first`. */
static enum nacre_err find(struct move *m, uint64_t first) {
  pthread_mutex_lock(&m->inode->lock);
  m->version = m->inode->version;
  pthread_mutex_unlock(&m->inode->lock);
  ERR_TRY(map_find(m->fs, m->inode, first, first, true, &m->from));
  if (m->from.first != first || m->from.x.epoch == engine_epoch(m->fs->engine))
    return NACRE_ERR_NOT_FOUND;
  uint32_t most = m->request->most_bytes / m->from.x.chunk_bytes;
  most = most == 0 ? 1 : most;
  m->left = m->from.x.count > most ? m->from.x.count - most : 0;
  if (m->left > 0)
    extent_slice(&m->from.x, 0, most, &m->from.x);
  return NACRE_OK;
}

static bool is_current(const struct move *m) {
  pthread_mutex_lock(&m->inode->lock);
  bool current = m->inode->version == m->version;
  pthread_mutex_unlock(&m->inode->lock);
  return current;
}

/* Under the inode's lock. What could not be moved at once stays behind the new extent, as an extent of its own. */
static enum nacre_err replace(struct move *m, struct txn *txn, const struct extent *x, bool *changed) {
  struct mapped old;
  ERR_TRY(map_find(m->fs, m->inode, m->from.first, m->from.first, true, &old));
  if (old.first != m->from.first || old.x.count != m->from.x.count + m->left || x->count > old.x.count)
    return err_set(NACRE_ERR_DAMAGED, "a file's extent is another one than a moment ago");
  m->inode->version++;
  if (x->count == old.x.count) {
    uint8_t value[EXTENT_VALUE_MAX_BYTES];
    struct key key = key_make(m->inode->ino, FORMAT_RECORD_EXTENT, m->from.first);
    ERR_TRY(tree_put_moved(txn, &key, value, extent_encode(x, value)));
  } else {
    struct extent rest;
    extent_slice(&old.x, x->count, old.x.count - x->count, &rest);
    ERR_TRY(map_put(txn, m->inode, m->from.first + x->count, &rest));
    *changed = true;
    ERR_TRY(map_put(txn, m->inode, m->from.first, x));
  }
  *changed = true;
  extent_slice(&old.x, 0, x->count, &old.x);
  data_free(txn, &old.x);
  return NACRE_OK;
}

static enum nacre_err move_in(struct move *m, struct txn *txn) {
  const uint8_t *chunks[FORMAT_EXTENT_CHUNKS_MAX];
  struct extent x;
  for (uint32_t i = 0; i < m->from.x.count; i++)
    chunks[i] = m->request->buf + (size_t)i * m->from.x.chunk_bytes;
  ERR_TRY(map_prefault(m->fs, m->inode, m->from.first, m->from.first));
  ERR_TRY(data_move(txn, chunks, &m->from.x, &x));
  bool changed = false;
  enum nacre_err err = NACRE_OK;
  pthread_mutex_lock(&m->inode->lock);
  bool current = m->inode->version == m->version;
  if (current)
    err = replace(m, txn, &x, &changed);
  pthread_mutex_unlock(&m->inode->lock);
  if (err != NACRE_OK && changed)
    return txn_abort(txn, err);
  if (err != NACRE_OK || !current) {
    data_free(txn, &x);
    return err;
  }
  m->moved = x.count;
  m->units += extent_units(&x);
  return NACRE_OK;
}

static enum nacre_err move_once(struct move *m) {
  struct txn txn;
  uint64_t reserved = extent_units(&m->from.x) + engine_metadata_units(MOVE_RECORDS);
  enum nacre_err err = space_reserve(m->fs->engine, reserved);
  m->request->no_room = err == NACRE_ERR_NO_SPACE;
  if (err != NACRE_OK)
    return err;
  err = txn_begin(m->fs->engine, TXN_FLUSH, MOVE_RECORDS, &txn);
  if (err == NACRE_OK) {
    err = move_in(m, &txn);
    txn_end(&txn);
  }
  space_release(m->fs->engine, reserved);
  return err;
}

/* All of the extent that begins at `first`, in as many steps as it takes. */
static enum nacre_err move_extent(struct move *m, uint64_t first) {
  uint64_t next = first, end = first + 1;
  while (next < end) {
    enum nacre_err err = find(m, next);
    if (err == NACRE_ERR_NOT_FOUND)
      return NACRE_OK;
    if (err == NACRE_OK && next == first)
      end = first + m->from.x.count + m->left;
    if (err == NACRE_OK)
      err = data_read(m->fs->engine, &m->from.x, 0, m->from.x.count, m->request->buf);
    m->request->unreadable = err != NACRE_OK;
    m->moved = 0;
    if (err == NACRE_OK)
      err = move_once(m);
    m->used = u64_max(m->used, (uint64_t)m->from.x.count * m->from.x.chunk_bytes);
    /* Where the file changed meanwhile, what was read may be another's by now. */
    if (err != NACRE_OK && (err != NACRE_ERR_DAMAGED || is_current(m)))
      return err;
    next += m->moved;
  }
  return NACRE_OK;
}

enum nacre_err fs_move_extent(struct fs *fs, const struct key *key, struct fs_move *request, uint64_t *units) {
  struct move m = {.fs = fs, .request = request};
  *units = 0;
  enum nacre_err err = inode_get(fs, key->object, &m.inode);
  request->unreadable = err != NACRE_OK;
  if (err == NACRE_ERR_NOT_FOUND)
    return NACRE_OK; /* being deleted */
  if (err != NACRE_OK)
    return err;
  err = move_extent(&m, key->offset);
  *units = m.units;
  inode_put(fs, m.inode);
  reclaim_zombies(fs);
  secmem_wipe(request->buf, (size_t)u64_min(m.used, FS_MOVE_BYTES));
  return err;
}
