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

#endif
