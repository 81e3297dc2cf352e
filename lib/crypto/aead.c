#include "crypto/aead.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/secmem.h"
#include "crypto/aead_backend.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

struct aead_key {
  const struct aead_backend *backend;
  uint8_t *key; /* secmem */
  void *state;
};

/* Takes any number: ciphers come from headers. */
static const struct aead_backend *aead_backend_of(enum nacre_cipher cipher) {
  switch (cipher) {
  case NACRE_CIPHER_AES_256_GCM:
    return &aead_xaes;
  case NACRE_CIPHER_XCHACHA20_POLY1305:
    return &aead_xchacha;
  case NACRE_CIPHER_AEGIS_256:
    return &aead_aegis;
  case NACRE_CIPHER_AUTO:
  default:
    return NULL;
  }
}

enum nacre_err aead_key_new(enum nacre_cipher cipher, const uint8_t key[AEAD_KEY_BYTES], struct aead_key **out) {
  *out = NULL;
  const struct aead_backend *backend = aead_backend_of(cipher);
  if (backend == NULL)
    return err_set(NACRE_ERR_UNSUPPORTED, "cipher %u is not known", (unsigned)cipher);
  if (!backend->available())
    return err_set(NACRE_ERR_UNSUPPORTED, "this build has no %s", backend->name);

  struct aead_key *k = calloc(1, sizeof *k);
  if (k == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a key");
  k->backend = backend;
  k->key = secmem_alloc(AEAD_KEY_BYTES);
  if (k->key == NULL) {
    aead_key_free(k);
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a key");
  }
  memcpy(k->key, key, AEAD_KEY_BYTES);
  if (backend->start != NULL) {
    enum nacre_err err = backend->start(key, &k->state);
    if (err != NACRE_OK) {
      aead_key_free(k);
      return err;
    }
  }
  *out = k;
  return NACRE_OK;
}

void aead_key_free(struct aead_key *key) {
  if (key == NULL)
    return;
  if (key->state != NULL)
    key->backend->stop(key->state);
  secmem_free(key->key);
  free(key);
}

enum nacre_err aead_seal(const struct aead_key *key, const uint8_t nonce[AEAD_NONCE_BYTES], const uint8_t *aad,
                         size_t aad_len, const uint8_t *in, size_t len, uint8_t *out, uint8_t tag[AEAD_TAG_BYTES]) {
  if (len > AEAD_LEN_MAX_BYTES || aad_len > AEAD_LEN_MAX_BYTES)
    return err_set(NACRE_ERR_ARGUMENT, "too long to seal in one piece");
  struct aead_message m = {.nonce = nonce, .aad = aad, .aad_len = aad_len, .in = in, .len = len};
  memset(tag, 0, AEAD_TAG_BYTES);
  enum nacre_err err = key->backend->seal(key->state, key->key, &m, out, tag);
  if (err != NACRE_OK) {
    /* A half-sealed buffer must not be taken for a sealed one. */
    secmem_wipe(out, len);
    return err_set(err, "%s failed to seal", key->backend->name);
  }
  return NACRE_OK;
}

enum nacre_err aead_open(const struct aead_key *key, const uint8_t nonce[AEAD_NONCE_BYTES], const uint8_t *aad,
                         size_t aad_len, const uint8_t *in, size_t len, uint8_t *out,
                         const uint8_t tag[AEAD_TAG_BYTES]) {
  if (len > AEAD_LEN_MAX_BYTES || aad_len > AEAD_LEN_MAX_BYTES)
    return err_set(NACRE_ERR_ARGUMENT, "too long to open in one piece");
  struct aead_message m = {.nonce = nonce, .aad = aad, .aad_len = aad_len, .in = in, .len = len};
  size_t tag_bytes = key->backend->tag_bytes;
  enum nacre_err err = NACRE_ERR_DAMAGED;
  if (bytes_all_zero(tag + tag_bytes, AEAD_TAG_BYTES - tag_bytes))
    err = key->backend->open(key->state, key->key, &m, out, tag);
  if (err == NACRE_OK)
    return NACRE_OK;
  secmem_wipe(out, len);
  if (err == NACRE_ERR_DAMAGED)
    return err_set(err, "a block does not authenticate");
  return err_set(err, "%s failed to open", key->backend->name);
}

void aead_nonce_add(const uint8_t nonce[AEAD_NONCE_BYTES], uint64_t steps, uint8_t out[AEAD_NONCE_BYTES]) {
  uint64_t counter = le64_get(nonce + 16);
  assert(counter <= UINT64_MAX - steps);
  memmove(out, nonce, 16);
  le64_put(out + 16, counter + steps);
}

bool aead_available(enum nacre_cipher cipher) {
  const struct aead_backend *backend = aead_backend_of(cipher);
  return backend != NULL && backend->available();
}

const char *aead_name(enum nacre_cipher cipher) {
  const struct aead_backend *backend = aead_backend_of(cipher);
  return backend == NULL ? NULL : backend->name;
}

/* libsodium 1.0.18 knows of AES instructions on x86 only. */
static bool aead_cpu_has_aes(void) {
#if defined(__aarch64__) && defined(__linux__)
  return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#else
  return sodium_init() >= 0 && crypto_aead_aes256gcm_is_available() != 0;
#endif
}

enum nacre_cipher aead_preferred(void) {
  if (aead_xaes.available() && aead_cpu_has_aes())
    return NACRE_CIPHER_AES_256_GCM;
  return NACRE_CIPHER_XCHACHA20_POLY1305;
}
