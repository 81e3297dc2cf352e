/* Credentials from options or from the terminal, and never from argv or the environment. */
#ifndef NACRE_CLI_CREDENTIAL_H
#define NACRE_CLI_CREDENTIAL_H

#include <stdbool.h>
#include <stdint.h>

#include <nacre.h>

#include "options.h"
#include "strength.h"

/* Where a credential comes from; at most one is given, none means the terminal. */
struct credential_source {
  const char *passfile;
  const char *key_file;
  const char *extpass;
  int passphrase_fd; /* -1: not given */
  bool recovery_key; /* existing: the text that comes is a recovery key; new: Nacre makes one */
};
#define CREDENTIAL_SOURCE_NONE                                                                                       \
  { .passphrase_fd = -1 }

/* An existing credential: --passfile, --key-file, --passphrase-fd, --extpass, --recovery-key. */
extern const struct option_spec credential_specs[];
/* The same with --new- in front. */
extern const struct option_spec credential_new_specs[];
/* For `create`, where the only credential is a new one: --passfile, ... without --recovery-key. */
extern const struct option_spec credential_create_specs[];

bool credential_is_given(const struct credential_source *source);

/* What an existing credential is for. Filled by the caller, also the `ask_arg` of credential_ask. */
struct credential_wanted {
  const char *volume; /* names it in prompts and errors */
  const struct credential_source *source;
  bool recovery_slot; /* the volume has one: a mistyped recovery key is worth a word */
  bool asked_before;  /* kept by credential_ask, as is the next */
  char mistyped[128]; /* what would be wrong with the last answer if it was meant as a recovery key, or "" */
  int code;           /* out: exit code when credential_ask gave up */
};

/* Get the credential that the options name, or, where none is named, one from the terminal. Exit code. */
int credential_read(struct credential_wanted *wanted, nacre_credential **out);
/* The `ask` of nacre_open_options: asks at the terminal, saying so if the last one was wrong. */
bool credential_ask(void *arg, int attempt, nacre_credential **out);

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
