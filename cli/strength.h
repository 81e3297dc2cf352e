/* How hard a new passphrase is to guess, and what guessing it would cost. */
#ifndef NACRE_CLI_STRENGTH_H
#define NACRE_CLI_STRENGTH_H

#include <stdbool.h>

#include <nacre.h>

#include "secret.h"

struct strength {
  int score;          /* zxcvbn's 0 to 4 */
  double guesses;     /* that it takes on average */
  const char *reason; /* a fixed text about the weakest part; never a part of the passphrase */
};

/* Below this score a passphrase is refused. */
#define STRENGTH_SCORE_MIN 3

/* `known` is a NULL-terminated list of words that an attacker knows: the label, the file's name. */
void strength_measure(const struct secret *passphrase, const char *known[], struct strength *out);

#define STRENGTH_COST_BYTES 160
/* What those guesses cost at this KDF cost, as a sentence; measures one key derivation. */
void strength_cost_text(const struct strength *strength, const struct nacre_kdf_cost *kdf,
                        char text[STRENGTH_COST_BYTES]);

#endif
