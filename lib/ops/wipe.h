/* The last part of a rotation: random bytes over the free space, where blocks of the older epoch lie. */
#ifndef NACRE_OPS_WIPE_H
#define NACRE_OPS_WIPE_H

#include "ops/rewrite.h"

/* From *unit on, some GiB of the container at most: *unit is then where to go on, and *last tells whether there is
 * nothing to go on to. What was passed is durable. The options' written_bytes are those of free space. */
NACRE_MUST_USE enum nacre_err wipe_free(struct engine *e, const struct rewrite_options *options, uint64_t *unit,
                                        bool *last);

#endif
