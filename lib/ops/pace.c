#include "ops/pace.h"

#include "base/bytes.h"
#include "base/err.h"

#include <time.h>

#define PAUSE_MAX_MS 50

static uint64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

enum nacre_err pace_keep(struct pace *p, uint64_t bytes) {
  ERR_TRY(cancel_check(p->cancel));
  if (p->rate_bytes == 0)
    return NACRE_OK;
  /* From now: time that passed with nothing done is not made up for. */
  p->due_ms = u64_max(p->due_ms, now_ms()) + bytes * 1000 / p->rate_bytes;
  for (uint64_t now = now_ms(); now < p->due_ms; now = now_ms()) {
    const uint64_t left = p->due_ms - now;
    const struct timespec pause = {.tv_nsec = (long)(left < PAUSE_MAX_MS ? left : PAUSE_MAX_MS) * 1000000};
    nanosleep(&pause, NULL);
    ERR_TRY(cancel_check(p->cancel));
  }
  return NACRE_OK;
}
