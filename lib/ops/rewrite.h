/* The walker that writes anew, under the current epoch, all that the tree holds of an older one, while the volume is
 * in use. It keeps no state on the storage: a block says of itself under which epoch it is sealed. */
#ifndef NACRE_OPS_REWRITE_H
#define NACRE_OPS_REWRITE_H

#include "fs/fs.h"
#include "ops/cancel.h"

#include <stdatomic.h>

struct rewrite_options {
  uint64_t rate_bytes; /* a second; 0: as fast as it goes */
  nacre_progress_fn progress;
  void *progress_arg;
  const struct nacre_cancel *cancel;
  /* Told as it goes on: of the pass, passed and in all; and written since the call. */
  _Atomic uint64_t *done_bytes, *total_bytes, *written_bytes;
};

/* NACRE_OK when a whole pass found nothing. NACRE_ERR_DAMAGED or NACRE_ERR_IO when nothing is left but what cannot be
 * read. */
NACRE_MUST_USE enum nacre_err rewrite_older(struct engine *e, struct fs *fs, const struct rewrite_options *options);

#endif
