#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "crypto/aead.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#if NACRE_WITH_LIBCRYPTO
#include <openssl/evp.h>
#endif

#define LEN 5000u

static const enum nacre_cipher ciphers[] = {NACRE_CIPHER_AES_256_GCM, NACRE_CIPHER_XCHACHA20_POLY1305,
                                            NACRE_CIPHER_AEGIS_256};

static struct aead_key *make_key(enum nacre_cipher cipher, const uint8_t key[32]) {
  struct aead_key *k;
  assert_int_equal(aead_key_new(cipher, key, &k), NACRE_OK);
  return k;
}

static void from_hex(const char *hex, uint8_t *out, size_t len) {
  size_t done;
  assert_int_equal(sodium_hex2bin(out, len, hex, strlen(hex), NULL, &done, NULL), 0);
  assert_int_equal(done, len);
}

/* ---- Against published and independent results ---- */

struct xaes_vector {
  uint8_t key_byte;
  const char *aad, *sealed;
};

/* C2SP's XAES-256-GCM: the two cases of the subkey's doubling. */
static void test_xaes_vectors(void **state) {
  (void)state;
  static const struct xaes_vector vectors[] = {
      {0x01, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
      {0x03, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
  };
  const uint8_t *nonce = (const uint8_t *)"ABCDEFGHIJKLMNOPQRSTUVWX";
  const uint8_t *plain = (const uint8_t *)"XAES-256-GCM";
  if (!aead_available(NACRE_CIPHER_AES_256_GCM))
    skip();
  for (size_t i = 0; i < 2; i++) {
    uint8_t key[32], expected[28], out[12], tag[AEAD_TAG_BYTES];
    memset(key, vectors[i].key_byte, sizeof key);
    from_hex(vectors[i].sealed, expected, sizeof expected);
    struct aead_key *k = make_key(NACRE_CIPHER_AES_256_GCM, key);
    const uint8_t *aad = (const uint8_t *)vectors[i].aad;
    assert_int_equal(aead_seal(k, nonce, aad, strlen(vectors[i].aad), plain, 12, out, tag), NACRE_OK);
    assert_memory_equal(out, expected, 12);
    assert_memory_equal(tag, expected + 12, 16);
    assert_true(bytes_all_zero(tag + 16, 16));
    assert_int_equal(aead_open(k, nonce, aad, strlen(vectors[i].aad), out, 12, out, tag), NACRE_OK);
    assert_memory_equal(out, plain, 12);
    aead_key_free(k);
  }
}

#if NACRE_WITH_LIBCRYPTO

/* C2SP's accumulated test: inputs from SHAKE-128 of nothing, outputs into another SHAKE-128. */
static void test_xaes_accumulated(void **state) {
  (void)state;
  enum { ITERATIONS = 10000, EACH_MAX = 32 + 24 + 2 * 256 };
  if (!aead_available(NACRE_CIPHER_AES_256_GCM))
    skip();
  size_t stream_len = (size_t)ITERATIONS * EACH_MAX;
  uint8_t *stream = malloc(stream_len);
  assert_non_null(stream);
  EVP_MD_CTX *shake = EVP_MD_CTX_new();
  assert_int_equal(EVP_DigestInit_ex(shake, EVP_shake128(), NULL), 1);
  assert_int_equal(EVP_DigestFinalXOF(shake, stream, stream_len), 1);
  assert_int_equal(EVP_DigestInit_ex(shake, EVP_shake128(), NULL), 1);

  struct reader r = reader_make(stream, stream_len);
  for (int i = 0; i < ITERATIONS; i++) {
    uint8_t out[256], back[256], tag[AEAD_TAG_BYTES];
    const uint8_t *key = reader_view(&r, 32);
    const uint8_t *nonce = reader_view(&r, 24);
    size_t len = reader_u8(&r);
    const uint8_t *plain = reader_view(&r, len);
    size_t aad_len = reader_u8(&r);
    const uint8_t *aad = reader_view(&r, aad_len);
    assert_false(r.bad);
    struct aead_key *k = make_key(NACRE_CIPHER_AES_256_GCM, key);
    assert_int_equal(aead_seal(k, nonce, aad, aad_len, plain, len, out, tag), NACRE_OK);
    assert_int_equal(EVP_DigestUpdate(shake, out, len), 1);
    assert_int_equal(EVP_DigestUpdate(shake, tag, 16), 1);
    assert_int_equal(aead_open(k, nonce, aad, aad_len, out, len, back, tag), NACRE_OK);
    assert_memory_equal(back, plain, len);
    aead_key_free(k);
  }
  uint8_t hash[32], expected[32];
  from_hex("e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939", expected, sizeof expected);
  assert_int_equal(EVP_DigestFinalXOF(shake, hash, sizeof hash), 1);
  assert_memory_equal(hash, expected, sizeof hash);
  EVP_MD_CTX_free(shake);
  free(stream);
}

/* The derivation written out once more, block by block, by another route through libcrypto. */
static void reference_derive(const uint8_t key[32], const uint8_t nonce[24], uint8_t derived[32]) {
  EVP_MAC *mac = EVP_MAC_fetch(NULL, "CMAC", NULL);
  char cipher[] = "AES-256-CBC";
  OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("cipher", cipher, 0), OSSL_PARAM_construct_end()};
  for (uint8_t half = 0; half < 2; half++) {
    uint8_t input[16] = {0, (uint8_t)(half + 1), 'X', 0};
    memcpy(input + 4, nonce, 12);
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
    size_t len;
    assert_int_equal(EVP_MAC_init(ctx, key, 32, params), 1);
    assert_int_equal(EVP_MAC_update(ctx, input, sizeof input), 1);
    assert_int_equal(EVP_MAC_final(ctx, derived + 16 * half, &len, 16), 1);
    EVP_MAC_CTX_free(ctx);
  }
  EVP_MAC_free(mac);
}

/* libsodium's AES-256-GCM with that derived key must give the same bytes. */
static void test_aes_equals_libsodium(void **state) {
  (void)state;
  static const size_t lens[] = {0, 1, 15, 16, 17, 4096, LEN};
  if (!aead_available(NACRE_CIPHER_AES_256_GCM) || !crypto_aead_aes256gcm_is_available())
    skip();
  for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
    uint8_t key[32], nonce[24], derived[32], aad[20], tag[AEAD_TAG_BYTES], expected_tag[16];
    static uint8_t plain[LEN], out[LEN], expected[LEN];
    env_random(key, sizeof key);
    env_random(nonce, sizeof nonce);
    env_random(aad, sizeof aad);
    env_random(plain, sizeof plain);
    reference_derive(key, nonce, derived);
    crypto_aead_aes256gcm_encrypt_detached(expected, expected_tag, NULL, plain, lens[i], aad, sizeof aad, NULL,
                                           nonce + 12, derived);
    struct aead_key *k = make_key(NACRE_CIPHER_AES_256_GCM, key);
    assert_int_equal(aead_seal(k, nonce, aad, sizeof aad, plain, lens[i], out, tag), NACRE_OK);
    assert_memory_equal(out, expected, lens[i]);
    assert_memory_equal(tag, expected_tag, 16);
    aead_key_free(k);
  }
}

