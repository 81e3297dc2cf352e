/* --cipher: a cipher by its name. */
#ifndef NACRE_CLI_CIPHER_OPTION_H
#define NACRE_CLI_CIPHER_OPTION_H

#include <nacre.h>

/* Exit code, error said. "auto" is NACRE_CIPHER_AUTO. */
int cipher_parse(const char *text, enum nacre_cipher *cipher);

#endif
