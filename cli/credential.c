#include "credential.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "escape.h"
#include "report.h"
#include "terminal.h"

/* More than anyone types, less than a mistaken --passfile. */
#define PASSPHRASE_MAX_BYTES ((size_t)64 << 10)
#define KEY_FILE_MAX_BYTES ((size_t)16 << 20)
/* A recovery key has 40 letters and digits; somebody who types one may slip. */
#define RECOVERY_LETTERS_MIN 36
#define RECOVERY_LETTERS_MAX 44

#define SOURCE_SPEC(name, kind, field, argument, help)                                                               \
  { name, 0, kind, offsetof(struct credential_source, field), argument, help }

const struct option_spec credential_specs[] = {
    SOURCE_SPEC("passfile", OPTION_TEXT, passfile, "FILE", "the passphrase is the first line of FILE (-: stdin)"),
    SOURCE_SPEC("key-file", OPTION_TEXT, key_file, "FILE", "the key is the bytes of FILE (-: stdin)"),
    SOURCE_SPEC("passphrase-fd", OPTION_NUMBER, passphrase_fd, "N", "read the passphrase from this descriptor"),
    SOURCE_SPEC("extpass", OPTION_TEXT, extpass, "COMMAND", "the passphrase is the first line that COMMAND prints"),
    SOURCE_SPEC("recovery-key", OPTION_FLAG, recovery_key, NULL,
                "what is given is the recovery key, not a passphrase"),
    {0}};

const struct option_spec credential_new_specs[] = {
    SOURCE_SPEC("new-passfile", OPTION_TEXT, passfile, "FILE", "the new passphrase is the first line of FILE"),
    SOURCE_SPEC("new-key-file", OPTION_TEXT, key_file, "FILE", "the new key is the bytes of FILE"),
    SOURCE_SPEC("new-passphrase-fd", OPTION_NUMBER, passphrase_fd, "N", "read the new passphrase from there"),
    SOURCE_SPEC("new-extpass", OPTION_TEXT, extpass, "COMMAND", "the new passphrase is what COMMAND prints"),
    SOURCE_SPEC("new-recovery-key", OPTION_FLAG, recovery_key, NULL, "make a recovery key and print it"),
    {0}};

const struct option_spec credential_create_specs[] = {
    SOURCE_SPEC("passfile", OPTION_TEXT, passfile, "FILE", "the passphrase is the first line of FILE (-: stdin)"),
    SOURCE_SPEC("key-file", OPTION_TEXT, key_file, "FILE", "the key is the bytes of FILE (-: stdin)"),
    SOURCE_SPEC("passphrase-fd", OPTION_NUMBER, passphrase_fd, "N", "read the passphrase from this descriptor"),
    SOURCE_SPEC("extpass", OPTION_TEXT, extpass, "COMMAND", "the passphrase is the first line that COMMAND prints"),
    {0}};

extern char **environ;

static int sources_given(const struct credential_source *source) {
  return (source->passfile != NULL) + (source->key_file != NULL) + (source->extpass != NULL) +
         (source->passphrase_fd >= 0);
}

bool credential_is_given(const struct credential_source *source) {
  return sources_given(source) > 0;
}

/* ---- Getting the bytes --------------------------------------------------------------------- */

static int check_read(enum secret_read result, const char *subject, const char *what) {
  switch (result) {
  case SECRET_READ_OK:
    return EXIT_DONE;
  case SECRET_READ_TOO_LONG:
    return report_error(EXIT_CREDENTIAL, subject, "%s is too long for a key; check that it is the right one", what);
  case SECRET_READ_FAILED:
    break;
  }
  return report_error(EXIT_CREDENTIAL, subject, "cannot read %s: %s", what, strerror(errno));
}

static int read_file(const char *path, const char *volume, bool whole, struct secret *secret) {
  const bool is_stdin = strcmp(path, "-") == 0;
  const int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0)
    return report_error(EXIT_CREDENTIAL, volume, "cannot open %s: %s", path, strerror(errno));
  const int code = check_read(whole ? secret_read_all(fd, secret) : secret_read_line(fd, secret), volume, path);
  if (!is_stdin)
    (void)close(fd);
  return code;
}

/* Start `sh -c command` with its stdout in a pipe; spawned, not forked, so that no copy of a secret comes along. */
static int spawn_shell(const char *command, pid_t *pid, int *output) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return errno;
  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error == 0) {
    error = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    char shell[] = "sh", flag[] = "-c";
    char *copy = strdup(command);
    char *const argv[] = {shell, flag, copy, NULL};
    if (copy == NULL)
      error = ENOMEM;
    if (error == 0)
      error = posix_spawn(pid, "/bin/sh", &actions, NULL, argv, environ);
    free(copy);
    (void)posix_spawn_file_actions_destroy(&actions);
  }
  (void)close(ends[1]);
  if (error != 0)
    (void)close(ends[0]);
  else
    *output = ends[0];
  return error;
}

/* Read what is left, so that the command isn't killed by SIGPIPE. */
static void drain(int fd) {
  char rest[512];
  ssize_t got;
  do
    got = read(fd, rest, sizeof rest);
  while (got > 0 || (got < 0 && errno == EINTR));
  secret_wipe(rest, sizeof rest);
}

