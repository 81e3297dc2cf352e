/* age files, against what the age program (1.1.1) made, and what an enemy makes of them; Bech32 and HKDF below. The
 * program itself is asked in tests/cli/escrow.sh. */
#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "crypto/age.h"
#include "crypto/bech32.h"
#include "crypto/hkdf.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <sodium.h>

#define RECIPIENT "age179lha7v03ewjr3cmyza3yth9xl52kp5ucwh87p4s88c8mn4y4srs4j4nqu"
#define IDENTITY "AGE-SECRET-KEY-1LPR6TAYQTAU854W386Z87SKN24FQD8EVMZKTTNT37KSXYUTVE0WQYPRFW9"
#define SOMEBODY_ELSE "age16chzhph8c60zqu595kdzp4qujx784lf0u6a4e3f7sczk359teg4q570l5y"

/* `age -r RECIPIENT` of the bytes 0, 1, ... 31. */
static const char one_header[] = "age-encryption.org/v1\n"
                                 "-> X25519 /141Nc7qnM71O65BtK/f87HOyica6tCRiY3bVwYACxw\n"
                                 "kug/hgFspWH2jmAwQ+gl2lC0QYCsckv+BHOIBZsR9DE\n"
                                 "--- iwCMVyMaYkmm1OlBQ8pV5fVP538zHsfgDBTwwXfbKh4\n";
static const char one_payload[] = "988005828ec44bdf707acf0e7be067ca18fb54f2857dccb81ace7e5256fd3c8d"
                                  "a5e3fab162dafcc6e3636243caeaf3ff305168b89d9c47b4358a1585411309c5";
/* The same for somebody else, this one, and an SSH key. */
static const char two_header[] = "age-encryption.org/v1\n"
                                 "-> X25519 V9U1s0X7SurDucRcdVhRLaYC01wfkD6XrCi2qjV/wl4\n"
                                 "FJ5m/9ygm/TD9uPxlACDde47whbnb5nc3sxKY3tWR20\n"
                                 "-> X25519 H6zbobvll38Yl3kHgwllXKaXFqkHhrJSyLhO0KAtLnA\n"
                                 "m+lT+Ymi61xsMLbZipYIend2FyXowbvFRfl8KGuq/fw\n"
                                 "-> ssh-ed25519 Xy10wA 362/+pLbJtHgfu15cXEnTOSaTcSmb70va2tC8n3CN1Y\n"
                                 "SQjnyxxLpVs80yh8HvcBPlSjhN23zjKhqMCuchFPmK0\n"
                                 "--- HEO9wGi3B8RKVCU8mVTkIVztlmywHUL99TH8HsYpVrw\n";
static const char two_payload[] = "3123972da4246f0ebd37dbae936414c2399e2a07851e441e8338a617e4b9433a"
                                  "f5dda73d67607c9ff7d0fd4b35ab33369ac7d80ea92e5b65bfaa9670c5a15bf9";

struct made {
  uint8_t bytes[1024];
  size_t len;
};

static struct made join(const char *header, const char *payload) {
  struct made file = {.len = strlen(header)};
  size_t done;
  memcpy(file.bytes, header, file.len);
  assert_int_equal(sodium_hex2bin(file.bytes + file.len, sizeof file.bytes - file.len, payload, strlen(payload), NULL,
                                  &done, NULL),
                   0);
  file.len += done;
  return file;
}

static enum nacre_err open_file(const struct made *file, uint8_t plain[32]) {
  uint8_t identity[32];
  assert_int_equal(age_identity_decode(IDENTITY, identity), NACRE_OK);
  return age_open(identity, file->bytes, file->len, plain);
}

static void assert_counting(const uint8_t plain[32]) {
  for (uint8_t i = 0; i < 32; i++)
    assert_int_equal(plain[i], i);
}

static void test_opens_what_age_made(void **state) {
  (void)state;
  uint8_t plain[32];
  const struct made one = join(one_header, one_payload), two = join(two_header, two_payload);
  assert_int_equal(open_file(&one, plain), NACRE_OK);
  assert_counting(plain);
  assert_int_equal(open_file(&two, plain), NACRE_OK);
  assert_counting(plain);
}

static void test_round_trip(void **state) {
  (void)state;
  uint8_t recipient[32], identity[32], plain[32] = {1, 2, 3}, back[32], again[AGE_SEALED_BYTES];
  struct made file = {.len = AGE_SEALED_BYTES};
  assert_int_equal(age_recipient_decode(RECIPIENT, recipient), NACRE_OK);
  assert_int_equal(age_seal(recipient, plain, file.bytes), NACRE_OK);
  assert_int_equal(open_file(&file, back), NACRE_OK);
  assert_memory_equal(back, plain, 32);
  assert_int_equal(age_seal(recipient, plain, again), NACRE_OK);
  assert_memory_not_equal(again + 40, file.bytes + 40, AGE_SEALED_BYTES - 40);
  assert_int_equal(age_recipient_decode(SOMEBODY_ELSE, recipient), NACRE_OK);
  assert_int_equal(age_seal(recipient, plain, file.bytes), NACRE_OK);
  assert_int_equal(open_file(&file, back), NACRE_ERR_CREDENTIAL);
  assert_true(bytes_all_zero(back, 32));
  assert_int_equal(age_identity_decode(IDENTITY, identity), NACRE_OK);
  crypto_scalarmult_base(recipient, identity);
  uint8_t written[32];
  assert_int_equal(age_recipient_decode(RECIPIENT, written), NACRE_OK);
  assert_memory_equal(recipient, written, 32);
}

