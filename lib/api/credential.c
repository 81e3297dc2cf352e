#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"
#include "format/keyslot.h"

#include <stdlib.h>

#define KEY_FILE_MAX_BYTES (16u << 20)
#define PASSPHRASE_MAX_BYTES 65536u
#define RECOVERY_SECRET_BYTES 20u
#define KEY_FILE_DIGEST_BYTES 64u

static enum nacre_err credential_new(enum nacre_slot_kind kind, size_t len, struct nacre_credential **out) {
  ERR_TRY(env_start());
  struct nacre_credential *cred = calloc(1, sizeof *cred);
  if (!cred)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  cred->kind = kind;
  cred->len = len;
  cred->secret = secmem_alloc(len);
  if (!cred->secret) {
    free(cred);
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  }
  *out = cred;
  return NACRE_OK;
}

enum nacre_err nacre_credential_passphrase(const void *bytes, size_t len_bytes, nacre_credential **out) {
  err_clear();
  if (!bytes || len_bytes == 0 || !out)
    return err_set(NACRE_ERR_ARGUMENT, "an empty passphrase is none");
  if (len_bytes > PASSPHRASE_MAX_BYTES)
    return err_set(NACRE_ERR_TOO_LARGE, "a passphrase has at most %u bytes", PASSPHRASE_MAX_BYTES);
  ERR_TRY(credential_new(NACRE_SLOT_PASSPHRASE, len_bytes, out));
  memcpy((*out)->secret, bytes, len_bytes);
  return NACRE_OK;
}

enum nacre_err nacre_credential_key_file(const void *bytes, size_t len_bytes, nacre_credential **out) {
  static const uint8_t no_salt[KDF_SALT_BYTES];
  err_clear();
  if (!bytes || len_bytes == 0 || !out)
    return err_set(NACRE_ERR_ARGUMENT, "an empty key file is none");
  if (len_bytes > KEY_FILE_MAX_BYTES)
    return err_set(NACRE_ERR_TOO_LARGE, "a key file has at most %u bytes", KEY_FILE_MAX_BYTES);
  ERR_TRY(credential_new(NACRE_SLOT_KEY_FILE, KEY_FILE_DIGEST_BYTES, out));
  kdf_expand(no_salt, "key file", bytes, len_bytes, (*out)->secret);
  return NACRE_OK;
}

enum nacre_err nacre_credential_recovery(const char *text, nacre_credential **out) {
  err_clear();
  if (!text || !out)
    return err_set(NACRE_ERR_ARGUMENT, "a recovery key is missing");
  nacre_credential *cred = NULL;
  ERR_TRY(credential_new(NACRE_SLOT_RECOVERY, RECOVERY_SECRET_BYTES, &cred));
  enum nacre_err err = recovery_decode(text, cred->secret);
  if (err != NACRE_OK) {
    nacre_credential_free(cred);
    return err;
  }
  *out = cred;
  return NACRE_OK;
}

enum nacre_err nacre_credential_raw_key(const uint8_t key[32], nacre_credential **out) {
  err_clear();
  if (!key || !out)
    return err_set(NACRE_ERR_ARGUMENT, "a raw key is missing");
  ERR_TRY(credential_new(NACRE_SLOT_RAW_KEY, 32, out));
  memcpy((*out)->secret, key, 32);
  return NACRE_OK;
}

enum nacre_slot_kind nacre_credential_kind(const nacre_credential *cred) {
  return cred ? cred->kind : NACRE_SLOT_EMPTY;
}

void nacre_credential_free(nacre_credential *cred) {
  if (!cred)
    return;
  secmem_free(cred->secret);
  free(cred);
}

enum nacre_err nacre_recovery_generate(char text[NACRE_RECOVERY_TEXT_BYTES]) {
  err_clear();
  if (!text)
    return err_set(NACRE_ERR_ARGUMENT, "room for the recovery key is missing");
  ERR_TRY(env_start());
  uint8_t *secret = secmem_alloc(RECOVERY_SECRET_BYTES);
  if (!secret)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  env_random(secret, RECOVERY_SECRET_BYTES);
  enum nacre_err err = recovery_encode(secret, text);
  secmem_free(secret);
  return err;
}
