/* A container in memory, as an app's own store: it outlives the volumes that are opened on it. */
#ifndef NACRE_TESTS_MODEL_RAM_H
#define NACRE_TESTS_MODEL_RAM_H

#include <nacre.h>
#include <stdatomic.h>

struct ram {
  uint8_t *bytes;
  uint64_t limit_bytes;
  atomic_uint_least64_t size_bytes;
};

void ram_init(struct ram *ram, uint64_t limit_bytes);
void ram_free(struct ram *ram);
extern const struct nacre_store_ops ram_ops;

#endif
