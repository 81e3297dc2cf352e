/* Values of the filesystem's records. The first byte picks which. */
#include "format/record.h"
#include "fuzz/feed.h"

/* What was read is written back as it was. */
static void same(const uint8_t *value, size_t len, const uint8_t *again, size_t again_len) {
  FUZZ_CHECK(len == again_len);
  FUZZ_CHECK(memcmp(value, again, len) == 0);
}

static void try_inode(const uint8_t *value, size_t len) {
  struct record_inode inode;
  uint8_t again[RECORD_INODE_MAX_BYTES];
  if (record_inode_decode(value, len, &inode) == NACRE_OK)
    same(value, len, again, record_inode_encode(&inode, again));
}

static void try_dirents(const uint8_t *value, size_t len) {
  static const uint8_t seed[16] = "a folder's seed";
  struct record_dirents dirents;
  uint8_t again[FORMAT_VALUE_MAX_BYTES];
  if (record_dirents_decode(value, len, &dirents) != NACRE_OK)
    return;
  for (unsigned i = 0; i < dirents.count; i++) {
    const struct record_dirent *d = &dirents.entries[i];
    FUZZ_CHECK(record_name_valid(d->name, d->name_len) && d->index < RECORD_BUCKET_ENTRIES);
    uint64_t offset = record_dirent_offset(seed, d->name, d->name_len);
    FUZZ_CHECK(offset >= RECORD_DIRENT_FIRST && offset % 16 == 0 && offset < (1ull << 63) - 16);
  }
  size_t again_len = record_dirents_encode(&dirents, again);
  if (again_len > 0)
    same(value, len, again, again_len);
  else
    FUZZ_CHECK(len > FORMAT_VALUE_MAX_BYTES);
}

static void try_xattrs(const uint8_t *value, size_t len) {
  struct record_xattrs xattrs;
  uint8_t again[FORMAT_VALUE_MAX_BYTES];
  if (record_xattrs_decode(value, len, &xattrs) != NACRE_OK)
    return;
  for (unsigned i = 0; i < xattrs.count; i++)
    FUZZ_CHECK(xattrs.entries[i].in_parts || xattrs.entries[i].value != NULL || xattrs.entries[i].value_len == 0);
  size_t again_len = record_xattrs_encode(&xattrs, again);
  if (again_len > 0)
    same(value, len, again, again_len);
  else
    FUZZ_CHECK(len > FORMAT_VALUE_MAX_BYTES);
}

static void try_part(const uint8_t *value, size_t len) {
  const uint8_t *part;
  size_t part_len;
  uint8_t again[FORMAT_VALUE_MAX_BYTES];
  if (record_part_decode(value, len, &part, &part_len) == NACRE_OK)
    same(value, len, again, record_part_encode(part, part_len, again));
}

static void try_tail(const uint8_t *value, size_t len) {
  const uint8_t *tail;
  size_t tail_len;
  uint64_t start;
  uint8_t again[FORMAT_VALUE_MAX_BYTES];
  if (record_tail_decode(value, len, &start, &tail, &tail_len) == NACRE_OK)
    same(value, len, again, record_tail_encode(start, tail, tail_len, again));
}

static void try_orphan(const uint8_t *value, size_t len) {
  enum record_orphan_kind kind;
  uint8_t again[RECORD_ORPHAN_BYTES];
  if (record_orphan_decode(value, len, &kind) == NACRE_OK)
    same(value, len, again, record_orphan_encode(kind, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static void (*const try[])(const uint8_t *, size_t) = {try_inode, try_dirents, try_xattrs,
                                                         try_part,  try_tail,    try_orphan};
  if (size == 0)
    return 0;
  uint8_t *value = feed_exact(data + 1, size - 1);
  try[data[0] % (sizeof try / sizeof try[0])](value, size - 1);
  free(value);
  return 0;
}
