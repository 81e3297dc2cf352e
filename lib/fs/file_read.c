/* Reading: what is buffered comes from the dirty map, the rest from the store, straight into the caller's buffer
 * where whole chunks are asked for. */
#include <stdlib.h>

#include "base/err.h"
#include "base/secmem.h"
#include "fs/file.h"
#include "fs/map.h"

/* Each try is spoilt only by another thread's change of the same file. */
#define READ_TRIES 1000u

/* Where the stored content of a file stood at one moment. */
struct view {
  uint64_t size, version, tail_start;
  bool tail;
};

static struct view view_take(const struct inode *inode) {
  return (struct view){.size = inode->rec.size,
                       .version = inode->version,
                       .tail_start = inode->tail_start,
                       .tail = (inode->rec.flags & RECORD_INODE_TAIL) != 0};
}

static bool view_holds(struct inode *inode, const struct view *view) {
  pthread_mutex_lock(&inode->lock);
  bool holds = inode->version == view->version;
  pthread_mutex_unlock(&inode->lock);
  return holds;
}

static bool all_zero(const uint8_t *p, size_t len) {
  return len == 0 || bytes_all_zero(p, len);
}

/* The same for one view, which may have passed meanwhile. there: as chunk_load_base says. */
static enum nacre_err load_view(struct fs *fs, struct inode *inode, uint64_t index, const struct view *view,
                                uint8_t *buf, struct loaded *loaded, bool *there) {
  uint32_t chunk = inode_chunk_bytes(inode);
  uint64_t start = index * chunk;
  struct mapped m;
  *loaded = (struct loaded){.version = view->version};
  enum nacre_err err = map_find(fs, inode, index, index, false, &m);
  if (err == NACRE_OK) {
    const uint32_t nth = (uint32_t)(index - m.first);
    ERR_TRY(there != NULL ? data_read_at_once(fs->engine, &m.x, nth, buf, there)
                          : data_read(fs->engine, &m.x, nth, 1, buf));
    loaded->stored = true;
    if (there != NULL && !*there)
      return NACRE_OK;
    const uint32_t piece = extent_piece_bytes(&m.x, nth);
    memset(buf + piece, 0, chunk - piece);
  } else if (err == NACRE_ERR_NOT_FOUND) {
    memset(buf, 0, chunk);
  } else {
    return err;
  }
  uint64_t eof = view->size <= start ? 0 : u64_min(view->size - start, chunk);
  if (!all_zero(buf + eof, (size_t)(chunk - eof))) {
    loaded->past_eof = true;
    memset(buf + eof, 0, (size_t)(chunk - eof));
  }
  if (view->tail && view->tail_start / chunk == index && view->tail_start < view->size &&
      view->size - view->tail_start <= RECORD_TAIL_MAX_BYTES) {
    ERR_TRY(map_get_tail(fs, inode, view->tail_start, (size_t)(view->size - view->tail_start),
                         buf + view->tail_start % chunk));
    loaded->stored = true;
    loaded->past_eof = true;
  }
  return NACRE_OK;
}

enum nacre_err chunk_load(struct fs *fs, struct inode *inode, uint64_t index, uint8_t *buf, struct loaded *loaded) {
  enum nacre_err err = NACRE_OK;
  for (unsigned i = 0; i < READ_TRIES; i++) {
    pthread_mutex_lock(&inode->lock);
    struct view view = view_take(inode);
    pthread_mutex_unlock(&inode->lock);
    err = load_view(fs, inode, index, &view, buf, loaded, NULL);
    if (view_holds(inode, &view))
      return err;
  }
  return err != NACRE_OK ? err : err_set(NACRE_ERR_IN_USE, "the file changes faster than it can be read");
}

enum nacre_err chunk_load_base(struct fs *fs, struct inode *inode, uint64_t index, uint8_t *buf, bool *there) {
  enum nacre_err err = NACRE_OK;
  for (unsigned i = 0; i < READ_TRIES; i++) {
    struct loaded loaded;
    if (there != NULL)
      *there = true;
    pthread_mutex_lock(&inode->lock);
    struct view view = view_take(inode);
    pthread_mutex_unlock(&inode->lock);
    err = load_view(fs, inode, index, &view, buf, &loaded, there);
    /* Moved by a rotation, and its place given to another. */
    if (err != NACRE_ERR_DAMAGED || view_holds(inode, &view))
      break;
  }
  return err;
}

/* ---- Reading ranges ---- */

struct read {
  struct fs_file *file;
  uint8_t *buf;
  uint64_t offset; /* of buf in the file */
  uint64_t pos, end;
};

static uint8_t *read_at(const struct read *r) {
  return r->buf + (r->pos - r->offset);
}

