#include "crypto/age.h"

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"
#include "crypto/bech32.h"
#include "crypto/hkdf.h"

#include <assert.h>
#include <sodium.h>

#define AGE_VERSION_LINE "age-encryption.org/v1"
#define AGE_STANZA "-> "
#define AGE_X25519 "X25519"
#define AGE_X25519_INFO "age-encryption.org/v1/X25519"
#define AGE_MAC_MARK "---"

#define AGE_FILE_KEY_BYTES 16u
#define AGE_TAG_BYTES 16u
#define AGE_WRAPPED_BYTES (AGE_FILE_KEY_BYTES + AGE_TAG_BYTES)
#define AGE_NONCE_BYTES 16u
#define AGE_PAYLOAD_BYTES (AGE_NONCE_BYTES + AGE_PLAIN_BYTES + AGE_TAG_BYTES)
#define AGE_COLUMNS 64u
#define AGE_COLUMN_BYTES (AGE_COLUMNS / 4 * 3)
/* 32 bytes in base64 without padding. */
#define AGE_DIGITS_32 43u

static_assert(AGE_WRAPPED_BYTES == 32, "a wrapped file key is as long as a public key");
static_assert(crypto_auth_hmacsha256_BYTES == 32, "and so is the header's MAC");
static_assert(sizeof AGE_VERSION_LINE + sizeof AGE_STANZA AGE_X25519 " " + 3 * AGE_DIGITS_32 +
                      sizeof AGE_MAC_MARK " " + 1 + AGE_PAYLOAD_BYTES ==
                  AGE_SEALED_BYTES,
              "the lines of a file for one recipient");

/* In secmem: all that is secret on the way. */
struct age_secrets {
  uint8_t shared[32];
  uint8_t wrapping_key[32];
  uint8_t file_key[AGE_FILE_KEY_BYTES];
  uint8_t mac_key[32];
  uint8_t payload_key[32];
};

/* Of the wrapping of a file key, whose key is used once. */
static const uint8_t zero_nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {0};
/* Of a payload's chunk: a big-endian counter of 11 bytes, and 1 for the last one. */
static const uint8_t only_chunk_nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES] = {0, 0, 0, 0, 0, 0,
                                                                                      0, 0, 0, 0, 0, 1};

enum nacre_err age_recipient_decode(const char *text, uint8_t recipient[32]) {
  static const uint8_t any[32] = {8};
  uint8_t shared[32];
  if (!bech32_decode(text, "age", recipient))
    return err_set(NACRE_ERR_ARGUMENT, "not an age recipient: age1 and 58 letters and digits, with a checksum");
  if (crypto_scalarmult(shared, any, recipient) != 0)
    return err_set(NACRE_ERR_ARGUMENT, "that age recipient is nobody's: anyone could open what is made for it");
  return NACRE_OK;
}

enum nacre_err age_identity_decode(const char *text, uint8_t identity[32]) {
  if (!bech32_decode(text, "AGE-SECRET-KEY-", identity))
    return err_set(NACRE_ERR_CREDENTIAL, "not an age identity: AGE-SECRET-KEY-1 and 58 letters and digits, with a "
                                         "checksum");
  return NACRE_OK;
}

/* ---- Keys ---- */

/* False where the other side's key is one of the few that give everybody the same. */
static bool age_wrapping_key(const uint8_t ours[32], const uint8_t theirs[32], const uint8_t ephemeral[32],
                             const uint8_t recipient[32], struct age_secrets *s) {
  uint8_t salt[64];
  if (crypto_scalarmult(s->shared, ours, theirs) != 0)
    return false;
  memcpy(salt, ephemeral, 32);
  memcpy(salt + 32, recipient, 32);
  hkdf_sha256(s->shared, sizeof s->shared, salt, sizeof salt, AGE_X25519_INFO, sizeof AGE_X25519_INFO - 1,
              s->wrapping_key);
  return true;
}

/* Over the header up to and with the mark. */
static void age_mac(struct age_secrets *s, const uint8_t *header, size_t len, uint8_t mac[32]) {
  crypto_auth_hmacsha256_state state;
  hkdf_sha256(s->file_key, sizeof s->file_key, NULL, 0, "header", 6, s->mac_key);
  crypto_auth_hmacsha256_init(&state, s->mac_key, sizeof s->mac_key);
  crypto_auth_hmacsha256_update(&state, header, len);
  crypto_auth_hmacsha256_final(&state, mac);
  secmem_wipe(&state, sizeof state);
}

static void age_payload_key(struct age_secrets *s, const uint8_t nonce[AGE_NONCE_BYTES]) {
  hkdf_sha256(s->file_key, sizeof s->file_key, nonce, AGE_NONCE_BYTES, "payload", 7, s->payload_key);
}

