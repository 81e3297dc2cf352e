/* Destroying a volume: every key, with proof, then the blocks. No credential is needed. */
#ifndef NACRE_OPS_ERASE_H
#define NACRE_OPS_ERASE_H

#include "ops/cancel.h"
#include "store/store.h"

struct erase_request {
  bool force;
  enum nacre_erase_rest rest;
  nacre_progress_fn progress;
  void *progress_arg;
  const struct nacre_cancel *cancel;
};

#define ERASE_PIECE_BYTES (1u << 20)

/* The store stays the caller's, and is open for writing. */
NACRE_MUST_USE enum nacre_err erase_volume(struct store *store, const struct erase_request *request,
                                           struct nacre_erase_report *report);
/* The report is anybody's: its numbers are not trusted. */
NACRE_MUST_USE enum nacre_err erase_verify(struct store *store, const struct nacre_erase_report *report,
                                           const struct erase_request *request, struct nacre_erase_check *check);

#endif
