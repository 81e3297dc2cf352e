#include "credential.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "age.h"
#include "clevis.h"
#include "credential_bytes.h"
#include "escape.h"
#include "progress.h"
#include "report.h"
#include "terminal.h"
#include "token.h"

/* A recovery key has 40 letters and digits; somebody who types one may slip. */
#define RECOVERY_LETTERS_MIN 36
#define RECOVERY_LETTERS_MAX 44
/* What a slot's key may come in: its bytes, or their digits and a line's end. */
#define SLOT_KEY_FILE_MAX_BYTES 64
#define TERMINAL_ATTEMPTS 3

#define SOURCE_SPEC(name, kind, field, argument, help)                                                               \
  { name, 0, kind, offsetof(struct credential_source, field), argument, help }

const struct option_spec credential_specs[] = {
    SOURCE_SPEC("passfile", OPTION_TEXT, passfile, "FILE", "the passphrase is the first line of FILE (-: stdin)"),
    SOURCE_SPEC("key-file", OPTION_TEXT, key_file, "FILE",
                "the key is the bytes of FILE (-: stdin); with a passphrase, both are needed"),
    SOURCE_SPEC("passphrase-fd", OPTION_NUMBER, passphrase_fd, "N", "read the passphrase from this descriptor"),
    SOURCE_SPEC("extpass", OPTION_TEXT, extpass, "COMMAND", "the passphrase is the first line that COMMAND prints"),
    SOURCE_SPEC("recovery-key", OPTION_FLAG, recovery_key, NULL,
                "what is given is the recovery key, not a passphrase"),
    SOURCE_SPEC("identity", OPTION_TEXT, identity, "FILE", "open an escrow slot with an age identity (-: stdin)"),
    SOURCE_SPEC("slot-key", OPTION_TEXT, slot_key, "FILE",
                "what age -d or clevis decrypt made of nacre key escrow's output (-: stdin)"),
    SOURCE_SPEC("unattended", OPTION_FLAG, unattended, NULL, "ask clevis for the key of an unattended slot"),
    SOURCE_SPEC("unattended-timeout", OPTION_DURATION, unattended_timeout_s, "TIME",
                "wait so long for clevis, each time (30s)"),
    {0}};

const struct option_spec credential_token_specs[] = {
    SOURCE_SPEC("fido2", OPTION_FLAG, fido2, NULL, "open with the FIDO2 token that is plugged in"), {0}};

const struct option_spec credential_open_token_specs[] = {
    SOURCE_SPEC("open-fido2", OPTION_FLAG, fido2, NULL, "open with the FIDO2 token that is plugged in"), {0}};

static int texts_given(const struct credential_source *source) {
  return (source->passfile != NULL) + (source->extpass != NULL) + (source->passphrase_fd >= 0);
}

bool credential_is_given(const struct credential_source *source) {
  return texts_given(source) > 0 || source->key_file != NULL || source->identity != NULL ||
         source->slot_key != NULL || source->unattended || source->fido2;
}

static int check_sources(const struct credential_source *source, const char *volume) {
  const int alone = (source->identity != NULL) + (source->slot_key != NULL) + source->unattended + source->fido2;
  const bool typed = texts_given(source) > 0 || source->key_file != NULL || source->recovery_key;
  if (texts_given(source) > 1 || alone > 1 || (alone == 1 && typed))
    return report_error(EXIT_USAGE, volume, "more than one source for a credential; give one");
  if (source->recovery_key && source->key_file != NULL)
    return report_error(EXIT_USAGE, volume, "--recovery-key goes with a text, not with --key-file");
  return EXIT_DONE;
}

static bool has_slot(const struct credential_wanted *wanted, enum nacre_slot_kind kind) {
  for (int i = 0; i < NACRE_SLOTS_MAX; i++)
    if (wanted->info->slots[i].kind == kind && (wanted->slot < 0 || wanted->slot == i))
      return true;
  return false;
}

