/* The volumes that were found. */
#include "audit.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(struct audit *audit) {
  if (audit->count < audit->room)
    return true;
  const size_t room = audit->room == 0 ? 16 : 2 * audit->room;
  struct audit_volume *list = reallocarray(audit->list, room, sizeof *list);
  if (list == NULL)
    return false;
  audit->list = list;
  audit->room = room;
  return true;
}

struct audit_volume *audit_add(struct audit *audit, const char *path) {
  char *copy = strdup(path);
  if (copy == NULL || !make_room(audit)) {
    free(copy);
    return NULL;
  }
  struct audit_volume *volume = &audit->list[audit->count++];
  memset(volume, 0, sizeof *volume);
  volume->path = copy;
  return volume;
}

void audit_free(struct audit *audit) {
  for (size_t i = 0; i < audit->count; i++) {
    free(audit->list[i].path);
    free(audit->list[i].name);
    public_view_free(&audit->list[i].seen);
  }
  free(audit->list);
  *audit = (struct audit){0};
}

size_t audit_total(const struct audit *audit, enum audit_verdict verdict) {
  size_t total = 0;
  for (size_t i = 0; i < audit->count; i++)
    total += audit->list[i].verdict == verdict;
  return total;
}
