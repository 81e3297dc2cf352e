/* age files (age-encryption.org/v1) around 32 bytes, for X25519 recipients: what the ordinary age program reads and
 * writes, as far as a keyslot needs it. */
#ifndef NACRE_CRYPTO_AGE_H
#define NACRE_CRYPTO_AGE_H

#include <nacre.h>
#include <stddef.h>
#include <stdint.h>

#define AGE_PLAIN_BYTES 32u
/* Of a file for one X25519 recipient. */
#define AGE_SEALED_BYTES 232u

/* "age1...": NACRE_ERR_ARGUMENT where it is none, or a key to which anybody could open what is sealed. */
NACRE_MUST_USE enum nacre_err age_recipient_decode(const char *text, uint8_t recipient[32]);
/* "AGE-SECRET-KEY-1...": NACRE_ERR_CREDENTIAL where it is none. */
NACRE_MUST_USE enum nacre_err age_identity_decode(const char *text, uint8_t identity[32]);

NACRE_MUST_USE enum nacre_err age_seal(const uint8_t recipient[32], const uint8_t plain[AGE_PLAIN_BYTES],
                                       uint8_t file[AGE_SEALED_BYTES]);
/* The file is an enemy's, for any number of recipients of any types. NACRE_ERR_CREDENTIAL where none of them is this
 * identity's, NACRE_ERR_DAMAGED where it is no age file or not one of 32 bytes. */
NACRE_MUST_USE enum nacre_err age_open(const uint8_t identity[32], const uint8_t *file, size_t len,
                                       uint8_t plain[AGE_PLAIN_BYTES]);

#endif
