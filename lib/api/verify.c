#include "ops/check.h"

#include "api/handle.h"
#include "api/structs.h"
#include "base/err.h"

enum nacre_err nacre_verify(nacre_volume *vol, struct nacre_verify_report *report, nacre_problem_fn problem,
                            void *problem_arg, nacre_progress_fn progress, void *progress_arg, nacre_cancel *cancel) {
  struct nacre_verify_report ours = {.struct_size = sizeof ours};
  const struct check_options options = {.problem = problem,
                                        .problem_arg = problem_arg,
                                        .progress = progress,
                                        .progress_arg = progress_arg,
                                        .cancel = cancel};
  ERR_TRY(handle_volume(vol));
  if (report)
    ERR_TRY(struct_check(report));
  enum nacre_err err = check_volume(vol->v, &options, &ours);
  if (report)
    struct_give(report, &ours, sizeof ours);
  return err;
}
