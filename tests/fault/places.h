/* Where calls come from. Of thousands of calls that could fail, those from one place are answered by the same code:
 * to let one of each place fail is as good as to let all of them. */
#ifndef NACRE_TESTS_FAULT_PLACES_H
#define NACRE_TESTS_FAULT_PLACES_H

#include <stddef.h>

/* Forget all; what is noted from here on is kept. */
void places_begin(void);
/* The nth call is made now, by whoever called this. Kept where no call before it came the same way. */
void places_note(unsigned long nth);
/* The numbers that were kept, in order; the caller frees them. Nothing is noted any more. */
unsigned long *places_end(size_t *count);

#endif
