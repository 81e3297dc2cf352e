/* What a cipher gives to aead.c. Only for lib/crypto. */
#ifndef NACRE_CRYPTO_AEAD_BACKEND_H
#define NACRE_CRYPTO_AEAD_BACKEND_H

#include "crypto/aead.h"

/* A build without libcrypto has no AES-256-GCM. */
#ifndef NACRE_WITH_LIBCRYPTO
#define NACRE_WITH_LIBCRYPTO 1
#endif

/* One call's inputs. `len` is at most AEAD_LEN_MAX_BYTES. */
struct aead_message {
  const uint8_t *nonce; /* AEAD_NONCE_BYTES */
  const uint8_t *aad;
  size_t aad_len;
  const uint8_t *in;
  size_t len;
};

#define AEAD_LEN_MAX_BYTES ((size_t)1 << 30)

/* `tag` has tag_bytes. seal fails only for want of memory or by a failure inside the library used. open gives
 * NACRE_ERR_DAMAGED without a message when the tag is wrong, and may leave anything in out. */
struct aead_backend {
  const char *name;
  size_t tag_bytes;
  bool (*available)(void);
  /* NULL, or per-key state, made by start and ended by stop. */
  enum nacre_err (*start)(const uint8_t key[AEAD_KEY_BYTES], void **state);
  void (*stop)(void *state);
  enum nacre_err (*seal)(void *state, const uint8_t *key, const struct aead_message *m, uint8_t *out, uint8_t *tag);
  enum nacre_err (*open)(void *state, const uint8_t *key, const struct aead_message *m, uint8_t *out,
                         const uint8_t *tag);
};

extern const struct aead_backend aead_xaes, aead_xchacha, aead_aegis;

#endif
