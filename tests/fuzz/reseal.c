#include "fuzz/reseal.h"

#include "crypto/aead.h"
#include "format/header.h"

#define SEALED_OFFSET 233472u
#define MAC_OFFSET (FORMAT_HEADER_BYTES - 32u)
#define AAD_BYTES 28u

static struct aead_key *seal_key(const uint8_t master_key[32]) {
  uint8_t subkey[32];
  struct aead_key *key;
  kdf_subkey(master_key, "header seal", NULL, 0, subkey);
  FUZZ_CHECK(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, subkey, &key) == NACRE_OK);
  return key;
}

static void make_aad(const uint8_t *raw, uint8_t aad[AAD_BYTES]) {
  memcpy(aad, raw + 16, 16);
  memcpy(aad + 16, raw + 8, 4);
  memcpy(aad + 20, raw + 40, 8);
}

void reseal_header(uint8_t *raw, const uint8_t *plain, const uint8_t master_key[32]) {
  uint8_t subkey[32], aad[AAD_BYTES], *nonce = raw + SEALED_OFFSET, *tag = nonce + AEAD_NONCE_BYTES;
  struct aead_key *key = seal_key(master_key);
  make_aad(raw, aad);
  FUZZ_CHECK(aead_seal(key, nonce, aad, sizeof aad, plain, RESEAL_PLAIN_BYTES, tag + AEAD_TAG_BYTES, tag) ==
             NACRE_OK);
  aead_key_free(key);
  kdf_subkey(master_key, "header mac", NULL, 0, subkey);
  kdf_mac(subkey, raw, MAC_OFFSET, raw + MAC_OFFSET);
}

void unseal_header(const uint8_t *raw, uint8_t *plain, const uint8_t master_key[32]) {
  uint8_t aad[AAD_BYTES];
  const uint8_t *nonce = raw + SEALED_OFFSET, *tag = nonce + AEAD_NONCE_BYTES;
  struct aead_key *key = seal_key(master_key);
  make_aad(raw, aad);
  FUZZ_CHECK(aead_open(key, nonce, aad, sizeof aad, tag + AEAD_TAG_BYTES, RESEAL_PLAIN_BYTES, plain, tag) ==
             NACRE_OK);
  aead_key_free(key);
}
