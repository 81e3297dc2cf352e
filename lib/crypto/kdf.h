/* Key derivation, hashing, and sealing a key to a public key. Everything here is libsodium or libargon2. */
#ifndef NACRE_CRYPTO_KDF_H
#define NACRE_CRYPTO_KDF_H

#include <nacre.h>
#include <stddef.h>
#include <stdint.h>

#define KDF_SALT_BYTES 32

/* out = BLAKE2b-256, keyed with key, over: len(label) as one byte, label, context. One label a purpose. */
void kdf_subkey(const uint8_t key[32], const char *label, const void *context, size_t context_len, uint8_t out[32]);
/* The same bytes each time for a key and a number, random to whoever lacks the key: ChaCha20 (libsodium's
 * randombytes_buf_deterministic) under a subkey "noise" of key and number. */
void kdf_noise(const uint8_t key[32], uint64_t number, uint8_t *out, size_t len);
/* 64 bytes from high-entropy key material: BLAKE2b-512 keyed with salt over len(label), label, material. */
void kdf_expand(const uint8_t salt[KDF_SALT_BYTES], const char *label, const void *material, size_t material_len,
                uint8_t out[64]);
/* Argon2id v1.3 (RFC 9106) through libargon2 with real lanes; `label` goes in as associated data. */
NACRE_MUST_USE enum nacre_err kdf_argon2id(const struct nacre_kdf_cost *cost, const uint8_t salt[KDF_SALT_BYTES],
                                           const char *label, const void *secret, size_t secret_len, uint8_t out[64]);
/* nacre_kdf_choose, with an aim whose fields may be zero. */
NACRE_MUST_USE enum nacre_err kdf_choose(const struct nacre_kdf_aim *aim, struct nacre_kdf_cost *cost,
                                         uint64_t *had_bytes);
/* The same without an aim: the defaults for this machine. */
NACRE_MUST_USE enum nacre_err kdf_calibrate(struct nacre_kdf_cost *cost);
/* Lanes are threads: a header must not ask for thousands of them. */
#define KDF_LANES_MAX 64u
#define KDF_WORK_MAX_BYTES (64ull * (4ull << 30))
/* NACRE_ERR_WEAK under the floor (memory NACRE_KDF_MEMORY_MIN_BYTES), NACRE_ERR_ARGUMENT where Argon2 itself can't.
 */
NACRE_MUST_USE enum nacre_err kdf_check_new(const struct nacre_kdf_cost *cost);
/* Costs read from a header: NACRE_ERR_LIMIT above memory_max, above KDF_WORK_MAX_BYTES of memory times passes or
 * above KDF_LANES_MAX; NACRE_ERR_DAMAGED where they make no sense. */
NACRE_MUST_USE enum nacre_err kdf_check_open(const struct nacre_kdf_cost *cost, uint64_t memory_max_bytes);

/* BLAKE2b-256; keyed when key is not NULL. */
void kdf_hash(const void *data, size_t len, uint8_t out[32]);
/* BLAKE2b-512. */
void kdf_hash512(const void *data, size_t len, uint8_t out[64]);
void kdf_mac(const uint8_t key[32], const void *data, size_t len, uint8_t out[32]);
/* SipHash-2-4, for names in folders. */
uint64_t kdf_name_hash(const uint8_t seed[16], const void *name, size_t len);

/* X25519 (libsodium's crypto_box_seal: X25519 and XSalsa20-Poly1305). */
#define KDF_SEALED_KEY_BYTES 80
void kdf_keypair(uint8_t public_key[32], uint8_t secret_key[32]);
void kdf_public_key(const uint8_t secret_key[32], uint8_t public_key[32]);
NACRE_MUST_USE enum nacre_err kdf_seal_key(const uint8_t public_key[32], const uint8_t key[32],
                                           uint8_t sealed[KDF_SEALED_KEY_BYTES]);
/* NACRE_ERR_CREDENTIAL if it does not open. The public key is derived from the secret one. */
NACRE_MUST_USE enum nacre_err kdf_unseal_key(const uint8_t secret_key[32], const uint8_t sealed[KDF_SEALED_KEY_BYTES],
                                             uint8_t key[32]);

#endif
