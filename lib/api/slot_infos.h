/* What callers and the library tell each other of keyslots. */
#ifndef NACRE_API_SLOT_INFOS_H
#define NACRE_API_SLOT_INFOS_H

#include <nacre.h>

/* A caller's array, which has the caller's idea of the struct. */
struct slot_infos {
  uint8_t *to;
  size_t stride, room, count;
};

NACRE_MUST_USE enum nacre_err slot_infos_start(struct slot_infos *list, struct nacre_slot_info *infos,
                                               const size_t *count);
/* For slots_each; arg is a struct slot_infos, whose count goes on past the room. */
void slot_infos_add(void *arg, const struct nacre_slot_info *info);
/* Whether a slot can have this name; NULL is none. */
NACRE_MUST_USE enum nacre_err slot_name_check(const char *name);

#endif
