#include "ops/erase.h"

#include "api/structs.h"
#include "api/target.h"
#include "base/err.h"

static enum nacre_err options_take(const struct nacre_erase_options *theirs, struct erase_request *out) {
  struct nacre_erase_options o;
  ERR_TRY(struct_take(&o, sizeof o, theirs));
  if (o.rest > NACRE_ERASE_REST_LEAVE)
    return err_set(NACRE_ERR_ARGUMENT, "there is no such way to erase the rest");
  *out = (struct erase_request){
      .force = o.force, .rest = o.rest, .progress = o.progress, .progress_arg = o.progress_arg, .cancel = o.cancel};
  return NACRE_OK;
}

enum nacre_err nacre_erase(const struct nacre_target *target, const struct nacre_erase_options *options,
                           struct nacre_erase_report *report) {
  struct nacre_erase_report ours = {.struct_size = sizeof ours};
  struct erase_request request;
  struct store store;
  err_clear();
  enum nacre_err err = options_take(options, &request);
  if (err == NACRE_OK)
    err = struct_check(report);
  if (err != NACRE_OK) {
    target_discard(target);
    return err;
  }
  ERR_TRY(target_open(target, 0, &store));
  err = erase_volume(&store, &request, &ours);
  store_close(&store);
  struct_give(report, &ours, sizeof ours);
  return err;
}

enum nacre_err nacre_erase_verify(const struct nacre_target *target, const struct nacre_erase_report *report,
                                  nacre_progress_fn progress, void *progress_arg, nacre_cancel *cancel,
                                  struct nacre_erase_check *check) {
  const struct erase_request request = {.progress = progress, .progress_arg = progress_arg, .cancel = cancel};
  struct nacre_erase_report theirs;
  struct nacre_erase_check ours = {.struct_size = sizeof ours};
  struct store store;
  err_clear();
  enum nacre_err err = report ? struct_take(&theirs, sizeof theirs, report)
                              : err_set(NACRE_ERR_ARGUMENT, "the report of an erasing is missing");
  if (err == NACRE_OK)
    err = struct_check(check);
  if (err != NACRE_OK) {
    target_discard(target);
    return err;
  }
  ERR_TRY(target_open(target, FILE_STORE_READ_ONLY | FILE_STORE_NO_LOCK, &store));
  err = erase_verify(&store, &theirs, &request, &ours);
  store_close(&store);
  if (err == NACRE_OK)
    struct_give(check, &ours, sizeof ours);
  return err;
}