/* ---- Writing ---- */

static void age_put_digits(struct writer *w, const uint8_t bytes[32]) {
  char digits[AGE_DIGITS_32 + 1];
  sodium_bin2base64(digits, sizeof digits, bytes, 32, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
  writer_copy(w, digits, AGE_DIGITS_32);
  writer_u8(w, '\n');
}

static void age_put_text(struct writer *w, const char *text) {
  writer_copy(w, text, strlen(text));
}

static enum nacre_err age_seal_with(const uint8_t recipient[32], const uint8_t plain[AGE_PLAIN_BYTES],
                                    uint8_t file[AGE_SEALED_BYTES], struct age_secrets *s) {
  uint8_t ephemeral[32], wrapped[AGE_WRAPPED_BYTES], mac[32], nonce[AGE_NONCE_BYTES];
  struct writer w = writer_make(file, AGE_SEALED_BYTES);
  env_random(s->file_key, sizeof s->file_key);
  env_random(s->payload_key, sizeof s->payload_key); /* the ephemeral secret, until the payload's own is derived */
  crypto_scalarmult_base(ephemeral, s->payload_key);
  if (!age_wrapping_key(s->payload_key, recipient, ephemeral, recipient, s))
    return err_set(NACRE_ERR_ARGUMENT, "that age recipient is nobody's: anyone could open what is made for it");
  crypto_aead_chacha20poly1305_ietf_encrypt(wrapped, NULL, s->file_key, sizeof s->file_key, NULL, 0, NULL, zero_nonce,
                                            s->wrapping_key);
  age_put_text(&w, AGE_VERSION_LINE "\n" AGE_STANZA AGE_X25519 " ");
  age_put_digits(&w, ephemeral);
  age_put_digits(&w, wrapped);
  age_put_text(&w, AGE_MAC_MARK);
  age_mac(s, file, w.done, mac);
  age_put_text(&w, " ");
  age_put_digits(&w, mac);
  env_random(nonce, sizeof nonce);
  writer_copy(&w, nonce, sizeof nonce);
  age_payload_key(s, nonce);
  assert(!w.bad && w.left == AGE_PLAIN_BYTES + AGE_TAG_BYTES);
  crypto_aead_chacha20poly1305_ietf_encrypt(w.p, NULL, plain, AGE_PLAIN_BYTES, NULL, 0, NULL, only_chunk_nonce,
                                            s->payload_key);
  return NACRE_OK;
}

enum nacre_err age_seal(const uint8_t recipient[32], const uint8_t plain[AGE_PLAIN_BYTES],
                        uint8_t file[AGE_SEALED_BYTES]) {
  struct age_secrets *s = secmem_alloc(sizeof *s);
  if (s == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for an age file");
  enum nacre_err err = age_seal_with(recipient, plain, file, s);
  secmem_free(s);
  return err;
}

/* ---- Reading ---- */

/* A line without its end; false where there is none, or it has other than what a header consists of. */
struct age_line {
  const char *text;
  size_t len;
};

static bool age_take_line(struct reader *r, struct age_line *line) {
  const uint8_t *end = r->left > 0 ? memchr(r->p, '\n', r->left) : NULL;
  if (end == NULL)
    return false;
  *line = (struct age_line){.text = (const char *)r->p, .len = (size_t)(end - r->p)};
  for (size_t i = 0; i < line->len; i++)
    if (line->text[i] < ' ' || line->text[i] > '~')
      return false;
  return reader_view(r, line->len + 1) != NULL;
}

/* Take what the line begins with off it. */
static bool age_skip(struct age_line *line, const char *prefix) {
  const size_t len = strlen(prefix);
  if (line->len < len || memcmp(line->text, prefix, len) != 0)
    return false;
  line->text += len;
  line->len -= len;
  return true;
}

/* Base64 without padding, in its one form. */
static bool age_digits(const struct age_line *line, uint8_t *out, size_t cap, size_t *len) {
  return sodium_base642bin(out, cap, line->text, line->len, NULL, len, NULL,
                           sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0;
}

static bool age_digits_32(const struct age_line *line, uint8_t out[32]) {
  size_t len;
  return line->len == AGE_DIGITS_32 && age_digits(line, out, 32, &len) && len == 32;
}

/* One or more words with a blank between. */
static bool age_arguments_good(const struct age_line *line) {
  bool after_blank = true;
  for (size_t i = 0; i < line->len; i++) {
    const bool blank = line->text[i] == ' ';
    if (blank && after_blank)
      return false;
    after_blank = blank;
  }
  return !after_blank;
}

/* Full lines, then a shorter one, which may be empty. `body` gets the first 32 bytes. */
static bool age_take_body(struct reader *r, uint8_t body[32], size_t *body_len) {
  uint8_t bytes[AGE_COLUMN_BYTES];
  struct age_line line;
  *body_len = 0;
  do {
    size_t len = 0;
    if (!age_take_line(r, &line) || line.len > AGE_COLUMNS || !age_digits(&line, bytes, sizeof bytes, &len))
      return false;
    if (*body_len == 0 && len <= 32)
      memcpy(body, bytes, len);
    *body_len += len;
  } while (line.len == AGE_COLUMNS);
  return true;
}

struct age_file {
  const uint8_t *identity;
  uint8_t recipient[32]; /* the identity's public key */
  bool found;            /* the file key is known */
};

/* A stanza behind its mark; false where the file is none. */
static bool age_read_stanza(struct reader *r, struct age_line *line, struct age_file *file, struct age_secrets *s) {
  uint8_t share[32], body[32];
  size_t body_len;
  if (!age_arguments_good(line) || !age_take_body(r, body, &body_len))
    return false;
  if (!age_skip(line, AGE_X25519) || (line->len > 0 && line->text[0] != ' '))
    return true; /* another type of recipient, whose shape is not ours to know */
  if (!age_skip(line, " ") || !age_digits_32(line, share) || body_len != AGE_WRAPPED_BYTES)
    return false;
  if (!age_wrapping_key(file->identity, share, share, file->recipient, s))
    return false;
  if (!file->found)
    file->found = crypto_aead_chacha20poly1305_ietf_decrypt(s->file_key, NULL, NULL, body, sizeof body, NULL, 0,
                                                            zero_nonce, s->wrapping_key) == 0;
  return true;
}

static enum nacre_err age_damaged(const char *what) {
  return err_set(NACRE_ERR_DAMAGED, "the age file is damaged: %s", what);
}

/* Up to the payload, where the reader then stands. */
static enum nacre_err age_read_header(struct reader *r, struct age_file *file, struct age_secrets *s) {
  const uint8_t *header = r->p;
  struct age_line line;
  uint8_t mac[32], ours[32];
  if (!age_take_line(r, &line) || !age_skip(&line, AGE_VERSION_LINE) || line.len != 0)
    return err_set(NACRE_ERR_DAMAGED, "not an age file of version 1");
  bool any = false;
  for (;;) {
    if (!age_take_line(r, &line))
      return age_damaged("its header has no end");
    if (!age_skip(&line, AGE_STANZA))
      break;
    any = true;
    if (!age_read_stanza(r, &line, file, s))
      return age_damaged("a recipient in its header");
  }
  const uint8_t *mark = (const uint8_t *)line.text;
  if (!any || !age_skip(&line, AGE_MAC_MARK " ") || !age_digits_32(&line, mac))
    return age_damaged("its header's end");
  if (!file->found)
    return err_set(NACRE_ERR_CREDENTIAL, "the age file is not for this identity");
  age_mac(s, header, (size_t)(mark - header) + sizeof AGE_MAC_MARK - 1, ours);
  if (secmem_compare(mac, ours, sizeof mac) != 0)
    return age_damaged("its header does not authenticate");
  return NACRE_OK;
}

static enum nacre_err age_open_with(struct reader *r, struct age_file *file, struct age_secrets *s,
                                    uint8_t plain[AGE_PLAIN_BYTES]) {
  crypto_scalarmult_base(file->recipient, file->identity);
  ERR_TRY(age_read_header(r, file, s));
  if (r->left != AGE_PAYLOAD_BYTES)
    return age_damaged("what it holds is not a key of 32 bytes");
  age_payload_key(s, r->p);
  if (crypto_aead_chacha20poly1305_ietf_decrypt(plain, NULL, NULL, r->p + AGE_NONCE_BYTES,
                                                AGE_PLAIN_BYTES + AGE_TAG_BYTES, NULL, 0, only_chunk_nonce,
                                                s->payload_key) != 0)
    return age_damaged("what it holds does not authenticate");
  return NACRE_OK;
}

enum nacre_err age_open(const uint8_t identity[32], const uint8_t *file, size_t len, uint8_t plain[AGE_PLAIN_BYTES]) {
  struct reader r = reader_make(file, len);
  struct age_file f = {.identity = identity};
  struct age_secrets *s = secmem_alloc(sizeof *s);
  memset(plain, 0, AGE_PLAIN_BYTES);
  if (s == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for an age file");
  enum nacre_err err = age_open_with(&r, &f, s, plain);
  secmem_free(s);
  return err;
}