static int read_command(const char *command, const char *volume, struct secret *secret) {
  pid_t pid = -1;
  int output = -1;
  const int error = spawn_shell(command, &pid, &output);
  if (error != 0)
    return report_error(EXIT_CREDENTIAL, volume, "cannot run the --extpass command: %s", strerror(error));
  const enum secret_read result = secret_read_line(output, secret);
  const int saved = errno;
  drain(output);
  (void)close(output);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    continue;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return report_error(EXIT_CREDENTIAL, volume, "the --extpass command failed (%s %d)",
                        WIFEXITED(status) ? "exit code" : "signal",
                        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  errno = saved;
  return check_read(result, volume, "the --extpass command's output");
}

/* The passphrase that the options name, into a fresh `secret`. */
static int read_given(const struct credential_source *source, const char *volume, struct secret *secret) {
  if (!secret_alloc(secret, source->key_file != NULL ? KEY_FILE_MAX_BYTES : PASSPHRASE_MAX_BYTES))
    return report_no_memory();
  int code;
  if (source->key_file != NULL)
    code = read_file(source->key_file, volume, true, secret);
  else if (source->passfile != NULL)
    code = read_file(source->passfile, volume, false, secret);
  else if (source->extpass != NULL)
    code = read_command(source->extpass, volume, secret);
  else
    code = check_read(secret_read_line(source->passphrase_fd, secret), volume, "the passphrase's descriptor");
  if (code == EXIT_DONE && secret->len == 0)
    code = report_error(EXIT_CREDENTIAL, volume, "the %s is empty; give one with at least one byte",
                        source->key_file != NULL ? "key file" : "passphrase");
  if (code != EXIT_DONE)
    secret_free(secret);
  return code;
}

static int check_sources(const struct credential_source *source, const char *volume, bool fresh) {
  const int given = sources_given(source) + (fresh && source->recovery_key ? 1 : 0);
  if (given > 1)
    return report_error(EXIT_USAGE, volume, "more than one source for a credential; give one");
  if (!fresh && source->recovery_key && source->key_file != NULL)
    return report_error(EXIT_USAGE, volume, "--recovery-key goes with a text, not with --key-file");
  return EXIT_DONE;
}

/* ---- An existing credential ------------------------------------------------------------------ */

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
    if (wanted->recovery_slot)
      (void)snprintf(wanted->mistyped, sizeof wanted->mistyped, "%s", nacre_last_error());
  }
  return nacre_credential_passphrase(text->bytes, text->len, out);
}

static int credential_read_given(struct credential_wanted *wanted, nacre_credential **out) {
  struct secret secret;
  const int code = read_given(wanted->source, wanted->volume, &secret);
  if (code != EXIT_DONE)
    return code;
  const enum nacre_err err = wanted->source->key_file != NULL
                                 ? nacre_credential_key_file(secret.bytes, secret.len, out)
                                 : from_text(wanted, &secret, out);
  secret_free(&secret);
  return err == NACRE_OK ? EXIT_DONE : report_library(wanted->volume, err);
}

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
    const enum nacre_err err = from_text(wanted, secret, out);
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

bool credential_ask(void *arg, int attempt, nacre_credential **out) {
  (void)attempt;
  struct credential_wanted *wanted = arg;
  if (wanted->asked_before && wanted->mistyped[0] != '\0')
    report_note(wanted->volume, "that opens nothing here (as a recovery key: %s); try again", wanted->mistyped);
  else if (wanted->asked_before)
    report_note(wanted->volume, "that opens nothing here; try again");
  wanted->asked_before = true;
  wanted->code = ask_once(wanted, out);
  return wanted->code == EXIT_DONE;
}

int credential_read(struct credential_wanted *wanted, nacre_credential **out) {
  const int code = check_sources(wanted->source, wanted->volume, false);
  if (code != EXIT_DONE)
    return code;
  if (credential_is_given(wanted->source))
    return credential_read_given(wanted, out);
  if (!terminal_exists())
    return no_terminal(wanted->volume);
  return ask_once(wanted, out);
}

/* ---- A new credential --------------------------------------------------------------------------- */

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

static int new_from_terminal(const struct credential_policy *policy, nacre_credential **out) {
  if (!terminal_exists())
    return no_terminal(policy->volume);
  struct secret first = {0}, second = {0};
  int code = EXIT_DONE;
  if (!secret_alloc(&first, TERMINAL_LINE_MAX) || !secret_alloc(&second, TERMINAL_LINE_MAX))
    code = report_no_memory();
  if (code == EXIT_DONE)
    code = ask_new(policy, &first, &second);
  if (code == EXIT_DONE) {
    const enum nacre_err err = nacre_credential_passphrase(first.bytes, first.len, out);
    if (err != NACRE_OK)
      code = report_library(policy->volume, err);
  }
  secret_free(&first);
  secret_free(&second);
  return code;
}

static int new_from_source(const struct credential_source *source, const struct credential_policy *policy,
                           nacre_credential **out) {
  struct secret secret;
  int code = read_given(source, policy->volume, &secret);
  if (code != EXIT_DONE)
    return code;
  enum nacre_err err = NACRE_OK;
  if (source->key_file != NULL) {
    err = nacre_credential_key_file(secret.bytes, secret.len, out);
  } else {
    code = check_strength(policy, &secret, false);
    if (code == EXIT_DONE)
      err = nacre_credential_passphrase(secret.bytes, secret.len, out);
  }
  if (err != NACRE_OK)
    code = report_library(policy->volume, err);
  secret_free(&secret);
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
  const int code = check_sources(source, policy->volume, true);
  if (code != EXIT_DONE)
    return code;
  if (source->recovery_key)
    return new_recovery(policy, recovery, out);
  if (credential_is_given(source))
    return new_from_source(source, policy, out);
  return new_from_terminal(policy, out);
}
