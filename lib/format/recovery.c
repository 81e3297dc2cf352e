/* A recovery key as text: "0K3F7-..." eight groups of four characters of the secret, 5 bits each and most significant
 * first, and a fifth that checks the group. Characters are Crockford's base 32.
 *
 * The check is a polynomial over GF(32) in the group's characters, plus the group's number from 1: it finds every
 * mistyped character, every two neighbours that were swapped, and groups in the wrong order. */
#include "base/bytes.h"
#include "base/err.h"
#include "base/secmem.h"
#include "format/credential.h"

#include <assert.h>

#define RECOVERY_GROUPS 8u
#define RECOVERY_DATA_CHARS 4u
#define RECOVERY_GROUP_CHARS (RECOVERY_DATA_CHARS + 1u)
#define RECOVERY_CHARS (RECOVERY_GROUPS * RECOVERY_GROUP_CHARS)
#define RECOVERY_CHAR_BITS 5u

static_assert(RECOVERY_GROUPS * RECOVERY_DATA_CHARS * RECOVERY_CHAR_BITS == CREDENTIAL_RECOVERY_BYTES * 8,
              "160 bits");
static_assert(RECOVERY_CHARS + RECOVERY_GROUPS <= NACRE_RECOVERY_TEXT_BYTES, "the text fits");

static const char recovery_alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* Times x in GF(32) modulo x^5 + x^2 + 1. */
static uint8_t recovery_double(uint8_t a) {
  return (uint8_t)(((a << 1) & 0x1f) ^ ((a & 0x10) != 0 ? 0x05 : 0));
}

static uint8_t recovery_check(const uint8_t data[RECOVERY_DATA_CHARS], unsigned group) {
  uint8_t sum = 0;
  for (unsigned i = 0; i < RECOVERY_DATA_CHARS; i++)
    sum = recovery_double(sum ^ data[i]);
  return (uint8_t)(sum ^ (group + 1));
}

/* The index-th 5 bits of the secret. */
static uint8_t recovery_digit(const uint8_t secret[CREDENTIAL_RECOVERY_BYTES], unsigned index) {
  unsigned bit = index * RECOVERY_CHAR_BITS;
  unsigned pair = (unsigned)secret[bit / 8] << 8;
  if (bit / 8 + 1 < CREDENTIAL_RECOVERY_BYTES)
    pair |= secret[bit / 8 + 1];
  return (uint8_t)(pair >> (16 - RECOVERY_CHAR_BITS - bit % 8) & 0x1f);
}

static void recovery_set_digit(uint8_t secret[CREDENTIAL_RECOVERY_BYTES], unsigned index, uint8_t digit) {
  unsigned bit = index * RECOVERY_CHAR_BITS;
  unsigned pair = (unsigned)digit << (16 - RECOVERY_CHAR_BITS - bit % 8);
  secret[bit / 8] |= (uint8_t)(pair >> 8);
  if (bit / 8 + 1 < CREDENTIAL_RECOVERY_BYTES)
    secret[bit / 8 + 1] |= (uint8_t)pair;
}

enum nacre_err recovery_encode(const uint8_t secret[20], char text[NACRE_RECOVERY_TEXT_BYTES]) {
  char *at = text;
  for (unsigned group = 0; group < RECOVERY_GROUPS; group++) {
    uint8_t data[RECOVERY_DATA_CHARS];
    if (group > 0)
      *at++ = '-';
    for (unsigned i = 0; i < RECOVERY_DATA_CHARS; i++) {
      data[i] = recovery_digit(secret, group * RECOVERY_DATA_CHARS + i);
      *at++ = recovery_alphabet[data[i]];
    }
    *at++ = recovery_alphabet[recovery_check(data, group)];
    secmem_wipe(data, sizeof data);
  }
  memset(at, 0, (size_t)(text + NACRE_RECOVERY_TEXT_BYTES - at));
  return NACRE_OK;
}

static bool recovery_is_separator(char c) {
  return c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '_' || c == '.';
}

/* 0 to 31, or -1. What people take for another character is read as that one. */
static int recovery_value(char c) {
  if (c >= 'a' && c <= 'z')
    c = (char)(c - 'a' + 'A');
  if (c == 'O')
    c = '0';
  if (c == 'I' || c == 'L')
    c = '1';
  const char *at = c == '\0' ? NULL : strchr(recovery_alphabet, c);
  return at == NULL ? -1 : (int)(at - recovery_alphabet);
}

static enum nacre_err recovery_read_digits(const char *text, uint8_t digits[RECOVERY_CHARS]) {
  unsigned count = 0;
  for (const char *c = text; *c != '\0'; c++) {
    if (recovery_is_separator(*c))
      continue;
    if (count == RECOVERY_CHARS)
      return err_set(NACRE_ERR_CREDENTIAL, "the recovery key has more than %u characters", RECOVERY_CHARS);
    int value = recovery_value(*c);
    if (value < 0)
      return err_set(NACRE_ERR_CREDENTIAL, "group %u of the recovery key has a character that none has",
                     count / RECOVERY_GROUP_CHARS + 1);
    digits[count++] = (uint8_t)value;
  }
  if (count < RECOVERY_CHARS)
    return err_set(NACRE_ERR_CREDENTIAL, "the recovery key has %u characters of %u: group %u is not complete", count,
                   RECOVERY_CHARS, count / RECOVERY_GROUP_CHARS + 1);
  return NACRE_OK;
}

enum nacre_err recovery_decode(const char *text, uint8_t secret[20]) {
  uint8_t digits[RECOVERY_CHARS] = {0};
  memset(secret, 0, CREDENTIAL_RECOVERY_BYTES);
  enum nacre_err err = recovery_read_digits(text, digits);
  for (unsigned group = 0; err == NACRE_OK && group < RECOVERY_GROUPS; group++) {
    const uint8_t *data = digits + group * RECOVERY_GROUP_CHARS;
    if (recovery_check(data, group) != data[RECOVERY_DATA_CHARS])
      err = err_set(NACRE_ERR_CREDENTIAL, "group %u of the recovery key is mistyped", group + 1);
    for (unsigned i = 0; i < RECOVERY_DATA_CHARS; i++)
      recovery_set_digit(secret, group * RECOVERY_DATA_CHARS + i, data[i]);
  }
  if (err != NACRE_OK)
    secmem_wipe(secret, CREDENTIAL_RECOVERY_BYTES);
  secmem_wipe(digits, sizeof digits);
  return err;
}
