/* age: its identity files, and slots for its recipients. */
#ifndef NACRE_CLI_AGE_H
#define NACRE_CLI_AGE_H

#include <stddef.h>

#include <nacre.h>

/* All X25519 identities of a file as age-keygen writes it ("-": stdin), at most `room`. Exit code. */
int age_read_identities(const char *path, const char *volume, nacre_credential **list, size_t room, int *count);
/* What makes a slot for a recipient: for that of a plugin the age program is asked. Exit code. */
int age_new_escrow(const char *recipient, const char *volume, nacre_credential **out);

#endif