/* ---- Texts and files --------------------------------------------------------------------------- */

/* Whether this could be a recovery key, as one types it: letters and digits of about its number. */
static bool looks_like_recovery(const struct secret *text) {
  size_t letters = 0;
  for (size_t i = 0; i < text->len; i++) {
    const unsigned char c = (unsigned char)text->bytes[i];
    if (isalnum(c))
      letters++;
    else if (c != '-' && c != ' ')
      return false;
  }
  return letters >= RECOVERY_LETTERS_MIN && letters <= RECOVERY_LETTERS_MAX;
}

/* A recovery key passes for one wherever a passphrase is taken: its check characters rule out a mix-up. What only
 * looks like one is tried as a passphrase, for it may be four long words. */
static enum nacre_err from_text(struct credential_wanted *wanted, const struct secret *text, nacre_credential **out) {
  const bool whole = memchr(text->bytes, '\0', text->len) == NULL;
  wanted->mistyped[0] = '\0';
  if (wanted->source->recovery_key)
    return nacre_credential_recovery(text->bytes, out);
  if (whole && looks_like_recovery(text)) {
    if (nacre_credential_recovery(text->bytes, out) == NACRE_OK)
      return NACRE_OK;
    if (has_slot(wanted, NACRE_SLOT_RECOVERY))
      (void)snprintf(wanted->mistyped, sizeof wanted->mistyped, "%s", nacre_last_error());
  }
  return nacre_credential_passphrase(text->bytes, text->len, out);
}

/* The text is a passphrase, or a recovery key; with a key file it is a passphrase of which the file is the other
 * half. */
static enum nacre_err from_parts(struct credential_wanted *wanted, const struct secret *text,
                                 nacre_credential **out) {
  const struct secret *file = &wanted->key_file;
  if (file->bytes == NULL)
    return from_text(wanted, text, out);
  wanted->mistyped[0] = '\0';
  return nacre_credential_passphrase_and_key_file(text->bytes, text->len, file->bytes, file->len, out);
}

static int take_text(struct credential_wanted *wanted) {
  struct secret text = {0};
  int code = credential_text(wanted->source, wanted->volume, &text);
  if (code == EXIT_DONE) {
    const enum nacre_err err = from_parts(wanted, &text, &wanted->list[0]);
    if (err != NACRE_OK)
      code = report_library(wanted->volume, err);
  }
  secret_free(&text);
  wanted->attempts = 1;
  return code;
}

static int take_file(struct credential_wanted *wanted) {
  const struct secret *file = &wanted->key_file;
  const enum nacre_err err = nacre_credential_key_file(file->bytes, file->len, &wanted->list[0]);
  wanted->attempts = 1;
  return err == NACRE_OK ? EXIT_DONE : report_library(wanted->volume, err);
}

/* ---- What was sealed outside -------------------------------------------------------------------- */

/* The kind of slot is not in the key: one credential for each that there is. */
static int take_key(struct credential_wanted *wanted, const uint8_t key[CREDENTIAL_SLOT_KEY_BYTES]) {
  static const enum nacre_slot_kind kinds[] = {NACRE_SLOT_ESCROW, NACRE_SLOT_UNATTENDED, NACRE_SLOT_FIDO2};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (!has_slot(wanted, kinds[i]))
      continue;
    const enum nacre_err err = nacre_credential_slot_key(kinds[i], key, &wanted->list[wanted->attempts]);
    if (err != NACRE_OK)
      return report_library(wanted->volume, err);
    wanted->attempts++;
  }
  if (wanted->attempts == 0)
    return report_error(EXIT_CREDENTIAL, wanted->volume, "there is no such slot whose key is sealed outside");
  return EXIT_DONE;
}

