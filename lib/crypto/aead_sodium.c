/* The ciphers that libsodium has: XChaCha20-Poly1305 and, in newer versions, AEGIS-256. */
#include "base/bytes.h"
#include "crypto/aead_backend.h"

#include <assert.h>
#include <sodium.h>

static_assert(crypto_aead_xchacha20poly1305_ietf_KEYBYTES == AEAD_KEY_BYTES, "key size");
static_assert(crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == AEAD_NONCE_BYTES, "nonce size");

static bool xchacha_available(void) {
  return true;
}

static enum nacre_err xchacha_seal(void *state, const uint8_t *key, const struct aead_message *m, uint8_t *out,
                                   uint8_t *tag) {
  (void)state;
  crypto_aead_xchacha20poly1305_ietf_encrypt_detached(out, tag, NULL, m->in, m->len, m->aad, m->aad_len, NULL,
                                                      m->nonce, key);
  return NACRE_OK;
}

static enum nacre_err xchacha_open(void *state, const uint8_t *key, const struct aead_message *m, uint8_t *out,
                                   const uint8_t *tag) {
  (void)state;
  int bad = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(out, NULL, m->in, m->len, tag, m->aad, m->aad_len,
                                                                m->nonce, key);
  return bad != 0 ? NACRE_ERR_DAMAGED : NACRE_OK;
}

const struct aead_backend aead_xchacha = {
    .name = "xchacha20-poly1305",
    .tag_bytes = crypto_aead_xchacha20poly1305_ietf_ABYTES,
    .available = xchacha_available,
    .seal = xchacha_seal,
    .open = xchacha_open,
};

#ifdef crypto_aead_aegis256_KEYBYTES

static_assert(crypto_aead_aegis256_KEYBYTES == AEAD_KEY_BYTES, "key size");
static_assert(crypto_aead_aegis256_ABYTES == AEAD_TAG_BYTES, "tag size");

static bool aegis_available(void) {
  return true;
}

static void aegis_nonce(const uint8_t *nonce, uint8_t out[crypto_aead_aegis256_NPUBBYTES]) {
  memcpy(out, nonce, AEAD_NONCE_BYTES);
  memset(out + AEAD_NONCE_BYTES, 0, crypto_aead_aegis256_NPUBBYTES - AEAD_NONCE_BYTES);
}

static enum nacre_err aegis_seal(void *state, const uint8_t *key, const struct aead_message *m, uint8_t *out,
                                 uint8_t *tag) {
  (void)state;
  uint8_t nonce[crypto_aead_aegis256_NPUBBYTES];
  aegis_nonce(m->nonce, nonce);
  crypto_aead_aegis256_encrypt_detached(out, tag, NULL, m->in, m->len, m->aad, m->aad_len, NULL, nonce, key);
  return NACRE_OK;
}

static enum nacre_err aegis_open(void *state, const uint8_t *key, const struct aead_message *m, uint8_t *out,
                                 const uint8_t *tag) {
  (void)state;
  uint8_t nonce[crypto_aead_aegis256_NPUBBYTES];
  aegis_nonce(m->nonce, nonce);
  int bad = crypto_aead_aegis256_decrypt_detached(out, NULL, m->in, m->len, tag, m->aad, m->aad_len, nonce, key);
  return bad != 0 ? NACRE_ERR_DAMAGED : NACRE_OK;
}

#else

static bool aegis_available(void) {
  return false;
}

#endif

const struct aead_backend aead_aegis = {
    .name = "aegis-256",
    .tag_bytes = AEAD_TAG_BYTES,
    .available = aegis_available,
#ifdef crypto_aead_aegis256_KEYBYTES
    .seal = aegis_seal,
    .open = aegis_open,
#endif
};
