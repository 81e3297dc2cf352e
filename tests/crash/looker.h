/* States after cuts, opened and compared with what a session's marks allow. */
#ifndef NACRE_TESTS_CRASH_LOOKER_H
#define NACRE_TESTS_CRASH_LOOKER_H

#include "crash/session.h"
#include "crash/states.h"

#define LOOKER_FOUND_MAX 256u

struct looker {
  const struct session *session;
  struct dump found[LOOKER_FOUND_MAX]; /* each content once */
  unsigned count;
};

/* Cut the session's recording in all ways of the plan, and look at what is left: `disk` is as it was before. */
void looker_cut(struct looker *l, const struct session *session, struct disk *disk, const struct states_plan *plan,
                struct prng *prng, struct states_count *counts);

#endif
