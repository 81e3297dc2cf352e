/* Bech32 (BIP 173) of 32 bytes: how age writes its keys. */
#ifndef NACRE_CRYPTO_BECH32_H
#define NACRE_CRYPTO_BECH32_H

#include <stdbool.h>
#include <stdint.h>

/* The 32 bytes that `text` stands for, if it begins with that prefix and "1" and its checksum is right. All of the
 * text is in the prefix's case. False, and zeroes, otherwise. */
bool bech32_decode(const char *text, const char *prefix, uint8_t out[32]);

#endif
