/* Tours through what becomes of a whole container: backups of its header, and its end. */
#include "fault/tour.h"

void tour_header(struct tour *t) {
  static uint8_t backup[NACRE_HEADER_BYTES];
  struct nacre_restore_report report = {.struct_size = sizeof report};
  const struct nacre_open_options options = {.struct_size = sizeof options,
                                             .memory_bytes = 8u << 20,
                                             .header_backup = backup,
                                             .header_backup_bytes = sizeof backup};
  TRY(nacre_header_backup(&t->target, t->cred, NULL, backup));
  if (!TRY(nacre_header_backup(&t->target, NULL, NULL, backup)) ||
      !TRY(nacre_volume_open(&t->target, &options, t->cred, &t->vol)))
    return;
  TRY(nacre_header_restore(t->vol, true, &report));
  TRY(nacre_header_restore(t->vol, false, &report));
  TRY(nacre_volume_close(t->vol));
  t->vol = NULL;
}

void tour_erase(struct tour *t) {
  struct nacre_erase_report report = {.struct_size = sizeof report};
  struct nacre_erase_check check = {.struct_size = sizeof check};
  const struct nacre_erase_options options = {.struct_size = sizeof options, .rest = NACRE_ERASE_REST_LEAVE};
  if (TRY(nacre_erase(&t->target, &options, &report)))
    TRY(nacre_erase_verify(&t->target, &report, NULL, NULL, NULL, &check));
}
