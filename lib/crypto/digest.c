#include "crypto/digest.h"

#include <assert.h>
#include <sodium.h>

static_assert(sizeof(crypto_generichash_state) <= sizeof(struct digest), "libsodium's state fits");

static crypto_generichash_state *state_of(struct digest *d) {
  return (crypto_generichash_state *)(void *)d->state;
}

void digest_start(struct digest *d) {
  (void)crypto_generichash_init(state_of(d), NULL, 0, DIGEST_BYTES);
}

void digest_add(struct digest *d, const void *data, size_t len) {
  (void)crypto_generichash_update(state_of(d), data, len);
}

void digest_finish(struct digest *d, uint8_t out[DIGEST_BYTES]) {
  (void)crypto_generichash_final(state_of(d), out, DIGEST_BYTES);
}
