/* Slots of FIDO2 tokens, with tokens made of software behind the calls: each makes credentials from a secret of its
 * own, wants its PIN, and gives an HMAC of the salt, another one with the person known and without, as CTAP 2.1 has
 * it. */
#include "cli/fido2.h"

#include <nacre.h>

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <sodium.h>
#include <string.h>

#define PINS 8

struct soft {
  uint8_t secret;
  const char *pin; /* NULL: none is set */
  bool unable, knows_user, nobody, mute;
  unsigned asked, made, wrong;
};
static struct soft tokens[FIDO2_TOKENS_MAX + 2];
static size_t plugged;

static struct soft *soft_of(const struct fido2_token *token) {
  return &tokens[token->path[0] - 'a'];
}

static void hmac(const struct soft *soft, const char *what, const uint8_t *bytes, size_t len, uint8_t out[32]) {
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, &soft->secret, 1);
  crypto_auth_hmacsha256_update(&state, (const uint8_t *)what, strlen(what));
  crypto_auth_hmacsha256_update(&state, bytes, len);
  crypto_auth_hmacsha256_final(&state, out);
}

static size_t soft_list(struct fido2_token *out, size_t room) {
  for (size_t i = 0; i < plugged && i < room; i++)
    out[i] = (struct fido2_token){.path = {(char)('a' + i)},
                                  .answers = !tokens[i].mute,
                                  .hmac_secret = !tokens[i].unable && !tokens[i].mute,
                                  .pin_set = tokens[i].pin != NULL,
                                  .knows_user = tokens[i].knows_user};
  return plugged;
}

static enum fido2_result check(struct soft *soft, const char *pin, uint8_t flags) {
  soft->asked++;
  if (soft->nobody)
    return FIDO2_NO_USER;
  if ((flags & FIDO2_NEEDS_PIN) != 0 && pin == NULL)
    return FIDO2_NO_PIN;
  if (pin != NULL && (soft->pin == NULL || strcmp(pin, soft->pin) != 0))
    return ++soft->wrong >= PINS ? FIDO2_PIN_BLOCKED : soft->wrong % 3 == 0 ? FIDO2_PIN_PAUSED : FIDO2_PIN_WRONG;
  return FIDO2_DONE;
}

/* An id is 16 bytes of nothing and the token's mark on them and the relying party. */
static void mark(const struct soft *soft, const char *rp, const uint8_t id[16], uint8_t out[32]) {
  uint8_t both[16 + 256] = {0};
  memcpy(both, id, 16);
  memcpy(both + 16, rp, strlen(rp) + 1);
  hmac(soft, "mark", both, sizeof both, out);
}

static enum fido2_result soft_make(const struct fido2_token *token, const char *pin, struct fido2_record *record) {
  struct soft *soft = soft_of(token);
  const enum fido2_result result = check(soft, pin, record->flags);
  if (result != FIDO2_DONE)
    return result;
  soft->made++;
  randombytes_buf(record->id, 16);
  mark(soft, record->rp, record->id, record->id + 16);
  record->id_len = 48;
  return FIDO2_DONE;
}

static bool is_marked(const struct fido2_token *token, const struct fido2_record *record) {
  uint8_t ours[32];
  mark(soft_of(token), record->rp, record->id, ours);
  return record->id_len == 48 && memcmp(ours, record->id + 16, 32) == 0;
}

static enum fido2_result soft_knows(const struct fido2_token *token, const struct fido2_record *record) {
  return is_marked(token, record) ? FIDO2_DONE : FIDO2_OTHER_TOKEN;
}

static int soft_pins_left(const struct fido2_token *token) {
  return PINS - (int)soft_of(token)->wrong;
}

static enum fido2_result soft_secret(const struct fido2_token *token, const char *pin,
                                     const struct fido2_record *record, uint8_t key[FIDO2_KEY_BYTES]) {
  struct soft *soft = soft_of(token);
  if (!is_marked(token, record))
    return FIDO2_OTHER_TOKEN;
  const enum fido2_result result = check(soft, pin, record->flags);
  uint8_t both[64];
  memcpy(both, record->id, 32);
  memcpy(both + 32, record->salt, 32);
  if (result == FIDO2_DONE)
    hmac(soft, (record->flags & (FIDO2_NEEDS_PIN | FIDO2_NEEDS_USER)) != 0 ? "known" : "anyone", both, sizeof both,
         key);
  return result;
}

static const struct fido2_calls calls = {soft_list, soft_make, soft_knows, soft_secret, soft_pins_left};

struct person {
  const char *answers[4];
  unsigned asked, touched;
  int left; /* as said at the last question */
};

static bool answer(void *arg, bool again, int left, struct secret *pin) {
  struct person *p = arg;
  assert_int_equal(again, p->asked > 0);
  const char *text = p->asked < 4 ? p->answers[p->asked] : NULL;
  p->asked++;
  p->left = left;
  if (text == NULL)
    return false;
  pin->len = strlen(text);
  memcpy(pin->bytes, text, pin->len + 1);
  return true;
}

