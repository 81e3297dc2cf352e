#include "ops/wipe.h"

#include "base/bytes.h"
#include "base/err.h"
#include "ops/pace.h"

static void tell(const struct rewrite_options *options, struct engine *e, const struct engine_wipe *wipe) {
  const uint64_t total = engine_units_end(e) * FORMAT_UNIT_BYTES;
  const uint64_t done = u64_min(wipe->unit * FORMAT_UNIT_BYTES, total);
  atomic_store(options->total_bytes, total);
  atomic_store(options->done_bytes, done);
  atomic_fetch_add(options->written_bytes, wipe->written_units * FORMAT_UNIT_BYTES);
  if (options->progress != NULL)
    options->progress(options->progress_arg, "wipe", done, total);
}

enum nacre_err wipe_old_blocks(struct engine *e, const uint8_t key[32], const struct rewrite_options *options) {
  struct pace pace = {.rate_bytes = options->rate_bytes, .cancel = options->cancel};
  struct engine_wipe wipe = {.key = key};
  while (!wipe.done) {
    const enum nacre_err err = engine_wipe(e, &wipe);
    tell(options, e, &wipe);
    ERR_TRY(err);
    ERR_TRY(pace_keep(&pace, wipe.written_units * FORMAT_UNIT_BYTES));
  }
  if (wipe.failed_units > 0)
    return err_set(NACRE_ERR_IO, "%llu blocks of free space cannot be overwritten and keep the older key in use",
                   (unsigned long long)wipe.failed_units);
  return NACRE_OK;
}
