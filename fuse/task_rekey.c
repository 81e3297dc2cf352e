/* The rotation that `rekey` asks for. The volume's users go on meanwhile. */
#include "fuse/task.h"

#include <string.h>

enum nacre_err task_rekey(struct task *t) {
  const char *request = task_request(t);
  if (strstr(request, " slots_only=") == NULL || strstr(request, " cipher=") == NULL ||
      strstr(request, " drop=") == NULL || strstr(request, " rate=") == NULL)
    return NACRE_ERR_ARGUMENT;
  const struct nacre_rekey_options options = {
      .struct_size = sizeof options,
      .slots_only = control_field_number(request, "slots_only") != 0,
      .cipher = (enum nacre_cipher)control_field_number(request, "cipher"),
      .drop_slots = (uint32_t)control_field_number(request, "drop"),
      .rate_bytes = control_field_number(request, "rate"),
      .progress = task_progress,
      .progress_arg = t,
      .cancel = task_cancel(t),
  };
  struct nacre_rekey_report report = {.struct_size = sizeof report};
  enum nacre_err err = nacre_rekey(task_volume(t), &options, &report);
  if (err != NACRE_OK)
    return err;
  struct control_line *line = task_line(t, "ok");
  control_add_number(line, "resumed", report.resumed);
  control_add_number(line, "epoch", report.epoch);
  control_add_number(line, "rewritten", report.rewritten_bytes);
  control_add_number(line, "wiped", report.wiped_bytes);
  task_send(t);
  return NACRE_OK;
}