static void touch(void *arg) {
  ((struct person *)arg)->touched++;
}

static struct fido2_person with(struct person *p) {
  return (struct fido2_person){.ask_pin = answer, .say_touch = touch, .arg = p, .pins_left = -1};
}

static int unplug(void **state) {
  (void)state;
  memset(tokens, 0, sizeof tokens);
  for (size_t i = 0; i < sizeof tokens / sizeof tokens[0]; i++)
    tokens[i].secret = (uint8_t)(i + 1);
  plugged = 1;
  return sodium_init() < 0 ? -1 : 0;
}

/* Make one, keep only what the slot keeps, and get the key again. */
static void round_trip(struct person *p, uint8_t flags) {
  struct fido2_person person = with(p);
  struct fido2_record made, read;
  uint8_t key[32], again[32], body[FIDO2_BODY_MAX];
  assert_int_equal(fido2_new(&calls, &person, &made, key), FIDO2_DONE);
  assert_int_equal(made.flags, flags);
  assert_true(fido2_record_decode(body, fido2_record_encode(&made, body), &read));
  p->asked = 0;
  assert_int_equal(fido2_key(&calls, &person, &read, again), FIDO2_DONE);
  assert_memory_equal(key, again, 32);
  assert_int_equal(fido2_new(&calls, &(struct fido2_person){answer, touch, &(struct person){.answers = {"1234"}}, -1},
                             &made, again),
                   FIDO2_DONE);
  assert_memory_not_equal(key, again, 32); /* a key each */
}

static void test_round_trips(void **state) {
  (void)state;
  struct person p = {.answers = {"1234"}};
  round_trip(&p, FIDO2_NEEDS_TOUCH);
  assert_int_equal(p.asked, 0);
  assert_true(p.touched > 0);
  tokens[0].pin = "1234";
  round_trip(&p, FIDO2_NEEDS_TOUCH | FIDO2_NEEDS_PIN);
  assert_int_equal(p.asked, 1);
  p = (struct person){.answers = {NULL}};
  tokens[0].knows_user = true;
  round_trip(&p, FIDO2_NEEDS_TOUCH | FIDO2_NEEDS_USER);
  assert_int_equal(p.asked, 0);
}

static void test_which_token(void **state) {
  (void)state;
  struct person p = {.answers = {"1234", "1234"}};
  struct fido2_person person = with(&p);
  struct fido2_record record;
  uint8_t key[32], again[32];
  tokens[0].pin = tokens[1].pin = "1234";
  assert_int_equal(fido2_new(&calls, &person, &record, key), FIDO2_DONE);
  plugged = 0;
  assert_int_equal(fido2_key(&calls, &person, &record, again), FIDO2_NO_TOKEN);
  assert_int_equal(fido2_new(&calls, &person, &record, again), FIDO2_NO_TOKEN);
  plugged = 2;
  assert_int_equal(fido2_new(&calls, &person, &record, again), FIDO2_SEVERAL);
  assert_int_equal(tokens[0].made, 1);
  plugged = 1;
  p.asked = 0;
  assert_int_equal(fido2_new(&calls, &person, &record, key), FIDO2_DONE);
  const struct soft mine = tokens[0];
  tokens[0] = tokens[1];
  tokens[1] = mine;
  tokens[0].asked = 0;
  p.asked = 0;
  assert_int_equal(fido2_key(&calls, &person, &record, again), FIDO2_OTHER_TOKEN);
  assert_int_equal(p.asked, 0); /* nobody's PIN is spent on it */
  plugged = 2;
  assert_int_equal(fido2_key(&calls, &person, &record, again), FIDO2_DONE);
  assert_memory_equal(key, again, 32);
  assert_int_equal(tokens[0].asked, 0);
  plugged = FIDO2_TOKENS_MAX + 1; /* more than are looked at */
  p.asked = 0;
  assert_int_equal(fido2_key(&calls, &person, &record, again), FIDO2_DONE);
}

static void assert_says(enum fido2_result result, const struct fido2_person *person, const char *end) {
  char text[FIDO2_TEXT_BYTES];
  fido2_text(result, person, text);
  assert_true(strlen(text) > strlen(end));
  assert_string_equal(text + strlen(text) - strlen(end), end);
}

