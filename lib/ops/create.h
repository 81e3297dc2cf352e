/* Making a volume. */
#ifndef NACRE_OPS_CREATE_H
#define NACRE_OPS_CREATE_H

#include "format/keyslot.h"
#include "ops/cancel.h"
#include "store/store.h"

struct create_request {
  uint64_t size_limit_bytes; /* 0: the default of the kind of store */
  enum nacre_cipher cipher;
  uint32_t chunk_bytes;
  struct nacre_kdf_cost kdf;
  const char *label;     /* NULL: none */
  const char *slot_name; /* NULL: none */
  uint32_t root_uid, root_gid, root_mode;
  bool force;
  /* A file of the host's is empty when it has no bytes; any other store when what a volume would write first is all
   * zeroes. */
  bool host_file;
  nacre_progress_fn progress;
  void *progress_arg;
  const struct nacre_cancel *cancel;
};

/* The store stays the caller's. Headers are written last, so a create that fails or is cut leaves no volume; what was
 * in a store that is overwritten with force is gone by then. */
NACRE_MUST_USE enum nacre_err create_volume(struct store *store, const struct create_request *request,
                                            const struct nacre_credential *cred);

#endif
