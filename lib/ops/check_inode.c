/* One inode's records, as they pass in the order of their keys: inode, names, attributes, their parts, link target,
 * extents, tail. */
#include "base/bytes.h"
#include "base/err.h"
#include "ops/check_state.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>

static uint64_t chunk_bytes(const struct check_current *cur) {
  return 1ull << cur->inode.chunk_log2;
}

/* ---- The records of folders and attributes ---- */

static enum nacre_err dirent_record(struct check *c, uint64_t offset, const uint8_t *value, size_t len) {
  struct check_current *cur = &c->current;
  struct record_dirents bucket;
  ERR_TRY(record_dirents_decode(value, len, &bucket));
  if (!cur->has_record || !S_ISDIR(cur->inode.mode)) {
    check_problem(c, cur->ino, "has names, but is no folder");
    return NACRE_OK;
  }
  for (unsigned i = 0; i < bucket.count; i++) {
    const struct record_dirent *d = &bucket.entries[i];
    if (record_dirent_offset(cur->inode.seed, d->name, d->name_len) != offset)
      check_problem(c, d->ino, "its name stands where no lookup finds it");
    cur->entries++;
    cur->folders += d->type == DT_DIR;
    ERR_TRY(check_link_name(c, cur->ino, d->ino, d->type));
  }
  return NACRE_OK;
}

static enum nacre_err parts_add(struct check_current *cur, uint64_t offset, const struct record_xattr *x) {
  if (cur->parts_count == cur->parts_room) {
    size_t room = cur->parts_room ? cur->parts_room * 2 : 8;
    struct check_parts *parts = realloc(cur->parts, room * sizeof *parts);
    if (!parts)
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
    cur->parts = parts;
    cur->parts_room = room;
  }
  cur->parts[cur->parts_count++] =
      (struct check_parts){.offset = record_xattr_part_offset(offset, x->index, 0), .value_len = x->value_len};
  return NACRE_OK;
}

static bool name_is(const struct record_xattr *x, const char *name) {
  return x->name_len == strlen(name) && memcmp(x->name, name, x->name_len) == 0;
}

static enum nacre_err xattr_record(struct check *c, uint64_t offset, const uint8_t *value, size_t len) {
  struct check_current *cur = &c->current;
  struct record_xattrs bucket;
  ERR_TRY(record_xattrs_decode(value, len, &bucket));
  cur->has_xattrs = true;
  for (unsigned i = 0; i < bucket.count; i++) {
    const struct record_xattr *x = &bucket.entries[i];
    if (record_xattr_offset(x->name, x->name_len) != offset)
      check_problem(c, cur->ino, "an extended attribute stands where no lookup finds it");
    cur->has_acl_access |= name_is(x, "system.posix_acl_access");
    cur->has_acl_default |= name_is(x, "system.posix_acl_default");
    if (x->in_parts)
      ERR_TRY(parts_add(cur, offset, x));
  }
  return NACRE_OK;
}

/* Parts sort as the attributes that they belong to do, so each must be the next one of the first that lacks any. */
static enum nacre_err part_record(struct check *c, uint64_t offset, const uint8_t *value, size_t len) {
  struct check_current *cur = &c->current;
  const uint8_t *data;
  size_t data_len;
  ERR_TRY(record_part_decode(value, len, &data, &data_len));
  while (cur->parts_at < cur->parts_count && cur->parts[cur->parts_at].done >= cur->parts[cur->parts_at].value_len)
    cur->parts_at++;
  struct check_parts *p = cur->parts_at < cur->parts_count ? &cur->parts[cur->parts_at] : NULL;
  if (!p || offset != p->offset + p->parts || data_len > p->value_len - p->done) {
    if (!cur->dying)
      check_problem(c, cur->ino, "a part of an extended attribute belongs to none");
    return NACRE_OK;
  }
  p->done += (uint32_t)data_len;
  p->parts++;
  return NACRE_OK;
}

static enum nacre_err symlink_record(struct check *c, uint64_t offset, const uint8_t *value, size_t len) {
  struct check_current *cur = &c->current;
  const uint8_t *data;
  size_t data_len;
  ERR_TRY(record_part_decode(value, len, &data, &data_len));
  if (!cur->has_record || !S_ISLNK(cur->inode.mode))
    check_problem(c, cur->ino, "has a link's target, but is no symbolic link");
  if ((offset != cur->target_parts && !cur->dying) || memchr(data, 0, data_len))
    check_problem(c, cur->ino, "its target is malformed");
  cur->target_parts++;
  cur->target_len += data_len;
  return NACRE_OK;
}

/* ---- The records of data ---- */

