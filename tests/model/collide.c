/* Few hashes for all names, so that most names share a bucket. The linker sends kdf_name_hash here. */
#include "crypto/kdf.h"

#define HASHES 29u
/* Above the bits that an offset has for what is in its bucket. */
#define BUCKET_SHIFT 24u

uint64_t __real_kdf_name_hash(const uint8_t seed[16], const void *name, size_t len);
uint64_t __wrap_kdf_name_hash(const uint8_t seed[16], const void *name, size_t len);

uint64_t __wrap_kdf_name_hash(const uint8_t seed[16], const void *name, size_t len) {
  return (__real_kdf_name_hash(seed, name, len) % HASHES) << BUCKET_SHIFT;
}
