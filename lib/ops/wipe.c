#include "ops/wipe.h"

#include "base/bytes.h"
#include "base/err.h"
#include "ops/pace.h"

/* What a call passes: so much is done again where it is cut. */
#define STRETCH_UNITS ((8ull << 30) / FORMAT_UNIT_BYTES)

static void tell(const struct rewrite_options *options, struct engine *e, const struct engine_wipe *wipe) {
  const uint64_t total = engine_units_end(e) * FORMAT_UNIT_BYTES;
  const uint64_t done = u64_min(wipe->unit * FORMAT_UNIT_BYTES, total);
  atomic_store(options->total_bytes, total);
  atomic_store(options->done_bytes, done);
  atomic_fetch_add(options->written_bytes, wipe->written_units * FORMAT_UNIT_BYTES);
  if (options->progress != NULL)
    options->progress(options->progress_arg, "wipe", done, total);
}

enum nacre_err wipe_free(struct engine *e, const struct rewrite_options *options, uint64_t *unit, bool *last) {
  struct pace pace = {.rate_bytes = options->rate_bytes, .cancel = options->cancel};
  struct engine_wipe wipe = {.unit = *unit};
  while (!wipe.last && wipe.unit - *unit < STRETCH_UNITS) {
    ERR_TRY(engine_wipe_next(e, &wipe));
    tell(options, e, &wipe);
    ERR_TRY(pace_keep(&pace, wipe.written_units * FORMAT_UNIT_BYTES));
  }
  ERR_TRY(engine_wipe_end(e));
  *unit = wipe.unit;
  *last = wipe.last;
  return NACRE_OK;
}
