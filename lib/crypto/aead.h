/* The three AEADs behind one interface. Nonces are 24 bytes (16 of a write session, 8 of a counter, little-endian),
 * tags 32 (16-byte tags are followed by zeroes, which open requires).
 *   AES-256-GCM        as XAES-256-GCM (C2SP XAES-256-GCM), through libcrypto's EVP
 *   XChaCha20-Poly1305 as libsodium's IETF construction
 *   AEGIS-256          32-byte tag; its 32-byte nonce is ours followed by 8 zero bytes; libsodium 1.0.19 and later */
#ifndef NACRE_CRYPTO_AEAD_H
#define NACRE_CRYPTO_AEAD_H

#include <nacre.h>
#include <stddef.h>
#include <stdint.h>

#define AEAD_KEY_BYTES 32
#define AEAD_NONCE_BYTES 24
#define AEAD_TAG_BYTES 32

/* A key made ready for a cipher. Immutable in use: any number of threads may seal and open with one. The key bytes
 * live in secmem. Per-session state (XAES subkeys, EVP contexts) is cached inside. */
struct aead_key;
NACRE_MUST_USE enum nacre_err aead_key_new(enum nacre_cipher cipher, const uint8_t key[AEAD_KEY_BYTES],
                                           struct aead_key **out);
void aead_key_free(struct aead_key *key);

/* `out` may be `in`. Lengths are equal. open gives NACRE_ERR_DAMAGED (and wipes out) if it does not authenticate. */
NACRE_MUST_USE enum nacre_err aead_seal(const struct aead_key *key, const uint8_t nonce[AEAD_NONCE_BYTES],
                                        const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t len,
                                        uint8_t *out, uint8_t tag[AEAD_TAG_BYTES]);
NACRE_MUST_USE enum nacre_err aead_open(const struct aead_key *key, const uint8_t nonce[AEAD_NONCE_BYTES],
                                        const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t len,
                                        uint8_t *out, const uint8_t tag[AEAD_TAG_BYTES]);
/* nonce's counter plus `steps`; the caller sees to it that it does not wrap. */
void aead_nonce_add(const uint8_t nonce[AEAD_NONCE_BYTES], uint64_t steps, uint8_t out[AEAD_NONCE_BYTES]);

bool aead_available(enum nacre_cipher cipher);
const char *aead_name(enum nacre_cipher cipher);
/* AES-256-GCM where the CPU has AES instructions (and this build has it), else XChaCha20-Poly1305. */
enum nacre_cipher aead_preferred(void);

#endif
