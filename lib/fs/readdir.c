/* Listing a folder. A position is a bucket's hash plus the entry's index in it, neither of which ever changes, so
 * that going on from one is right whatever was added or removed meanwhile. */
#include <dirent.h>
#include <stdlib.h>

#include "base/err.h"
#include "fs/dir.h"
#include "fs/reclaim.h"

#define BATCH_BYTES (32u << 10)
#define POSITION_SELF 0u
#define POSITION_PARENT 1u

/* Buckets copied out under the tree's lock: hash (8 bytes), length (2), value, one after the other. */
struct batch {
  uint8_t *bytes;
  size_t used;
  bool full;
};

static bool batch_visit(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct batch *b = arg;
  if (BATCH_BYTES - b->used < 10 + len) {
    b->full = true;
    return false;
  }
  le64_put(b->bytes + b->used, key->offset);
  le16_put(b->bytes + b->used + 8, (uint16_t)len);
  memcpy(b->bytes + b->used + 10, value, len);
  b->used += 10 + len;
  return true;
}

struct listing {
  struct fs *fs;
  struct inode *dir;
  bool with_attr;
  nacre_dirent_fn fn;
  void *arg;
  uint64_t next; /* position of the next entry to give */
  bool stopped;
};

/* One entry with its inode's attributes and a pin. One that vanished meanwhile is left out. */
static enum nacre_err give_with_attr(struct listing *l, struct nacre_dirent *entry) {
  struct inode *inode;
  struct nacre_attr attr = {.struct_size = sizeof attr};
  enum nacre_err err = inode_get(l->fs, entry->ino, &inode);
  if (err == NACRE_ERR_NOT_FOUND)
    return NACRE_OK;
  if (err != NACRE_OK)
    return err;
  err = inode_pin(l->fs, entry->ino);
  pthread_mutex_lock(&inode->lock);
  inode_fill_attr(inode, &attr);
  pthread_mutex_unlock(&inode->lock);
  if (err == NACRE_OK) {
    entry->attr = &attr;
    l->stopped = !l->fn(l->arg, entry);
    entry->attr = NULL;
    if (l->stopped)
      inode_unpin(l->fs, entry->ino, 1);
  }
  inode_put(l->fs, inode);
  return err;
}

static enum nacre_err give(struct listing *l, uint64_t position, const struct record_dirent *d) {
  char name[FORMAT_NAME_MAX_BYTES + 1];
  memcpy(name, d->name, d->name_len);
  name[d->name_len] = 0;
  struct nacre_dirent entry = {
      .ino = d->ino, .next = position + 1, .type = d->type, .name_len = d->name_len, .name = name};
  if (l->with_attr && position > POSITION_PARENT)
    ERR_TRY(give_with_attr(l, &entry));
  else
    l->stopped = !l->fn(l->arg, &entry);
  if (!l->stopped)
    l->next = entry.next;
  return NACRE_OK;
}

static enum nacre_err give_dots(struct listing *l) {
  pthread_mutex_lock(&l->dir->lock);
  uint64_t parent = l->dir->rec.parent;
  pthread_mutex_unlock(&l->dir->lock);
  if (l->next == POSITION_SELF) {
    struct record_dirent self = {.ino = l->dir->ino, .type = DT_DIR, .name_len = 1, .name = "."};
    ERR_TRY(give(l, POSITION_SELF, &self));
  }
  if (l->next == POSITION_PARENT && !l->stopped) {
    struct record_dirent up = {.ino = parent, .type = DT_DIR, .name_len = 2, .name = ".."};
    ERR_TRY(give(l, POSITION_PARENT, &up));
  }
  return NACRE_OK;
}

static enum nacre_err give_batch(struct listing *l, const struct batch *b) {
  for (size_t at = 0; at < b->used && !l->stopped;) {
    uint64_t hash = le64_get(b->bytes + at);
    size_t len = le16_get(b->bytes + at + 8);
    struct record_dirents dirents;
    ERR_TRY(record_dirents_decode(b->bytes + at + 10, len, &dirents));
    if (hash % RECORD_BUCKET_ENTRIES != 0 || hash < RECORD_DIRENT_FIRST || hash > INT64_MAX - 31)
      return err_set(NACRE_ERR_DAMAGED, "a folder's bucket is out of place");
    for (unsigned i = 0; i < dirents.count && !l->stopped; i++) {
      uint64_t position = hash + dirents.entries[i].index;
      if (position >= l->next)
        ERR_TRY(give(l, position, &dirents.entries[i]));
    }
    if (!l->stopped)
      l->next = u64_max(l->next, hash + RECORD_BUCKET_ENTRIES);
    at += 10 + len;
  }
  return NACRE_OK;
}

static enum nacre_err list(struct listing *l, struct batch *b) {
  ERR_TRY(give_dots(l));
  do {
    if (l->stopped || l->next > INT64_MAX)
      return NACRE_OK;
    b->used = 0;
    b->full = false;
    uint64_t from = l->next - l->next % RECORD_BUCKET_ENTRIES;
    struct key low = key_make(l->dir->ino, FORMAT_RECORD_DIRENT, from);
    struct key high = key_make(l->dir->ino, FORMAT_RECORD_DIRENT, UINT64_MAX);
    ERR_TRY(tree_scan(l->fs->engine, &low, &high, batch_visit, b));
    ERR_TRY(give_batch(l, b));
  } while (b->full);
  return NACRE_OK;
}

enum nacre_err fs_readdir(struct fs *fs, uint64_t dir, uint64_t offset, bool with_attr, nacre_dirent_fn fn,
                          void *arg) {
  struct listing l = {.fs = fs, .with_attr = with_attr, .fn = fn, .arg = arg, .next = offset};
  ERR_TRY(inode_get_dir(fs, dir, &l.dir));
  struct batch b = {.bytes = malloc(BATCH_BYTES)};
  enum nacre_err err = NACRE_OK;
  if (b.bytes == NULL)
    err = err_set(NACRE_ERR_NO_MEMORY, "no memory to list a folder");
  else
    err = list(&l, &b);
  free(b.bytes);
  inode_put(fs, l.dir);
  reclaim_zombies(fs);
  return err;
}

enum nacre_err fs_check_dir(struct fs *fs, uint64_t ino) {
  struct inode *dir;
  ERR_TRY(inode_get_dir(fs, ino, &dir));
  inode_put(fs, dir);
  reclaim_zombies(fs);
  return NACRE_OK;
}
