#include "clevis.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <json-c/json.h>

#include "credential_bytes.h"
#include "outside.h"
#include "report.h"
#include "terminal.h"
#include "volume.h"

/* Encrypting asks a server for its keys, or a TPM for a new one. */
#define ENCRYPT_TIMEOUT_S 120
#define JWE_PARTS 5

/* Five parts in base64url with dots between, which is all that can be known without the key. */
static bool is_jwe(const char *text, size_t len) {
  size_t dots = 0;
  for (size_t i = 0; i < len; i++) {
    if (text[i] == '.')
      dots++;
    else if (!isalnum((unsigned char)text[i]) && text[i] != '-' && text[i] != '_')
      return false;
  }
  return dots == JWE_PARTS - 1 && text[0] != '.' && text[len - 1] != '.';
}

/* ---- A new slot ------------------------------------------------------------------------------------- */

/* Whether some tang server in the configuration, which may be inside of an sss, has keys that nobody vouches for. */
static bool asks_for_trust(const char *pin, struct json_object *config, unsigned depth) {
  struct json_object *pins = NULL;
  if (strcmp(pin, "tang") == 0)
    return !json_object_object_get_ex(config, "thp", NULL) && !json_object_object_get_ex(config, "adv", NULL);
  if (strcmp(pin, "sss") != 0 || depth > 4 || !json_object_object_get_ex(config, "pins", &pins) ||
      !json_object_is_type(pins, json_type_object))
    return false;
  json_object_object_foreach(pins, name, value) {
    const bool many = json_object_is_type(value, json_type_array);
    const size_t count = many ? json_object_array_length(value) : 1;
    for (size_t i = 0; i < count; i++)
      if (asks_for_trust(name, many ? json_object_array_get_idx(value, i) : value, depth + 1))
        return true;
  }
  return false;
}

struct policy {
  char pin[32];
  const char *config;
  bool untrusted; /* a tang server's keys have to be looked at */
};

static int parse_policy(const char *text, const char *volume, struct policy *policy) {
  const size_t len = strcspn(text, " \t");
  policy->config = text + len + strspn(text + len, " \t");
  bool good = len > 0 && len < sizeof policy->pin;
  for (size_t i = 0; i < len && good; i++)
    good = islower((unsigned char)text[i]) || isdigit((unsigned char)text[i]);
  struct json_object *config = good ? json_tokener_parse(policy->config) : NULL;
  if (config == NULL || !json_object_is_type(config, json_type_object)) {
    (void)json_object_put(config);
    return report_error(EXIT_USAGE, volume,
                        "--clevis takes a pin and its configuration, as in 'tang {\"url\": \"http://...\"}'");
  }
  memcpy(policy->pin, text, len);
  policy->pin[len] = '\0';
  policy->untrusted = asks_for_trust(policy->pin, config, 0);
  (void)json_object_put(config);
  return EXIT_DONE;
}

static int report_encrypt(const struct outside *run, enum outside_result result, const char *volume) {
  switch (result) {
  case OUTSIDE_MISSING:
    return report_error(EXIT_NOT_POSSIBLE, volume,
                        "there is no clevis program; install clevis and the pin's package");
  case OUTSIDE_SILENT:
    return report_error(EXIT_OTHER, volume, "clevis did not answer within %u s; check the server, or the TPM",
                        run->timeout_s);
  case OUTSIDE_INTERRUPTED:
    return report_error(EXIT_OTHER, volume, "broken off");
  case OUTSIDE_DONE:
  case OUTSIDE_FAILED:
    break;
  }
  return report_error(EXIT_OTHER, volume, "clevis could not encrypt%s%s; check the pin's configuration",
                      run->why[0] != '\0' ? ": " : "", run->why);
}

/* Key and JWE are secrets of the right room. */
static int encrypt(const struct policy *policy, bool trust, const char *volume, struct secret *key,
                   struct secret *jwe) {
  char digits[CREDENTIAL_SLOT_KEY_DIGITS + 1];
  const bool asks = policy->untrusted && !trust;
  const bool takes_trust = strcmp(policy->pin, "tang") == 0 || strcmp(policy->pin, "sss") == 0;
  const char *const argv[] = {"clevis", "encrypt", policy->pin, policy->config, trust && takes_trust ? "-y" : NULL,
                              NULL};
  if (asks && !terminal_exists())
    return report_error(
        EXIT_USAGE, volume,
        "nobody vouches for the tang server's keys; give their thumbprint (\"thp\"), or --trust them");
  if (getrandom(key->bytes, key->room, 0) != (ssize_t)key->room)
    return report_error(EXIT_OTHER, volume, "the system gives no random numbers");
  credential_slot_key_encode((const uint8_t *)key->bytes, digits);
  /* clevis asks about the keys itself, and has the terminal for that. */
  struct outside run = {.argv = argv,
                        .input = digits,
                        .input_len = CREDENTIAL_SLOT_KEY_DIGITS,
                        .timeout_s = asks ? 0 : ENCRYPT_TIMEOUT_S,
                        .output = jwe};
  const enum outside_result result = outside_run(&run);
  secret_wipe(digits, sizeof digits);
  if (result != OUTSIDE_DONE)
    return report_encrypt(&run, result, volume);
  while (jwe->len > 0 && isspace((unsigned char)jwe->bytes[jwe->len - 1]))
    jwe->len--;
  if (jwe->len > NACRE_SLOT_BODY_MAX_BYTES)
    return report_error(EXIT_OTHER, volume, "what clevis made has more than %d bytes, for which a slot has no room",
                        NACRE_SLOT_BODY_MAX_BYTES);
  if (jwe->len == 0 || !is_jwe(jwe->bytes, jwe->len))
    return report_error(EXIT_OTHER, volume, "what clevis made is no JWE; check that it is the right clevis");
  return EXIT_DONE;
}