static void check_extent(struct check *c, uint64_t first, const struct extent *x) {
  struct check_current *cur = &c->current;
  uint64_t end = 0;
  if (!cur->has_record || !S_ISREG(cur->inode.mode)) {
    check_problem(c, cur->ino, "has data, but is no regular file");
    return;
  }
  if (x->chunk_bytes != chunk_bytes(cur))
    check_problem(c, cur->ino, "an extent's chunks are not of the file's size");
  if (first < cur->chunks_end)
    check_problem(c, cur->ino, "two extents hold the same part of the file");
  if (!u64_add(first, x->count, &end) || end > u64_ceil_div(cur->inode.size, chunk_bytes(cur)))
    check_problem(c, cur->ino, "an extent lies past the end of the file");
  if (x->birth > c->leaf.birth || x->alloc > c->leaf.alloc)
    check_problem(c, cur->ino, "an extent is younger than the leaf that vouches for it");
  cur->chunks_end = u64_max(cur->chunks_end, end);
  cur->units += extent_units(x);
}

/* Which of a run of chunks are to blame. */
static enum nacre_err find_bad_chunks(struct check *c, uint64_t first, const struct extent *x, uint32_t at,
                                      uint32_t count) {
  for (uint32_t i = at; i < at + count; i++) {
    enum nacre_err err = data_read(c->engine, x, i, 1, c->data);
    if (err == NACRE_ERR_DAMAGED)
      check_problem(c, c->current.ino, "the data at offset %llu does not authenticate",
                    (unsigned long long)(first + i) * x->chunk_bytes);
    else if (err == NACRE_ERR_IO)
      check_problem(c, c->current.ino, "the data at offset %llu can't be read: %s",
                    (unsigned long long)(first + i) * x->chunk_bytes, err_message());
    else if (err != NACRE_OK)
      return err;
  }
  return NACRE_OK;
}

static enum nacre_err read_extent(struct check *c, uint64_t first, const struct extent *x) {
  uint32_t batch = CHECK_DATA_BYTES / x->chunk_bytes;
  for (uint32_t at = 0; at < x->count; at += batch) {
    uint32_t count = x->count - at < batch ? x->count - at : batch;
    enum nacre_err err = data_read(c->engine, x, at, count, c->data);
    if (err == NACRE_ERR_DAMAGED || err == NACRE_ERR_IO)
      err = find_bad_chunks(c, first, x, at, count);
    ERR_TRY(err);
    c->report.chunks += count;
    ERR_TRY(check_pause(c));
  }
  return NACRE_OK;
}

static enum nacre_err extent_record(struct check *c, uint64_t first, const uint8_t *value, size_t len) {
  struct extent x;
  ERR_TRY(extent_decode(value, len, c->info.units_end, &x));
  check_extent(c, first, &x);
  check_take(c, c->current.ino, x.unit, extent_units(&x));
  c->report.data_bytes += extent_units(&x) * FORMAT_UNIT_BYTES;
  return read_extent(c, first, &x);
}

static enum nacre_err tail_record(struct check *c, uint64_t offset, const uint8_t *value, size_t len) {
  struct check_current *cur = &c->current;
  const uint8_t *data;
  uint64_t start;
  size_t data_len;
  ERR_TRY(record_tail_decode(value, len, &start, &data, &data_len));
  cur->has_tail = true;
  uint64_t size = cur->inode.size;
  if (offset != 0 || !cur->has_record || !S_ISREG(cur->inode.mode))
    check_problem(c, cur->ino, "has a tail that it can't have");
  else if (!cur->dying && (start != size - size % FORMAT_UNIT_BYTES || start + data_len != size))
    check_problem(c, cur->ino, "its tail does not end where the file does");
  return NACRE_OK;
}

/* ---- The inode itself ---- */

static uint8_t type_of(uint32_t mode) {
  return (uint8_t)((mode & S_IFMT) >> 12); /* DT_* are made that way */
}

static enum nacre_err inode_record(struct check *c, uint64_t offset, const uint8_t *value, size_t len) {
  struct check_current *cur = &c->current;
  ERR_TRY(record_inode_decode(value, len, &cur->inode));
  cur->has_record = true;
  if (offset != 0)
    check_problem(c, cur->ino, "has two inode records");
  struct check_link *link = NULL;
  ERR_TRY(check_link_at(c, cur->ino, &link));
  link->type = type_of(cur->inode.mode);
  link->nlink = cur->inode.nlink;
  cur->dying = link->orphan && link->nlink == 0; /* the list of orphans comes before all inodes */
  if (S_ISDIR(cur->inode.mode))
    link->parent = cur->inode.parent;
  c->report.inodes++;
  c->report.directories += S_ISDIR(cur->inode.mode);
  c->report.files += S_ISREG(cur->inode.mode);
  return NACRE_OK;
}

static void check_folder(struct check *c) {
  const struct check_current *cur = &c->current;
  if (cur->entries != cur->inode.entries)
    check_problem(c, cur->ino, "the folder counts %llu names and has %llu", (unsigned long long)cur->inode.entries,
                  (unsigned long long)cur->entries);
  if (cur->inode.nlink != 0 && cur->inode.nlink != cur->folders + 2)
    check_problem(c, cur->ino, "the folder's link count is %u and should be %llu", cur->inode.nlink,
                  (unsigned long long)cur->folders + 2);
}

