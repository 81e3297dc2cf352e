/* Slots of FIDO2 tokens, and the person who has one. */
#ifndef NACRE_CLI_TOKEN_H
#define NACRE_CLI_TOKEN_H

#include <stdint.h>

#include <nacre.h>

#include "fido2.h"

/* What makes a slot for the token that is plugged in. Exit code, said. */
int token_new(const char *volume, nacre_credential **out);
/* The key of that slot of the container; notes name the volume. Exit code; what is wrong is in why, and not yet said.
 */
int token_open(uint32_t slot, const char *container, const char *volume, char why[FIDO2_TEXT_BYTES],
               nacre_credential **out);

#endif
