#include "credential.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "age.h"
#include "clevis.h"
#include "credential_bytes.h"
#include "escape.h"
#include "report.h"
#include "terminal.h"
#include "token.h"

#define SOURCE_SPEC(name, kind, field, argument, help)                                                               \
  { name, 0, kind, offsetof(struct credential_source, field), argument, help }

const struct option_spec credential_new_specs[] = {
    SOURCE_SPEC("new-passfile", OPTION_TEXT, passfile, "FILE", "the new passphrase is the first line of FILE"),
    SOURCE_SPEC("new-key-file", OPTION_TEXT, key_file, "FILE",
                "the new key is the bytes of FILE; with a new passphrase, both will be needed"),
    SOURCE_SPEC("new-passphrase-fd", OPTION_NUMBER, passphrase_fd, "N", "read the new passphrase from there"),
    SOURCE_SPEC("new-extpass", OPTION_TEXT, extpass, "COMMAND", "the new passphrase is what COMMAND prints"),
    SOURCE_SPEC("new-recovery-key", OPTION_FLAG, recovery_key, NULL, "make a recovery key and print it"),
    {0}};

const struct option_spec credential_outside_specs[] = {
    SOURCE_SPEC("escrow", OPTION_TEXT, escrow, "RECIPIENT", "for whoever has this age recipient's identity: age1..."),
    SOURCE_SPEC("clevis", OPTION_TEXT, clevis, "PIN", "for unattended opening: 'tang {...}', 'tpm2 {...}', ..."),
    SOURCE_SPEC("fido2", OPTION_FLAG, fido2, NULL, "for the FIDO2 token that is plugged in"),
    SOURCE_SPEC("trust", OPTION_FLAG, trust, NULL, "with --clevis: take a tang server's keys as they come"),
    {0}};

const struct option_spec credential_create_specs[] = {
    SOURCE_SPEC("passfile", OPTION_TEXT, passfile, "FILE", "the passphrase is the first line of FILE (-: stdin)"),
    SOURCE_SPEC("key-file", OPTION_TEXT, key_file, "FILE",
                "the key is the bytes of FILE (-: stdin); with a passphrase, both will be needed"),
    SOURCE_SPEC("passphrase-fd", OPTION_NUMBER, passphrase_fd, "N", "read the passphrase from this descriptor"),
    SOURCE_SPEC("extpass", OPTION_TEXT, extpass, "COMMAND", "the passphrase is the first line that COMMAND prints"),
    {0}};

static int texts_given(const struct credential_source *source) {
  return (source->passfile != NULL) + (source->extpass != NULL) + (source->passphrase_fd >= 0);
}

bool credential_new_is_given(const struct credential_source *source) {
  return texts_given(source) > 0 || source->key_file != NULL || source->recovery_key || source->escrow != NULL ||
         source->clevis != NULL || source->fido2;
}

static int check_sources(const struct credential_source *source, const char *volume) {
  const bool typed = texts_given(source) > 0 || source->key_file != NULL;
  const int given =
      typed + source->recovery_key + (source->escrow != NULL) + (source->clevis != NULL) + source->fido2;
  if (given > 1 || texts_given(source) > 1)
    return report_error(EXIT_USAGE, volume, "more than one source for a credential; give one");
  if (source->trust && source->clevis == NULL)
    return report_error(EXIT_USAGE, volume, "--trust goes with --clevis");
  return EXIT_DONE;
}

/* Measure, and say what is wrong with a weak one. */
static int check_strength(const struct credential_policy *policy, const struct secret *passphrase, bool at_terminal) {
  if (policy->weak_ok)
    return EXIT_DONE;
  const char *login = getlogin();
  const char *slash = strrchr(policy->volume, '/');
  const char *known[] = {"nacre", slash != NULL ? slash + 1 : policy->volume, NULL, NULL, NULL};
  size_t count = 2;
  if (policy->label != NULL)
    known[count++] = policy->label;
  if (login != NULL)
    known[count++] = login;
  struct strength strength;
  strength_measure(passphrase, known, &strength);
  if (strength.score >= STRENGTH_SCORE_MIN)
    return EXIT_DONE;
  char cost[STRENGTH_COST_BYTES];
  strength_cost_text(&strength, &policy->kdf, cost);
  if (at_terminal) {
    report_note(policy->volume, "too weak: %s; %s; try several random words (--weak-ok insists)", strength.reason,
                cost);
    return EXIT_CREDENTIAL;
  }
  return report_error(EXIT_CREDENTIAL, policy->volume,
                      "the passphrase is too weak: %s; %s; choose another, or insist with --weak-ok", strength.reason,
                      cost);
}

