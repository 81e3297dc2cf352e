#include "age.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "credential_bytes.h"
#include "outside.h"
#include "report.h"

#define IDENTITY_FILE_MAX_BYTES ((size_t)64 << 10)
#define X25519_PREFIX "AGE-SECRET-KEY-1"
#define PLUGIN_PREFIX "AGE-PLUGIN-"
#define RECIPIENT_LETTERS 62
/* "--- ", 32 bytes in base64 without padding, the line's end. */
#define MAC_LINE_BYTES 48
/* Nonce, key, tag. */
#define PAYLOAD_BYTES (16 + CREDENTIAL_SLOT_KEY_BYTES + 16)

static bool starts_with(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- Identities ----------------------------------------------------------------------------------- */

struct identities {
  nacre_credential **list;
  size_t room;
  int count;
  bool foreign; /* some are for age alone */
};

static int take_line(struct identities *all, const char *line, const char *path, const char *volume) {
  if (*line == '\0' || *line == '#')
    return EXIT_DONE;
  if (starts_with(line, PLUGIN_PREFIX)) {
    all->foreign = true;
    return EXIT_DONE;
  }
  if (starts_with(line, "age-encryption.org/") || starts_with(line, "-----BEGIN AGE"))
    return report_error(EXIT_CREDENTIAL, volume, "%s is encrypted itself; age -d %s | ... --identity - gives it",
                        path, path);
  if (starts_with(line, "-----BEGIN") || !starts_with(line, X25519_PREFIX))
    return report_error(EXIT_CREDENTIAL, volume, "%s is no file of age identities, as age-keygen makes them", path);
  if ((size_t)all->count == all->room)
    return report_error(EXIT_CREDENTIAL, volume, "%s has more than %zu identities; give a file with fewer", path,
                        all->room);
  const enum nacre_err err = nacre_credential_escrow_identity(line, &all->list[all->count]);
  if (err != NACRE_OK)
    return report_error(EXIT_CREDENTIAL, volume, "%s: %s", path, nacre_last_error());
  all->count++;
  return EXIT_DONE;
}

/* The lines, each cut at its end in place. */
static int take_lines(struct identities *all, struct secret *text, const char *path, const char *volume) {
  int code = EXIT_DONE;
  char *line = text->bytes, *end = text->bytes + text->len;
  while (line < end && code == EXIT_DONE) {
    char *stop = memchr(line, '\n', (size_t)(end - line));
    if (stop == NULL)
      stop = end;
    *stop = '\0';
    if (stop > line && stop[-1] == '\r')
      stop[-1] = '\0';
    code = take_line(all, line, path, volume);
    line = stop + 1;
  }
  return code;
}

int age_read_identities(const char *path, const char *volume, nacre_credential **list, size_t room, int *count) {
  struct identities all = {.list = list, .room = room};
  struct secret text = {0};
  int code = credential_file(path, volume, IDENTITY_FILE_MAX_BYTES, true, &text);
  if (code == EXIT_DONE)
    code = take_lines(&all, &text, path, volume);
  if (code == EXIT_DONE && all.count == 0 && all.foreign)
    code = report_error(EXIT_CREDENTIAL, volume,
                        "the identities in %s are plugins', which age alone can use: "
                        "nacre key escrow %s | age -d -i %s >KEY, then --slot-key KEY",
                        path, volume, path);
  else if (code == EXIT_DONE && all.count == 0)
    code = report_error(EXIT_CREDENTIAL, volume, "there is no age identity in %s", path);
  secret_free(&text);
  *count = all.count;
  return code;
}

/* ---- What age made ---------------------------------------------------------------------------------- */

/* The rest of the text behind a line that begins so, or NULL. */
static const char *skip_line(const char *text, const char *end, const char *begins) {
  const size_t len = strlen(begins);
  if ((size_t)(end - text) < len || memcmp(text, begins, len) != 0)
    return NULL;
  const char *stop = memchr(text, '\n', (size_t)(end - text));
  return stop != NULL ? stop + 1 : NULL;
}

/* The version, stanzas of lines, the MAC, and one chunk with a slot's key: what can be known without an identity. */
static bool is_age_file(const char *text, size_t len) {
  const char *end = text + len, *at = skip_line(text, end, "age-encryption.org/v1\n"), *next;
  if (at == NULL || skip_line(at, end, "-> ") == NULL)
    return false;
  while (at != NULL && (next = skip_line(at, end, "--- ")) == NULL)
    at = skip_line(at, end, "");
  return at != NULL && next - at == MAC_LINE_BYTES && (size_t)(end - next) == PAYLOAD_BYTES;
}

/* ---- Recipients ------------------------------------------------------------------------------------ */

static int report_age(const struct outside *run, enum outside_result result, const char *volume) {
  if (result == OUTSIDE_MISSING)
    return report_error(EXIT_NOT_POSSIBLE, volume,
                        "this recipient needs the age program; install age and the plugin");
  if (result == OUTSIDE_FAILED)
    return report_error(EXIT_OTHER, volume, "age failed; it said why%s%s", run->why[0] != '\0' ? ": " : "", run->why);
  return report_error(EXIT_OTHER, volume, "age was broken off");
}

/* A plugin's recipient: age makes the file, and the key is drawn here. */
static int new_with_age(const char *recipient, const char *volume, nacre_credential **out) {
  const char *const argv[] = {"age", "-e", "-r", recipient, NULL};
  struct secret key = {0}, file = {0};
  int code = EXIT_DONE;
  if (!secret_alloc(&key, CREDENTIAL_SLOT_KEY_BYTES) || !secret_alloc(&file, NACRE_SLOT_BODY_MAX_BYTES + 1))
    code = report_no_memory();
  if (code == EXIT_DONE && getrandom(key.bytes, key.room, 0) != (ssize_t)key.room)
    code = report_error(EXIT_OTHER, volume, "the system gives no random numbers");
  if (code == EXIT_DONE) {
    struct outside run = {.argv = argv, .input = key.bytes, .input_len = key.room, .output = &file};
    const enum outside_result result = outside_run(&run);
    if (result != OUTSIDE_DONE)
      code = report_age(&run, result, volume);
    else if (!is_age_file(file.bytes, file.len))
      code = report_error(EXIT_OTHER, volume,
                          "what age made is no age file around a slot's key; check that it is the right age");
  }
  if (code == EXIT_DONE) {
    const enum nacre_err err =
        nacre_credential_sealed_outside(NACRE_SLOT_ESCROW, (const uint8_t *)key.bytes, file.bytes, file.len, out);
    if (err != NACRE_OK)
      code = report_library(volume, err);
  }
  secret_free(&key);
  secret_free(&file);
  return code;
}

int age_new_escrow(const char *recipient, const char *volume, nacre_credential **out) {
  /* age1 and 58 letters are an X25519 key; a plugin's has its name before another 1. */
  if (starts_with(recipient, "age1") && strlen(recipient) != RECIPIENT_LETTERS && strchr(recipient + 4, '1') != NULL)
    return new_with_age(recipient, volume, out);
  const enum nacre_err err = nacre_credential_escrow_recipient(recipient, out);
  if (err == NACRE_ERR_ARGUMENT)
    return report_error(EXIT_USAGE, volume, "--escrow %s: %s", recipient, nacre_last_error());
  return err == NACRE_OK ? EXIT_DONE : report_library(volume, err);
}
