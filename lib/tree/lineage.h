/* The volume's lineage in the tree: written by each opening's first commit, asked by whoever remembers a state. */
#ifndef NACRE_TREE_LINEAGE_H
#define NACRE_TREE_LINEAGE_H

#include "format/lineage.h"
#include "tree/engine.h"

enum lineage_relation {
  LINEAGE_CONTAINS,  /* the point is the newest commit, or one that this history came through */
  LINEAGE_OLDER,     /* this history has not come to the point */
  LINEAGE_DIVERGED,  /* it went another way before it came to the point */
  LINEAGE_FORGOTTEN, /* the point is older than the oldest branch that is kept */
};

/* How the newest durable commit stands to a point of the same volume. */
NACRE_MUST_USE enum nacre_err lineage_relate(struct engine *e, const struct lineage_point *point,
                                             enum lineage_relation *out);

/* At the opening: whether this opening's branch could be entered at `first`. NACRE_ERR_DAMAGED, NACRE_ERR_IO where
 * the place in the tree cannot be read. */
NACRE_MUST_USE enum nacre_err lineage_probe(struct engine *e, uint64_t first);

/* For the commit: enter this opening's branch, which begins with the running generation. */
NACRE_MUST_USE enum nacre_err lineage_enter(struct engine *e, struct txn *txn);

#endif
