/* What the load writes: noise that is known again, each block stamped with where and which time it was written. */
#ifndef NACRE_BENCH_PATTERN_H
#define NACRE_BENCH_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PATTERN_BLOCK_BYTES 4096u
#define PATTERN_PERIOD_BLOCKS 256u /* the noise comes again after so many blocks, the stamps never do */

void pattern_start(void);
/* `out` takes `blocks` of PATTERN_BLOCK_BYTES, from block `first` of the file `id` on, written for the `version`th
 * time. */
void pattern_fill(uint8_t *out, uint64_t id, uint64_t first, size_t blocks, uint64_t version);
/* The same where `out` was filled for a `first` that is as large modulo the period: the stamps alone. */
void pattern_stamp(uint8_t *out, uint64_t id, uint64_t first, size_t blocks, uint64_t version);
/* By the stamp alone, and byte by byte. */
bool pattern_stamped(const uint8_t *block, uint64_t id, uint64_t number, uint64_t version);
bool pattern_holds(const uint8_t *block, uint64_t id, uint64_t number, uint64_t version);
/* A permutation of the numbers below `count`, another one for each `seed`: random places, none twice. */
uint64_t pattern_scatter(uint64_t i, uint64_t count, uint64_t seed);

#endif
