#include "fido2.h"

#include <string.h>
#include <sys/random.h>

#include <fido.h>
#include <fido/es256.h>

#define CLIENT_DATA_BYTES 32
#define USER_ID_BYTES 32
/* libfido2 waits for ever unless told otherwise: for what asks nobody, and for what somebody has to touch it for.
 * Tokens wait for that half a minute themselves. */
#define ANSWER_MS 10000
#define TOUCH_MS 60000

static enum fido2_result result_of(int error) {
  switch (error) {
  case FIDO_OK:
    return FIDO2_DONE;
  case FIDO_ERR_NO_CREDENTIALS:
  case FIDO_ERR_INVALID_CREDENTIAL:
    return FIDO2_OTHER_TOKEN;
  case FIDO_ERR_PIN_INVALID:
  case FIDO_ERR_PIN_AUTH_INVALID:
    return FIDO2_PIN_WRONG;
  case FIDO_ERR_PIN_AUTH_BLOCKED:
    return FIDO2_PIN_PAUSED;
  case FIDO_ERR_PIN_BLOCKED:
    return FIDO2_PIN_BLOCKED;
  case FIDO_ERR_PIN_REQUIRED:
    return FIDO2_NO_PIN;
  case FIDO_ERR_ACTION_TIMEOUT:
  case FIDO_ERR_USER_ACTION_TIMEOUT:
  case FIDO_ERR_OPERATION_DENIED:
  case FIDO_ERR_UP_REQUIRED:
  case FIDO_ERR_UV_BLOCKED:
  case FIDO_ERR_UV_INVALID:
    return FIDO2_NO_USER;
  case FIDO_ERR_UNSUPPORTED_EXTENSION:
    return FIDO2_UNABLE;
  case FIDO_ERR_TX:
  case FIDO_ERR_RX:
  case FIDO_ERR_RX_NOT_CBOR:
  case FIDO_ERR_RX_INVALID_CBOR:
    return FIDO2_NO_ANSWER;
  default:
    return FIDO2_FAILED;
  }
}

static fido_dev_t *open_token(const char *path) {
  fido_dev_t *dev = fido_dev_new();
  if (dev != NULL && (fido_dev_set_timeout(dev, ANSWER_MS) != FIDO_OK || fido_dev_open(dev, path) != FIDO_OK))
    fido_dev_free(&dev);
  return dev;
}

/* For what it is to be touched for. */
static fido_dev_t *open_for_touch(const char *path) {
  fido_dev_t *dev = open_token(path);
  if (dev != NULL)
    (void)fido_dev_set_timeout(dev, TOUCH_MS);
  return dev;
}

static void close_token(fido_dev_t *dev) {
  (void)fido_dev_close(dev);
  fido_dev_free(&dev);
}

/* Ask what it can do. */
static void ask_what_it_is(fido_dev_t *dev, struct fido2_token *token) {
  fido_cbor_info_t *info = fido_cbor_info_new();
  token->answers = info != NULL && fido_dev_get_cbor_info(dev, info) == FIDO_OK;
  if (token->answers) {
    char **extensions = fido_cbor_info_extensions_ptr(info);
    for (size_t i = 0; i < fido_cbor_info_extensions_len(info); i++)
      token->hmac_secret = token->hmac_secret || strcmp(extensions[i], "hmac-secret") == 0;
    token->pin_set = fido_dev_has_pin(dev);
    token->knows_user = fido_dev_has_uv(dev);
  }
  fido_cbor_info_free(&info);
}

static void look_at(const char *path, struct fido2_token *token) {
  *token = (struct fido2_token){0};
  const size_t len = strlen(path);
  if (len >= sizeof token->path)
    return;
  memcpy(token->path, path, len);
  fido_dev_t *dev = open_token(path);
  if (dev == NULL)
    return;
  if (fido_dev_is_fido2(dev))
    ask_what_it_is(dev, token);
  else
    token->answers = true; /* a token of the days before FIDO2 */
  close_token(dev);
}

static size_t list_tokens(struct fido2_token *tokens, size_t room) {
  size_t count = 0;
  fido_init(FIDO_DISABLE_U2F_FALLBACK);
  fido_dev_info_t *list = fido_dev_info_new(FIDO2_TOKENS_MAX);
  if (list == NULL || fido_dev_info_manifest(list, FIDO2_TOKENS_MAX, &count) != FIDO_OK)
    count = 0;
  for (size_t i = 0; i < count && i < room; i++)
    look_at(fido_dev_info_path(fido_dev_info_ptr(list, i)), &tokens[i]);
  fido_dev_info_free(&list, FIDO2_TOKENS_MAX);
  return count;
}

static int fill_credential(fido_cred_t *cred, const struct fido2_record *record) {
  uint8_t client_data[CLIENT_DATA_BYTES], user[USER_ID_BYTES];
  /* Nothing is proved to anybody: what counts is the secret. */
  if (getrandom(client_data, sizeof client_data, 0) != (ssize_t)sizeof client_data ||
      getrandom(user, sizeof user, 0) != (ssize_t)sizeof user)
    return FIDO_ERR_INTERNAL;
  int error = fido_cred_set_type(cred, COSE_ES256);
  if (error == FIDO_OK)
    error = fido_cred_set_clientdata_hash(cred, client_data, sizeof client_data);
  if (error == FIDO_OK)
    error = fido_cred_set_rp(cred, record->rp, "Nacre");
  if (error == FIDO_OK)
    error = fido_cred_set_user(cred, user, sizeof user, "volume", "a Nacre volume", NULL);
  if (error == FIDO_OK)
    error = fido_cred_set_extensions(cred, FIDO_EXT_HMAC_SECRET);
  if (error == FIDO_OK)
    error = fido_cred_set_rk(cred, FIDO_OPT_FALSE);
  if (error == FIDO_OK && (record->flags & FIDO2_NEEDS_USER) != 0)
    error = fido_cred_set_uv(cred, FIDO_OPT_TRUE);
  return error;
}