static int take_slot_key(struct credential_wanted *wanted) {
  const char *path = wanted->source->slot_key;
  struct secret text = {0}, key = {0};
  int code = credential_file(path, wanted->volume, SLOT_KEY_FILE_MAX_BYTES, true, &text);
  if (code == EXIT_DONE && !secret_alloc(&key, CREDENTIAL_SLOT_KEY_BYTES))
    code = report_no_memory();
  if (code == EXIT_DONE && text.len == CREDENTIAL_SLOT_KEY_BYTES) {
    code = take_key(wanted, (const uint8_t *)text.bytes);
  } else if (code == EXIT_DONE) {
    if (text.bytes[text.len - 1] == '\n')
      text.len--;
    code = credential_slot_key_decode(text.bytes, text.len, (uint8_t *)key.bytes)
               ? take_key(wanted, (const uint8_t *)key.bytes)
               : report_error(EXIT_CREDENTIAL, wanted->volume, "%s holds no slot's key, which has %d bytes", path,
                              CREDENTIAL_SLOT_KEY_BYTES);
  }
  secret_free(&text);
  secret_free(&key);
  return code;
}

/* Whether what is asked, clevis or a token, is to be asked about that slot. */
static bool is_asked_about(const struct credential_wanted *wanted, int slot) {
  const enum nacre_slot_kind kind = wanted->source->fido2 ? NACRE_SLOT_FIDO2 : NACRE_SLOT_UNATTENDED;
  return wanted->info->slots[slot].kind == kind && (wanted->slot < 0 || wanted->slot == slot);
}

static int count_asked(struct credential_wanted *wanted) {
  const bool fido2 = wanted->source->fido2;
  for (int i = 0; i < NACRE_SLOTS_MAX; i++)
    wanted->attempts += is_asked_about(wanted, i);
  if (wanted->attempts > 0)
    return EXIT_DONE;
  return report_error(EXIT_CREDENTIAL, wanted->volume, "it has no %s%s slot; nacre key add %s makes one",
                      wanted->slot < 0 ? "" : "such ", fido2 ? "FIDO2" : "unattended",
                      fido2 ? "--fido2" : "--clevis");
}

static_assert(FIDO2_TEXT_BYTES <= CLEVIS_WHY_BYTES, "what is wrong fits, whoever was asked");

/* The key of that slot, from what is asked. Exit code; what is wrong is in why. */
static int ask_outside(struct credential_wanted *wanted, uint32_t slot, char why[CLEVIS_WHY_BYTES],
                       nacre_credential **out) {
  const uint64_t timeout_s = wanted->source->unattended_timeout_s;
  const char *container = wanted->container != NULL ? wanted->container : wanted->volume;
  if (!wanted->source->fido2)
    return clevis_open(slot, timeout_s > 0 ? (unsigned)timeout_s : CLEVIS_TIMEOUT_S, container, why, out);
  return token_open(slot, container, wanted->volume, why, out);
}

/* The next slot whose key is got; the last one's failure is what is said where none does. */
static bool ask_next(struct credential_wanted *wanted, nacre_credential **out) {
  char why[CLEVIS_WHY_BYTES] = "";
  while (wanted->next_slot < NACRE_SLOTS_MAX) {
    const int slot = wanted->next_slot++;
    if (!is_asked_about(wanted, slot))
      continue;
    wanted->code = ask_outside(wanted, (uint32_t)slot, why, out);
    if (wanted->code == EXIT_DONE)
      return true;
  }
  if (why[0] != '\0')
    wanted->code = report_error(wanted->code, wanted->volume, "%s", why);
  return false;
}

/* ---- At the terminal ----------------------------------------------------------------------------- */

static int no_terminal(const char *volume) {
  return report_error(EXIT_CREDENTIAL, volume,
                      "no terminal to ask for the passphrase at; give --passfile, --key-file, --passphrase-fd or "
                      "--extpass");
}

