/* A pointer: where a sealed block is, and what it must be. 96 bytes on disk.
 * Invariants: birth <= allocation generation; a parent's two generations are at least each child's. */
#ifndef NACRE_FORMAT_PTR_H
#define NACRE_FORMAT_PTR_H

#include "base/bytes.h"
#include "crypto/aead.h"
#include "format/format.h"

struct ptr {
  uint64_t unit;       /* address in 4 KiB units */
  uint32_t len_bytes;  /* of the plaintext, which is the ciphertext's: a multiple of a unit */
  uint8_t flags;       /* 0 */
  uint8_t compression; /* 0 */
  uint32_t raw_bytes;  /* 0 */
  uint32_t epoch;
  uint64_t birth;
  uint64_t alloc;
  uint8_t nonce[AEAD_NONCE_BYTES];
  uint8_t tag[AEAD_TAG_BYTES];
};

void ptr_encode(const struct ptr *p, uint8_t out[FORMAT_PTR_BYTES]);
/* NACRE_ERR_DAMAGED on unknown flags, a length that is no multiple of a unit, birth above alloc, or an address past
 * `units_end` or in a group. */
NACRE_MUST_USE enum nacre_err ptr_decode(const uint8_t in[FORMAT_PTR_BYTES], uint64_t units_end, struct ptr *p);

/* Associated data of every sealed block: kind, level, format version, 0, epoch, length, birth (20 bytes). For logs,
 * checkpoints and superblocks, birth is the generation (a superblock's is 0: it is not known before opening). */
#define PTR_AAD_BYTES 20
void ptr_aad(enum format_kind kind, uint8_t level, uint32_t epoch, uint32_t len_bytes, uint64_t birth,
             uint8_t out[PTR_AAD_BYTES]);

#endif
