/* Orders: a change of the keyslots of a volume that another process has open, made by one who can open a slot and
 * carried out by the one who has it open.
 *
 * An order holds nothing secret: a slot as it will stand in the header, the public key that goes with it, and a MAC
 * under a subkey of the master key, which shows that whoever made it could open the volume. It names the header's
 * sequence, so that it is carried out once, and on the header that it was made for. */
#ifndef NACRE_OPS_SLOT_ORDER_H
#define NACRE_OPS_SLOT_ORDER_H

#include "ops/slots.h"

#include <assert.h>

enum slot_order_what { SLOT_ORDER_ADD = 1, SLOT_ORDER_CHANGE = 2, SLOT_ORDER_REMOVE = 3, SLOT_ORDER_RENAME = 4 };

struct slot_order {
  enum slot_order_what what;
  uint32_t index; /* for ADD it means nothing */
  bool force;     /* REMOVE: even the last one */
  uint64_t sequence;
  uint8_t volume_id[16];
  struct keyslot slot; /* ADD, CHANGE */
  struct header_slot_meta meta;
  bool has_name; /* CHANGE: without one the old one stays */
};

#define SLOT_ORDER_BYTES 7394u
static_assert(SLOT_ORDER_BYTES <= NACRE_SLOT_ORDER_MAX_BYTES, "what nacre.h gives room for");

void slot_order_encode(const struct slot_order *order, const uint8_t master_key[32], uint8_t out[SLOT_ORDER_BYTES]);
/* NACRE_ERR_CREDENTIAL where the MAC is not that of this master key. */
NACRE_MUST_USE enum nacre_err slot_order_decode(const uint8_t *bytes, size_t len, const uint8_t master_key[32],
                                                struct slot_order *out);

/* What a header and a master key give: the order for a request (cred NULL: to remove or rename). */
NACRE_MUST_USE enum nacre_err slot_order_make(const struct headers *h, const struct unlocked *u,
                                              const struct slot_request *request, struct slot_order *order);
/* Carry it out. *index: the slot. */
NACRE_MUST_USE enum nacre_err slot_order_apply(struct volume *v, const uint8_t *bytes, size_t len, uint32_t *index);

#endif
