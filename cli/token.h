/* Slots of FIDO2 tokens, and the person who has one. */
#ifndef NACRE_CLI_TOKEN_H
#define NACRE_CLI_TOKEN_H

#include <stdint.h>

#include <nacre.h>

/* What makes a slot for the token that is plugged in. Exit code, said. */
int token_new(const char *volume, nacre_credential **out);
/* The key of that slot. Exit code; *why is what is wrong, and not yet said. */
int token_open(uint32_t slot, const char *volume, const char **why, nacre_credential **out);

#endif