static enum fido2_result make(const struct fido2_token *token, const char *pin, struct fido2_record *record) {
  fido_dev_t *dev = open_for_touch(token->path);
  fido_cred_t *cred = fido_cred_new();
  enum fido2_result result = dev == NULL ? FIDO2_NO_ANSWER : FIDO2_FAILED;
  if (dev != NULL && cred != NULL) {
    int error = fill_credential(cred, record);
    if (error == FIDO_OK)
      error = fido_dev_make_cred(dev, cred, pin);
    result = result_of(error);
  }
  if (result == FIDO2_DONE) {
    record->id_len = fido_cred_id_len(cred);
    if (record->id_len == 0 || record->id_len > sizeof record->id)
      result = FIDO2_FAILED;
    else
      memcpy(record->id, fido_cred_id_ptr(cred), record->id_len);
  }
  fido_cred_free(&cred);
  if (dev != NULL)
    close_token(dev);
  return result;
}

static fido_assert_t *new_assertion(const struct fido2_record *record, bool touch) {
  uint8_t client_data[CLIENT_DATA_BYTES];
  fido_assert_t *assertion = fido_assert_new();
  if (assertion != NULL && getrandom(client_data, sizeof client_data, 0) == (ssize_t)sizeof client_data &&
      fido_assert_set_clientdata_hash(assertion, client_data, sizeof client_data) == FIDO_OK &&
      fido_assert_set_rp(assertion, record->rp) == FIDO_OK &&
      fido_assert_allow_cred(assertion, record->id, record->id_len) == FIDO_OK &&
      fido_assert_set_up(assertion, touch ? FIDO_OPT_TRUE : FIDO_OPT_FALSE) == FIDO_OK)
    return assertion;
  fido_assert_free(&assertion);
  return NULL;
}

/* What else a token objects to, it would object to when it is asked for the secret. */
static enum fido2_result knows(const struct fido2_token *token, const struct fido2_record *record) {
  fido_dev_t *dev = open_token(token->path);
  fido_assert_t *assertion = new_assertion(record, false);
  enum fido2_result result = FIDO2_NO_ANSWER;
  if (dev != NULL && assertion != NULL)
    result = result_of(fido_dev_get_assert(dev, assertion, NULL));
  fido_assert_free(&assertion);
  if (dev != NULL)
    close_token(dev);
  return result == FIDO2_DONE || result == FIDO2_NO_ANSWER ? result : FIDO2_OTHER_TOKEN;
}

static enum fido2_result has_one_secret(const fido_assert_t *assertion) {
  if (fido_assert_count(assertion) == 1 && fido_assert_hmac_secret_len(assertion, 0) == FIDO2_KEY_BYTES)
    return FIDO2_DONE;
  return fido_assert_hmac_secret_len(assertion, 0) == 0 ? FIDO2_UNABLE : FIDO2_NO_ANSWER;
}

static enum fido2_result secret(const struct fido2_token *token, const char *pin, const struct fido2_record *record,
                                uint8_t key[FIDO2_KEY_BYTES]) {
  fido_dev_t *dev = open_for_touch(token->path);
  fido_assert_t *assertion = new_assertion(record, true);
  enum fido2_result result = dev == NULL ? FIDO2_NO_ANSWER : FIDO2_FAILED;
  if (dev != NULL && assertion != NULL) {
    int error = fido_assert_set_extensions(assertion, FIDO_EXT_HMAC_SECRET);
    if (error == FIDO_OK)
      error = fido_assert_set_hmac_salt(assertion, record->salt, sizeof record->salt);
    if (error == FIDO_OK && (record->flags & FIDO2_NEEDS_USER) != 0)
      error = fido_assert_set_uv(assertion, FIDO_OPT_TRUE);
    if (error == FIDO_OK)
      error = fido_dev_get_assert(dev, assertion, pin);
    result = result_of(error);
  }
  if (result == FIDO2_DONE)
    result = has_one_secret(assertion);
  if (result == FIDO2_DONE)
    memcpy(key, fido_assert_hmac_secret_ptr(assertion, 0), FIDO2_KEY_BYTES);
  fido_assert_free(&assertion); /* which wipes it */
  if (dev != NULL)
    close_token(dev);
  return result;
}

static int pins_left(const struct fido2_token *token) {
  fido_dev_t *dev = open_token(token->path);
  int left = -1;
  if (dev == NULL)
    return left;
  if (fido_dev_get_retry_count(dev, &left) != FIDO_OK)
    left = -1;
  close_token(dev);
  return left;
}

const struct fido2_calls fido2_hardware = {
    .list = list_tokens, .make = make, .knows = knows, .secret = secret, .pins_left = pins_left};
