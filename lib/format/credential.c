#include "format/credential.h"

#include "base/err.h"
#include "base/secmem.h"

#include <stdlib.h>
#include <string.h>

#define CREDENTIAL_KEY_FILE_HASH_BYTES 64u

static enum nacre_err credential_check(enum nacre_slot_kind kind, size_t len) {
  switch (kind) {
  case NACRE_SLOT_PASSPHRASE:
    if (len == 0 || len > CREDENTIAL_PASSPHRASE_MAX_BYTES)
      return err_set(NACRE_ERR_ARGUMENT, len == 0 ? "the passphrase is empty" : "the passphrase is over 1 MiB");
    return NACRE_OK;
  case NACRE_SLOT_KEY_FILE:
    if (len == 0 || len > CREDENTIAL_KEY_FILE_MAX_BYTES)
      return err_set(NACRE_ERR_ARGUMENT, len == 0 ? "the key file is empty" : "the key file is over 16 MiB");
    return NACRE_OK;
  case NACRE_SLOT_RECOVERY:
    if (len != CREDENTIAL_RECOVERY_BYTES)
      return err_set(NACRE_ERR_ARGUMENT, "a recovery key has %u bytes", CREDENTIAL_RECOVERY_BYTES);
    return NACRE_OK;
  case NACRE_SLOT_RAW_KEY:
    if (len != CREDENTIAL_RAW_KEY_BYTES)
      return err_set(NACRE_ERR_ARGUMENT, "a raw key has %u bytes", CREDENTIAL_RAW_KEY_BYTES);
    return NACRE_OK;
  case NACRE_SLOT_EMPTY:
  default:
    return err_set(NACRE_ERR_ARGUMENT, "no such kind of credential");
  }
}

enum nacre_err credential_new(enum nacre_slot_kind kind, const void *bytes, size_t len,
                              struct nacre_credential **out) {
  *out = NULL;
  ERR_TRY(credential_check(kind, len));
  size_t kept = kind == NACRE_SLOT_KEY_FILE ? CREDENTIAL_KEY_FILE_HASH_BYTES : len;
  struct nacre_credential *cred = calloc(1, sizeof *cred);
  uint8_t *secret = secmem_alloc(kept);
  if (cred == NULL || secret == NULL) {
    free(cred);
    secmem_free(secret);
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a credential");
  }
  if (kind == NACRE_SLOT_KEY_FILE)
    kdf_hash512(bytes, len, secret);
  else
    memcpy(secret, bytes, len);
  *cred = (struct nacre_credential){.kind = kind, .len = kept, .secret = secret};
  *out = cred;
  return NACRE_OK;
}

void credential_free(struct nacre_credential *cred) {
  if (cred == NULL)
    return;
  secmem_free(cred->secret);
  free(cred);
}
