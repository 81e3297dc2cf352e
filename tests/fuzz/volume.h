/* A small volume in memory that each input finds as it was. Its key and all randomness are known and fixed. */
#ifndef NACRE_TESTS_FUZZ_VOLUME_H
#define NACRE_TESTS_FUZZ_VOLUME_H

#include "fuzz/feed.h"

#include <nacre.h>

/* With every kind of object in it, and a tree of two levels. The first call makes it, later ones put back what was
 * written. */
void fuzz_volume_reset(void);
enum nacre_err fuzz_volume_open(bool read_only, nacre_volume **out);
enum nacre_err fuzz_volume_open_anchored(bool read_only, const struct nacre_anchor_ops *anchor, bool accept,
                                         nacre_volume **out);

/* What the base image has, and some names that it hasn't. */
#define FUZZ_PATHS 24u
extern const char *const fuzz_paths[FUZZ_PATHS];

/* Of a call that may well fail. */
static inline void fuzz_any(enum nacre_err err) {
  (void)err;
}

#endif
