/* --kdf-profile, --kdf-memory, --kdf-passes, --kdf-lanes: the cost of a new keyslot. */
#ifndef NACRE_CLI_KDF_OPTIONS_H
#define NACRE_CLI_KDF_OPTIONS_H

#include <stdint.h>

#include <nacre.h>

#include "options.h"

struct kdf_options {
  const char *profile;
  uint64_t memory_bytes;
  int passes;
  int lanes;
  bool weak_ok; /* a weak passphrase is wanted */
};

extern const struct option_spec kdf_specs[];

/* What was said one by one goes before what the profile says; what a profile leaves open is measured here, and said.
 * Without one the library chooses when a slot is made. Exit code: EXIT_USAGE, said, below the floor. */
int kdf_options_cost(const struct kdf_options *options, struct nacre_kdf_cost *cost);

/* Whether anything was said about the cost. */
bool kdf_options_given(const struct kdf_options *options);
/* Whether a slot costs a guesser less than is recommended today (docs/threat-model.md); never where it has no cost.
 */
bool kdf_is_low(const struct nacre_kdf_cost *cost);

#endif
