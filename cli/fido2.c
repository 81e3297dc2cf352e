#include "fido2.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define RECORD_VERSION 1
#define RECORD_FIXED 40
#define RP "nacre"
#define PIN_MAX 63
/* The third wrong one in a row would make the token take none until it is plugged in anew. */
#define PIN_ATTEMPTS 2

/* ---- The record ------------------------------------------------------------------------------------- */

static void put16(uint8_t *p, size_t v) {
  p[0] = (uint8_t)v;
  p[1] = (uint8_t)(v >> 8);
}

static size_t get16(const uint8_t *p) {
  return (size_t)p[0] | (size_t)p[1] << 8;
}

size_t fido2_record_encode(const struct fido2_record *record, uint8_t body[FIDO2_BODY_MAX]) {
  const size_t rp_len = strlen(record->rp);
  memset(body, 0, RECORD_FIXED);
  body[0] = RECORD_VERSION;
  body[1] = record->flags;
  put16(body + 2, rp_len);
  put16(body + 4, record->id_len);
  memcpy(body + 8, record->salt, FIDO2_SALT_BYTES);
  memcpy(body + RECORD_FIXED, record->rp, rp_len);
  memcpy(body + RECORD_FIXED + rp_len, record->id, record->id_len);
  return RECORD_FIXED + rp_len + record->id_len;
}

bool fido2_record_decode(const uint8_t *body, size_t len, struct fido2_record *record) {
  const uint8_t flags = FIDO2_NEEDS_PIN | FIDO2_NEEDS_USER | FIDO2_NEEDS_TOUCH;
  *record = (struct fido2_record){0};
  if (len < RECORD_FIXED || body[0] != RECORD_VERSION || (body[1] & ~flags) != 0 || get16(body + 6) != 0)
    return false;
  const size_t rp_len = get16(body + 2), id_len = get16(body + 4);
  if (rp_len == 0 || rp_len > FIDO2_RP_MAX || id_len == 0 || id_len > FIDO2_ID_MAX ||
      len != RECORD_FIXED + rp_len + id_len)
    return false;
  for (size_t i = 0; i < rp_len; i++)
    if (body[RECORD_FIXED + i] <= ' ' || body[RECORD_FIXED + i] > '~')
      return false;
  record->flags = body[1];
  memcpy(record->salt, body + 8, FIDO2_SALT_BYTES);
  memcpy(record->rp, body + RECORD_FIXED, rp_len);
  record->id_len = id_len;
  memcpy(record->id, body + RECORD_FIXED + rp_len, id_len);
  return true;
}

/* ---- Tokens ------------------------------------------------------------------------------------------ */

struct errand {
  const struct fido2_calls *calls;
  const struct fido2_token *token;
  struct fido2_record *made; /* a new one */
  const struct fido2_record *record;
  uint8_t *key;
};
typedef enum fido2_result errand_run(const struct errand *errand, const char *pin);

static enum fido2_result run_new(const struct errand *e, const char *pin) {
  const enum fido2_result result = e->calls->make(e->token, pin, e->made);
  if (result != FIDO2_DONE)
    return result;
  return e->calls->secret(e->token, pin, e->made, e->key);
}

static enum fido2_result run_key(const struct errand *e, const char *pin) {
  return e->calls->secret(e->token, pin, e->record, e->key);
}

/* With a PIN where the record needs one: asked for again while it is wrong, but not until the token locks itself. */
static enum fido2_result with_pin(struct fido2_person *person, bool needed, errand_run *run,
                                  const struct errand *errand) {
  struct secret pin = {0};
  enum fido2_result result = FIDO2_PIN_WRONG;
  if (!needed) {
    person->say_touch(person->arg);
    return run(errand, NULL);
  }
  if (!secret_alloc(&pin, PIN_MAX))
    return FIDO2_FAILED;
  for (int attempt = 0; attempt < PIN_ATTEMPTS && result == FIDO2_PIN_WRONG; attempt++) {
    if (!person->ask_pin(person->arg, attempt > 0, person->pins_left, &pin)) {
      result = FIDO2_NO_PIN;
      break;
    }
    person->say_touch(person->arg);
    result = run(errand, pin.bytes);
    if (result == FIDO2_PIN_WRONG || result == FIDO2_PIN_PAUSED)
      person->pins_left = errand->calls->pins_left(errand->token);
  }
  secret_free(&pin);
  return result;
}

