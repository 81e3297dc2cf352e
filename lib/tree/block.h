/* Sealed blocks: keys by epoch, and the write session from which every nonce comes.
 *
 * Invariant: (session, counter) is never handed out twice. A session is 16 random bytes, drawn anew at open, at every
 * commit and after every GiB; counters are consumed even by failures. Nothing on disk determines either. */
#ifndef NACRE_TREE_BLOCK_H
#define NACRE_TREE_BLOCK_H

#include "format/extent.h"
#include "tree/engine.h"
#include <pthread.h>
#include <stdatomic.h>

struct block_io {
  struct store *store;
  /* Replaced as a whole, by engine_replace_keys; a set that was replaced stays in memory for those who still read. */
  const struct engine_keys *_Atomic keys;
  pthread_mutex_t lock; /* guards what follows */
  uint8_t session[16];
  uint64_t counter;
  uint64_t session_bytes;
  uint64_t sealed_blocks, sealed_bytes; /* under the current epoch's keys, ever, as far as is known */
};

/* The keys stay the caller's. */
void block_io_start(struct block_io *io, struct store *store, const struct engine_keys *keys);
void block_io_end(struct block_io *io);
void block_new_session(struct block_io *io);
/* Consume `count` counters for `bytes` bytes; the first nonce of the run. */
void block_take_nonces(struct block_io *io, uint32_t count, uint64_t bytes, uint8_t nonce[AEAD_NONCE_BYTES]);

/* From here on seal under these keys' current epoch. No sealing may be going on; opening may. */
void block_use_keys(struct block_io *io, const struct engine_keys *keys);
uint32_t block_current_epoch(const struct block_io *io);

/* Add what was sealed before this opening to the count. */
void block_count_sealed(struct block_io *io, uint64_t blocks, uint64_t bytes);
void block_sealed(struct block_io *io, uint64_t *blocks, uint64_t *bytes);

/* Seal under the current epoch. p->len_bytes and p->birth are given; epoch, nonce and tag are filled in. */
NACRE_MUST_USE enum nacre_err block_seal(struct block_io *io, enum format_kind kind, uint8_t level, struct ptr *p,
                                         const uint8_t *plain, uint8_t *cipher);
/* NACRE_ERR_DAMAGED where it does not authenticate or its epoch has no key. */
NACRE_MUST_USE enum nacre_err block_open(struct block_io *io, enum format_kind kind, uint8_t level,
                                         const struct ptr *p, const uint8_t *cipher, uint8_t *plain);
/* Read from the store and open in place. buf has p->len_bytes. */
NACRE_MUST_USE enum nacre_err block_read(struct block_io *io, enum format_kind kind, uint8_t level,
                                         const struct ptr *p, uint8_t *buf);
/* Seal all chunks of an extent into cipher, one after the other without gaps; x has unit, sizes, count and birth. */
NACRE_MUST_USE enum nacre_err block_seal_extent(struct block_io *io, struct extent *x, const uint8_t *const chunks[],
                                                uint8_t *cipher);
/* Open chunk `index` of an extent. */
NACRE_MUST_USE enum nacre_err block_open_chunk(struct block_io *io, const struct extent *x, uint32_t index,
                                               const uint8_t *cipher, uint8_t *plain);
/* Key of an epoch for a kind, or NULL. */
const struct aead_key *block_key(const struct block_io *io, uint32_t epoch, enum format_kind kind);

#endif
