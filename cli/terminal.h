/* Questions to the person at the terminal. */
#ifndef NACRE_CLI_TERMINAL_H
#define NACRE_CLI_TERMINAL_H

#include <stdbool.h>

#include "secret.h"

/* The longest line that a terminal hands over. */
#define TERMINAL_LINE_MAX 4095

/* Whether there is a terminal to ask at, whatever stdin and stdout are. */
bool terminal_exists(void);
/* Ask without echo. False when there is no terminal, at its end, or when a signal broke it off; echo is then on
 * again, and the signal has been delivered. */
bool terminal_ask_secret(const char *prompt, struct secret *secret);
/* Ask for a line, as it is typed: at most size - 1 bytes. False as above. */
bool terminal_ask_line(const char *prompt, char *line, size_t size);
/* Ask yes or no; an empty answer is `otherwise`. */
bool terminal_confirm(const char *question, bool otherwise);
/* Say something there, rather than on stderr. */
void terminal_say(const char *text);

#endif
