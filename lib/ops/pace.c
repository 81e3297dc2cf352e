#include "ops/pace.h"

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"

#include <time.h>

#define PAUSE_MAX_MS 50

enum nacre_err pace_keep(struct pace *p, uint64_t bytes) {
  ERR_TRY(cancel_check(p->cancel));
  if (p->rate_bytes == 0)
    return NACRE_OK;
  /* From now: time that passed with nothing done is not made up for. */
  p->due_ms = u64_max(p->due_ms, env_monotonic_ms()) + bytes * 1000 / p->rate_bytes;
  for (uint64_t now = env_monotonic_ms(); now < p->due_ms; now = env_monotonic_ms()) {
    const uint64_t left = p->due_ms - now;
    const struct timespec pause = {.tv_nsec = (long)(left < PAUSE_MAX_MS ? left : PAUSE_MAX_MS) * 1000000};
    nanosleep(&pause, NULL);
    ERR_TRY(cancel_check(p->cancel));
  }
  return NACRE_OK;
}
