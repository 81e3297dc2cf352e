#include "crypto/hkdf.h"

#include "base/secmem.h"

#include <sodium.h>

void hkdf_sha256(const uint8_t *material, size_t material_len, const uint8_t *salt, size_t salt_len, const char *info,
                 size_t info_len, uint8_t out[32]) {
  static const uint8_t first = 1, nothing = 0; /* libsodium takes no NULL, be it of no bytes */
  uint8_t extracted[crypto_auth_hmacsha256_BYTES];
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, salt_len > 0 ? salt : &nothing, salt_len);
  crypto_auth_hmacsha256_update(&state, material, material_len);
  crypto_auth_hmacsha256_final(&state, extracted);
  crypto_auth_hmacsha256_init(&state, extracted, sizeof extracted);
  if (info_len > 0)
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)info, info_len);
  crypto_auth_hmacsha256_update(&state, &first, 1);
  crypto_auth_hmacsha256_final(&state, out);
  secmem_wipe(extracted, sizeof extracted);
  secmem_wipe(&state, sizeof state);
}
