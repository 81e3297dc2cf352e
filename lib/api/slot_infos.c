#include "api/slot_infos.h"

#include "api/structs.h"
#include "base/err.h"
#include "format/format.h"

#include <string.h>

enum nacre_err slot_infos_start(struct slot_infos *list, struct nacre_slot_info *infos, const size_t *count) {
  if (!count || (!infos && *count > 0))
    return err_set(NACRE_ERR_ARGUMENT, "room for the slots is missing");
  *list = (struct slot_infos){.to = (uint8_t *)infos, .room = *count};
  if (*count > 0) {
    ERR_TRY(struct_check(infos));
    list->stride = infos[0].struct_size;
  }
  return NACRE_OK;
}

void slot_infos_add(void *arg, const struct nacre_slot_info *info) {
  struct slot_infos *list = arg;
  if (list->count < list->room) {
    uint8_t *to = list->to + list->count * list->stride;
    memcpy(to, &list->stride, sizeof list->stride);
    struct_give(to, info, sizeof *info);
  }
  list->count++;
}

enum nacre_err slot_name_check(const char *name) {
  if (name && strlen(name) >= FORMAT_SLOT_NAME_BYTES)
    return err_set(NACRE_ERR_NAME_TOO_LONG, "a slot's name has at most %u bytes", FORMAT_SLOT_NAME_BYTES - 1);
  return NACRE_OK;
}