/* Ask for a new passphrase until one is strong enough and typed the same twice. */
static int ask_new(const struct credential_policy *policy, struct secret *first, struct secret *second) {
  char *prompt = NULL;
  char *safe = escape_text(policy->volume, false);
  int code = EXIT_DONE;
  if (safe == NULL || asprintf(&prompt, "New passphrase for %s: ", safe) < 0) {
    free(safe);
    return report_no_memory();
  }
  free(safe);
  for (;;) {
    if (!terminal_ask_secret(prompt, first) || first->len == 0) {
      code = report_error(EXIT_CREDENTIAL, policy->volume, "no passphrase given");
      break;
    }
    if (check_strength(policy, first, true) != EXIT_DONE)
      continue;
    if (!terminal_ask_secret("The same again: ", second)) {
      code = report_error(EXIT_CREDENTIAL, policy->volume, "no passphrase given");
      break;
    }
    if (secret_equal(first, second))
      break;
    report_note(policy->volume, "the two differ; try again");
  }
  free(prompt);
  return code;
}

/* A passphrase, from the options or the terminal, measured. */
static int read_text(const struct credential_source *source, const struct credential_policy *policy,
                     struct secret *text) {
  struct secret again = {0};
  if (texts_given(source) > 0) {
    const int code = credential_text(source, policy->volume, text);
    return code == EXIT_DONE ? check_strength(policy, text, false) : code;
  }
  if (!terminal_exists())
    return report_error(EXIT_CREDENTIAL, policy->volume,
                        "no terminal to ask for the passphrase at; give --passfile, --key-file, --passphrase-fd or "
                        "--extpass");
  int code = EXIT_DONE;
  if (!secret_alloc(text, TERMINAL_LINE_MAX) || !secret_alloc(&again, TERMINAL_LINE_MAX))
    code = report_no_memory();
  if (code == EXIT_DONE)
    code = ask_new(policy, text, &again);
  secret_free(&again);
  return code;
}

/* A passphrase, a key file, or both. */
static int new_from_parts(const struct credential_source *source, const struct credential_policy *policy,
                          nacre_credential **out) {
  const bool with_text = texts_given(source) > 0 || source->key_file == NULL;
  struct secret text = {0}, file = {0};
  int code = EXIT_DONE;
  if (source->key_file != NULL)
    code = credential_file(source->key_file, policy->volume, CREDENTIAL_FILE_MAX_BYTES, true, &file);
  if (code == EXIT_DONE && with_text)
    code = read_text(source, policy, &text);
  if (code == EXIT_DONE) {
    enum nacre_err err;
    if (with_text && source->key_file != NULL)
      err = nacre_credential_passphrase_and_key_file(text.bytes, text.len, file.bytes, file.len, out);
    else if (with_text)
      err = nacre_credential_passphrase(text.bytes, text.len, out);
    else
      err = nacre_credential_key_file(file.bytes, file.len, out);
    if (err != NACRE_OK)
      code = report_library(policy->volume, err);
  }
  secret_free(&text);
  secret_free(&file);
  return code;
}

static int new_recovery(const struct credential_policy *policy, struct secret *recovery, nacre_credential **out) {
  if (!secret_alloc(recovery, NACRE_RECOVERY_TEXT_BYTES))
    return report_no_memory();
  enum nacre_err err = nacre_recovery_generate(recovery->bytes);
  if (err == NACRE_OK) {
    recovery->len = strlen(recovery->bytes);
    err = nacre_credential_recovery(recovery->bytes, out);
  }
  if (err == NACRE_OK)
    return EXIT_DONE;
  secret_free(recovery);
  return report_library(policy->volume, err);
}

int credential_read_new(const struct credential_source *source, const struct credential_policy *policy,
                        struct secret *recovery, nacre_credential **out) {
  const int code = check_sources(source, policy->volume);
  if (code != EXIT_DONE)
    return code;
  if (source->recovery_key)
    return new_recovery(policy, recovery, out);
  if (source->escrow != NULL)
    return age_new_escrow(source->escrow, policy->volume, out);
  if (source->clevis != NULL)
    return clevis_new(source->clevis, source->trust, policy->volume, out);
  if (source->fido2)
    return token_new(policy->volume, out);
  return new_from_parts(source, policy, out);
}
