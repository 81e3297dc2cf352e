/* Structs that begin with `size_t struct_size`, which callers compiled against an older or newer nacre.h hand over.
 */
#ifndef NACRE_API_STRUCTS_H
#define NACRE_API_STRUCTS_H

#include <nacre.h>

/* Copy a caller's options into our struct of `size_bytes`: fields that the caller does not know are zero. NULL gives
 * all zeroes. NACRE_ERR_ARGUMENT where struct_size was not set, or a field that we do not know is not zero. */
NACRE_MUST_USE enum nacre_err struct_take(void *ours, size_t size_bytes, const void *theirs);
/* Whether a caller's struct can be filled: NACRE_ERR_ARGUMENT for NULL, or where struct_size was not set. */
NACRE_MUST_USE enum nacre_err struct_check(const void *theirs);
/* Fill a checked struct of the caller's from ours, but for struct_size. Fields that we do not know become zero. */
void struct_give(void *theirs, const void *ours, size_t size_bytes);

#endif
