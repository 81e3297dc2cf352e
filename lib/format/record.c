#include "format/record.h"

#include <dirent.h>
#include <sys/stat.h>

#include "base/err.h"
#include "crypto/kdf.h"

#define INODE_FIXED_BYTES 96u
#define FIRST_BYTE (FORMAT_RECORD_VERSION | FORMAT_RECORD_MUST_UNDERSTAND)
#define XATTR_OFFSET_MASK (~0xfffull)
#define XATTR_IN_PARTS 0x10u

static enum nacre_err damaged(const char *what) {
  return err_set(NACRE_ERR_DAMAGED, "a record contradicts itself: %s", what);
}

static enum nacre_err check_version(uint8_t first, const char *what) {
  if (first == FIRST_BYTE)
    return NACRE_OK;
  return err_set(NACRE_ERR_UNSUPPORTED, "%s record that begins with %#x, which this program does not know", what,
                 first);
}

static void write_ino(struct writer *w, uint64_t ino) {
  writer_u32(w, (uint32_t)ino);
  writer_u16(w, (uint16_t)(ino >> 32));
}

static uint64_t read_ino(struct reader *r) {
  uint64_t low = reader_u32(r);
  return low | (uint64_t)reader_u16(r) << 32;
}

/* ---- Inode ---- */

static void write_time(struct writer *w, const struct nacre_time *t) {
  writer_u64(w, (uint64_t)t->s);
  writer_u32(w, t->ns);
}

static struct nacre_time read_time(struct reader *r) {
  struct nacre_time t;
  t.s = (int64_t)reader_u64(r);
  t.ns = reader_u32(r);
  if (t.ns >= 1000000000u)
    r->bad = true;
  return t;
}

size_t record_inode_encode(const struct record_inode *inode, uint8_t out[RECORD_INODE_MAX_BYTES]) {
  struct writer w = writer_make(out, RECORD_INODE_MAX_BYTES);
  writer_u8(&w, FIRST_BYTE);
  writer_u8(&w, inode->chunk_log2);
  writer_u8(&w, inode->compression);
  writer_u8(&w, inode->hash_version);
  writer_u16(&w, (uint16_t)inode->mode);
  writer_u16(&w, (uint16_t)inode->flags);
  writer_u32(&w, inode->uid);
  writer_u32(&w, inode->gid);
  writer_u32(&w, inode->nlink);
  writer_u32(&w, inode->project);
  writer_u64(&w, inode->size);
  writer_u64(&w, inode->units);
  writer_u64(&w, inode->generation);
  write_time(&w, &inode->atime);
  write_time(&w, &inode->mtime);
  write_time(&w, &inode->ctime);
  write_time(&w, &inode->btime);
  if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
    writer_u64(&w, inode->rdev);
  if (S_ISDIR(inode->mode)) {
    writer_copy(&w, inode->seed, sizeof inode->seed);
    writer_u64(&w, inode->parent);
    writer_u64(&w, inode->entries);
  }
  return w.done;
}

static bool inode_size_valid(const struct record_inode *inode) {
  if (S_ISREG(inode->mode))
    return inode->size <= FORMAT_FILE_MAX_BYTES;
  if (S_ISLNK(inode->mode))
    return inode->size >= 1 && inode->size <= FORMAT_SYMLINK_MAX_BYTES;
  return inode->size == 0;
}

static bool inode_type_valid(uint32_t mode) {
  return S_ISREG(mode) || S_ISDIR(mode) || S_ISLNK(mode) || S_ISCHR(mode) || S_ISBLK(mode) || S_ISFIFO(mode) ||
         S_ISSOCK(mode);
}

static enum nacre_err inode_check(const struct record_inode *inode) {
  bool folder = S_ISDIR(inode->mode);
  if (!inode_type_valid(inode->mode))
    return damaged("an inode of no known type");
  if (!inode_size_valid(inode))
    return damaged("an inode's size");
  if (inode->chunk_log2 < 12 || inode->chunk_log2 > 16 || inode->compression != 0)
    return damaged("an inode's chunk size");
  if (inode->flags & ~(unsigned)RECORD_INODE_FLAGS_KNOWN)
    return err_set(NACRE_ERR_UNSUPPORTED, "an inode with flags that this program does not know");
  if ((inode->flags & RECORD_INODE_TAIL) && !S_ISREG(inode->mode))
    return damaged("an inode with a tail that it can't have");
  if ((inode->flags & (RECORD_INODE_ACL_DEFAULT | RECORD_INODE_CASEFOLD)) && !folder)
    return damaged("an inode with a folder's flags");
  if (!S_ISREG(inode->mode) && inode->units != 0)
    return damaged("an inode with data that it can't have");
  if (inode->units > FORMAT_UNITS_MAX)
    return damaged("an inode's allocated size");
  if (folder &&
      (inode->hash_version != RECORD_NAME_HASH_SIPHASH || inode->parent == 0 || inode->parent > FORMAT_INO_MAX))
    return damaged("a folder's fields");
  return NACRE_OK;
}

