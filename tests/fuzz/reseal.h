/* A header whose plaintext was changed, sealed again by somebody who has the master key. */
#ifndef NACRE_TESTS_FUZZ_RESEAL_H
#define NACRE_TESTS_FUZZ_RESEAL_H

#include "fuzz/feed.h"

#define RESEAL_PLAIN_BYTES 4040u /* of a header's sealed part */

/* Seal the plaintext into raw, which has FORMAT_HEADER_BYTES, and write the MAC over all of it. */
void reseal_header(uint8_t *raw, const uint8_t *plain, const uint8_t master_key[32]);
/* The plaintext of a sound one. */
void unseal_header(const uint8_t *raw, uint8_t *plain, const uint8_t master_key[32]);

#endif