/* A mistyped recovery key is asked for again at once: that costs no key derivation. */
static int ask_with(struct credential_wanted *wanted, const char *prompt, struct secret *secret,
                    nacre_credential **out) {
  for (;;) {
    if (!terminal_ask_secret(prompt, secret) || secret->len == 0)
      return report_error(EXIT_CREDENTIAL, wanted->volume, "no passphrase given");
    const enum nacre_err err = from_parts(wanted, secret, out);
    if (err == NACRE_OK)
      return EXIT_DONE;
    if (!wanted->source->recovery_key)
      return report_library(wanted->volume, err);
    report_note(wanted->volume, "%s; try again", nacre_last_error());
  }
}

static int ask_once(struct credential_wanted *wanted, nacre_credential **out) {
  struct secret secret = {0};
  char *prompt = NULL;
  const char *what = wanted->source->recovery_key ? "Recovery key" : "Passphrase";
  char *safe = escape_text(wanted->volume, false);
  int code;
  if (safe == NULL || asprintf(&prompt, "%s for %s: ", what, safe) < 0 || !secret_alloc(&secret, TERMINAL_LINE_MAX))
    code = report_no_memory();
  else
    code = ask_with(wanted, prompt, &secret, out);
  free(safe);
  free(prompt);
  secret_free(&secret);
  return code;
}

static bool ask_terminal(struct credential_wanted *wanted, nacre_credential **out) {
  if (wanted->progress != NULL)
    progress_clear(wanted->progress);
  if (wanted->asked_before && wanted->mistyped[0] != '\0')
    report_note(wanted->volume, "that opens nothing here (as a recovery key: %s); try again", wanted->mistyped);
  else if (wanted->asked_before)
    report_note(wanted->volume, "that opens nothing here; try again");
  wanted->asked_before = true;
  wanted->code = ask_once(wanted, out);
  return wanted->code == EXIT_DONE;
}

/* ---- All of them ------------------------------------------------------------------------------------ */

bool credential_ask(void *arg, int attempt, nacre_credential **out) {
  struct credential_wanted *wanted = arg;
  if (wanted->source->unattended || wanted->source->fido2)
    return ask_next(wanted, out);
  if (attempt < CREDENTIALS_MAX && wanted->list[attempt] != NULL) {
    *out = wanted->list[attempt];
    wanted->list[attempt] = NULL;
    return true;
  }
  return ask_terminal(wanted, out);
}

/* A key file goes with a passphrase where one is given, or where the volume has no slot for a file alone. */
static int prepare_parts(struct credential_wanted *wanted) {
  const struct credential_source *source = wanted->source;
  int code = EXIT_DONE;
  if (source->key_file != NULL)
    code = credential_file(source->key_file, wanted->volume, CREDENTIAL_FILE_MAX_BYTES, true, &wanted->key_file);
  if (code != EXIT_DONE)
    return code;
  if (texts_given(source) > 0)
    return take_text(wanted);
  if (source->key_file != NULL &&
      (has_slot(wanted, NACRE_SLOT_KEY_FILE) || !has_slot(wanted, NACRE_SLOT_PASSPHRASE_AND_KEY_FILE)))
    return take_file(wanted);
  wanted->attempts = TERMINAL_ATTEMPTS;
  return terminal_exists() ? EXIT_DONE : no_terminal(wanted->volume);
}

int credential_prepare(struct credential_wanted *wanted) {
  const int code = check_sources(wanted->source, wanted->volume);
  if (code != EXIT_DONE)
    return code;
  if (wanted->source->identity != NULL)
    return age_read_identities(wanted->source->identity, wanted->volume, wanted->list, CREDENTIALS_MAX,
                               &wanted->attempts);
  if (wanted->source->slot_key != NULL)
    return take_slot_key(wanted);
  if (wanted->source->unattended || wanted->source->fido2)
    return count_asked(wanted);
  return prepare_parts(wanted);
}

void credential_done(struct credential_wanted *wanted) {
  for (size_t i = 0; i < CREDENTIALS_MAX; i++)
    nacre_credential_free(wanted->list[i]);
  secret_free(&wanted->key_file);
}