enum nacre_err record_inode_decode(const uint8_t *value, size_t len, struct record_inode *inode) {
  struct reader r = reader_make(value, len);
  *inode = (struct record_inode){0};
  ERR_TRY(check_version(reader_u8(&r), "inode"));
  inode->chunk_log2 = reader_u8(&r);
  inode->compression = reader_u8(&r);
  inode->hash_version = reader_u8(&r);
  inode->mode = reader_u16(&r);
  inode->flags = reader_u16(&r);
  inode->uid = reader_u32(&r);
  inode->gid = reader_u32(&r);
  inode->nlink = reader_u32(&r);
  inode->project = reader_u32(&r);
  inode->size = reader_u64(&r);
  inode->units = reader_u64(&r);
  inode->generation = reader_u64(&r);
  inode->atime = read_time(&r);
  inode->mtime = read_time(&r);
  inode->ctime = read_time(&r);
  inode->btime = read_time(&r);
  if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
    inode->rdev = reader_u64(&r);
  if (S_ISDIR(inode->mode)) {
    reader_copy(&r, inode->seed, sizeof inode->seed);
    inode->parent = reader_u64(&r);
    inode->entries = reader_u64(&r);
  }
  if (r.bad || r.left != 0)
    return damaged("an inode's length or times");
  return inode_check(inode);
}

/* ---- Folder buckets ---- */

uint64_t record_dirent_offset(const uint8_t seed[16], const void *name, size_t name_len) {
  uint64_t hash = kdf_name_hash(seed, name, name_len) & 0x7ffffffffffffff0ull;
  if (hash < RECORD_DIRENT_FIRST)
    return RECORD_DIRENT_FIRST;
  /* One less than the highest bucket, so that a position's successor stays positive as a signed number. */
  return u64_min(hash, 0x7fffffffffffffe0ull);
}

bool record_name_valid(const char *name, size_t name_len) {
  if (name_len == 0 || name_len > FORMAT_NAME_MAX_BYTES)
    return false;
  if (memchr(name, '/', name_len) || memchr(name, 0, name_len))
    return false;
  return !(name[0] == '.' && (name_len == 1 || (name_len == 2 && name[1] == '.')));
}

size_t record_dirents_encode(const struct record_dirents *dirents, uint8_t out[FORMAT_VALUE_MAX_BYTES]) {
  struct writer w = writer_make(out, FORMAT_VALUE_MAX_BYTES);
  writer_u8(&w, FIRST_BYTE);
  for (unsigned i = 0; i < dirents->count; i++) {
    const struct record_dirent *d = &dirents->entries[i];
    write_ino(&w, d->ino);
    writer_u8(&w, (uint8_t)(d->index << 4 | d->type));
    writer_u8(&w, d->name_len);
    writer_copy(&w, d->name, d->name_len);
  }
  return w.bad ? 0 : w.done;
}

static bool dirent_type_valid(uint8_t type) {
  return type == DT_REG || type == DT_DIR || type == DT_LNK || type == DT_CHR || type == DT_BLK || type == DT_FIFO ||
         type == DT_SOCK;
}

static bool dirent_valid(const struct record_dirents *dirents, const struct record_dirent *d) {
  if (d->ino == 0 || !dirent_type_valid(d->type) || !record_name_valid(d->name, d->name_len))
    return false;
  if (dirents->count > 0 && d->index <= dirents->entries[dirents->count - 1].index)
    return false;
  for (unsigned i = 0; i < dirents->count; i++) {
    const struct record_dirent *o = &dirents->entries[i];
    if (o->name_len == d->name_len && memcmp(o->name, d->name, d->name_len) == 0)
      return false;
  }
  return true;
}

enum nacre_err record_dirents_decode(const uint8_t *value, size_t len, struct record_dirents *dirents) {
  struct reader r = reader_make(value, len);
  dirents->count = 0;
  ERR_TRY(check_version(reader_u8(&r), "folder"));
  while (r.left > 0) {
    struct record_dirent d = {.ino = read_ino(&r)};
    uint8_t packed = reader_u8(&r);
    d.index = packed >> 4;
    d.type = packed & 15;
    d.name_len = reader_u8(&r);
    d.name = (const char *)reader_view(&r, d.name_len);
    if (r.bad || dirents->count == RECORD_BUCKET_ENTRIES || !dirent_valid(dirents, &d))
      return damaged("an entry of a folder");
    dirents->entries[dirents->count++] = d;
  }
  return dirents->count > 0 && !r.bad ? NACRE_OK : damaged("a folder's bucket without entries");
}

/* ---- Attribute buckets ---- */

uint64_t record_xattr_offset(const char *name, size_t name_len) {
  /* A public seed: whoever finds collisions only fills the bucket of an object of their own. */
  static const uint8_t seed[16] = "nacre attribute";
  return kdf_name_hash(seed, name, name_len) & XATTR_OFFSET_MASK;
}

uint64_t record_xattr_part_offset(uint64_t offset, uint8_t index, uint32_t part) {
  return offset | (uint64_t)index << 8 | part;
}

