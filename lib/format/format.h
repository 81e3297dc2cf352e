/* Every on-disk constant. docs/format.md says the same in prose; change both together. */
#ifndef NACRE_FORMAT_FORMAT_H
#define NACRE_FORMAT_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#define FORMAT_VERSION 0u /* experimental until 1.0 */

/* ---- Layout: 4 KiB units; two groups with a header copy and half of the ring each ---- */
#define FORMAT_UNIT_BYTES 4096u
#define FORMAT_GROUP_BYTES (512u << 10)
#define FORMAT_GROUP_UNITS (FORMAT_GROUP_BYTES / FORMAT_UNIT_BYTES)
#define FORMAT_GROUP_0_OFFSET 0u
#define FORMAT_GROUP_1_OFFSET (16u << 20)
#define FORMAT_HEADER_BYTES (256u << 10) /* at the start of each group */
#define FORMAT_RING_OFFSET (256u << 10)  /* in each group */
#define FORMAT_RING_SPACING_BYTES (64u << 10)
#define FORMAT_RING_SLOTS 8u /* slot g % 8 of generation g; even ones in group 0, odd ones in group 1 */
#define FORMAT_SUPERBLOCK_BYTES 4096u

/* Whether the units [unit, end) meet one of the two groups: nothing else lies there, and to give back what is said to
 * would hand headers and superblocks out. */
static inline bool format_meets_group(uint64_t unit, uint64_t end) {
  const uint64_t first = FORMAT_GROUP_1_OFFSET / FORMAT_UNIT_BYTES, units = FORMAT_GROUP_UNITS;
  return unit < FORMAT_GROUP_0_OFFSET / FORMAT_UNIT_BYTES + units || (unit < first + units && end > first);
}

/* ---- Header ---- */
#define FORMAT_MAGIC "nacre\r\n\x1a" /* 8 bytes; a text-mode copy breaks it */
#define FORMAT_SLOTS 32u
#define FORMAT_SLOT_BYTES 7168u
#define FORMAT_SLOT_BODY_MAX_BYTES 6948u /* what the outside world needs to give a slot's key back */
#define FORMAT_EPOCHS 8u
#define FORMAT_LABEL_BYTES 64u
#define FORMAT_SLOT_NAME_BYTES 64u

/* ---- Feature bits: unknown compat ones are ignored, unknown ro_compat ones force read-only, unknown incompat ones
 *      refuse the volume. All are sealed in the superblock; the header has a public copy of incompat. ---- */
#define FORMAT_INCOMPAT_SNAPSHOTS (1ull << 0)
#define FORMAT_INCOMPAT_ROTATION (1ull << 1)
#define FORMAT_INCOMPAT_INTENT_LOG (1ull << 2)
#define FORMAT_INCOMPAT_COMPRESSION (1ull << 4)
#define FORMAT_INCOMPAT_KNOWN FORMAT_INCOMPAT_INTENT_LOG
#define FORMAT_RO_COMPAT_KNOWN 0ull

/* ---- What is sealed: the first byte of the associated data ---- */
enum format_kind {
  FORMAT_KIND_NODE = 1,
  FORMAT_KIND_DATA = 2,
  FORMAT_KIND_LOG = 3,
  FORMAT_KIND_CHECKPOINT_INDEX = 4,
  FORMAT_KIND_CHECKPOINT_SEGMENT = 5,
  FORMAT_KIND_SUPERBLOCK = 6,
  FORMAT_KIND_INTENT_HEAD = 7,
  FORMAT_KIND_INTENT_BODY = 8
};

/* ---- Tree ---- */
#define FORMAT_NODE_BYTES 16384u
#define FORMAT_NODE_UNITS (FORMAT_NODE_BYTES / FORMAT_UNIT_BYTES)
#define FORMAT_NODE_HEADER_BYTES 32u
#define FORMAT_KEY_BYTES 21u
#define FORMAT_PTR_BYTES 96u
#define FORMAT_LEVELS_MAX 12u
#define FORMAT_VALUE_MAX_BYTES 4032u

enum format_tree_id { FORMAT_TREE_FS = 1 };

/* Record types, in the order in which an inode's records sort. Object 0 holds the volume's own records. */
enum format_record {
  FORMAT_RECORD_INODE = 1,
  FORMAT_RECORD_DIRENT = 2,
  FORMAT_RECORD_XATTR = 3,
  FORMAT_RECORD_XATTR_PART = 4,
  FORMAT_RECORD_SYMLINK = 5,
  FORMAT_RECORD_EXTENT = 6,
  FORMAT_RECORD_TAIL = 7,
  FORMAT_RECORD_ORPHAN = 8,    /* object 0, offset: the inode's number */
  FORMAT_RECORD_SNAPSHOT = 9,  /* later */
  FORMAT_RECORD_DEADLIST = 10, /* later */
  FORMAT_RECORD_LINEAGE = 11   /* object 0, offset: generation of a branch's first commit */
};
/* First byte of every value: version in the low 7 bits, and whether a reader must understand it. */
#define FORMAT_RECORD_VERSION 0x01u
#define FORMAT_RECORD_MUST_UNDERSTAND 0x80u

/* ---- Allocation log ---- */
#define FORMAT_LOG_SETS 3u
#define FORMAT_CHECKPOINT_GROUP_UNITS 32768u /* one 4 KiB bitmap: 128 MiB */
#define FORMAT_CHECKPOINT_SEGMENT_BYTES (256u << 10)

/* ---- Intent log ---- */
#define FORMAT_INTENT_HALVES 2u
#define FORMAT_INTENT_HALF_MIN_UNITS 32u
#define FORMAT_INTENT_HALF_MAX_UNITS 4096u /* 16 MiB: what is read at an opening is in memory */

/* ---- Limits ---- */
#define FORMAT_CHUNK_MIN_BYTES 4096u
#define FORMAT_CHUNK_MAX_BYTES 65536u
#define FORMAT_EXTENT_CHUNKS_MAX 120u
#define FORMAT_NAME_MAX_BYTES 255u
#define FORMAT_SYMLINK_MAX_BYTES 4095u
#define FORMAT_XATTR_MAX_BYTES 65536u
#define FORMAT_LINKS_MAX 1000000u
#define FORMAT_INO_MAX ((1ull << 48) - 1)
#define FORMAT_FILE_MAX_BYTES ((1ull << 62) - 1)
#define FORMAT_UNITS_MAX (1ull << 44) /* 64 PiB */
#define FORMAT_LINEAGE_MAX 4096u      /* branches kept; older ones are forgotten */

#endif