static void test_every_flip_and_cut_is_noticed(void **state) {
  (void)state;
  uint8_t plain[32];
  struct made file = join(two_header, two_payload);
  for (size_t bit = 0; bit < file.len * 8; bit++) {
    file.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    const enum nacre_err err = open_file(&file, plain);
    assert_true(err == NACRE_ERR_DAMAGED || err == NACRE_ERR_CREDENTIAL);
    assert_true(bytes_all_zero(plain, 32));
    file.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  const size_t whole = file.len;
  for (file.len = 0; file.len < whole; file.len++)
    assert_int_equal(open_file(&file, plain), NACRE_ERR_DAMAGED);
  file.len = whole + 1;
  assert_int_equal(open_file(&file, plain), NACRE_ERR_DAMAGED);
}

/* Headers that are none, whatever their MAC would be; the last of them are well-formed and not for this identity. */
static void test_malformed_headers(void **state) {
  (void)state;
#define VERSION "age-encryption.org/v1\n"
#define SHARE "/141Nc7qnM71O65BtK/f87HOyica6tCRiY3bVwYACxw"
#define WRAPPED "kug/hgFspWH2jmAwQ+gl2lC0QYCsckv+BHOIBZsR9DE"
#define OTHER "AAAANc7qnM71O65BtK/f87HOyica6tCRiY3bVwYACxw"
#define END "--- iwCMVyMaYkmm1OlBQ8pV5fVP538zHsfgDBTwwXfbKh4\n"
#define COLUMNS_64 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
  static const struct {
    const char *header;
    enum nacre_err err;
  } cases[] = {
      {VERSION END, NACRE_ERR_DAMAGED},
      {"age-encryption.org/v2\n-> X25519 " SHARE "\n" WRAPPED "\n" END, NACRE_ERR_DAMAGED},
      {"-----BEGIN AGE ENCRYPTED FILE-----\n", NACRE_ERR_DAMAGED},
      {VERSION "-> X25519\n" WRAPPED "\n" END, NACRE_ERR_DAMAGED},
      {VERSION "-> X25519 " SHARE " more\n" WRAPPED "\n" END, NACRE_ERR_DAMAGED},
      {VERSION "-> X25519  " SHARE "\n" WRAPPED "\n" END, NACRE_ERR_DAMAGED},
      {VERSION "-> X25519 " SHARE " \n" WRAPPED "\n" END, NACRE_ERR_DAMAGED},
      {VERSION "-> \n" WRAPPED "\n" END, NACRE_ERR_DAMAGED},
      {VERSION "->\n" WRAPPED "\n" END, NACRE_ERR_DAMAGED},
      {VERSION "-> X25519 " SHARE "=\n" WRAPPED "\n" END, NACRE_ERR_DAMAGED},
      {VERSION "-> X25519 " SHARE "\n" WRAPPED "=\n" END, NACRE_ERR_DAMAGED},
      {VERSION "-> X25519 " SHARE "\n" WRAPPED "A\n" END, NACRE_ERR_DAMAGED},
      {VERSION "-> X25519 " SHARE "\n\n" END, NACRE_ERR_DAMAGED},
      {VERSION "-> X25519 " SHARE "\n" WRAPPED "\r\n" END, NACRE_ERR_DAMAGED},
      /* Bits that base64 has no use for. */
      {VERSION "-> X25519 /141Nc7qnM71O65BtK/f87HOyica6tCRiY3bVwYACxx\n" WRAPPED "\n" END, NACRE_ERR_DAMAGED},
      /* A share of which everybody knows what comes out. */
      {VERSION "-> X25519 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n" WRAPPED "\n" END, NACRE_ERR_DAMAGED},
      {VERSION "-> x A\n" COLUMNS_64 "A\n" END, NACRE_ERR_DAMAGED},
      {VERSION "-> x A\n" COLUMNS_64 "\n" END, NACRE_ERR_DAMAGED},
      {VERSION "-> X25519 " OTHER "\n" WRAPPED "\n---\n", NACRE_ERR_DAMAGED},
      {VERSION "-> X25519 " OTHER "\n" WRAPPED "\n--- short\n", NACRE_ERR_DAMAGED},
      {VERSION "-> X25519 " OTHER "\n" WRAPPED "\n", NACRE_ERR_DAMAGED},
      /* What is read last, and looks like an end, is a recipient. */
      {VERSION "-> --- iwCMVyMaYkmm1OlBQ8pV5fVP538zHsfgDBTwwXfbKh4\n\n", NACRE_ERR_DAMAGED},
      {VERSION "-> X25519 " OTHER "\n" WRAPPED "\n" END, NACRE_ERR_CREDENTIAL},
      {VERSION "-> x A\n" COLUMNS_64 "\n\n" END, NACRE_ERR_CREDENTIAL},
      {VERSION "-> X25519-new a b c\n\n" END, NACRE_ERR_CREDENTIAL},
      {VERSION "-> scrypt aaaa 18\n" WRAPPED "\n" END, NACRE_ERR_CREDENTIAL},
      {VERSION "-> X25519 " SHARE "\n" WRAPPED "\n-> x\n\n" END, NACRE_ERR_DAMAGED}, /* ours, and no MAC for it */
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    uint8_t plain[32];
    const struct made file = join(cases[i].header, one_payload);
    if (open_file(&file, plain) != cases[i].err)
      fail_msg("case %zu: %s", i, err_message());
  }
}

static void test_bech32(void **state) {
  (void)state;
  uint8_t bytes[32];
  char text[sizeof IDENTITY + 2];
  assert_true(bech32_decode(RECIPIENT, "age", bytes));
  for (size_t i = 0; i < sizeof RECIPIENT - 1; i++) {
    memcpy(text, RECIPIENT, sizeof RECIPIENT);
    text[i] = text[i] == 'q' ? 'p' : 'q';
    assert_false(bech32_decode(text, "age", bytes));
    assert_true(bytes_all_zero(bytes, 32));
    text[i] = '\0';
    assert_false(bech32_decode(text, "age", bytes));
  }
  assert_false(bech32_decode(RECIPIENT "q", "age", bytes));
  assert_false(bech32_decode(RECIPIENT " ", "age", bytes));
  assert_false(bech32_decode("AGE179LHA7V03EWJR3CMYZA3YTH9XL52KP5UCWH87P4S88C8MN4Y4SRS4J4NQU", "age", bytes));
  assert_true(bech32_decode(IDENTITY, "AGE-SECRET-KEY-", bytes));
  assert_false(bech32_decode(IDENTITY, "age-secret-key-", bytes));
  assert_false(bech32_decode(IDENTITY, "AGE-SECRET-KEX-", bytes));
}

static void test_keys_that_are_none(void **state) {
  (void)state;
  uint8_t key[32];
  assert_int_equal(age_recipient_decode("", key), NACRE_ERR_ARGUMENT);
  assert_int_equal(age_recipient_decode(IDENTITY, key), NACRE_ERR_ARGUMENT);
  assert_int_equal(age_identity_decode(RECIPIENT, key), NACRE_ERR_CREDENTIAL);
  /* The bytes 0, which the checksum does not mind: what is sealed to them opens for all. */
  assert_true(bech32_decode("age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z", "age", key));
  assert_int_equal(age_recipient_decode("age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z", key),
                   NACRE_ERR_ARGUMENT);
}

/* RFC 5869, appendix A, cases 1 to 3: the first 32 bytes of each output. */
static void test_hkdf_vectors(void **state) {
  (void)state;
  uint8_t material[80], salt[80], info[80], out[32];
  char hex[65];
  memset(material, 0x0b, 22);
  for (uint8_t i = 0; i < 80; i++) {
    salt[i] = i;
    info[i] = (uint8_t)(0xf0 + i);
  }
  hkdf_sha256(material, 22, salt, 13, (const char *)info, 10, out);
  assert_string_equal(sodium_bin2hex(hex, sizeof hex, out, sizeof out),
                      "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf");
  hkdf_sha256(material, 22, NULL, 0, NULL, 0, out);
  assert_string_equal(sodium_bin2hex(hex, sizeof hex, out, sizeof out),
                      "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
  for (uint8_t i = 0; i < 80; i++) {
    material[i] = i;
    salt[i] = (uint8_t)(0x60 + i);
    info[i] = (uint8_t)(0xb0 + i);
  }
  hkdf_sha256(material, 80, salt, 80, (const char *)info, 80, out);
  assert_string_equal(sodium_bin2hex(hex, sizeof hex, out, sizeof out),
                      "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c");
}

static int start(void **state) {
  (void)state;
  return env_start() == NACRE_OK ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_opens_what_age_made),
      cmocka_unit_test(test_round_trip),
      cmocka_unit_test(test_every_flip_and_cut_is_noticed),
      cmocka_unit_test(test_malformed_headers),
      cmocka_unit_test(test_bech32),
      cmocka_unit_test(test_keys_that_are_none),
      cmocka_unit_test(test_hkdf_vectors),
  };
  return cmocka_run_group_tests(tests, start, NULL);
}
