#include "base/secmem.h"

#include "base/env.h"

#include <sodium.h>
#include <string.h>

/* The guard page follows the allocation directly, so its start is only as aligned as its length. */
#define SECMEM_ALIGN_BYTES ((size_t)16)

void *secmem_alloc(size_t len) {
  if (env_start() != NACRE_OK || len > SIZE_MAX - SECMEM_ALIGN_BYTES)
    return NULL;
  size_t rounded = (len + SECMEM_ALIGN_BYTES - 1) & ~(SECMEM_ALIGN_BYTES - 1);
  void *p = sodium_malloc(rounded);
  if (p != NULL)
    memset(p, 0, rounded);
  return p;
}

void secmem_free(void *p) {
  sodium_free(p);
}

void secmem_wipe(void *p, size_t len) {
  if (len > 0)
    sodium_memzero(p, len);
}

int secmem_compare(const void *a, const void *b, size_t len) {
  return sodium_memcmp(a, b, len);
}