enum fido2_result fido2_new(const struct fido2_calls *calls, struct fido2_person *person, struct fido2_record *record,
                            uint8_t key[FIDO2_KEY_BYTES]) {
  struct fido2_token tokens[1];
  *record = (struct fido2_record){.flags = FIDO2_NEEDS_TOUCH, .rp = RP};
  if (calls->list == NULL)
    return FIDO2_ABSENT;
  const size_t count = calls->list(tokens, 1);
  if (count != 1)
    return count == 0 ? FIDO2_NO_TOKEN : FIDO2_SEVERAL;
  if (!tokens[0].answers)
    return FIDO2_NO_ANSWER;
  if (!tokens[0].hmac_secret)
    return FIDO2_UNABLE;
  if (tokens[0].knows_user)
    record->flags |= FIDO2_NEEDS_USER;
  else if (tokens[0].pin_set)
    record->flags |= FIDO2_NEEDS_PIN;
  if (getrandom(record->salt, sizeof record->salt, 0) != (ssize_t)sizeof record->salt)
    return FIDO2_FAILED;
  struct errand errand = {.calls = calls, .token = &tokens[0], .made = record, .key = key};
  return with_pin(person, (record->flags & FIDO2_NEEDS_PIN) != 0, run_new, &errand);
}

enum fido2_result fido2_key(const struct fido2_calls *calls, struct fido2_person *person,
                            const struct fido2_record *record, uint8_t key[FIDO2_KEY_BYTES]) {
  struct fido2_token tokens[FIDO2_TOKENS_MAX];
  if (calls->list == NULL)
    return FIDO2_ABSENT;
  size_t count = calls->list(tokens, FIDO2_TOKENS_MAX);
  if (count == 0)
    return FIDO2_NO_TOKEN;
  if (count > FIDO2_TOKENS_MAX)
    count = FIDO2_TOKENS_MAX;
  enum fido2_result none = FIDO2_OTHER_TOKEN;
  for (size_t i = 0; i < count; i++) {
    enum fido2_result known = tokens[i].answers ? FIDO2_OTHER_TOKEN : FIDO2_NO_ANSWER;
    if (tokens[i].hmac_secret)
      known = calls->knows(&tokens[i], record);
    if (known == FIDO2_NO_ANSWER)
      none = known; /* it may be the one */
    if (known != FIDO2_DONE)
      continue; /* whose PIN is not spent on it */
    struct errand errand = {.calls = calls, .token = &tokens[i], .record = record, .key = key};
    return with_pin(person, (record->flags & FIDO2_NEEDS_PIN) != 0, run_key, &errand);
  }
  return none;
}

static const char *plain_text(enum fido2_result result) {
  switch (result) {
  case FIDO2_DONE:
    return "done";
  case FIDO2_ABSENT:
    return "this build knows no FIDO2 tokens; it needs libfido2";
  case FIDO2_NO_TOKEN:
    return "no FIDO2 token is plugged in";
  case FIDO2_SEVERAL:
    return "more than one FIDO2 token is plugged in; leave one";
  case FIDO2_OTHER_TOKEN:
    return "no token that is plugged in made this slot";
  case FIDO2_UNABLE:
    return "the FIDO2 token has no hmac-secret, without which it can't hold a key";
  case FIDO2_PIN_WRONG:
    return "wrong PIN of the FIDO2 token";
  case FIDO2_PIN_PAUSED:
    return "too many wrong PINs in a row: the FIDO2 token takes none until it is plugged in anew";
  case FIDO2_PIN_BLOCKED:
    return "the FIDO2 token's PIN is blocked for good; a reset would free the token, but end what it opens";
  case FIDO2_NO_PIN:
    return "the FIDO2 token needs its PIN, and there is no terminal to ask for it at, or no answer";
  case FIDO2_NO_USER:
    return "nobody touched the FIDO2 token in time, or it did not know the finger";
  case FIDO2_NO_ANSWER:
    return "the FIDO2 token can't be opened, or gives no answer that makes sense";
  case FIDO2_FAILED:
    break;
  }
  return "the FIDO2 token failed";
}

void fido2_text(enum fido2_result result, const struct fido2_person *person, char text[FIDO2_TEXT_BYTES]) {
  const bool counted = (result == FIDO2_PIN_WRONG || result == FIDO2_PIN_PAUSED) && person->pins_left >= 0;
  if (counted)
    (void)snprintf(text, FIDO2_TEXT_BYTES, "%s; wrong ones that it takes before it is blocked for good: %d",
                   plain_text(result), person->pins_left);
  else
    (void)snprintf(text, FIDO2_TEXT_BYTES, "%s", plain_text(result));
}
