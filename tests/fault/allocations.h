/* The library's own allocations fail when they are told to; those of the test and of other libraries do not. */
#ifndef NACRE_TESTS_FAULT_ALLOCATIONS_H
#define NACRE_TESTS_FAULT_ALLOCATIONS_H

#include <stdbool.h>

/* Not under a sanitizer, which has an allocator of its own. */
bool allocations_supported(void);
/* The nth from now on fails, lasting: and all after it; 0: none. They are counted from here on. */
void allocations_arm(unsigned long nth, bool lasting);
/* Tell places.h of each. */
void allocations_note_places(bool on);
unsigned long allocations_count(void);
unsigned long allocations_hits(void);

/* From now on no memory can be locked, until it is taken back; and how often that was refused. */
void allocations_refuse_locking(bool refuse);
unsigned long allocations_refusals(void);

#endif
