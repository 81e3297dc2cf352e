/* Keyslots of an open volume. Each change makes a header of the next sequence, durable in one copy and then in the
 * other, and then a superblock that refuses every older header. */
#ifndef NACRE_OPS_SLOTS_H
#define NACRE_OPS_SLOTS_H

#include "ops/header_change.h"

/* What is asked of a slot, checked by the caller: cost NULL for the defaults, name NULL for none. */
struct slot_request {
  const struct nacre_credential *cred;
  const struct nacre_kdf_cost *cost;
  const char *name;
};

/* Fill in the defaults of a credential's kind, and check what was given. All zero where the kind derives nothing. */
NACRE_MUST_USE enum nacre_err slot_cost(const struct nacre_credential *cred, const struct nacre_kdf_cost *wanted,
                                        struct nacre_kdf_cost *cost);
/* A slot with a new key pair for the request. The name in meta stays where the request has none. */
NACRE_MUST_USE enum nacre_err slot_make(const uint8_t master_key[32], const struct slot_request *request,
                                        const struct nacre_kdf_cost *cost, struct keyslot *slot,
                                        struct header_slot_meta *meta);

/* Of a header that is being changed: a slot of that number that is in use; the first that is not; one taken out. */
NACRE_MUST_USE enum nacre_err slots_check(const struct header *h, uint32_t index);
NACRE_MUST_USE enum nacre_err slots_find_free(const struct header *h, uint32_t *index);
NACRE_MUST_USE enum nacre_err slots_take_out(struct header_change *c, uint32_t index, bool force);

/* NULL: none. */
void slots_name(struct header_slot_meta *meta, const char *name);

/* fn once a slot in use, in order. Of an open volume's header: under its lock. */
void slots_each(const struct header *h, const struct header_sealed *sealed,
                void (*fn)(void *arg, const struct nacre_slot_info *info), void *arg);
NACRE_MUST_USE enum nacre_err slots_add(struct volume *v, const struct slot_request *request, uint32_t *index);
/* The last one only with force: then nothing opens the volume ever again. */
NACRE_MUST_USE enum nacre_err slots_remove(struct volume *v, uint32_t index, bool force);
/* A new key pair in that slot, under another credential; its name stays where the request has none. */
NACRE_MUST_USE enum nacre_err slots_change(struct volume *v, uint32_t index, const struct slot_request *request);
NACRE_MUST_USE enum nacre_err slots_rename(struct volume *v, uint32_t index, const char *name);

#endif
