/* Rotation: a new master key and a new epoch's volume key, and all that a volume holds sealed under them.
 *
 * Invariants
 *   - Nothing is sealed under the new epoch before both header copies that hold its key are durable.
 *   - The older epoch's key is given up only when a whole pass over the tree found nothing of it; and after that
 *     every slot of the ring, with all that it leads to, was written anew; and after that free space was overwritten,
 *     durably. Then nothing reaches a block of the older epoch, and none lies anywhere in the container.
 *   - In between the header holds both, and any opening carries on where all that is left shows: in the blocks. */
#ifndef NACRE_OPS_REKEY_H
#define NACRE_OPS_REKEY_H

#include "ops/volume.h"

struct rekey_request {
  bool slots_only;          /* a new master key, and no new epoch */
  enum nacre_cipher cipher; /* of the new epoch; NACRE_CIPHER_AUTO: as it is */
  uint32_t drop_slots;      /* bit i: slot i is left behind */
  uint64_t rate_bytes;      /* a second; 0: as fast as it goes */
};

struct rekey_run {
  nacre_progress_fn progress; /* may be NULL */
  void *progress_arg;
  const struct nacre_cancel *cancel;
};

/* Whether the volume holds two epochs. */
bool rekey_is_under_way(struct volume *v);
/* Draw the keys, write the header. Then rekey_finish. NACRE_ERR_IN_USE while one is under way. */
NACRE_MUST_USE enum nacre_err rekey_begin(struct volume *v, const struct rekey_request *request);
/* Another rate for the one that is under way. */
NACRE_MUST_USE enum nacre_err rekey_set_rate(struct volume *v, uint64_t rate_bytes);
/* Rewrite what is left of the older epoch, wipe what it left behind, and give up its key. NACRE_ERR_CANCELLED leaves
 * it to be carried on; NACRE_ERR_IN_USE where another thread is at it; NACRE_ERR_DAMAGED where something cannot be
 * read, and so not be rewritten: all else has been, and both keys stay. */
NACRE_MUST_USE enum nacre_err rekey_finish(struct volume *v, const struct rekey_run *run);

/* Carry on in a thread of the volume's own, if one is under way and the volume is open for that. */
void rekey_resume(struct volume *v);
/* End that thread, if there is one, wherever it is. */
void rekey_hold(struct volume *v);

struct rekey_status {
  bool under_way;
  bool running;
  uint64_t done_bytes, total_bytes; /* of the pass that runs, or ran last */
  uint64_t written_bytes;           /* by the one that runs or ran last, in all; and the next likewise */
  uint64_t wiped_bytes;             /* of free space */
  uint32_t epoch;
  enum nacre_err stopped; /* why the last one ended, in this opening */
  char why[160];
};
void rekey_get_status(struct volume *v, struct rekey_status *out);

#endif
