/* Every state that a power cut can have left of a short recording, and of what the openings after it wrote in turn.
 *
 * Between two syncs writes may reach the medium in any choice: all choices are made where they are few, and each
 * write is torn between sectors. A state that differs from one that was opened before only where that opening did not
 * read would show the same: it is judged without being opened again. */
#ifndef NACRE_TESTS_CRASH_STATES_H
#define NACRE_TESTS_CRASH_STATES_H

#include "support/recorder.h"

struct states_count {
  unsigned long states; /* of the medium */
  unsigned long opened; /* that differ in something that an opening reads */
  unsigned long nested; /* of the first: cuts during an opening */
  unsigned long lied;   /* of the first: the medium lied about a sync */
};

struct states_calls {
  /* Open the container in that store, check it, close it, and say which content it has, as a number of the caller's.
   * lied: storage has lost what was synced, so that an opening may have to fall back. */
  unsigned (*open)(void *arg, const struct nacre_store_ops *ops, void *ctx, bool lied);
  /* Content that was found after a cut. What was durable once `sure` events had happened must be in it; it is that of
   * some moment before `begun` events were over. */
  void (*judge)(void *arg, unsigned found, size_t sure, size_t begun, bool lied);
  void *arg;
};

/* States where a sync was none, and the next superblock arrived all the same. Where the tree has more than a root, a
 * single write that is lost may be a leaf, for which an opening does not fall back. */
enum states_lies { LIES_NONE, LIES_ALL_LOST, LIES_ANY_LOST };

struct states_plan {
  enum states_lies lies;
  unsigned depth;      /* cuts during openings, openings after those, ... */
  unsigned depth_lied; /* as many of those that begin after a lie */
  size_t choose_max;   /* so many unsynced writes are chosen from in all ways */
  unsigned tears;      /* so many ways to tear each write, at most */
};

/* `disk` is as it was before the first event, and is so again afterwards. */
void states_cut(struct disk *disk, const struct event *events, size_t count, const struct states_plan *plan,
                const struct states_calls *calls, struct prng *prng, struct states_count *counts);

#endif
