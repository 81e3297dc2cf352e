/* nacre key add and key change: a new credential in a slot. */
#ifndef NACRE_CLI_KEY_FRESH_H
#define NACRE_CLI_KEY_FRESH_H

#include <stdint.h>

#include "command.h"

int key_add(const struct command *self, int argc, char **argv);
int key_change(const struct command *self, int argc, char **argv);

/* Say what was done with a slot, where there is no recovery key to show. */
void key_print_done(const char *path, uint32_t index, const char *done);

#endif
