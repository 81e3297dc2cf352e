/* The intent log of an open container: what an fsync writes instead of a commit, and what the next opening makes of
 * it. Internal to lib/tree; what the layer above sees is in engine.h.
 *
 * Invariants
 *   - A record holds all that was changed since the commit, or since the record before it, as a whole: the commit and
 *     its records in order are the states that can be found, and no other. So it is taken with the gate closed.
 *   - A record allocates nothing and frees nothing. What does, and what changes that a record cannot tell, asks for a
 *     commit (engine_wants_commit), which then takes the place of the next record.
 *   - Records of a commit are written only when it is durable, by the opening that made it. They stand in the half
 * that its superblock names. The next commit's go to the other: so where that commit turns out to be lost, its
 * parent's records are still there.
 *   - Until what an opening found is in the tree again, each commit names the id and the half that it found. */
#ifndef NACRE_TREE_INTENT_H
#define NACRE_TREE_INTENT_H

#include "format/intent.h"
#include <pthread.h>
#include <stdatomic.h>

struct engine;

#define INTENT_KEYS_MAX 256u

/* Where the next record has to stand, and what it has to name. */
struct intent_end {
  uint64_t unit, stop;
  uint64_t number;
  uint8_t tag[AEAD_TAG_BYTES];
  uint32_t epoch; /* of the records; 0: there are none as yet */
};

struct intent {
  pthread_mutex_t lock;             /* guards the next two */
  struct key keys[INTENT_KEYS_MAX]; /* of records that were changed, in order */
  unsigned key_count;
  atomic_bool wants_commit; /* the next fsync has to be one */

  /* Of who has the right to commit. */
  uint64_t used_units; /* of the half */
  uint64_t number;     /* of the next record */
  uint8_t last_tag[AEAD_TAG_BYTES];
  bool own; /* the durable commit is of this opening, and the log is empty or its own */

  /* What the opening found. */
  uint8_t **found; /* items of each record, found_bytes[i] long */
  uint32_t *found_bytes;
  size_t found_count;
  uint64_t found_next_ino, found_inodes;
  uint64_t found_sealed_blocks, found_sealed_bytes;
  struct intent_end found_end;
  bool damaged; /* there was more, or may have been */
  char why[160];
  bool pending; /* not in the tree yet */
};

void intent_start(struct intent *in);
void intent_end(struct intent *in);
/* A record of the tree was changed. */
void intent_note(struct engine *e, const struct key *key);
/* At the freeze: what was noted is part of the commit. */
void intent_frozen(struct engine *e);
/* The commit is durable. */
void intent_committed(struct engine *e);
/* *done: all that ended before this call is durable. Else a commit has to do it. With the right to commit. */
NACRE_MUST_USE enum nacre_err intent_run(struct engine *e, bool *done);
/* Read what goes with the commit that was opened. Damage is kept in `damaged`. */
NACRE_MUST_USE enum nacre_err intent_find(struct engine *e);
/* Before this opening's first commit: whether somebody else has written a record since intent_find. */
NACRE_MUST_USE enum nacre_err intent_look_for_more(struct engine *e, bool *more);
/* Wipes. */
void intent_forget_found(struct intent *in);
/* Where a new container's area goes. */
NACRE_MUST_USE enum nacre_err intent_place(struct engine *e);

#endif