/* A part of one chunk, by way of the handle's cache. */
static enum nacre_err read_part(struct read *r, uint64_t version, uint64_t index, uint32_t from, size_t len) {
  struct fs_file *file = r->file;
  uint32_t chunk = inode_chunk_bytes(file->inode);
  pthread_mutex_lock(&file->lock);
  bool hit = file->cached_valid && file->cached_index == index && file->cached_version == version;
  if (hit)
    memcpy(read_at(r), file->cached + from, len);
  pthread_mutex_unlock(&file->lock);
  if (hit)
    return NACRE_OK;
  uint8_t *buf = malloc(chunk);
  if (buf == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory to read a chunk");
  struct loaded loaded;
  enum nacre_err err = chunk_load(file->fs, file->inode, index, buf, &loaded);
  if (err == NACRE_OK) {
    memcpy(read_at(r), buf + from, len);
    pthread_mutex_lock(&file->lock);
    uint8_t *old = file->cached;
    file->cached = buf;
    file->cached_index = index;
    file->cached_version = loaded.version;
    file->cached_valid = true;
    pthread_mutex_unlock(&file->lock);
    buf = old;
  }
  if (buf != NULL) {
    secmem_wipe(buf, chunk);
    free(buf);
  }
  return err;
}

/* Whole chunks [first, first + *count) inside the file, as far as one extent or hole goes. *again: the file changed
 * under the read. */
static enum nacre_err read_chunks(struct read *r, const struct view *view, uint64_t first, uint64_t *count,
                                  bool *again) {
  struct inode *inode = r->file->inode;
  struct fs *fs = r->file->fs;
  uint32_t chunk = inode_chunk_bytes(inode);
  struct mapped m;
  enum nacre_err err = map_find(fs, inode, first, first + *count - 1, false, &m);
  if (err == NACRE_ERR_NOT_FOUND || (err == NACRE_OK && m.first > first)) {
    *count = err == NACRE_OK ? u64_min(*count, m.first - first) : *count;
    memset(read_at(r), 0, (size_t)(*count * chunk));
    err = NACRE_OK;
  } else if (err == NACRE_OK) {
    uint32_t skip = (uint32_t)(first - m.first);
    *count = u64_min(*count, m.x.count - skip);
    uint32_t last = extent_piece_bytes(&m.x, skip + (uint32_t)*count - 1);
    if (last < chunk)
      memset(read_at(r) + (*count - 1) * chunk + last, 0, chunk - last);
    err = data_read(fs->engine, &m.x, skip, (uint32_t)*count, read_at(r));
  }
  *again = !view_holds(inode, view);
  return *again ? NACRE_OK : err;
}

/* Under the lock: copy what is buffered from r->pos on. Returns how much, 0 if r->pos is not in the dirty map, or
 * *in_part only. */
static size_t copy_dirty(const struct read *r, const struct inode *inode, uint64_t index, uint32_t from,
                         bool *in_part) {
  const struct dirty_chunk *c = dirty_find(&inode->dirty, index);
  *in_part = false;
  if (c == NULL)
    return 0;
  size_t len = (size_t)u64_min(c->len_bytes - from, r->end - r->pos);
  *in_part = !dirty_holds(c, from, from + (uint32_t)len);
  if (*in_part)
    return 0;
  memcpy(read_at(r), c->data + from, len);
  return len;
}

/* How many whole chunks from `first` on can be read at once: inside the file and the buffer, none of them buffered.
 */
static uint64_t whole_chunks(const struct read *r, const struct inode *inode, uint64_t first) {
  uint64_t stop = r->end / inode_chunk_bytes(inode);
  size_t at = dirty_lower_bound(&inode->dirty, first);
  if (at < inode->dirty.count)
    stop = u64_min(stop, inode->dirty.chunks[at]->index);
  return stop > first ? stop - first : 0;
}

static enum nacre_err read_step(struct read *r, bool *again) {
  struct inode *inode = r->file->inode;
  uint32_t chunk = inode_chunk_bytes(inode);
  uint64_t index = r->pos / chunk;
  uint32_t from = (uint32_t)(r->pos % chunk);
  *again = false;
  pthread_mutex_lock(&inode->lock);
  r->end = u64_min(r->end, inode->rec.size);
  if (r->pos >= r->end) {
    pthread_mutex_unlock(&inode->lock);
    return NACRE_OK;
  }
  bool in_part;
  size_t copied = copy_dirty(r, inode, index, from, &in_part);
  uint64_t count = from == 0 && copied == 0 ? whole_chunks(r, inode, index) : 0;
  struct view view = view_take(inode);
  pthread_mutex_unlock(&inode->lock);
  *again = in_part;
  if (in_part)
    return chunk_complete(r->file->fs, inode, index);
  if (copied == 0 && count == 0) {
    copied = (size_t)u64_min(chunk - from, r->end - r->pos);
    ERR_TRY(read_part(r, view.version, index, from, copied));
  } else if (copied == 0) {
    ERR_TRY(read_chunks(r, &view, index, &count, again));
    copied = *again ? 0 : (size_t)(count * chunk);
  }
  r->pos += copied;
  return NACRE_OK;
}

enum nacre_err fs_read(struct fs_file *file, void *buf, size_t len, uint64_t offset, size_t *done) {
  *done = 0;
  uint64_t end;
  if (!u64_add(offset, len, &end))
    end = UINT64_MAX;
  struct read r = {.file = file, .buf = buf, .offset = offset, .pos = offset, .end = end};
  enum nacre_err err = NACRE_OK;
  unsigned tries = 0;
  while (err == NACRE_OK && r.pos < r.end) {
    bool again;
    err = read_step(&r, &again);
    tries = again ? tries + 1 : 0;
    if (tries > READ_TRIES)
      err = err_set(NACRE_ERR_IN_USE, "the file changes faster than it can be read");
  }
  *done = (size_t)(r.pos - offset);
  return err;
}
