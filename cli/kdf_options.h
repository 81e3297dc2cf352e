/* --kdf-memory, --kdf-passes, --kdf-lanes: the cost of a new keyslot. */
#ifndef NACRE_CLI_KDF_OPTIONS_H
#define NACRE_CLI_KDF_OPTIONS_H

#include <stdint.h>

#include <nacre.h>

#include "options.h"

struct kdf_options {
  uint64_t memory_bytes;
  int passes;
  int lanes;
  bool weak_ok; /* a weak passphrase is wanted */
};

extern const struct option_spec kdf_specs[];

/* Exit code: EXIT_USAGE, said, below the floor. */
int kdf_options_cost(const struct kdf_options *options, struct nacre_kdf_cost *cost);

#endif
