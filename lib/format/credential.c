#include "format/credential.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/secmem.h"
#include "crypto/age.h"

#include <stdlib.h>
#include <string.h>

#define CREDENTIAL_HASH_BYTES 64u

static enum nacre_err check_passphrase(size_t len) {
  if (len == 0 || len > CREDENTIAL_PASSPHRASE_MAX_BYTES)
    return err_set(NACRE_ERR_ARGUMENT, len == 0 ? "the passphrase is empty" : "the passphrase is over 1 MiB");
  return NACRE_OK;
}

static enum nacre_err check_key_file(size_t len) {
  if (len == 0 || len > CREDENTIAL_KEY_FILE_MAX_BYTES)
    return err_set(NACRE_ERR_ARGUMENT, len == 0 ? "the key file is empty" : "the key file is over 16 MiB");
  return NACRE_OK;
}

static enum nacre_err check_length(enum nacre_slot_kind kind, size_t len) {
  switch (kind) {
  case NACRE_SLOT_PASSPHRASE:
    return check_passphrase(len);
  case NACRE_SLOT_KEY_FILE:
    return check_key_file(len);
  case NACRE_SLOT_RECOVERY:
    if (len != CREDENTIAL_RECOVERY_BYTES)
      return err_set(NACRE_ERR_ARGUMENT, "a recovery key has %u bytes", CREDENTIAL_RECOVERY_BYTES);
    return NACRE_OK;
  case NACRE_SLOT_RAW_KEY:
  case NACRE_SLOT_ESCROW:
  case NACRE_SLOT_UNATTENDED:
  case NACRE_SLOT_FIDO2:
    if (len != CREDENTIAL_RAW_KEY_BYTES)
      return err_set(NACRE_ERR_ARGUMENT, "a raw key has %u bytes", CREDENTIAL_RAW_KEY_BYTES);
    return NACRE_OK;
  case NACRE_SLOT_PASSPHRASE_AND_KEY_FILE: /* has two lengths */
  case NACRE_SLOT_EMPTY:
  default:
    return err_set(NACRE_ERR_ARGUMENT, "no such kind of credential");
  }
}

/* With room for a secret, and no body. */
static enum nacre_err credential_room(enum nacre_slot_kind kind, size_t len, struct nacre_credential **out) {
  struct nacre_credential *cred = calloc(1, sizeof *cred);
  uint8_t *secret = secmem_alloc(len);
  if (cred == NULL || secret == NULL) {
    free(cred);
    secmem_free(secret);
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a credential");
  }
  *cred = (struct nacre_credential){.kind = kind, .len = len, .secret = secret};
  *out = cred;
  return NACRE_OK;
}

enum nacre_err credential_new(enum nacre_slot_kind kind, const void *bytes, size_t len,
                              struct nacre_credential **out) {
  *out = NULL;
  ERR_TRY(check_length(kind, len));
  if (kind != NACRE_SLOT_KEY_FILE) {
    ERR_TRY(credential_room(kind, len, out));
    memcpy((*out)->secret, bytes, len);
    return NACRE_OK;
  }
  ERR_TRY(credential_room(kind, CREDENTIAL_HASH_BYTES, out));
  kdf_hash512(bytes, len, (*out)->secret);
  return NACRE_OK;
}

enum nacre_err credential_new_joined(const void *passphrase, size_t passphrase_len, const void *file, size_t file_len,
                                     struct nacre_credential **out) {
  *out = NULL;
  ERR_TRY(check_passphrase(passphrase_len));
  ERR_TRY(check_key_file(file_len));
  const size_t len = 8 + passphrase_len + CREDENTIAL_HASH_BYTES;
  uint8_t *joined = secmem_alloc(len);
  if (joined == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a credential");
  enum nacre_err err = credential_room(NACRE_SLOT_PASSPHRASE_AND_KEY_FILE, CREDENTIAL_HASH_BYTES, out);
  if (err == NACRE_OK) {
    le64_put(joined, passphrase_len);
    memcpy(joined + 8, passphrase, passphrase_len);
    kdf_hash512(file, file_len, joined + 8 + passphrase_len);
    kdf_hash512(joined, len, (*out)->secret);
  }
  secmem_free(joined);
  return err;
}

enum nacre_err credential_new_sealed(enum nacre_slot_kind kind, const uint8_t key[32], const void *body,
                                     size_t body_len, struct nacre_credential **out) {
  *out = NULL;
  if (!slot_kind_has_body(kind))
    return err_set(NACRE_ERR_ARGUMENT, "slots of that kind have no key that is sealed outside");
  if (body_len > FORMAT_SLOT_BODY_MAX_BYTES)
    return err_set(NACRE_ERR_TOO_LARGE, "a slot has room for %u bytes, not for %zu", FORMAT_SLOT_BODY_MAX_BYTES,
                   body_len);
  ERR_TRY(credential_new(kind, key, CREDENTIAL_RAW_KEY_BYTES, out));
  if (body_len == 0)
    return NACRE_OK;
  (*out)->body = malloc(body_len);
  if ((*out)->body == NULL) {
    credential_free(*out);
    *out = NULL;
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a credential");
  }
  memcpy((*out)->body, body, body_len);
  (*out)->body_len = body_len;
  return NACRE_OK;
}

enum nacre_err credential_new_age(enum credential_form form, const char *text, struct nacre_credential **out) {
  *out = NULL;
  ERR_TRY(credential_room(NACRE_SLOT_ESCROW, CREDENTIAL_RAW_KEY_BYTES, out));
  (*out)->form = form;
  enum nacre_err err = form == CREDENTIAL_RECIPIENT ? age_recipient_decode(text, (*out)->secret)
                                                    : age_identity_decode(text, (*out)->secret);
  if (err != NACRE_OK) {
    credential_free(*out);
    *out = NULL;
  }
  return err;
}

void credential_free(struct nacre_credential *cred) {
  if (cred == NULL)
    return;
  secmem_free(cred->secret);
  free(cred->body);
  free(cred);
}
