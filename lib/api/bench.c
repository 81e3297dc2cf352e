/* How fast this machine is at what a volume needs. */
#include "api/structs.h"
#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "crypto/aead.h"
#include "crypto/kdf.h"

#include <stdlib.h>

#define PIECE_MAX_BYTES (16u << 20)
#define PIECES_PER_LOOK 16u /* at the clock */

const char *nacre_cipher_name(enum nacre_cipher cipher) {
  if (cipher != NACRE_CIPHER_AES_256_GCM && cipher != NACRE_CIPHER_XCHACHA20_POLY1305 &&
      cipher != NACRE_CIPHER_AEGIS_256)
    return NULL;
  return aead_name(cipher);
}

bool nacre_cipher_available(enum nacre_cipher cipher) {
  if (env_start() != NACRE_OK)
    return false;
  return cipher == NACRE_CIPHER_AUTO || (nacre_cipher_name(cipher) && aead_available(cipher));
}

struct bench {
  struct aead_key *key;
  uint8_t *plain, *sealed;
  uint8_t tag[AEAD_TAG_BYTES];
  size_t piece_bytes;
  uint32_t duration_ms;
};

/* The same piece is opened over and over, but every seal has a nonce of its own, as a volume's do. */
static enum nacre_err seal_or_open(struct bench *b, bool seal, double *bytes_per_s) {
  static const uint8_t base[AEAD_NONCE_BYTES];
  uint8_t nonce[AEAD_NONCE_BYTES];
  uint64_t pieces = 0, elapsed_ms = 0;
  uint64_t start_ms = env_monotonic_ms();
  do {
    for (unsigned i = 0; i < PIECES_PER_LOOK; i++) {
      aead_nonce_add(base, seal ? pieces : 0, nonce);
      if (seal)
        ERR_TRY(aead_seal(b->key, nonce, NULL, 0, b->plain, b->piece_bytes, b->sealed, b->tag));
      else
        ERR_TRY(aead_open(b->key, nonce, NULL, 0, b->sealed, b->piece_bytes, b->plain, b->tag));
      pieces++;
    }
    elapsed_ms = env_monotonic_ms() - start_ms;
  } while (elapsed_ms < b->duration_ms || elapsed_ms == 0);
  *bytes_per_s = (double)pieces * (double)b->piece_bytes * 1000.0 / (double)elapsed_ms;
  return NACRE_OK;
}

static enum nacre_err bench_run(struct bench *b, double *seal_bytes_per_s, double *open_bytes_per_s) {
  static const uint8_t first[AEAD_NONCE_BYTES];
  ERR_TRY(seal_or_open(b, true, seal_bytes_per_s));
  ERR_TRY(aead_seal(b->key, first, NULL, 0, b->plain, b->piece_bytes, b->sealed, b->tag));
  return seal_or_open(b, false, open_bytes_per_s);
}

enum nacre_err nacre_bench_cipher(enum nacre_cipher cipher, size_t piece_bytes, uint32_t duration_ms,
                                  double *seal_bytes_per_s, double *open_bytes_per_s) {
  err_clear();
  if (piece_bytes == 0 || piece_bytes > PIECE_MAX_BYTES || !seal_bytes_per_s || !open_bytes_per_s)
    return err_set(NACRE_ERR_ARGUMENT, "a piece has 1 to %u bytes", PIECE_MAX_BYTES);
  ERR_TRY(env_start());
  if (cipher == NACRE_CIPHER_AUTO)
    cipher = aead_preferred();
  if (!nacre_cipher_name(cipher) || !aead_available(cipher))
    return err_set(NACRE_ERR_UNSUPPORTED, "this build or machine lacks that cipher");
  uint8_t secret[AEAD_KEY_BYTES]; /* thrown away: it protects zeroes */
  env_random(secret, sizeof secret);
  struct bench b = {.piece_bytes = piece_bytes, .duration_ms = duration_ms};
  b.plain = calloc(1, piece_bytes);
  b.sealed = calloc(1, piece_bytes);
  enum nacre_err err = NACRE_OK;
  if (!b.plain || !b.sealed)
    err = err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  if (err == NACRE_OK)
    err = aead_key_new(cipher, secret, &b.key);
  if (err == NACRE_OK)
    err = bench_run(&b, seal_bytes_per_s, open_bytes_per_s);
  aead_key_free(b.key);
  free(b.plain);
  free(b.sealed);
  return err;
}

enum nacre_err nacre_bench_kdf(struct nacre_kdf_cost *cost, double *ms) {
  static const uint8_t salt[KDF_SALT_BYTES];
  uint8_t derived[64];
  err_clear();
  if (!cost || !ms)
    return err_set(NACRE_ERR_ARGUMENT, "room for the result is missing");
  ERR_TRY(env_start());
  if (cost->memory_bytes == 0 || cost->passes == 0 || cost->lanes == 0)
    ERR_TRY(kdf_calibrate(cost));
  uint64_t start_ms = env_monotonic_ms();
  ERR_TRY(kdf_argon2id(cost, salt, "bench", "bench", 5, derived));
  *ms = (double)(env_monotonic_ms() - start_ms);
  return NACRE_OK;
}

enum nacre_err nacre_kdf_choose(const struct nacre_kdf_aim *aim, struct nacre_kdf_cost *cost, uint64_t *had_bytes) {
  struct nacre_kdf_aim ours;
  err_clear();
  ERR_TRY(struct_take(&ours, sizeof ours, aim));
  if (!cost)
    return err_set(NACRE_ERR_ARGUMENT, "room for the costs is missing");
  ERR_TRY(env_start());
  return kdf_choose(&ours, cost, had_bytes);
}
