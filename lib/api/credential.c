#include "format/credential.h"

#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"

static enum nacre_err new_credential(enum nacre_slot_kind kind, const void *bytes, size_t len_bytes,
                                     nacre_credential **out) {
  err_clear();
  if ((!bytes && len_bytes > 0) || !out)
    return err_set(NACRE_ERR_ARGUMENT, "a credential's bytes, or room for it, are missing");
  ERR_TRY(env_start());
  return credential_new(kind, bytes, len_bytes, out);
}

enum nacre_err nacre_credential_passphrase(const void *bytes, size_t len_bytes, nacre_credential **out) {
  return new_credential(NACRE_SLOT_PASSPHRASE, bytes, len_bytes, out);
}

enum nacre_err nacre_credential_key_file(const void *bytes, size_t len_bytes, nacre_credential **out) {
  return new_credential(NACRE_SLOT_KEY_FILE, bytes, len_bytes, out);
}

enum nacre_err nacre_credential_raw_key(const uint8_t key[32], nacre_credential **out) {
  return new_credential(NACRE_SLOT_RAW_KEY, key, CREDENTIAL_RAW_KEY_BYTES, out);
}

enum nacre_err nacre_credential_passphrase_and_key_file(const void *passphrase, size_t passphrase_bytes,
                                                        const void *file, size_t file_bytes, nacre_credential **out) {
  err_clear();
  if (!passphrase || !file || !out)
    return err_set(NACRE_ERR_ARGUMENT, "a passphrase, a key file, or room for the credential is missing");
  ERR_TRY(env_start());
  return credential_new_joined(passphrase, passphrase_bytes, file, file_bytes, out);
}

enum nacre_err nacre_credential_slot_key(enum nacre_slot_kind kind, const uint8_t key[32], nacre_credential **out) {
  err_clear();
  if (!key || !out)
    return err_set(NACRE_ERR_ARGUMENT, "a slot's key, or room for the credential, is missing");
  ERR_TRY(env_start());
  return credential_new_sealed(kind, key, NULL, 0, out);
}

enum nacre_err nacre_credential_sealed_outside(enum nacre_slot_kind kind, const uint8_t key[32], const void *body,
                                               size_t body_bytes, nacre_credential **out) {
  err_clear();
  if (!key || !body || body_bytes == 0 || !out)
    return err_set(NACRE_ERR_ARGUMENT, "a slot's key, its body, or room for the credential is missing");
  ERR_TRY(env_start());
  return credential_new_sealed(kind, key, body, body_bytes, out);
}

static enum nacre_err new_age(enum credential_form form, const char *text, nacre_credential **out) {
  err_clear();
  if (!text || !out)
    return err_set(NACRE_ERR_ARGUMENT, "an age key, or room for the credential, is missing");
  ERR_TRY(env_start());
  return credential_new_age(form, text, out);
}

enum nacre_err nacre_credential_escrow_recipient(const char *text, nacre_credential **out) {
  return new_age(CREDENTIAL_RECIPIENT, text, out);
}

enum nacre_err nacre_credential_escrow_identity(const char *text, nacre_credential **out) {
  return new_age(CREDENTIAL_IDENTITY, text, out);
}

/* The 20 bytes of a recovery key, while its text is made or read. */
static enum nacre_err recovery_room(uint8_t **secret) {
  ERR_TRY(env_start());
  *secret = secmem_alloc(CREDENTIAL_RECOVERY_BYTES);
  return *secret ? NACRE_OK : err_set(NACRE_ERR_NO_MEMORY, "out of memory");
}

enum nacre_err nacre_credential_recovery(const char *text, nacre_credential **out) {
  uint8_t *secret = NULL;
  err_clear();
  if (!text || !out)
    return err_set(NACRE_ERR_ARGUMENT, "a recovery key, or room for it, is missing");
  ERR_TRY(recovery_room(&secret));
  enum nacre_err err = recovery_decode(text, secret);
  if (err == NACRE_OK)
    err = credential_new(NACRE_SLOT_RECOVERY, secret, CREDENTIAL_RECOVERY_BYTES, out);
  secmem_free(secret);
  return err;
}

enum nacre_err nacre_recovery_generate(char text[NACRE_RECOVERY_TEXT_BYTES]) {
  uint8_t *secret = NULL;
  err_clear();
  if (!text)
    return err_set(NACRE_ERR_ARGUMENT, "room for the recovery key is missing");
  ERR_TRY(recovery_room(&secret));
  env_random(secret, CREDENTIAL_RECOVERY_BYTES);
  enum nacre_err err = recovery_encode(secret, text);
  secmem_free(secret);
  return err;
}

enum nacre_slot_kind nacre_credential_kind(const nacre_credential *cred) {
  return cred ? cred->kind : NACRE_SLOT_EMPTY;
}

void nacre_credential_free(nacre_credential *cred) {
  credential_free(cred);
}
