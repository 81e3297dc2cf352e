/* BLAKE2b-256 of what comes in pieces. */
#ifndef NACRE_CRYPTO_DIGEST_H
#define NACRE_CRYPTO_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES 32u

/* Not to be copied: what libsodium aligns begins somewhere in it. */
struct digest {
  uint8_t room[384 + 63];
};

void digest_start(struct digest *d);
void digest_add(struct digest *d, const void *data, size_t len);
/* Ends it. */
void digest_finish(struct digest *d, uint8_t out[DIGEST_BYTES]);

#endif
