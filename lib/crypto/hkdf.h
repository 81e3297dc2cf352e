/* HKDF with SHA-256 (RFC 5869), for formats that are not ours: what Nacre derives for itself is BLAKE2b (kdf.h). */
#ifndef NACRE_CRYPTO_HKDF_H
#define NACRE_CRYPTO_HKDF_H

#include <stddef.h>
#include <stdint.h>

/* The first 32 bytes. salt_len may be 0. */
void hkdf_sha256(const uint8_t *material, size_t material_len, const uint8_t *salt, size_t salt_len, const char *info,
                 size_t info_len, uint8_t out[32]);

#endif