#endif

/* draft-irtf-cfrg-xchacha-03, A.3.1. */
static void test_xchacha_vector(void **state) {
  (void)state;
  const char *plain = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
                      "sunscreen would be it.";
  uint8_t key[32], nonce[24], aad[12], head[16], expected_tag[16], out[114], tag[AEAD_TAG_BYTES];
  from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f", key, sizeof key);
  from_hex("404142434445464748494a4b4c4d4e4f5051525354555657", nonce, sizeof nonce);
  from_hex("50515253c0c1c2c3c4c5c6c7", aad, sizeof aad);
  from_hex("bd6d179d3e83d43b9576579493c0e939", head, sizeof head);
  from_hex("c0875924c1c7987947deafd8780acf49", expected_tag, sizeof expected_tag);
  assert_int_equal(strlen(plain), sizeof out);
  struct aead_key *k = make_key(NACRE_CIPHER_XCHACHA20_POLY1305, key);
  assert_int_equal(aead_seal(k, nonce, aad, sizeof aad, (const uint8_t *)plain, sizeof out, out, tag), NACRE_OK);
  assert_memory_equal(out, head, sizeof head);
  assert_memory_equal(tag, expected_tag, 16);
  assert_true(bytes_all_zero(tag + 16, 16));
  aead_key_free(k);
}

/* ---- What every cipher must do ---- */

struct sealed {
  struct aead_key *key;
  uint8_t nonce[AEAD_NONCE_BYTES];
  uint8_t aad[20];
  uint8_t tag[AEAD_TAG_BYTES];
  uint8_t plain[LEN], out[LEN];
};