static void check_flag(struct check *c, unsigned flag, bool there, const char *what) {
  if (((c->current.inode.flags & flag) != 0) != there)
    check_problem(c, c->current.ino, "its record and its %s disagree", what);
}

/* Whether all that the record says of the others is there. */
static void check_whole(struct check *c) {
  const struct check_current *cur = &c->current;
  if (S_ISDIR(cur->inode.mode))
    check_folder(c);
  if (S_ISLNK(cur->inode.mode) && cur->target_len != cur->inode.size)
    check_problem(c, cur->ino, "its target is not as long as it says");
  if (S_ISREG(cur->inode.mode) && cur->units != cur->inode.units)
    check_problem(c, cur->ino, "it counts %llu units and has %llu", (unsigned long long)cur->inode.units,
                  (unsigned long long)cur->units);
  check_flag(c, RECORD_INODE_TAIL, cur->has_tail, "tail");
  check_flag(c, RECORD_INODE_XATTRS, cur->has_xattrs, "extended attributes");
  check_flag(c, RECORD_INODE_ACL_ACCESS, cur->has_acl_access, "access list");
  check_flag(c, RECORD_INODE_ACL_DEFAULT, cur->has_acl_default, "default access list");
}

enum nacre_err check_inode_end(struct check *c) {
  struct check_current *cur = &c->current;
  if (cur->ino == 0)
    return NACRE_OK;
  if (!cur->has_record)
    check_problem(c, cur->ino, "has records, but none of its own");
  else if (!cur->dying)
    check_whole(c);
  for (size_t i = 0; i < cur->parts_count && !cur->dying; i++)
    if (cur->parts[i].done != cur->parts[i].value_len)
      check_problem(c, cur->ino, "an extended attribute lacks some of its value");
  *cur = (struct check_current){.parts = cur->parts, .parts_room = cur->parts_room};
  return NACRE_OK;
}

/* ---- All of them ---- */

static enum nacre_err volume_record(struct check *c, const struct key *key, const uint8_t *value, size_t len) {
  if (key->type == FORMAT_RECORD_LINEAGE)
    return check_lineage_record(c, key->offset, value, len);
  if (key->type != FORMAT_RECORD_ORPHAN) {
    check_problem(c, 0, "a record of the volume's own has the unknown type %u", key->type);
    return NACRE_OK;
  }
  enum record_orphan_kind kind;
  ERR_TRY(record_orphan_decode(value, len, &kind));
  if (key->offset == 0 || key->offset > FORMAT_INO_MAX) {
    check_problem(c, 0, "an orphan without a number");
    return NACRE_OK;
  }
  struct check_link *link = NULL;
  ERR_TRY(check_link_at(c, key->offset, &link));
  link->orphan = true;
  return NACRE_OK;
}

static enum nacre_err typed_record(struct check *c, const struct key *key, const uint8_t *value, size_t len) {
  switch (key->type) {
  case FORMAT_RECORD_INODE:
    return inode_record(c, key->offset, value, len);
  case FORMAT_RECORD_DIRENT:
    return dirent_record(c, key->offset, value, len);
  case FORMAT_RECORD_XATTR:
    return xattr_record(c, key->offset, value, len);
  case FORMAT_RECORD_XATTR_PART:
    return part_record(c, key->offset, value, len);
  case FORMAT_RECORD_SYMLINK:
    return symlink_record(c, key->offset, value, len);
  case FORMAT_RECORD_EXTENT:
    return extent_record(c, key->offset, value, len);
  case FORMAT_RECORD_TAIL:
    return tail_record(c, key->offset, value, len);
  default:
    check_problem(c, key->object, "has a record of the unknown type %u", key->type);
    return NACRE_OK;
  }
}

enum nacre_err check_inode_record(struct check *c, const struct key *key, const uint8_t *value, size_t len) {
  if (key->object != c->current.ino || key->tree != FORMAT_TREE_FS) {
    ERR_TRY(check_inode_end(c));
    c->current.ino = key->object;
  }
  enum nacre_err err = NACRE_OK;
  if (key->tree != FORMAT_TREE_FS || key->object > FORMAT_INO_MAX)
    check_problem(c, 0, "a record of no known tree or object");
  else
    err = key->object == 0 ? volume_record(c, key, value, len) : typed_record(c, key, value, len);
  /* What the codecs refuse is a problem of that inode, not the end of the walk. */
  if (err == NACRE_ERR_DAMAGED || err == NACRE_ERR_UNSUPPORTED) {
    check_problem(c, key->object, "%s", err_message());
    err = NACRE_OK;
  }
  return err;
}
