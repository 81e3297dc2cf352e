#include "format/keyslot.h"

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"
#include "crypto/aead.h"
#include "crypto/age.h"

#include <assert.h>

/* kind (4), lanes (4), passes (4), memory in bytes (8), salt (32), commitment (32), hash of the body (32) */
#define KEYSLOT_AAD_BYTES 116u
#define KEYSLOT_SECRET_BYTES 32u
#define KEYSLOT_WRAP_TAG_BYTES 16u

static_assert(sizeof((struct keyslot *)0)->wrapped_secret == KEYSLOT_SECRET_BYTES + KEYSLOT_WRAP_TAG_BYTES,
              "a secret and its tag");

/* In secmem. The KDF's 64 bytes are the two keys, in this order. */
struct keyslot_secrets {
  uint8_t derived[64]; /* wrapping key, commitment */
  uint8_t slot_secret[KEYSLOT_SECRET_BYTES];
  uint8_t key[AGE_PLAIN_BYTES]; /* an escrow slot's, that no credential holds */
};

/* Bytes to derive from: the credential's own, or the slot's key. */
struct keyslot_material {
  const uint8_t *bytes;
  size_t len;
};

/* What sets apart what the same bytes give for different kinds. */
static const char *keyslot_label(enum nacre_slot_kind kind) {
  switch (kind) {
  case NACRE_SLOT_PASSPHRASE:
    return "nacre passphrase";
  case NACRE_SLOT_KEY_FILE:
    return "nacre key file";
  case NACRE_SLOT_RECOVERY:
    return "nacre recovery key";
  case NACRE_SLOT_RAW_KEY:
    return "nacre raw key";
  case NACRE_SLOT_PASSPHRASE_AND_KEY_FILE:
    return "nacre passphrase and key file";
  case NACRE_SLOT_ESCROW:
    return "nacre escrow";
  case NACRE_SLOT_UNATTENDED:
    return "nacre unattended";
  case NACRE_SLOT_FIDO2:
    return "nacre fido2";
  case NACRE_SLOT_EMPTY:
    break;
  }
  return NULL;
}

static enum nacre_err keyslot_derive(const struct keyslot *slot, const struct keyslot_material *material,
                                     uint8_t derived[64]) {
  const char *label = keyslot_label(slot->kind);
  if (label == NULL)
    return err_set(NACRE_ERR_ARGUMENT, "a keyslot of no kind");
  if (slot_kind_has_kdf(slot->kind))
    return kdf_argon2id(&slot->cost, slot->salt, label, material->bytes, material->len, derived);
  kdf_expand(slot->salt, label, material->bytes, material->len, derived);
  return NACRE_OK;
}

static void keyslot_make_aad(const struct keyslot *slot, uint8_t aad[KEYSLOT_AAD_BYTES]) {
  struct writer w = writer_make(aad, KEYSLOT_AAD_BYTES);
  uint8_t body_hash[32];
  kdf_hash(slot->body, slot->body_len, body_hash);
  writer_u32(&w, (uint32_t)slot->kind);
  writer_u32(&w, slot->cost.lanes);
  writer_u32(&w, slot->cost.passes);
  writer_u64(&w, slot->cost.memory_bytes);
  writer_copy(&w, slot->salt, sizeof slot->salt);
  writer_copy(&w, slot->commitment, sizeof slot->commitment);
  writer_copy(&w, body_hash, sizeof body_hash);
  assert(!w.bad && w.left == 0);
}

/* The tag is kept without the zeroes that fill the AEAD's field. */
static enum nacre_err keyslot_wrap(struct keyslot *slot, const struct keyslot_secrets *secrets) {
  uint8_t aad[KEYSLOT_AAD_BYTES], tag[AEAD_TAG_BYTES];
  struct aead_key *key;
  keyslot_make_aad(slot, aad);
  ERR_TRY(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, secrets->derived, &key));
  enum nacre_err err = aead_seal(key, slot->wrap_nonce, aad, sizeof aad, secrets->slot_secret, KEYSLOT_SECRET_BYTES,
                                 slot->wrapped_secret, tag);
  memcpy(slot->wrapped_secret + KEYSLOT_SECRET_BYTES, tag, KEYSLOT_WRAP_TAG_BYTES);
  aead_key_free(key);
  return err;
}

static enum nacre_err keyslot_unwrap(const struct keyslot *slot, struct keyslot_secrets *secrets) {
  uint8_t aad[KEYSLOT_AAD_BYTES], tag[AEAD_TAG_BYTES] = {0};
  struct aead_key *key;
  keyslot_make_aad(slot, aad);
  memcpy(tag, slot->wrapped_secret + KEYSLOT_SECRET_BYTES, KEYSLOT_WRAP_TAG_BYTES);
  ERR_TRY(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, secrets->derived, &key));
  enum nacre_err err = aead_open(key, slot->wrap_nonce, aad, sizeof aad, slot->wrapped_secret, KEYSLOT_SECRET_BYTES,
                                 secrets->slot_secret, tag);
  aead_key_free(key);
  return err;
}

