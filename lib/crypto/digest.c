#include "crypto/digest.h"

#include <assert.h>
#include <sodium.h>
#include <stdalign.h>

#define STATE_ALIGN alignof(crypto_generichash_state)

static_assert(sizeof(crypto_generichash_state) + STATE_ALIGN - 1 <= sizeof(struct digest), "libsodium's state fits");

/* A sanitizer's stack keeps no alignment as wide as that. */
static crypto_generichash_state *state_of(struct digest *d) {
  const size_t off = (uintptr_t)d->room % STATE_ALIGN;
  return (crypto_generichash_state *)(void *)(d->room + (off == 0 ? 0 : STATE_ALIGN - off));
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
