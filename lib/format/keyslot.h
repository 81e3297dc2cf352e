/* Keyslots: from a credential to the master key, and back.
 *
 *   credential --KDF--> 64 bytes: wrapping key (32) | commitment (32)
 *   wrapping key opens the slot secret key (X25519), which opens the master key sealed to the slot's public key.
 *
 * The commitment is compared first, since the AEAD that wraps the secret does not commit to its key. The slot's kind,
 * costs, salt, commitment and body are the associated data of the wrapping. */
#ifndef NACRE_FORMAT_KEYSLOT_H
#define NACRE_FORMAT_KEYSLOT_H

#include "format/header.h"

enum credential_form {
  CREDENTIAL_MATERIAL,  /* what a slot's wrapping key is derived from */
  CREDENTIAL_RECIPIENT, /* an age recipient: makes escrow slots, opens none */
  CREDENTIAL_IDENTITY   /* an age identity: opens escrow slots, makes none */
};

/* The opaque nacre_credential. */
struct nacre_credential {
  enum nacre_slot_kind kind;
  enum credential_form form;
  size_t len;
  uint8_t
      *secret; /* secmem; where there is a key file, a BLAKE2b-512; what the slot's wrapping key is derived from */
  size_t body_len; /* of a kind with a body: 0 where the credential can open a slot, but not make one */
  uint8_t *body;   /* public */
};

/* Draw a key pair, wrap its secret under the credential, seal the master key to it. `cost` is complete and checked by
 * the caller; ignored by kinds without a KDF. */
NACRE_MUST_USE enum nacre_err keyslot_make(const struct nacre_credential *cred, const struct nacre_kdf_cost *cost,
                                           const uint8_t master_key[32], struct keyslot *slot,
                                           uint8_t public_key[32]);
/* NACRE_ERR_CREDENTIAL when it is of another kind or not this slot's; NACRE_ERR_LIMIT, NACRE_ERR_DAMAGED for costs.
 * public_key, where it is not NULL: the one that goes with the slot's secret, whatever the header says. */
NACRE_MUST_USE enum nacre_err keyslot_open(const struct keyslot *slot, const struct nacre_credential *cred,
                                           uint64_t kdf_memory_max_bytes, uint8_t master_key[32],
                                           uint8_t public_key[32]);

/* Text of a recovery key: 160 bits, eight groups of five characters of which the fifth checks the group... */
NACRE_MUST_USE enum nacre_err recovery_encode(const uint8_t secret[20], char text[NACRE_RECOVERY_TEXT_BYTES]);
/* NACRE_ERR_CREDENTIAL, naming the group, where a check character is wrong. */
NACRE_MUST_USE enum nacre_err recovery_decode(const char *text, uint8_t secret[20]);

#endif