static void make_sealed(enum nacre_cipher cipher, size_t len, struct sealed *s) {
  uint8_t key[32];
  env_random(key, sizeof key);
  env_random(s->nonce, sizeof s->nonce);
  env_random(s->aad, sizeof s->aad);
  env_random(s->plain, sizeof s->plain);
  s->key = make_key(cipher, key);
  assert_int_equal(aead_seal(s->key, s->nonce, s->aad, sizeof s->aad, s->plain, len, s->out, s->tag), NACRE_OK);
}

static enum nacre_err try_open(const struct sealed *s, size_t len, uint8_t *back) {
  memset(back, 0xaa, LEN);
  return aead_open(s->key, s->nonce, s->aad, sizeof s->aad, s->out, len, back, s->tag);
}

static void test_round_trip_and_in_place(void **state) {
  (void)state;
  static struct sealed s;
  static uint8_t back[LEN], place[LEN];
  static const size_t lens[] = {0, 1, 15, 16, 17, 63, 64, 4096, LEN};
  for (size_t c = 0; c < 3; c++) {
    if (!aead_available(ciphers[c]))
      continue;
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
      uint8_t tag[AEAD_TAG_BYTES];
      make_sealed(ciphers[c], lens[i], &s);
      assert_int_equal(try_open(&s, lens[i], back), NACRE_OK);
      assert_memory_equal(back, s.plain, lens[i]);
      memcpy(place, s.plain, lens[i]);
      assert_int_equal(aead_seal(s.key, s.nonce, s.aad, sizeof s.aad, place, lens[i], place, tag), NACRE_OK);
      assert_memory_equal(place, s.out, lens[i]);
      assert_memory_equal(tag, s.tag, sizeof tag);
      assert_int_equal(aead_open(s.key, s.nonce, s.aad, sizeof s.aad, place, lens[i], place, tag), NACRE_OK);
      assert_memory_equal(place, s.plain, lens[i]);
      aead_key_free(s.key);
    }
  }
}

/* Every bit of the tag (its zeroes too), nonce and associated data, and some of the ciphertext. */
static void test_every_flip_is_noticed(void **state) {
  (void)state;
  static struct sealed s;
  static uint8_t back[LEN];
  for (size_t c = 0; c < 3; c++) {
    if (!aead_available(ciphers[c]))
      continue;
    make_sealed(ciphers[c], 100, &s);
    struct {
      uint8_t *p;
      size_t len;
    } parts[] = {{s.tag, sizeof s.tag}, {s.nonce, sizeof s.nonce}, {s.aad, sizeof s.aad}, {s.out, 100}};
    for (size_t part = 0; part < 4; part++) {
      for (size_t bit = 0; bit < parts[part].len * 8; bit++) {
        parts[part].p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(try_open(&s, 100, back), NACRE_ERR_DAMAGED);
        assert_true(bytes_all_zero(back, 100));
        parts[part].p[bit / 8] ^= (uint8_t)(1u << bit % 8);
      }
    }
    assert_int_equal(try_open(&s, 100, back), NACRE_OK);
    assert_int_equal(try_open(&s, 99, back), NACRE_ERR_DAMAGED);
    assert_int_equal(try_open(&s, 101, back), NACRE_ERR_DAMAGED);
    assert_string_equal(err_message(), "a block does not authenticate");
    aead_key_free(s.key);
  }
}

/* More sessions than there are kept contexts, revisited in an order that evicts. */
static void test_many_sessions(void **state) {
  (void)state;
  enum { SESSIONS = 50 };
  uint8_t key[32], nonces[SESSIONS][AEAD_NONCE_BYTES], outs[SESSIONS][32], tags[SESSIONS][AEAD_TAG_BYTES], back[32];
  static const uint8_t plain[32];
  env_random(key, sizeof key);
  env_random(nonces, sizeof nonces);
  for (size_t c = 0; c < 3; c++) {
    if (!aead_available(ciphers[c]))
      continue;
    struct aead_key *k = make_key(ciphers[c], key);
    for (size_t i = 0; i < SESSIONS; i++)
      assert_int_equal(aead_seal(k, nonces[i], NULL, 0, plain, 32, outs[i], tags[i]), NACRE_OK);
    for (size_t i = 0; i < 10 * SESSIONS; i++) {
      size_t j = i * 7 % SESSIONS;
      assert_int_equal(aead_open(k, nonces[j], NULL, 0, outs[j], 32, back, tags[j]), NACRE_OK);
      assert_memory_equal(back, plain, sizeof back);
    }
    aead_key_free(k);
  }
}

