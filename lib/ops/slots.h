/* Keyslots of an open volume. Each change makes a header of the next sequence, durable in one copy and then in the
 * other, and then a superblock that refuses every older header. */
#ifndef NACRE_OPS_SLOTS_H
#define NACRE_OPS_SLOTS_H

#include "ops/volume.h"

/* What is asked of a slot, checked by the caller: cost NULL for the defaults, name NULL for none. */
struct slot_request {
  const struct nacre_credential *cred;
  const struct nacre_kdf_cost *cost;
  const char *name;
};

/* Fill in the defaults of a credential's kind, and check what was given. All zero where the kind derives nothing. */
NACRE_MUST_USE enum nacre_err slot_cost(const struct nacre_credential *cred, const struct nacre_kdf_cost *wanted,
                                        struct nacre_kdf_cost *cost);
/* Put a new key pair for the request in slot `index` of a header and its sealed part. */
NACRE_MUST_USE enum nacre_err slot_fill(struct header *h, struct header_sealed *sealed, const uint8_t master_key[32],
                                        uint32_t index, const struct slot_request *request,
                                        const struct nacre_kdf_cost *cost);

/* fn once a slot in use, in order, under the header's lock. */
void slots_each(struct volume *v, void (*fn)(void *arg, const struct nacre_slot_info *info), void *arg);
NACRE_MUST_USE enum nacre_err slots_add(struct volume *v, const struct slot_request *request, uint32_t *index);
/* The last one only with force: then nothing opens the volume ever again. */
NACRE_MUST_USE enum nacre_err slots_remove(struct volume *v, uint32_t index, bool force);
/* A new key pair in that slot, under another credential; its name stays. */
NACRE_MUST_USE enum nacre_err slots_change(struct volume *v, uint32_t index, const struct slot_request *request);

#endif
