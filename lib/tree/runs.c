#include "tree/runs.h"

#include "base/err.h"

#include <stdlib.h>

enum nacre_err runs_add(struct runs *r, uint64_t unit, uint64_t units) {
  if (r->count > 0) {
    struct run *last = &r->list[r->count - 1];
    if (last->unit + last->units == unit) {
      last->units += units;
      return NACRE_OK;
    }
  }
  if (r->count == r->room) {
    size_t room = r->room == 0 ? 64 : r->room * 2;
    struct run *list = realloc(r->list, room * sizeof *list);
    if (list == NULL)
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a list of %zu runs", room);
    r->list = list;
    r->room = room;
  }
  r->list[r->count++] = (struct run){.unit = unit, .units = units};
  return NACRE_OK;
}

void runs_free(struct runs *r) {
  free(r->list);
  *r = (struct runs){0};
}