size_t record_xattrs_encode(const struct record_xattrs *xattrs, uint8_t out[FORMAT_VALUE_MAX_BYTES]) {
  struct writer w = writer_make(out, FORMAT_VALUE_MAX_BYTES);
  writer_u8(&w, FIRST_BYTE);
  for (unsigned i = 0; i < xattrs->count; i++) {
    const struct record_xattr *x = &xattrs->entries[i];
    writer_u8(&w, (uint8_t)(x->index | (x->in_parts ? XATTR_IN_PARTS : 0)));
    writer_u8(&w, x->name_len);
    writer_u32(&w, x->value_len);
    writer_copy(&w, x->name, x->name_len);
    if (!x->in_parts && x->value_len > 0)
      writer_copy(&w, x->value, x->value_len);
  }
  return w.bad ? 0 : w.done;
}

static bool xattr_valid(const struct record_xattrs *xattrs, const struct record_xattr *x) {
  if (x->name_len == 0 || memchr(x->name, 0, x->name_len) || x->value_len > FORMAT_XATTR_MAX_BYTES)
    return false;
  if (x->in_parts && x->value_len == 0)
    return false;
  if (xattrs->count > 0 && x->index <= xattrs->entries[xattrs->count - 1].index)
    return false;
  for (unsigned i = 0; i < xattrs->count; i++) {
    const struct record_xattr *o = &xattrs->entries[i];
    if (o->name_len == x->name_len && memcmp(o->name, x->name, x->name_len) == 0)
      return false;
  }
  return true;
}

enum nacre_err record_xattrs_decode(const uint8_t *value, size_t len, struct record_xattrs *xattrs) {
  struct reader r = reader_make(value, len);
  xattrs->count = 0;
  ERR_TRY(check_version(reader_u8(&r), "attribute"));
  while (r.left > 0) {
    uint8_t packed = reader_u8(&r);
    struct record_xattr x = {.index = packed & 15, .in_parts = (packed & XATTR_IN_PARTS) != 0};
    if (packed > (XATTR_IN_PARTS | 15))
      r.bad = true;
    x.name_len = reader_u8(&r);
    x.value_len = reader_u32(&r);
    x.name = (const char *)reader_view(&r, x.name_len);
    if (!x.in_parts)
      x.value = reader_view(&r, x.value_len);
    if (r.bad || xattrs->count == RECORD_BUCKET_ENTRIES || !xattr_valid(xattrs, &x))
      return damaged("an extended attribute");
    xattrs->entries[xattrs->count++] = x;
  }
  return xattrs->count > 0 && !r.bad ? NACRE_OK : damaged("a bucket without attributes");
}

/* ---- Pieces, tails, orphans ---- */

size_t record_part_encode(const uint8_t *data, size_t data_len, uint8_t out[FORMAT_VALUE_MAX_BYTES]) {
  out[0] = FIRST_BYTE;
  memcpy(out + 1, data, data_len);
  return data_len + 1;
}

enum nacre_err record_part_decode(const uint8_t *value, size_t len, const uint8_t **data, size_t *data_len) {
  if (len < 2 || len - 1 > RECORD_PART_MAX_BYTES)
    return damaged("a piece's length");
  ERR_TRY(check_version(value[0], "piece"));
  *data = value + 1;
  *data_len = len - 1;
  return NACRE_OK;
}

size_t record_tail_encode(uint64_t start, const uint8_t *data, size_t data_len, uint8_t out[FORMAT_VALUE_MAX_BYTES]) {
  struct writer w = writer_make(out, FORMAT_VALUE_MAX_BYTES);
  writer_u8(&w, FIRST_BYTE);
  writer_u64(&w, start);
  writer_copy(&w, data, data_len);
  return w.done;
}

enum nacre_err record_tail_decode(const uint8_t *value, size_t len, uint64_t *start, const uint8_t **data,
                                  size_t *data_len) {
  struct reader r = reader_make(value, len);
  ERR_TRY(check_version(reader_u8(&r), "tail"));
  *start = reader_u64(&r);
  if (r.bad || r.left == 0 || r.left > RECORD_TAIL_MAX_BYTES || *start % FORMAT_UNIT_BYTES != 0 ||
      *start > FORMAT_FILE_MAX_BYTES)
    return damaged("a tail");
  *data_len = r.left;
  *data = reader_view(&r, r.left);
  return NACRE_OK;
}

size_t record_orphan_encode(enum record_orphan_kind kind, uint8_t out[RECORD_ORPHAN_BYTES]) {
  out[0] = FIRST_BYTE;
  out[1] = (uint8_t)kind;
  return RECORD_ORPHAN_BYTES;
}

enum nacre_err record_orphan_decode(const uint8_t *value, size_t len, enum record_orphan_kind *kind) {
  if (len != RECORD_ORPHAN_BYTES)
    return damaged("an orphan's length");
  ERR_TRY(check_version(value[0], "orphan"));
  if (value[1] != RECORD_ORPHAN_UNLINKED)
    return damaged("an orphan's kind");
  *kind = RECORD_ORPHAN_UNLINKED;
  return NACRE_OK;
}