/* The slot has its kind, costs and body already. */
static enum nacre_err keyslot_fill(const struct keyslot_material *material, const uint8_t master_key[32],
                                   struct keyslot *slot, struct keyslot_secrets *secrets, uint8_t public_key[32]) {
  env_random(slot->salt, sizeof slot->salt);
  env_random(slot->wrap_nonce, sizeof slot->wrap_nonce);
  ERR_TRY(keyslot_derive(slot, material, secrets->derived));
  memcpy(slot->commitment, secrets->derived + 32, sizeof slot->commitment);
  kdf_keypair(public_key, secrets->slot_secret);
  ERR_TRY(keyslot_wrap(slot, secrets));
  return kdf_seal_key(public_key, master_key, slot->sealed_master);
}

/* What a new slot is derived from, and its body. An escrow slot's key is drawn here, and only the recipient gets it.
 */
static enum nacre_err keyslot_prepare(const struct nacre_credential *cred, struct keyslot *slot,
                                      struct keyslot_secrets *secrets, struct keyslot_material *material) {
  *material = (struct keyslot_material){cred->secret, cred->len};
  if (cred->form == CREDENTIAL_RECIPIENT) {
    env_random(secrets->key, sizeof secrets->key);
    *material = (struct keyslot_material){secrets->key, sizeof secrets->key};
    slot->body_len = AGE_SEALED_BYTES;
    return age_seal(cred->secret, secrets->key, slot->body);
  }
  if (cred->form == CREDENTIAL_IDENTITY)
    return err_set(NACRE_ERR_ARGUMENT, "an age identity makes no slot; its recipient does");
  if (slot_kind_has_body(cred->kind) != (cred->body_len != 0))
    return err_set(NACRE_ERR_ARGUMENT, "a slot's key alone makes no slot: how it is got back is missing");
  assert(cred->body_len <= sizeof slot->body);
  slot->body_len = (uint32_t)cred->body_len;
  if (cred->body_len != 0)
    memcpy(slot->body, cred->body, cred->body_len);
  return NACRE_OK;
}

enum nacre_err keyslot_make(const struct nacre_credential *cred, const struct nacre_kdf_cost *cost,
                            const uint8_t master_key[32], struct keyslot *slot, uint8_t public_key[32]) {
  memset(slot, 0, sizeof *slot);
  struct keyslot_secrets *secrets = secmem_alloc(sizeof *secrets);
  if (secrets == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a keyslot");
  slot->kind = cred->kind;
  if (slot_kind_has_kdf(cred->kind))
    slot->cost = *cost;
  struct keyslot_material material;
  enum nacre_err err = keyslot_prepare(cred, slot, secrets, &material);
  if (err == NACRE_OK)
    err = keyslot_fill(&material, master_key, slot, secrets, public_key);
  secmem_free(secrets);
  if (err != NACRE_OK)
    memset(slot, 0, sizeof *slot);
  return err;
}

/* What fails once the credential is known to be right is the slot, unless memory is short. */
static enum nacre_err keyslot_damaged(enum nacre_err err, const char *what) {
  if (err == NACRE_OK || err == NACRE_ERR_NO_MEMORY)
    return err;
  return err_set(NACRE_ERR_DAMAGED, "%s", what);
}

static enum nacre_err keyslot_open_with(const struct keyslot *slot, const struct nacre_credential *cred,
                                        struct keyslot_secrets *secrets, uint8_t master_key[32],
                                        uint8_t public_key[32]) {
  struct keyslot_material material = {cred->secret, cred->len};
  if (cred->form == CREDENTIAL_RECIPIENT)
    return err_set(NACRE_ERR_CREDENTIAL, "an age recipient opens nothing; its identity does");
  if (cred->form == CREDENTIAL_IDENTITY) {
    ERR_TRY(age_open(cred->secret, slot->body, slot->body_len, secrets->key));
    material = (struct keyslot_material){secrets->key, sizeof secrets->key};
  }
  ERR_TRY(keyslot_derive(slot, &material, secrets->derived));
  if (secmem_compare(secrets->derived + 32, slot->commitment, sizeof slot->commitment) != 0)
    return err_set(NACRE_ERR_CREDENTIAL, "the credential does not open this keyslot");
  ERR_TRY(keyslot_damaged(keyslot_unwrap(slot, secrets), "the keyslot is damaged"));
  if (public_key != NULL)
    kdf_public_key(secrets->slot_secret, public_key);
  return keyslot_damaged(kdf_unseal_key(secrets->slot_secret, slot->sealed_master, master_key),
                         "the keyslot's master key is damaged");
}

enum nacre_err keyslot_open(const struct keyslot *slot, const struct nacre_credential *cred,
                            uint64_t kdf_memory_max_bytes, uint8_t master_key[32], uint8_t public_key[32]) {
  memset(master_key, 0, 32);
  if (slot->kind == NACRE_SLOT_EMPTY || slot->kind != cred->kind)
    return err_set(NACRE_ERR_CREDENTIAL, "the keyslot is for another kind of credential");
  if (slot_kind_has_kdf(slot->kind))
    ERR_TRY(kdf_check_open(&slot->cost, kdf_memory_max_bytes));
  struct keyslot_secrets *secrets = secmem_alloc(sizeof *secrets);
  if (secrets == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a keyslot");
  enum nacre_err err = keyslot_open_with(slot, cred, secrets, master_key, public_key);
  secmem_free(secrets);
  return err;
}
