/* From a credential and two untrusted header copies to the header that is authentic. */
#ifndef NACRE_OPS_UNLOCK_H
#define NACRE_OPS_UNLOCK_H

#include "format/keyslot.h"
#include "ops/cancel.h"
#include "ops/headers.h"

struct unlock_options {
  uint64_t kdf_memory_max_bytes; /* ceiling for one slot; the work of all that are tried has one too */
  bool use_slot;
  uint32_t slot;            /* the only one to try, where use_slot is set */
  uint64_t work_done_bytes; /* counts as tried already */
  const struct nacre_cancel *cancel;
  nacre_progress_fn progress;
  void *progress_arg;
};

struct unlocked {
  uint8_t *master_key;          /* 32 bytes of secmem */
  struct header_sealed *sealed; /* secmem */
  unsigned copy;                /* the authentic copy of the highest sequence */
  uint32_t slot;                /* the slot that the credential opened, present in that copy */
  uint8_t public_key[32];       /* of that slot's secret */
  bool stale[HEADERS_COPIES];   /* not as that copy is: damaged, left behind or another's, to be written anew */
  uint64_t work_bytes;          /* memory times passes of what was tried */
};

/* NACRE_ERR_CREDENTIAL where no slot opens, NACRE_ERR_LIMIT where none did and one asked for more than is allowed,
 * NACRE_ERR_DAMAGED where a slot opened and no header authenticates. Free with unlocked_free in any case. */
NACRE_MUST_USE enum nacre_err unlock(const struct headers *h, const struct nacre_credential *cred,
                                     const struct unlock_options *options, struct unlocked *out);
/* Where the copy that unlock chose turns out not to go with the volume's content: the other copy alone, as if the
 * first were not there. No slot is tried again that could only lead to what is known. u is as unlock left it; the
 * sealed part may be missing. After an error nothing of it is of use. */
NACRE_MUST_USE enum nacre_err unlock_other(const struct headers *h, const struct nacre_credential *cred,
                                           const struct unlock_options *options, struct unlocked *u);
/* Of headers that were read again, by the master key that is known, without a derivation. NACRE_ERR_IN_USE where it
 * is no longer theirs, or the slot that opened `was` is not in them as it was. u stays as it is then. */
NACRE_MUST_USE enum nacre_err unlock_again(const struct headers *was, const struct headers *now, struct unlocked *u);
void unlocked_free(struct unlocked *u);

#endif
