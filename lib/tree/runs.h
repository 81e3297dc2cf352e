/* A growing list of runs of units. */
#ifndef NACRE_TREE_RUNS_H
#define NACRE_TREE_RUNS_H

#include <nacre.h>
#include <stddef.h>
#include <stdint.h>

struct run {
  uint64_t unit;
  uint64_t units;
};

struct runs {
  struct run *list;
  size_t count, room;
};

/* Joins a run that continues the last one. */
NACRE_MUST_USE enum nacre_err runs_add(struct runs *r, uint64_t unit, uint64_t units);
void runs_free(struct runs *r);

#endif
