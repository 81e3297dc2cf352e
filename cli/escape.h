/* Bytes of names and messages made safe to show. */
#ifndef NACRE_CLI_ESCAPE_H
#define NACRE_CLI_ESCAPE_H

#include <stdbool.h>
#include <stdio.h>

/* A copy in which control characters, bytes that are no UTF-8, and characters that turn the direction of text are
 * written as \n, \t or \xHH. With `backslash`, a backslash is doubled, so that the text can be read back.
 * The caller frees it; NULL when out of memory. */
char *escape_text(const char *text, bool backslash);
/* Print a name: escaped if `out` is a terminal, raw bytes otherwise. */
void escape_print(FILE *out, const char *name);
/* Length in bytes of the UTF-8 character at `text`, 0 if there is none. */
int escape_utf8_length(const char *text);

#endif
