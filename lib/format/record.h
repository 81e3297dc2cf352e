/* Records of the filesystem: inode, folder bucket, attribute bucket, tail, link target, orphan. Encoder and decoder
 * of each. (Extents have a header of their own.) Every value starts with FORMAT_RECORD_VERSION.
 *
 *   INODE       offset 0
 *   DIRENT      offset record_dirent_offset(seed, name): the bucket of all names with that hash
 *   XATTR       offset record_xattr_offset(name): the bucket of all attributes with that hash
 *   XATTR_PART  offset record_xattr_part_offset(...): a piece of a value too large for its bucket
 *   SYMLINK     offset 0 and 1: the target in pieces of RECORD_PART_MAX_BYTES
 *   EXTENT      offset: index of its first chunk in the file
 *   TAIL        offset 0: the end of a file, from a multiple of a unit on, where it is at most RECORD_TAIL_MAX_BYTES
 *   ORPHAN      object 0, offset: number of an inode that has no name any more
 *
 * Every decoder checks all that can be checked without another record and answers NACRE_ERR_DAMAGED (or
 * NACRE_ERR_UNSUPPORTED for a version that it does not know). */
#ifndef NACRE_FORMAT_RECORD_H
#define NACRE_FORMAT_RECORD_H

#include <nacre.h>

#include "base/bytes.h"
#include "format/format.h"

#define RECORD_PART_MAX_BYTES 3800u
#define RECORD_TAIL_MAX_BYTES 3072u
#define RECORD_BUCKET_ENTRIES 16u

/* ---- Inode: 96 bytes, 104 for a device, 128 for a folder ---- */

enum record_inode_flags {
  RECORD_INODE_TAIL = 1,   /* a TAIL record exists: it ends at the size and starts at the last multiple of a unit */
  RECORD_INODE_XATTRS = 2, /* XATTR records exist */
  RECORD_INODE_ACL_ACCESS = 4,  /* one of them is system.posix_acl_access */
  RECORD_INODE_ACL_DEFAULT = 8, /* ... system.posix_acl_default; folders only */
  RECORD_INODE_CASEFOLD = 16,   /* later; folders only */
  RECORD_INODE_FLAGS_KNOWN = 31
};
#define RECORD_NAME_HASH_SIPHASH 1u
#define RECORD_INODE_MAX_BYTES 128u

/* Invariants: the type in mode is one of the seven; a file's size is at most FORMAT_FILE_MAX_BYTES, a link's
 * 1 .. FORMAT_SYMLINK_MAX_BYTES, all others' 0; nlink is 0 for an orphan, 2 and one more for each folder inside for a
 * folder. Bytes past the size in the last stored chunk mean nothing: whoever extends a file zeroes them. An orphan's
 * size, units and tail may contradict its other records: it is only ever deleted. */
struct record_inode {
  uint32_t mode; /* as st_mode: 16 bits */
  uint32_t uid, gid;
  uint32_t nlink;
  uint32_t flags;
  uint32_t project;
  uint64_t rdev; /* of devices */
  uint64_t size;
  uint64_t units; /* of all its extents */
  uint64_t generation;
  struct nacre_time atime, mtime, ctime, btime;
  uint8_t chunk_log2; /* 12 to 16 */
  uint8_t compression;
  /* Folders only. */
  uint8_t hash_version;
  uint8_t seed[16];
  uint64_t parent; /* the root's is itself */
  uint64_t entries;
};

size_t record_inode_encode(const struct record_inode *inode, uint8_t out[RECORD_INODE_MAX_BYTES]);
NACRE_MUST_USE enum nacre_err record_inode_decode(const uint8_t *value, size_t len, struct record_inode *inode);

/* ---- Folder buckets ---- */

/* The hash of a name with the low four bits clear, RECORD_DIRENT_FIRST or more, and below 2^63 - 16, so that hash
 * plus index is a position for readdir and 0 to 15 stay free for "." and "..". */
#define RECORD_DIRENT_FIRST 16ull
uint64_t record_dirent_offset(const uint8_t seed[16], const void *name, size_t name_len);
/* 1 to 255 bytes, no NUL, no '/', not "." or "..". */
bool record_name_valid(const char *name, size_t name_len);

struct record_dirent {
  uint64_t ino;
  uint8_t type;  /* DT_* */
  uint8_t index; /* of the entry in its bucket; stays as long as the entry does */
  uint8_t name_len;
  const char *name; /* not terminated; in the value that was decoded */
};
/* Invariants: count is 1 or more in a record; indices ascend; names differ. */
struct record_dirents {
  unsigned count;
  struct record_dirent entries[RECORD_BUCKET_ENTRIES];
};
/* Returns 0 where it does not fit into FORMAT_VALUE_MAX_BYTES. */
size_t record_dirents_encode(const struct record_dirents *dirents, uint8_t out[FORMAT_VALUE_MAX_BYTES]);
NACRE_MUST_USE enum nacre_err record_dirents_decode(const uint8_t *value, size_t len, struct record_dirents *dirents);

/* ---- Attribute buckets ---- */

#define RECORD_XATTR_INLINE_MAX_BYTES 2000u
/* The low 12 bits are clear. */
uint64_t record_xattr_offset(const char *name, size_t name_len);
/* Of piece `part` of the entry `index` in the bucket at `offset`. */
uint64_t record_xattr_part_offset(uint64_t offset, uint8_t index, uint32_t part);

struct record_xattr {
  uint8_t index;
  uint8_t name_len;
  bool in_parts;
  uint32_t value_len; /* at most FORMAT_XATTR_MAX_BYTES */
  const char *name;
  const uint8_t *value; /* NULL where it is in parts */
};
struct record_xattrs {
  unsigned count;
  struct record_xattr entries[RECORD_BUCKET_ENTRIES];
};
/* Returns 0 where it does not fit. */
size_t record_xattrs_encode(const struct record_xattrs *xattrs, uint8_t out[FORMAT_VALUE_MAX_BYTES]);
NACRE_MUST_USE enum nacre_err record_xattrs_decode(const uint8_t *value, size_t len, struct record_xattrs *xattrs);

/* ---- Pieces of a link's target or of an attribute ---- */

/* 1 to RECORD_PART_MAX_BYTES of data. Returns the value's length. */
size_t record_part_encode(const uint8_t *data, size_t data_len, uint8_t out[FORMAT_VALUE_MAX_BYTES]);
NACRE_MUST_USE enum nacre_err record_part_decode(const uint8_t *value, size_t len, const uint8_t **data,
                                                 size_t *data_len);

/* ---- Tail ---- */

/* Where in the file it starts: a multiple of a unit. 1 to RECORD_TAIL_MAX_BYTES of data. */
size_t record_tail_encode(uint64_t start, const uint8_t *data, size_t data_len, uint8_t out[FORMAT_VALUE_MAX_BYTES]);
NACRE_MUST_USE enum nacre_err record_tail_decode(const uint8_t *value, size_t len, uint64_t *start,
                                                 const uint8_t **data, size_t *data_len);

/* ---- Orphan ---- */

#define RECORD_ORPHAN_BYTES 2u
enum record_orphan_kind { RECORD_ORPHAN_UNLINKED = 1 };
size_t record_orphan_encode(enum record_orphan_kind kind, uint8_t out[RECORD_ORPHAN_BYTES]);
NACRE_MUST_USE enum nacre_err record_orphan_decode(const uint8_t *value, size_t len, enum record_orphan_kind *kind);

#endif