struct shared_key {
  const struct aead_key *key;
  bool ok;
};

static void *use_shared_key(void *arg) {
  struct shared_key *s = arg;
  uint8_t nonce[AEAD_NONCE_BYTES], tag[AEAD_TAG_BYTES], plain[256], buf[256];
  env_random(plain, sizeof plain);
  s->ok = true;
  for (unsigned i = 0; i < 2000; i++) {
    memset(nonce, (int)(i % 20), sizeof nonce);
    memcpy(buf, plain, sizeof buf);
    s->ok = s->ok && aead_seal(s->key, nonce, NULL, 0, buf, sizeof buf, buf, tag) == NACRE_OK &&
            aead_open(s->key, nonce, NULL, 0, buf, sizeof buf, buf, tag) == NACRE_OK &&
            memcmp(buf, plain, sizeof buf) == 0;
  }
  return NULL;
}

/* More threads than contexts, so that the spare ones are used too. */
static void test_threads_share_a_key(void **state) {
  (void)state;
  enum { THREADS = 24 };
  static const uint8_t key[32] = {7};
  for (size_t c = 0; c < 2; c++) {
    if (!aead_available(ciphers[c]))
      continue;
    struct aead_key *k = make_key(ciphers[c], key);
    pthread_t threads[THREADS];
    struct shared_key args[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
      args[i] = (struct shared_key){.key = k};
      assert_int_equal(pthread_create(&threads[i], NULL, use_shared_key, &args[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
      pthread_join(threads[i], NULL);
      assert_true(args[i].ok);
    }
    aead_key_free(k);
  }
}

static void test_nonce_add(void **state) {
  (void)state;
  uint8_t nonce[AEAD_NONCE_BYTES], out[AEAD_NONCE_BYTES];
  memset(nonce, 0x55, sizeof nonce);
  le64_put(nonce + 16, 0xff);
  aead_nonce_add(nonce, 1, out);
  assert_memory_equal(out, nonce, 16);
  assert_true(le64_get(out + 16) == 0x100);
  aead_nonce_add(out, UINT32_MAX, out); /* in place */
  assert_true(le64_get(out + 16) == 0x1000000ffu);
  aead_nonce_add(nonce, UINT64_MAX - 0xff, out);
  assert_true(le64_get(out + 16) == UINT64_MAX);
}

static void test_names_and_unknown_ciphers(void **state) {
  (void)state;
  static const uint8_t key[32];
  struct aead_key *k;
  assert_string_equal(aead_name(NACRE_CIPHER_AES_256_GCM), "aes-256-gcm");
  assert_string_equal(aead_name(NACRE_CIPHER_XCHACHA20_POLY1305), "xchacha20-poly1305");
  assert_string_equal(aead_name(NACRE_CIPHER_AEGIS_256), "aegis-256");
  assert_null(aead_name(NACRE_CIPHER_AUTO));
  assert_null(aead_name((enum nacre_cipher)77));
  assert_true(aead_available(NACRE_CIPHER_XCHACHA20_POLY1305));
  assert_false(aead_available((enum nacre_cipher)77));
  assert_int_equal(aead_key_new((enum nacre_cipher)77, key, &k), NACRE_ERR_UNSUPPORTED);
  assert_int_equal(aead_key_new(NACRE_CIPHER_AUTO, key, &k), NACRE_ERR_UNSUPPORTED);
  assert_null(k);
  if (!aead_available(NACRE_CIPHER_AEGIS_256))
    assert_int_equal(aead_key_new(NACRE_CIPHER_AEGIS_256, key, &k), NACRE_ERR_UNSUPPORTED);
  assert_true(aead_available(aead_preferred()));
  aead_key_free(NULL);
}

static int start(void **state) {
  (void)state;
  return env_start() == NACRE_OK ? 0 : -1;
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_xaes_vectors),
#if NACRE_WITH_LIBCRYPTO
    cmocka_unit_test(test_xaes_accumulated),
    cmocka_unit_test(test_aes_equals_libsodium),
#endif
    cmocka_unit_test(test_xchacha_vector),
    cmocka_unit_test(test_round_trip_and_in_place),
    cmocka_unit_test(test_every_flip_is_noticed),
    cmocka_unit_test(test_many_sessions),
    cmocka_unit_test(test_threads_share_a_key),
    cmocka_unit_test(test_nonce_add),
    cmocka_unit_test(test_names_and_unknown_ciphers),
  };
  return cmocka_run_group_tests(tests, start, NULL);
}
