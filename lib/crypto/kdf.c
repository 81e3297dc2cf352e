#include "crypto/kdf.h"

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"

#include <assert.h>
#include <sodium.h>

static_assert(crypto_box_SEALBYTES + 32 == KDF_SEALED_KEY_BYTES, "sealed key size");

/* key, length of label, label, then rest: the length keeps labels apart from what follows them. */
static void kdf_labelled(const uint8_t key[32], const char *label, const void *rest, size_t rest_len, uint8_t *out,
                         size_t out_len) {
  crypto_generichash_state state;
  size_t label_len = strlen(label);
  assert(label_len <= UINT8_MAX);
  uint8_t len_byte = (uint8_t)label_len;
  crypto_generichash_init(&state, key, 32, out_len);
  crypto_generichash_update(&state, &len_byte, 1);
  crypto_generichash_update(&state, (const unsigned char *)label, label_len);
  if (rest_len > 0)
    crypto_generichash_update(&state, rest, rest_len);
  crypto_generichash_final(&state, out, out_len);
  secmem_wipe(&state, sizeof state);
}

void kdf_subkey(const uint8_t key[32], const char *label, const void *context, size_t context_len, uint8_t out[32]) {
  kdf_labelled(key, label, context, context_len, out, 32);
}

void kdf_noise(const uint8_t key[32], uint64_t number, uint8_t *out, size_t len) {
  static_assert(randombytes_SEEDBYTES == 32, "size of a seed");
  uint8_t seed[32], encoded[8];
  le64_put(encoded, number);
  kdf_subkey(key, "noise", encoded, sizeof encoded, seed);
  randombytes_buf_deterministic(out, len, seed);
  secmem_wipe(seed, sizeof seed);
}

void kdf_expand(const uint8_t salt[KDF_SALT_BYTES], const char *label, const void *material, size_t material_len,
                uint8_t out[64]) {
  kdf_labelled(salt, label, material, material_len, out, 64);
}

void kdf_hash(const void *data, size_t len, uint8_t out[32]) {
  crypto_generichash(out, 32, data, len, NULL, 0);
}

void kdf_hash512(const void *data, size_t len, uint8_t out[64]) {
  crypto_generichash(out, 64, data, len, NULL, 0);
}

void kdf_mac(const uint8_t key[32], const void *data, size_t len, uint8_t out[32]) {
  crypto_generichash(out, 32, data, len, key, 32);
}

uint64_t kdf_name_hash(const uint8_t seed[16], const void *name, size_t len) {
  uint8_t hash[crypto_shorthash_BYTES];
  crypto_shorthash(hash, name, len, seed);
  return le64_get(hash);
}

void kdf_public_key(const uint8_t secret_key[32], uint8_t public_key[32]) {
  crypto_scalarmult_base(public_key, secret_key);
}

void kdf_keypair(uint8_t public_key[32], uint8_t secret_key[32]) {
  env_random(secret_key, 32);
  kdf_public_key(secret_key, public_key);
}

enum nacre_err kdf_seal_key(const uint8_t public_key[32], const uint8_t key[32],
                            uint8_t sealed[KDF_SEALED_KEY_BYTES]) {
  if (crypto_box_seal(sealed, key, 32, public_key) != 0)
    return err_set(NACRE_ERR_DAMAGED, "a keyslot's public key is not a valid one");
  return NACRE_OK;
}

enum nacre_err kdf_unseal_key(const uint8_t secret_key[32], const uint8_t sealed[KDF_SEALED_KEY_BYTES],
                              uint8_t key[32]) {
  uint8_t public_key[32];
  crypto_scalarmult_base(public_key, secret_key);
  if (crypto_box_seal_open(key, sealed, KDF_SEALED_KEY_BYTES, public_key, secret_key) != 0) {
    secmem_wipe(key, 32);
    return err_set(NACRE_ERR_CREDENTIAL, "the sealed master key does not open");
  }
  return NACRE_OK;
}
