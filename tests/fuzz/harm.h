/* What an enemy with the key can do: change plaintext, and seal it again up to the root. */
#ifndef NACRE_TESTS_FUZZ_HARM_H
#define NACRE_TESTS_FUZZ_HARM_H

#include "fuzz/feed.h"
#include "tree/core.h"

/* Put, change, move or delete records through the tree, as the input says; then commit. */
void harm_records(struct engine *e, struct feed *f);
/* Change the committed nodes on one path, the log, or the superblock, as raw plaintext. The engine is of no use
 * afterwards: only the store is. */
void harm_blocks(struct engine *e, struct feed *f);
/* Write superblocks of other generations, changed, beside the newest one. */
void harm_ring(struct engine *e, struct feed *f);
/* Change one copy of the header or both, in its public part, its slots or its sealed part, and make it authentic. */
void harm_headers(struct engine *e, const uint8_t master_key[32], struct feed *f);

/* harm_bytes.c: overwrite, or flip, some bytes. */
void harm_bytes(struct feed *f, uint8_t *p, size_t len);

#endif
