/* Credentials: what a person or an app opens a slot with. */
#ifndef NACRE_FORMAT_CREDENTIAL_H
#define NACRE_FORMAT_CREDENTIAL_H

#include "format/keyslot.h"

#define CREDENTIAL_PASSPHRASE_MAX_BYTES ((size_t)1 << 20)
#define CREDENTIAL_KEY_FILE_MAX_BYTES ((size_t)16 << 20)
#define CREDENTIAL_RECOVERY_BYTES 20u
#define CREDENTIAL_RAW_KEY_BYTES 32u

/* Copies the bytes: a passphrase's, a key file's contents, a recovery key's 20 (not its text), a raw key's 32.
 * NACRE_ERR_ARGUMENT for a length that the kind can't have. */
NACRE_MUST_USE enum nacre_err credential_new(enum nacre_slot_kind kind, const void *bytes, size_t len,
                                             struct nacre_credential **out);
/* A passphrase and a key file of which neither opens anything alone. */
NACRE_MUST_USE enum nacre_err credential_new_joined(const void *passphrase, size_t passphrase_len, const void *file,
                                                    size_t file_len, struct nacre_credential **out);
/* The key of a slot that has a body. body_len 0: opens such a slot, makes none. */
NACRE_MUST_USE enum nacre_err credential_new_sealed(enum nacre_slot_kind kind, const uint8_t key[32],
                                                    const void *body, size_t body_len, struct nacre_credential **out);
/* An age recipient's or identity's text. */
NACRE_MUST_USE enum nacre_err credential_new_age(enum credential_form form, const char *text,
                                                 struct nacre_credential **out);
void credential_free(struct nacre_credential *cred);

#endif
