/* What was ever sealed, by this process and its children: the linker puts these functions before the library's own
 * aead_seal, aead_key_new and kdf_seal_key (--wrap), so that no seal of the library passes by. */
#ifndef NACRE_TESTS_NONCE_SEALS_H
#define NACRE_TESTS_NONCE_SEALS_H

#include <stdbool.h>
#include <stdint.h>

struct seals_tally {
  uint64_t seals;    /* pairs of key and nonce that were given to a cipher */
  uint64_t boxes;    /* keys sealed to a public key, each with a key pair of its own */
  uint64_t repeated; /* pairs that had been there before */
  uint64_t keys, sessions;
  uint64_t session_bytes_max; /* sealed with nonces that begin with the same 16 bytes */
};

/* Room for so many seals. Before any thread and any child. */
void seals_start(uint64_t most);
struct seals_tally seals_tally(void);
/* From now on every n-th seal fails after its nonce is consumed; 0: none. */
void seals_fail_every(unsigned n);
/* From now on the generator gives the same 16 bytes for each write session: what must never be. */
void seals_repeat_sessions(bool repeat);

#endif