int clevis_new(const char *text, bool trust, const char *volume, nacre_credential **out) {
  struct policy policy = {0};
  struct secret key = {0}, jwe = {0};
  int code = parse_policy(text, volume, &policy);
  if (code == EXIT_DONE &&
      (!secret_alloc(&key, CREDENTIAL_SLOT_KEY_BYTES) || !secret_alloc(&jwe, NACRE_SLOT_BODY_MAX_BYTES + 2)))
    code = report_no_memory();
  if (code == EXIT_DONE)
    code = encrypt(&policy, trust, volume, &key, &jwe);
  if (code == EXIT_DONE) {
    const enum nacre_err err =
        nacre_credential_sealed_outside(NACRE_SLOT_UNATTENDED, (const uint8_t *)key.bytes, jwe.bytes, jwe.len, out);
    if (err != NACRE_OK)
      code = report_library(volume, err);
  }
  secret_free(&key);
  secret_free(&jwe);
  return code;
}

/* ---- Opening ---------------------------------------------------------------------------------------- */

static int explain_decrypt(const struct outside *run, enum outside_result result, char why[CLEVIS_WHY_BYTES]) {
  switch (result) {
  case OUTSIDE_MISSING:
    (void)snprintf(why, CLEVIS_WHY_BYTES, "there is no clevis program; install clevis and the pin's package");
    return EXIT_NOT_POSSIBLE;
  case OUTSIDE_SILENT:
    (void)snprintf(why, CLEVIS_WHY_BYTES, "clevis gave no key within %u s: the server does not answer",
                   run->timeout_s);
    return EXIT_CREDENTIAL;
  case OUTSIDE_INTERRUPTED:
    (void)snprintf(why, CLEVIS_WHY_BYTES, "broken off");
    return EXIT_OTHER;
  case OUTSIDE_DONE:
    (void)snprintf(why, CLEVIS_WHY_BYTES, "what clevis gave is no slot's key");
    return EXIT_CREDENTIAL;
  case OUTSIDE_FAILED:
    break;
  }
  (void)snprintf(why, CLEVIS_WHY_BYTES, "clevis gets no key: server or TPM do not give it%s%s%s",
                 run->why[0] != '\0' ? " (" : "", run->why, run->why[0] != '\0' ? ")" : "");
  return EXIT_CREDENTIAL;
}

static int decrypt(const char *jwe, size_t len, unsigned timeout_s, char why[CLEVIS_WHY_BYTES], struct secret *text,
                   nacre_credential **out) {
  static const char *const argv[] = {"clevis", "decrypt", NULL};
  struct outside run = {.argv = argv, .input = jwe, .input_len = len, .timeout_s = timeout_s, .output = text};
  struct secret key = {0};
  if (!secret_alloc(text, CREDENTIAL_SLOT_KEY_DIGITS + 2) || !secret_alloc(&key, CREDENTIAL_SLOT_KEY_BYTES)) {
    (void)snprintf(why, CLEVIS_WHY_BYTES, "out of memory");
    return EXIT_OTHER;
  }
  enum outside_result result = outside_run(&run);
  if (result == OUTSIDE_DONE && text->len > 0 && text->bytes[text->len - 1] == '\n')
    text->len--;
  int code = EXIT_DONE;
  if (result != OUTSIDE_DONE || !credential_slot_key_decode(text->bytes, text->len, (uint8_t *)key.bytes))
    code = explain_decrypt(&run, result, why);
  else if (nacre_credential_slot_key(NACRE_SLOT_UNATTENDED, (const uint8_t *)key.bytes, out) != NACRE_OK) {
    (void)snprintf(why, CLEVIS_WHY_BYTES, "%s", nacre_last_error());
    code = EXIT_OTHER;
  }
  secret_free(&key);
  return code;
}

int clevis_open(uint32_t slot, unsigned timeout_s, const char *container, char why[CLEVIS_WHY_BYTES],
                nacre_credential **out) {
  const struct nacre_target target = volume_target(container);
  char jwe[NACRE_SLOT_BODY_MAX_BYTES];
  size_t len = 0;
  const enum nacre_err err = nacre_slot_body(&target, slot, jwe, sizeof jwe, &len);
  if (err != NACRE_OK) {
    (void)snprintf(why, CLEVIS_WHY_BYTES, "%s", nacre_last_error());
    return report_exit_code(err);
  }
  if (!is_jwe(jwe, len)) {
    (void)snprintf(why, CLEVIS_WHY_BYTES, "slot %u holds no JWE: it is damaged, or somebody changed it",
                   (unsigned)slot);
    return EXIT_DAMAGED;
  }
  struct secret text = {0};
  const int code = decrypt(jwe, len, timeout_s, why, &text, out);
  secret_free(&text);
  return code;
}
