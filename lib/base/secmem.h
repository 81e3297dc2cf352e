/* Memory for secrets: guarded, locked where the system allows it, wiped when freed. */
#ifndef NACRE_BASE_SECMEM_H
#define NACRE_BASE_SECMEM_H

#include <stddef.h>

/* NULL when out of memory. sodium_malloc'ed; a failing mlock is no error. */
void *secmem_alloc(size_t len);
void secmem_free(void *p);
void secmem_wipe(void *p, size_t len);
/* 0 when equal; constant time. */
int secmem_compare(const void *a, const void *b, size_t len);

#endif
