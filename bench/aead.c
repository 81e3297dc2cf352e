/* Sealing and opening, by cipher and size, on one thread and on two. */
#include "crypto/aead.h"
#include "base/env.h"
#include "measure.h"

#include <pthread.h>
#include <string.h>

#define AAD_BYTES 20u
#define BUFFER_BYTES 65536u

struct job {
  const struct aead_key *key;
  size_t len;
  double seconds;
  bool open;
  uint64_t bytes; /* done */
};

static void *run(void *arg) {
  struct job *j = arg;
  uint8_t nonce[AEAD_NONCE_BYTES] = {1}, aad[AAD_BYTES] = {2}, tag[AEAD_TAG_BYTES];
  uint8_t *in = calloc(1, BUFFER_BYTES), *out = malloc(BUFFER_BYTES);
  MEASURE_OK(in == NULL || out == NULL);
  MEASURE_OK(aead_seal(j->key, nonce, aad, sizeof aad, in, j->len, out, tag));
  double end = measure_now_s() + j->seconds;
  do {
    for (unsigned i = 0; i < 16; i++) {
      if (j->open)
        MEASURE_OK(aead_open(j->key, nonce, aad, sizeof aad, out, j->len, in, tag));
      else
        MEASURE_OK(aead_seal(j->key, nonce, aad, sizeof aad, in, j->len, out, tag));
      j->bytes += j->len;
    }
  } while (measure_now_s() < end);
  free(in);
  free(out);
  return NULL;
}

static double mib_per_s(const struct aead_key *key, size_t len, bool open, unsigned threads) {
  pthread_t ids[8];
  struct job jobs[8];
  double start = measure_now_s();
  uint64_t bytes = 0;
  for (unsigned i = 0; i < threads; i++) {
    jobs[i] = (struct job){.key = key, .len = len, .seconds = 0.1, .open = open};
    MEASURE_OK(pthread_create(&ids[i], NULL, run, &jobs[i]));
  }
  for (unsigned i = 0; i < threads; i++) {
    pthread_join(ids[i], NULL);
    bytes += jobs[i].bytes;
  }
  return (double)bytes / (measure_now_s() - start) / (1 << 20);
}

static void measure_size(const char *name, const struct aead_key *key, size_t len, unsigned threads) {
  for (int open = 0; open < 2; open++) {
    double values[5];
    char what[96];
    for (unsigned round = 0; round < 5; round++)
      values[round] = mib_per_s(key, len, open != 0, threads);
    snprintf(what, sizeof what, "%s, %zu bytes, %s, %u thread%s", name, len, open ? "open" : "seal", threads,
             threads > 1 ? "s" : "");
    measure_add(what, "MiB/s", values, 5);
  }
}

int main(void) {
  static const uint8_t raw[AEAD_KEY_BYTES] = {3};
  static const size_t sizes[] = {4096, 16384, 65536};
  MEASURE_OK(env_start());
  measure_begin("aead");
  for (int c = NACRE_CIPHER_AES_256_GCM; c <= NACRE_CIPHER_AEGIS_256; c++) {
    struct aead_key *key;
    enum nacre_cipher cipher = (enum nacre_cipher)c;
    if (!aead_available(cipher))
      continue;
    MEASURE_OK(aead_key_new(cipher, raw, &key));
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
      measure_size(aead_name(cipher), key, sizes[i], 1);
    measure_size(aead_name(cipher), key, 16384, 2);
    aead_key_free(key);
  }
  measure_end();
  return 0;
}
