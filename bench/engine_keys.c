#include "engine_keys.h"
#include "measure.h"

struct engine_keys engine_measured_keys(void) {
  static const uint8_t raw_keys[4][AEAD_KEY_BYTES] = {{1}, {2}, {3}, {4}};
  struct engine_keys k = {.current_epoch = 1};
  enum nacre_cipher cipher =
      aead_available(NACRE_CIPHER_AES_256_GCM) ? NACRE_CIPHER_AES_256_GCM : NACRE_CIPHER_XCHACHA20_POLY1305;
  k.epochs[0].epoch = 1;
  MEASURE_OK(aead_key_new(cipher, raw_keys[0], &k.epochs[0].node));
  MEASURE_OK(aead_key_new(cipher, raw_keys[1], &k.epochs[0].data));
  MEASURE_OK(aead_key_new(cipher, raw_keys[2], &k.epochs[0].superblock));
  MEASURE_OK(aead_key_new(cipher, raw_keys[3], &k.epochs[0].log));
  return k;
}
