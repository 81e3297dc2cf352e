/* The last part of a rotation: noise over the free space, where blocks of the older epoch lie. */
#ifndef NACRE_OPS_WIPE_H
#define NACRE_OPS_WIPE_H

#include "ops/rewrite.h"

/* Durable when it returns. The options' written_bytes are those of free space. NACRE_ERR_IO where places are left
 * that cannot be written; all others were. key: of the noise, 32 bytes. */
NACRE_MUST_USE enum nacre_err wipe_old_blocks(struct engine *e, const uint8_t key[32],
                                              const struct rewrite_options *options);

#endif
