/* The header: 256 KiB at the start of each group. A public part, 32 keyslots, and a sealed part, all under one MAC.
 *
 *        0  public part (4096): magic, version, volume id, cipher, incompat bits, sequence, label, slot table
 *     4096  32 keyslots of 7168
 *   233472  sealed part: nonce (24), tag (32), ciphertext: identity secret, epoch table, slot names, dates, public
 * keys
 *        .. random bytes
 *   262112  MAC (32): BLAKE2b-256 keyed with the master key's "header mac" subkey over all that precedes it
 *
 * Invariants: a header is never changed in place: a new sequence is made durable in one copy before the other is
 * touched. Bytes of unused slots and of padding are random, drawn anew at each write. */
#ifndef NACRE_FORMAT_HEADER_H
#define NACRE_FORMAT_HEADER_H

#include "crypto/kdf.h"
#include "format/format.h"

/* Whether the bytes that open a slot of that kind are stretched at a cost: what a person chose, alone or with more.
 */
static inline bool slot_kind_has_kdf(enum nacre_slot_kind kind) {
  return kind == NACRE_SLOT_PASSPHRASE || kind == NACRE_SLOT_KEY_FILE || kind == NACRE_SLOT_PASSPHRASE_AND_KEY_FILE;
}
/* Whether it is 32 random bytes that something outside of the volume gives back, as the slot's body says. */
static inline bool slot_kind_has_body(enum nacre_slot_kind kind) {
  return kind == NACRE_SLOT_ESCROW || kind == NACRE_SLOT_UNATTENDED || kind == NACRE_SLOT_FIDO2;
}

/* One keyslot, all that is stored outside the sealed part. */
struct keyslot {
  enum nacre_slot_kind kind; /* NACRE_SLOT_EMPTY: all else is meaningless */
  struct nacre_kdf_cost cost;
  uint8_t salt[KDF_SALT_BYTES];
  uint8_t commitment[32];
  uint8_t wrap_nonce[24];
  uint8_t wrapped_secret[48];                  /* slot secret key, XChaCha20-Poly1305, tag behind */
  uint8_t sealed_master[KDF_SEALED_KEY_BYTES]; /* master key sealed to the slot's public key */
  uint32_t body_len;                           /* 0 for kinds that have none, and for no other */
  uint8_t body[FORMAT_SLOT_BODY_MAX_BYTES];
};

struct header_slot_meta {
  uint8_t public_key[32];
  int64_t created_s;
  char name[FORMAT_SLOT_NAME_BYTES]; /* NUL-terminated */
};

struct header_epoch {
  uint32_t epoch; /* 0: unused; the first is 1 */
  enum nacre_cipher cipher;
  uint8_t volume_key[32];
};

/* What only the master key opens. In secmem.
 *
 * Invariants: the current epoch is in the table, and its cipher is the one of the public part. Beside it stands one
 * more at most: the epoch before, while a rotation is under way. */
struct header_sealed {
  uint8_t identity_secret[32];
  uint32_t current_epoch;
  struct header_epoch epochs[FORMAT_EPOCHS];
  struct header_slot_meta slots[FORMAT_SLOTS];
  uint64_t rekey_rate; /* bytes a second that a rotation may rewrite; 0: as many as it can */
};

struct header {
  uint32_t version;
  uint8_t volume_id[16];
  enum nacre_cipher cipher;
  uint64_t incompat;
  uint64_t sequence; /* 1, 2, ... */
  char label[FORMAT_LABEL_BYTES];
  struct keyslot slots[FORMAT_SLOTS];
};

/* Parse the public part and the slots. NACRE_ERR_NOT_VOLUME without the magic, NACRE_ERR_UNSUPPORTED for a newer
 * version, unknown incompat bits or an unknown cipher (then out->version, volume_id and cipher are set),
 * NACRE_ERR_DAMAGED otherwise. `raw` has FORMAT_HEADER_BYTES. Nothing is trusted yet. */
NACRE_MUST_USE enum nacre_err header_decode(const uint8_t *raw, struct header *out);
/* The public part alone, with the same errors: of a header whose slots may be destroyed. */
NACRE_MUST_USE enum nacre_err header_decode_public(const uint8_t *raw, struct header *out);
/* Check the MAC with the master key, then open the sealed part. NACRE_ERR_DAMAGED if either fails. */
NACRE_MUST_USE enum nacre_err header_open_sealed(const uint8_t *raw, const uint8_t master_key[32],
                                                 struct header_sealed *sealed);
/* Encode, seal and MAC the whole into raw (FORMAT_HEADER_BYTES). */
NACRE_MUST_USE enum nacre_err header_encode(const struct header *h, const struct header_sealed *sealed,
                                            const uint8_t master_key[32], uint8_t *raw);

/* A slot's area of FORMAT_SLOT_BYTES, but for what the slot table has: kind and costs, which are set before. What is
 * not written stays as it is; an empty slot writes nothing. */
void header_slot_encode(const struct keyslot *slot, uint8_t *area);
NACRE_MUST_USE enum nacre_err header_slot_decode(const uint8_t *area, struct keyslot *slot);

/* Subkeys of an epoch's volume key: label "node", "data", "superblock" or "log", context: identity secret's hash,
 * epoch, its cipher. */
void header_volume_subkey(const struct header_sealed *sealed, const struct header_epoch *epoch, const char *label,
                          uint8_t out[32]);
/* The entry of the current epoch; of another one that is still in use, or NULL where there is none. */
const struct header_epoch *header_current_epoch(const struct header_sealed *sealed);
const struct header_epoch *header_older_epoch(const struct header_sealed *sealed);
/* The MAC at the end of an encoded header. */
void header_mac(const uint8_t *raw, uint8_t out[32]);
/* Public name of the identity secret, what --expect-id and an anchor go by. */
void header_fingerprint(const struct header_sealed *sealed, uint8_t out[32]);

#endif
