/* Unattended slots: their key is in a JWE that the clevis program decrypts where it may. */
#ifndef NACRE_CLI_CLEVIS_H
#define NACRE_CLI_CLEVIS_H

#include <stdbool.h>
#include <stdint.h>

#include <nacre.h>

#define CLEVIS_TIMEOUT_S 30

/* Draw a slot's key and have clevis encrypt it: `text` is a pin's name and its configuration, "tang {...}". A tang
 * server whose keys the configuration doesn't name is asked about at the terminal, unless `trust` is set. Exit code.
 */
int clevis_new(const char *text, bool trust, const char *volume, nacre_credential **out);

/* Have clevis decrypt what is in that slot. Exit code; what is wrong is in why, and not yet said. */
#define CLEVIS_WHY_BYTES 256
int clevis_open(uint32_t slot, unsigned timeout_s, const char *container, char why[CLEVIS_WHY_BYTES],
                nacre_credential **out);

#endif