static void test_pins(void **state) {
  (void)state;
  struct person p = {.answers = {"1234"}};
  struct fido2_person person = with(&p);
  struct fido2_record record;
  uint8_t key[32], again[32];
  tokens[0].pin = "1234";
  assert_int_equal(fido2_new(&calls, &person, &record, key), FIDO2_DONE);
  p = (struct person){.answers = {"12", "1234"}};
  assert_int_equal(fido2_key(&calls, &person, &record, again), FIDO2_DONE);
  assert_memory_equal(key, again, 32);
  assert_int_equal(p.left, 7);
  p = (struct person){.answers = {"1", NULL}};
  assert_int_equal(fido2_key(&calls, &person, &record, again), FIDO2_NO_PIN);
  tokens[0].wrong = 0; /* as after a right one */
  p = (struct person){.answers = {"1", "2", "1234"}};
  assert_int_equal(fido2_key(&calls, &person, &record, again), FIDO2_PIN_WRONG);
  assert_int_equal(p.asked, 2); /* a third would make the token want to be plugged in anew */
  assert_says(FIDO2_PIN_WRONG, &person, ": 6");
  p = (struct person){.answers = {"3", "1234"}};
  assert_int_equal(fido2_key(&calls, &person, &record, again), FIDO2_PIN_PAUSED);
  assert_int_equal(p.asked, 1);
  assert_says(FIDO2_PIN_PAUSED, &person, ": 5");
  p = (struct person){.answers = {"4", "5"}};
  assert_int_equal(fido2_key(&calls, &person, &record, again), FIDO2_PIN_WRONG);
  p = (struct person){.answers = {"6"}};
  assert_int_equal(fido2_key(&calls, &person, &record, again), FIDO2_PIN_PAUSED);
  p = (struct person){.answers = {"7", "8", "1234"}};
  assert_int_equal(fido2_key(&calls, &person, &record, again), FIDO2_PIN_BLOCKED);
  assert_int_equal(p.asked, 2);
}

static void test_what_cannot_be(void **state) {
  (void)state;
  struct person p = {.answers = {NULL}};
  struct fido2_person person = with(&p);
  const struct fido2_calls none = {0};
  struct fido2_record record = {0};
  uint8_t key[32];
  assert_int_equal(fido2_new(&none, &person, &record, key), FIDO2_ABSENT);
  assert_int_equal(fido2_key(&none, &person, &record, key), FIDO2_ABSENT);
  tokens[0].unable = true;
  assert_int_equal(fido2_new(&calls, &person, &record, key), FIDO2_UNABLE);
  assert_int_equal(fido2_key(&calls, &person, &record, key), FIDO2_OTHER_TOKEN);
  tokens[0].unable = false;
  tokens[0].nobody = true;
  assert_int_equal(fido2_new(&calls, &person, &record, key), FIDO2_NO_USER);
  tokens[0].nobody = false;
  tokens[0].mute = true;
  assert_int_equal(fido2_new(&calls, &person, &record, key), FIDO2_NO_ANSWER);
  assert_int_equal(fido2_key(&calls, &person, &record, key), FIDO2_NO_ANSWER);
  for (int result = FIDO2_DONE; result <= FIDO2_FAILED; result++)
    assert_says((enum fido2_result)result, &person, "");
}

/* The record, byte by byte as docs/format.md has it, and what is none. */
static void test_records(void **state) {
  (void)state;
  struct fido2_record record = {.flags = 5, .rp = "nacre", .id_len = 3, .id = {7, 8, 9}}, back;
  uint8_t body[FIDO2_BODY_MAX], was[FIDO2_BODY_MAX];
  memset(record.salt, 0xaa, sizeof record.salt);
  const size_t len = fido2_record_encode(&record, body);
  static const uint8_t start[8] = {1, 5, 5, 0, 3, 0, 0, 0};
  assert_int_equal(len, 48);
  assert_memory_equal(body, start, 8);
  assert_memory_equal(body + 8, record.salt, 32);
  assert_memory_equal(body + 40, "nacre\7\10\11", 8);
  assert_true(fido2_record_decode(body, len, &back));
  assert_string_equal(back.rp, "nacre");
  assert_int_equal(back.id_len, 3);
  memcpy(was, body, sizeof was);
  static const struct {
    size_t at;
    uint8_t value;
  } cases[] = {{0, 0}, {0, 2},    {1, 8}, {1, 0x80}, {2, 0},  {2, 6},    {3, 1},    {4, 0},
               {4, 4}, {5, 0xff}, {6, 1}, {7, 1},    {40, 0}, {44, ' '}, {44, 0xff}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    body[cases[i].at] = cases[i].value;
    assert_false(fido2_record_decode(body, len, &back));
    memcpy(body, was, sizeof was);
  }
  for (size_t cut = 0; cut < len; cut++)
    assert_false(fido2_record_decode(body, cut, &back));
  assert_false(fido2_record_decode(body, len + 1, &back));
  record.id_len = FIDO2_ID_MAX;
  memset(record.rp, 'r', FIDO2_RP_MAX);
  assert_int_equal(fido2_record_encode(&record, body), FIDO2_BODY_MAX);
  assert_true(fido2_record_decode(body, FIDO2_BODY_MAX, &back));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup(test_round_trips, unplug), cmocka_unit_test_setup(test_which_token, unplug),
      cmocka_unit_test_setup(test_pins, unplug),        cmocka_unit_test_setup(test_what_cannot_be, unplug),
      cmocka_unit_test_setup(test_records, unplug),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
