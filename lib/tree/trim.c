/* Giving the host back what a container no longer needs at its end, when it is closed.
 *
 * The container grows ahead of what it holds: for reservations, for nodes that are written anew, by steps. What of
 * that is free in the end goes, but for the reserve. Two commits free what is pending; one says the new end, with a
 * checkpoint, since records of before may name units past it; one more makes that commit's parent say it too, so that
 * a fallback finds all that it demands. Then the container is made shorter. A cut in between leaves a container that
 * is longer than its superblock says, as a growth that was cut does. */
#include "base/err.h"
#include "tree/core.h"

/* What is not worth four commits. */
#define TRIM_UNITS_MIN 256u
#define TRIM_PART_MIN 1024u
#define RELEASE_COMMITS 2u

/* Behind the last used unit, with the reserve's worth of free ones before it. */
static uint64_t trimmed_end(struct engine *e) {
  uint64_t free_before;
  uint64_t end = alloc_used_end(&e->alloc, &free_before);
  uint64_t keep = space_keep_units(e, end);
  if (free_before < keep)
    end += keep - free_before;
  return (end + 63) / 64 * 64;
}

/* Whether enough would go, if so many units became free at the end. */
static bool is_worth_it(struct engine *e, uint64_t more) {
  uint64_t now = alloc_units_end(&e->alloc);
  uint64_t least = u64_max(TRIM_UNITS_MIN, now / TRIM_PART_MIN);
  return trimmed_end(e) + least <= now + more;
}

enum nacre_err engine_trim(struct engine *e) {
  if (engine_check_writable(e) != NACRE_OK || !store_can_resize(e->store) ||
      !is_worth_it(e, alloc_pending_units(&e->alloc)))
    return NACRE_OK;
  committer_stop(e);
  for (unsigned i = 0; i < RELEASE_COMMITS; i++)
    ERR_TRY(committer_commit_anyway(e));
  if (!is_worth_it(e, 0))
    return NACRE_OK;
  uint64_t end = trimmed_end(e);
  ERR_TRY(alloc_shrink(&e->alloc, end));
  committer_want_checkpoint(e);
  ERR_TRY(committer_commit_anyway(e));
  ERR_TRY(committer_commit_anyway(e));
  ERR_TRY(store_resize(e->store, end * FORMAT_UNIT_BYTES));
  return store_sync(e->store);
}
