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

/* Ranges that are read, with progress. */
struct erase_reading {
  struct store *store;
  const struct erase_request *request;
  const char *what; /* the progress is of */
  uint8_t *piece;   /* of ERASE_PIECE_BYTES */
  uint64_t done, total;
};
NACRE_MUST_USE enum nacre_err erase_hash_range(struct erase_reading *r, const struct nacre_erase_range *range,
                                               uint8_t hash[32]);

/* The store stays the caller's, and is open for writing. */
NACRE_MUST_USE enum nacre_err erase_volume(struct store *store, const struct erase_request *request,
                                           struct nacre_erase_report *report);
/* The report is anybody's: its numbers are not trusted. */
NACRE_MUST_USE enum nacre_err erase_verify(struct store *store, const struct nacre_erase_report *report,
                                           const struct erase_request *request, struct nacre_erase_check *check);

#endif
