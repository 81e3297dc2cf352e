#include "token.h"

#include <stdio.h>

#include "fido2.h"
#include "report.h"
#include "terminal.h"
#include "volume.h"

static bool ask_pin(void *arg, bool again, int left, struct secret *pin) {
  char prompt[128] = "PIN of the FIDO2 token: ";
  (void)arg;
  if (again && left >= 0)
    (void)snprintf(prompt, sizeof prompt,
                   "Wrong; before it is blocked for good, it takes wrong ones: %d. PIN of the FIDO2 token: ", left);
  else if (again)
    (void)snprintf(prompt, sizeof prompt, "Wrong. PIN of the FIDO2 token: ");
  return terminal_ask_secret(prompt, pin) && pin->len > 0;
}

static void say_touch(void *arg) {
  report_note(arg, "touch the FIDO2 token when it blinks");
}

static int exit_code_of(enum fido2_result result) {
  return result == FIDO2_ABSENT || result == FIDO2_UNABLE ? EXIT_NOT_POSSIBLE : EXIT_CREDENTIAL;
}

/* A report takes its subject without const, as a person's argument. */
static struct fido2_person person_at(const char *volume) {
  void *arg = (void *)(uintptr_t)volume; // NOLINT(performance-no-int-to-ptr)
  return (struct fido2_person){.ask_pin = ask_pin, .say_touch = say_touch, .arg = arg, .pins_left = -1};
}

int token_new(const char *volume, nacre_credential **out) {
  struct fido2_person person = person_at(volume);
  struct fido2_record record;
  struct secret key = {0};
  uint8_t body[FIDO2_BODY_MAX];
  if (!secret_alloc(&key, FIDO2_KEY_BYTES))
    return report_no_memory();
  const enum fido2_result result = fido2_new(&fido2_hardware, &person, &record, (uint8_t *)key.bytes);
  int code = EXIT_DONE;
  if (result != FIDO2_DONE) {
    char text[FIDO2_TEXT_BYTES];
    fido2_text(result, &person, text);
    code = report_error(exit_code_of(result), volume, "%s", text);
  } else {
    const size_t len = fido2_record_encode(&record, body);
    const enum nacre_err err =
        nacre_credential_sealed_outside(NACRE_SLOT_FIDO2, (const uint8_t *)key.bytes, body, len, out);
    if (err != NACRE_OK)
      code = report_library(volume, err);
  }
  secret_free(&key);
  return code;
}

int token_open(uint32_t slot, const char *container, const char *volume, char why[FIDO2_TEXT_BYTES],
               nacre_credential **out) {
  struct fido2_person person = person_at(volume);
  const struct nacre_target target = volume_target(container);
  uint8_t body[NACRE_SLOT_BODY_MAX_BYTES];
  size_t len = 0;
  struct fido2_record record;
  struct secret key = {0};
  const enum nacre_err err = nacre_slot_body(&target, slot, body, sizeof body, &len);
  if (err != NACRE_OK) {
    (void)snprintf(why, FIDO2_TEXT_BYTES, "%s", nacre_last_error());
    return report_exit_code(err);
  }
  if (!fido2_record_decode(body, len, &record)) {
    (void)snprintf(why, FIDO2_TEXT_BYTES,
                   "the slot holds no FIDO2 credential: it is damaged, or somebody changed it");
    return EXIT_DAMAGED;
  }
  if (!secret_alloc(&key, FIDO2_KEY_BYTES)) {
    (void)snprintf(why, FIDO2_TEXT_BYTES, "out of memory");
    return EXIT_OTHER;
  }
  enum fido2_result result = fido2_key(&fido2_hardware, &person, &record, (uint8_t *)key.bytes);
  if (result == FIDO2_DONE &&
      nacre_credential_slot_key(NACRE_SLOT_FIDO2, (const uint8_t *)key.bytes, out) != NACRE_OK)
    result = FIDO2_FAILED;
  secret_free(&key);
  fido2_text(result, &person, why);
  return result == FIDO2_DONE ? EXIT_DONE : exit_code_of(result);
}
