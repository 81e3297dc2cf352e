/* The bytes of a credential, from a file, a descriptor or a command. Each says what is wrong and returns an exit
 * code. */
#ifndef NACRE_CLI_CREDENTIAL_BYTES_H
#define NACRE_CLI_CREDENTIAL_BYTES_H

#include "credential.h"
#include "secret.h"

/* More than anyone types, less than a mistaken --passfile. */
#define CREDENTIAL_TEXT_MAX_BYTES ((size_t)64 << 10)
#define CREDENTIAL_FILE_MAX_BYTES ((size_t)16 << 20)

/* A file's bytes ("-": stdin), or its first line, into a fresh secret of that room. An empty one is refused. */
int credential_file(const char *path, const char *volume, size_t room, bool whole, struct secret *secret);
/* The text that --passfile, --extpass or --passphrase-fd name. */
int credential_text(const struct credential_source *source, const char *volume, struct secret *secret);

#define CREDENTIAL_SLOT_KEY_BYTES 32
#define CREDENTIAL_SLOT_KEY_DIGITS 43
/* A slot's key in base64url without padding. False where the text is not exactly that. */
bool credential_slot_key_decode(const char *digits, size_t len, uint8_t key[CREDENTIAL_SLOT_KEY_BYTES]);
void credential_slot_key_encode(const uint8_t key[CREDENTIAL_SLOT_KEY_BYTES],
                                char digits[CREDENTIAL_SLOT_KEY_DIGITS + 1]);

#endif
