#include "crypto/bech32.h"

#include "base/secmem.h"

#include <assert.h>
#include <string.h>

#define BECH32_DATA_DIGITS 52u /* 256 bits, and 4 of padding */
#define BECH32_CHECK_DIGITS 6u
#define BECH32_DIGITS (BECH32_DATA_DIGITS + BECH32_CHECK_DIGITS)

static const char lower[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
static const char upper[] = "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";

static uint32_t step(uint32_t check, uint32_t value) {
  static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
  const uint32_t top = check >> 25;
  check = (check & 0x1ffffff) << 5 ^ value;
  for (unsigned i = 0; i < 5; i++)
    if (top >> i & 1)
      check ^= generator[i];
  return check;
}

/* The prefix counts in lower case. */
static uint32_t start(const char *prefix) {
  uint32_t check = 1;
  for (const char *c = prefix; *c != '\0'; c++) {
    const uint32_t folded = *c >= 'A' && *c <= 'Z' ? (uint32_t)*c + ('a' - 'A') : (uint32_t)*c;
    check = step(check, folded >> 5);
  }
  check = step(check, 0);
  for (const char *c = prefix; *c != '\0'; c++)
    check = step(check, (uint32_t)*c & 31);
  return check;
}

static bool read_digits(const char *text, const char *alphabet, uint8_t digits[BECH32_DIGITS]) {
  for (size_t i = 0; i < BECH32_DIGITS; i++) {
    const char *at = text[i] != '\0' ? strchr(alphabet, text[i]) : NULL;
    if (at == NULL)
      return false;
    digits[i] = (uint8_t)(at - alphabet);
  }
  return text[BECH32_DIGITS] == '\0';
}

/* 52 digits of 5 bits to 32 bytes; the 4 bits that are left are zero. */
static bool join(const uint8_t digits[BECH32_DATA_DIGITS], uint8_t out[32]) {
  uint32_t bits = 0, held = 0;
  size_t done = 0;
  for (size_t i = 0; i < BECH32_DATA_DIGITS; i++) {
    bits = (bits << 5 | digits[i]) & 0xfff;
    held += 5;
    if (held >= 8) {
      held -= 8;
      out[done++] = (uint8_t)(bits >> held);
    }
  }
  assert(done == 32 && held == 4);
  return (bits & 15) == 0;
}

bool bech32_decode(const char *text, const char *prefix, uint8_t out[32]) {
  const size_t prefix_len = strlen(prefix);
  uint8_t digits[BECH32_DIGITS];
  bool good = strncmp(text, prefix, prefix_len) == 0 && text[prefix_len] == '1' &&
              read_digits(text + prefix_len + 1, prefix[0] >= 'A' && prefix[0] <= 'Z' ? upper : lower, digits);
  if (good) {
    uint32_t check = start(prefix);
    for (size_t i = 0; i < BECH32_DIGITS; i++)
      check = step(check, digits[i]);
    good = check == 1 && join(digits, out);
  }
  if (!good)
    memset(out, 0, 32);
  secmem_wipe(digits, sizeof digits);
  return good;
}
