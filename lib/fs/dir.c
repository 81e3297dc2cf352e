#include "fs/dir.h"

#include <sys/stat.h>

#include "base/err.h"

uint8_t dir_type(uint32_t mode) {
  return (uint8_t)((mode & S_IFMT) >> 12);
}

enum nacre_err dir_check_name(const struct name *name) {
  if (name->len > FORMAT_NAME_MAX_BYTES)
    return err_set(NACRE_ERR_NAME_TOO_LONG, "a name of %zu bytes is too long", name->len);
  if (!record_name_valid(name->bytes, name->len))
    return err_set(NACRE_ERR_ARGUMENT, "not a name that a file can have");
  return NACRE_OK;
}

/* A bucket in memory. `at`: the entry of the name looked for; dirents.count if there is none. */
struct bucket {
  struct key key;
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  struct record_dirents dirents;
  unsigned at;
};

/* An absent bucket is an empty one. */
static enum nacre_err bucket_load(struct fs *fs, const struct inode *dir, const struct name *name, struct bucket *b) {
  size_t len;
  uint64_t offset = record_dirent_offset(dir->rec.seed, name->bytes, name->len);
  b->key = key_make(dir->ino, FORMAT_RECORD_DIRENT, offset);
  b->dirents.count = b->at = 0;
  enum nacre_err err = tree_get(fs->engine, &b->key, b->value, sizeof b->value, &len);
  if (err == NACRE_ERR_NOT_FOUND)
    return NACRE_OK;
  if (err != NACRE_OK)
    return err;
  ERR_TRY(record_dirents_decode(b->value, len, &b->dirents));
  while (b->at < b->dirents.count) {
    const struct record_dirent *d = &b->dirents.entries[b->at];
    if (d->name_len == name->len && memcmp(d->name, name->bytes, name->len) == 0)
      break;
    b->at++;
  }
  return NACRE_OK;
}

static enum nacre_err bucket_store(struct txn *txn, const struct bucket *b) {
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  if (b->dirents.count == 0)
    return tree_delete(txn, &b->key);
  size_t len = record_dirents_encode(&b->dirents, value);
  if (len == 0)
    return err_set(NACRE_ERR_NO_SPACE, "too many names with the same hash");
  return tree_put(txn, &b->key, value, len);
}

static enum nacre_err not_found(void) {
  return err_set(NACRE_ERR_NOT_FOUND, "no such file or folder");
}

enum nacre_err dir_find(struct fs *fs, const struct inode *dir, const struct name *name, uint64_t *ino,
                        uint8_t *type) {
  struct bucket b;
  ERR_TRY(bucket_load(fs, dir, name, &b));
  if (b.at == b.dirents.count)
    return not_found();
  *ino = b.dirents.entries[b.at].ino;
  *type = b.dirents.entries[b.at].type;
  return NACRE_OK;
}

/* Into the first free index. */
static bool bucket_add(struct bucket *b, const struct name *name, uint64_t ino, uint8_t type) {
  struct record_dirents *d = &b->dirents;
  if (d->count == RECORD_BUCKET_ENTRIES)
    return false;
  unsigned at = 0;
  while (at < d->count && d->entries[at].index == at)
    at++;
  memmove(d->entries + at + 1, d->entries + at, (d->count - at) * sizeof d->entries[0]);
  d->count++;
  d->entries[at] = (struct record_dirent){
      .ino = ino, .type = type, .index = (uint8_t)at, .name_len = (uint8_t)name->len, .name = name->bytes};
  return true;
}

enum nacre_err dir_check_insert(struct fs *fs, const struct inode *dir, const struct name *name) {
  struct bucket b;
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  if (dir->rec.nlink == 0)
    return err_set(NACRE_ERR_NOT_FOUND, "the folder was removed");
  ERR_TRY(bucket_load(fs, dir, name, &b));
  if (b.at < b.dirents.count)
    return err_set(NACRE_ERR_EXISTS, "the name exists");
  if (b.dirents.count > 0 &&
      (!bucket_add(&b, name, 1, dir_type(S_IFREG)) || record_dirents_encode(&b.dirents, value) == 0))
    return err_set(NACRE_ERR_NO_SPACE, "too many names with the same hash");
  return NACRE_OK;
}

enum nacre_err dir_insert(struct fs *fs, struct txn *txn, const struct inode *dir, const struct name *name,
                          uint64_t ino, uint8_t type) {
  struct bucket b;
  ERR_TRY(bucket_load(fs, dir, name, &b));
  if (!bucket_add(&b, name, ino, type))
    return err_set(NACRE_ERR_NO_SPACE, "too many names with the same hash");
  return bucket_store(txn, &b);
}

enum nacre_err dir_remove(struct fs *fs, struct txn *txn, const struct inode *dir, const struct name *name) {
  struct bucket b;
  ERR_TRY(bucket_load(fs, dir, name, &b));
  struct record_dirents *d = &b.dirents;
  if (b.at == d->count)
    return not_found();
  memmove(d->entries + b.at, d->entries + b.at + 1, (d->count - b.at - 1) * sizeof d->entries[0]);
  d->count--;
  return bucket_store(txn, &b);
}

enum nacre_err dir_replace(struct fs *fs, struct txn *txn, const struct inode *dir, const struct name *name,
                           uint64_t ino, uint8_t type) {
  struct bucket b;
  ERR_TRY(bucket_load(fs, dir, name, &b));
  if (b.at == b.dirents.count)
    return not_found();
  b.dirents.entries[b.at].ino = ino;
  b.dirents.entries[b.at].type = type;
  return bucket_store(txn, &b);
}

static bool any_visit(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  bool *any = arg;
  (void)key;
  (void)value;
  (void)len;
  *any = true;
  return false;
}

enum nacre_err dir_is_empty(struct fs *fs, const struct inode *dir, bool *empty) {
  bool any = false;
  struct key low = key_make(dir->ino, FORMAT_RECORD_DIRENT, 0);
  struct key high = key_make(dir->ino, FORMAT_RECORD_DIRENT, UINT64_MAX);
  ERR_TRY(tree_scan(fs->engine, &low, &high, any_visit, &any));
  *empty = !any;
  return NACRE_OK;
}
