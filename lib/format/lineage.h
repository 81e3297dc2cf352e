/* Lineage: the branches of a volume's history, one for each opening that committed. A branch is one process writing
 * one commit after the other, so its id and a generation name one state. The record of a branch also says which
 * commit it began from: the last one that counts of the branch before.
 *
 *   LINEAGE     object 0, offset: generation of the branch's first commit
 *
 * A point is such a state as an anchor outside the container remembers it. The anchor's text is sealed, since it lies
 * about on machines that get stolen too. */
#ifndef NACRE_FORMAT_LINEAGE_H
#define NACRE_FORMAT_LINEAGE_H

#include "format/superblock.h"

#define LINEAGE_RECORD_BYTES 57u

/* Invariants: parent_generation is below the record's offset; the numbers of a volume's branches go up by one. */
struct lineage_record {
  uint8_t branch[16];
  uint64_t number;
  uint64_t parent_generation; /* 0 for the first branch */
  uint8_t parent_commit_id[16];
  int64_t time_s; /* of its first commit */
};

void lineage_record_encode(const struct lineage_record *rec, uint8_t out[LINEAGE_RECORD_BYTES]);
/* `first` is the record's offset. */
NACRE_MUST_USE enum nacre_err lineage_record_decode(const uint8_t *value, size_t len, uint64_t first,
                                                    struct lineage_record *rec);

struct lineage_point {
  struct superblock_branch branch;
  uint64_t generation;
  uint8_t commit_id[16];
  int64_t time_s; /* of the commit */
};

/* The point that a superblock is, or that it restates. */
struct lineage_point lineage_point_of(const struct superblock *sb);
bool lineage_point_equal(const struct lineage_point *a, const struct lineage_point *b);

/* Invariant: settled is a point that latest's history contains, or latest itself. */
struct lineage_anchor {
  struct lineage_point latest;  /* the newest commit that was durable */
  struct lineage_point settled; /* one that no honest medium can have lost any more */
};

#define LINEAGE_ANCHOR_BYTES 192u

void lineage_anchor_key(const uint8_t identity_secret[32], uint8_t key[32]);
NACRE_MUST_USE enum nacre_err lineage_anchor_seal(const struct lineage_anchor *anchor, const uint8_t key[32],
                                                  uint8_t out[LINEAGE_ANCHOR_BYTES]);
/* NACRE_ERR_DAMAGED where it is none of this volume's, or not whole. */
NACRE_MUST_USE enum nacre_err lineage_anchor_open(const uint8_t *in, size_t len, const uint8_t key[32],
                                                  struct lineage_anchor *anchor);

#endif
