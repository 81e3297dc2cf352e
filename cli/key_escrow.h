/* nacre key escrow: what a slot holds for the world outside. */
#ifndef NACRE_CLI_KEY_ESCROW_H
#define NACRE_CLI_KEY_ESCROW_H

#include "command.h"

int key_escrow(const struct command *self, int argc, char **argv);

#endif
