/* What the watched locks did: counted by each thread for itself, added up when nobody runs. */
#ifndef NACRE_BENCH_LOCKS_RECORD_H
#define NACRE_BENCH_LOCKS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

enum record_mode { RECORD_ALONE, RECORD_SHARED, RECORD_CONDITION };

/* One lock of the source, of however many objects, in one mode. */
struct record_lock {
  char name[48]; /* struct and field */
  enum record_mode mode;
  uint64_t count;
  uint64_t waits, wait_ns, longest_wait_ns;
  uint64_t held_ns, longest_held_ns; /* of conditions: none */
  const char *longest_wait_in, *longest_held_in;
  uint64_t hottest_held_ns; /* of the one object that was held most; alone only */
};

/* Nothing is recorded but between these; no thread may be inside of the library at either. */
void record_begin(void);
void record_end(void);
/* What was recorded, by falling time of waiting, then of holding. Returns how many; the caller frees. */
unsigned record_locks(struct record_lock **out);
/* What the recording itself adds to each holding. */
uint64_t record_own_ns(void);

#endif
