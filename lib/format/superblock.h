/* The superblock: one per commit, in slot (generation % 8) of the ring. On disk 4096 bytes: nonce (24), tag (32),
 * ciphertext (4040). Nothing of it is readable without the volume key; an unused slot holds random bytes. */
#ifndef NACRE_FORMAT_SUPERBLOCK_H
#define NACRE_FORMAT_SUPERBLOCK_H

#include "format/ptr.h"

#define SUPERBLOCK_PLAIN_BYTES (FORMAT_SUPERBLOCK_BYTES - AEAD_NONCE_BYTES - AEAD_TAG_BYTES)

struct superblock_extent {
  uint64_t unit;
  uint64_t units;
};

/* A set is one contiguous extent: room for a checkpoint first, the log behind it. The three take turns, so that one
 * is written only when two later commits, which use others, are durable. */
struct superblock_log {
  struct superblock_extent sets[FORMAT_LOG_SETS];
  uint64_t checkpoint_units; /* of each set, for the checkpoint; the rest is log */
  uint32_t current;          /* the set in use */
  struct ptr checkpoint;     /* its index block; `birth` is the generation of the checkpoint */
  struct ptr last;           /* the newest log record; unit 0: none since the checkpoint */
  uint64_t next_unit;        /* where the next record goes */
};

/* The history that a commit belongs to: that of one read-write opening, from its first commit on. */
struct superblock_branch {
  uint8_t id[16];  /* random, drawn at the opening */
  uint64_t first;  /* generation of its first commit */
  uint64_t number; /* of the branches of this volume, from 1 */
};

/* The area of the intent log (format/intent.h): two halves, one behind the other. */
struct superblock_intent {
  uint64_t unit, half_units; /* zeroes: there is none */
  uint32_t half;             /* that of the records which go with this commit */
  uint8_t id[16];            /* that they name; zeroes where there is no area */
  uint64_t generation;       /* of the commit that drew it */
};

struct superblock {
  uint64_t compat, ro_compat, incompat;
  uint64_t generation;
  uint8_t commit_id[16], parent_commit_id[16];
  uint64_t header_sequence_min;
  uint64_t ring_from;     /* every generation from this one on has its superblock in the ring, up to the newest */
  uint8_t header_mac[32]; /* of the header of that very sequence: a change that was cut may have left another */
  int64_t time_s;
  uint64_t units_end;   /* end of the container's area now, in units */
  uint64_t units_limit; /* what it may grow to */
  uint64_t next_ino;
  uint64_t inodes;     /* live ones */
  uint64_t used_units; /* allocated and not free or pending, for a cross-check */
  uint32_t chunk_bytes;
  uint32_t node_bytes;
  uint8_t root_level;
  struct ptr root;
  struct superblock_log log;
  /* Under the keys of the epoch whose key seals this one, by all commits before it: at least so much, since what a
   * crash cut off is not counted. */
  uint64_t sealed_blocks, sealed_bytes;
  uint32_t epoch; /* whose key opened it; tried, not written */
  struct superblock_branch branch;
  /* The commit of that branch that this one counts as in the lineage: itself, or the one that it restates. */
  uint64_t point_generation;
  uint8_t point_commit_id[16];
  struct superblock_intent intent;
  /* Reserved for later: snapshots' root, rewrite memo; zero until their feature bit is set. */
};

/* Offset in the container of a generation's slot. */
uint64_t superblock_offset(uint64_t generation);
/* plain has SUPERBLOCK_PLAIN_BYTES. */
void superblock_encode(const struct superblock *sb, uint8_t *plain);
/* NACRE_ERR_UNSUPPORTED for unknown incompat bits, NACRE_ERR_DAMAGED for fields that contradict each other or point
 * outside [0, units_end). */
NACRE_MUST_USE enum nacre_err superblock_decode(const uint8_t *plain, struct superblock *sb);

#endif
