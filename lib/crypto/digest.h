/* BLAKE2b-256 of what comes in pieces. */
#ifndef NACRE_CRYPTO_DIGEST_H
#define NACRE_CRYPTO_DIGEST_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32u

struct digest {
  alignas(64) uint8_t state[384];
};

void digest_start(struct digest *d);
void digest_add(struct digest *d, const void *data, size_t len);
/* Ends it. */
void digest_finish(struct digest *d, uint8_t out[DIGEST_BYTES]);

#endif
