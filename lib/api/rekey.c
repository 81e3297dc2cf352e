/* Rotation of the keys of an open volume. */
#include "ops/rekey.h"

#include "api/handle.h"
#include "api/structs.h"
#include "base/err.h"

#include <string.h>

/* One that is under way has all its keys already. */
static enum nacre_err check_resumed(const struct nacre_rekey_options *o) {
  if (o->slots_only || o->cipher != NACRE_CIPHER_AUTO || o->drop_slots != 0)
    return err_set(NACRE_ERR_IN_USE, "a rotation is under way; bring it to its end first");
  return NACRE_OK;
}

static enum nacre_err begin(struct volume *v, const struct nacre_rekey_options *o, bool resumed) {
  if (resumed) {
    ERR_TRY(check_resumed(o));
    return rekey_set_rate(v, o->rate_bytes);
  }
  const struct rekey_request request = {
      .slots_only = o->slots_only, .cipher = o->cipher, .drop_slots = o->drop_slots, .rate_bytes = o->rate_bytes};
  return rekey_begin(v, &request);
}

enum nacre_err nacre_rekey(nacre_volume *vol, const struct nacre_rekey_options *options,
                           struct nacre_rekey_report *report) {
  struct nacre_rekey_options o;
  ERR_TRY(handle_volume(vol));
  ERR_TRY(struct_take(&o, sizeof o, options));
  if (report)
    ERR_TRY(struct_check(report));
  if (o.cipher < NACRE_CIPHER_AUTO || o.cipher > NACRE_CIPHER_AEGIS_256)
    return err_set(NACRE_ERR_ARGUMENT, "there is no such cipher");
  struct volume *v = vol->v;
  bool resumed = rekey_is_under_way(v);
  if (resumed)
    ERR_TRY(check_resumed(&o));
  rekey_hold(v); /* this thread takes over */
  resumed = rekey_is_under_way(v);
  const struct rekey_run run = {.progress = o.progress, .progress_arg = o.progress_arg, .cancel = o.cancel};
  enum nacre_err err = begin(v, &o, resumed);
  if (err == NACRE_OK)
    err = rekey_finish(v, &run);
  if (err != NACRE_OK) {
    /* Who breaks it off wants it to rest. */
    if (err != NACRE_ERR_CANCELLED && err != NACRE_ERR_DAMAGED && err != NACRE_ERR_IN_USE)
      rekey_resume(v);
    return err;
  }
  if (report) {
    struct rekey_status now;
    rekey_get_status(v, &now);
    const struct nacre_rekey_report ours = {.struct_size = sizeof ours,
                                            .resumed = resumed,
                                            .epoch = now.epoch,
                                            .rewritten_bytes = now.written_bytes,
                                            .wiped_bytes = now.wiped_bytes};
    struct_give(report, &ours, sizeof ours);
  }
  return NACRE_OK;
}

enum nacre_err nacre_rekey_get_status(nacre_volume *vol, struct nacre_rekey_status *status) {
  ERR_TRY(handle_volume(vol));
  ERR_TRY(struct_check(status));
  struct rekey_status now;
  rekey_get_status(vol->v, &now);
  struct nacre_rekey_status ours = {.struct_size = sizeof ours,
                                    .under_way = now.under_way,
                                    .running = now.running,
                                    .epoch = now.epoch,
                                    .stopped = now.stopped,
                                    .done_bytes = now.done_bytes,
                                    .total_bytes = now.total_bytes};
  memcpy(ours.why, now.why, sizeof ours.why);
  struct_give(status, &ours, sizeof ours);
  return NACRE_OK;
}
