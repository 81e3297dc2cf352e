/* Credentials from options or from the terminal, and never from argv or the environment. */
#ifndef NACRE_CLI_CREDENTIAL_H
#define NACRE_CLI_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include <nacre.h>

#include "options.h"
#include "strength.h"

/* Where a credential comes from; none means the terminal. A text and a key file together are one credential, of which
 * both are needed; otherwise one is given at most. */
struct credential_source {
  const char *passfile;
  const char *key_file;
  const char *extpass;
  int passphrase_fd; /* -1: not given */
  bool recovery_key; /* existing: the text that comes is a recovery key; new: Nacre makes one */
  /* Existing: */
  const char *identity; /* a file of age identities */
  const char *slot_key; /* a file with what age or clevis made of a slot's body */
  bool unattended;      /* clevis is asked */
  bool fido2;           /* a token is asked; also: makes the new one */
  uint64_t unattended_timeout_s;
  /* New: */
  const char *escrow; /* an age recipient */
  const char *clevis; /* a pin and its configuration */
  bool trust;         /* a tang server's keys, as they come */
};
#define CREDENTIAL_SOURCE_NONE                                                                                       \
  { .passphrase_fd = -1 }

/* An existing credential: --passfile, --key-file, --passphrase-fd, --extpass, --recovery-key, ... */
extern const struct option_spec credential_specs[];
/* Of that the --fido2; and --open-fido2, the same where --fido2 is a new one. */
extern const struct option_spec credential_token_specs[], credential_open_token_specs[];
/* A new one: the same with --new- in front; and one whose key is sealed outside: --escrow, --clevis. */
extern const struct option_spec credential_new_specs[], credential_outside_specs[];
/* For `create`, where the only credential is a new one: --passfile, ... without --recovery-key. */
extern const struct option_spec credential_create_specs[];

bool credential_is_given(const struct credential_source *source);
/* Whether the options say what the new one is; else it is a passphrase from the terminal. */
bool credential_new_is_given(const struct credential_source *source);

struct progress;

/* An age file may hold an organisation's identities. */
#define CREDENTIALS_MAX 64

/* What an existing credential is for. The first six are the caller's. Also the `ask_arg` of credential_ask. */
struct credential_wanted {
  const char *volume;    /* names it in prompts and errors */
  const char *container; /* where its slots are read, if not there: volume is a mount's folder */
  const struct credential_source *source;
  const struct nacre_public_info *info;
  int slot;                  /* the only one to open; -1: any */
  struct progress *progress; /* a line that is taken away before anything is asked; may be NULL */
  int attempts;
  nacre_credential *list[CREDENTIALS_MAX]; /* those that are known already, in turn */
  struct secret key_file;                  /* what the terminal's passphrase goes with */
  bool asked_before;                       /* kept by credential_ask, as is the next */
  char mistyped[128]; /* what would be wrong with the last answer if it was meant as a recovery key, or "" */
  int next_slot;      /* for clevis and tokens */
  int code;           /* out: exit code when credential_ask gave up */
};

/* Get what the options name, or find that the terminal is to be asked: exit code. credential_ask then gives one
 * credential for each of `attempts`. To be followed by credential_done. */
int credential_prepare(struct credential_wanted *wanted);
/* The `ask` of nacre_open_options: at the terminal, saying so if the last one was wrong. */
bool credential_ask(void *arg, int attempt, nacre_credential **out);
void credential_done(struct credential_wanted *wanted);

struct credential_policy {
  const char *volume;
  const char *label; /* may be NULL */
  struct nacre_kdf_cost kdf;
  bool weak_ok;
};

/* Get a new credential; a passphrase is measured, and at the terminal asked for twice. With `recovery_key` set in the
 * source one is made and its text left in `recovery` (NACRE_RECOVERY_TEXT_BYTES of room). Exit code. */
int credential_read_new(const struct credential_source *source, const struct credential_policy *policy,
                        struct secret *recovery, nacre_credential **out);

#endif
