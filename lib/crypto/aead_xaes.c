/* AES-256-GCM with 24-byte nonces, as C2SP's XAES-256-GCM: the first 12 bytes of the nonce choose a derived key, the
 * other 12 are GCM's nonce.
 *
 * A write session shares its first 12 bytes, so its derived key, which libcrypto expands into round keys and a GHASH
 * table, is worth keeping: each key has a few contexts a direction, each bound to one session, lent to one thread at
 * a time. libcrypto keeps those tables in its own memory, which it wipes when they are freed, but doesn't lock or
 * keep out of core dumps: so the key itself is given to it for no longer than a derivation takes. */
#include "crypto/aead_backend.h"

#if NACRE_WITH_LIBCRYPTO

#include "base/bytes.h"
#include "base/err.h"
#include "base/secmem.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <pthread.h>

#define XAES_PREFIX_BYTES 12u
#define XAES_GCM_NONCE_BYTES 12u
#define XAES_GCM_TAG_BYTES 16u
#define XAES_BLOCK_BYTES 16u
#define XAES_CONTEXTS 16u

enum xaes_direction { XAES_OPEN = 0, XAES_SEAL = 1 }; /* EVP's own numbers */

/* Invariant: while `busy`, only the borrower touches it; `ctx` has the derived key of `prefix` when `bound`. */
struct xaes_context {
  EVP_CIPHER_CTX *ctx;
  uint64_t last_use;
  uint8_t prefix[XAES_PREFIX_BYTES];
  bool bound;
  bool busy;
};

struct xaes_key {
  pthread_mutex_t lock;
  EVP_CIPHER *gcm, *ecb;
  uint8_t mask[XAES_BLOCK_BYTES]; /* CMAC's subkey K1 */
  uint64_t uses;
  struct xaes_context contexts[2][XAES_CONTEXTS];
};

static bool xaes_available(void) {
  return true;
}

static void xaes_stop(void *state) {
  struct xaes_key *k = state;
  for (unsigned direction = 0; direction < 2; direction++) {
    for (unsigned i = 0; i < XAES_CONTEXTS; i++)
      EVP_CIPHER_CTX_free(k->contexts[direction][i].ctx);
  }
  EVP_CIPHER_free(k->ecb);
  EVP_CIPHER_free(k->gcm);
  pthread_mutex_destroy(&k->lock);
  secmem_free(k);
}

/* AES-256 of whole blocks under the key itself. */
static bool xaes_blocks(const struct xaes_key *k, const uint8_t key[AEAD_KEY_BYTES], const uint8_t *in, int len,
                        uint8_t *out) {
  int done = 0;
  EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
  bool ok = ctx != NULL && EVP_EncryptInit_ex(ctx, k->ecb, NULL, key, NULL) == 1 &&
            EVP_CIPHER_CTX_set_padding(ctx, 0) == 1 && EVP_EncryptUpdate(ctx, out, &done, in, len) == 1 &&
            done == len;
  EVP_CIPHER_CTX_free(ctx);
  return ok;
}

/* CMAC's K1: AES of zeroes, doubled in GF(2^128). */
static bool xaes_make_mask(struct xaes_key *k, const uint8_t key[AEAD_KEY_BYTES]) {
  static const uint8_t zeroes[XAES_BLOCK_BYTES];
  uint8_t l[XAES_BLOCK_BYTES];
  if (!xaes_blocks(k, key, zeroes, XAES_BLOCK_BYTES, l))
    return false;
  uint8_t carry = 0;
  for (unsigned i = XAES_BLOCK_BYTES; i-- > 0;) {
    k->mask[i] = (uint8_t)(l[i] << 1 | carry);
    carry = l[i] >> 7;
  }
  k->mask[XAES_BLOCK_BYTES - 1] ^= (uint8_t)(0x87 & -carry);
  secmem_wipe(l, sizeof l);
  return true;
}

static enum nacre_err xaes_start(const uint8_t key[AEAD_KEY_BYTES], void **state) {
  struct xaes_key *k = secmem_alloc(sizeof *k);
  if (k == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a key");
  pthread_mutex_init(&k->lock, NULL);
  k->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
  k->ecb = EVP_CIPHER_fetch(NULL, "AES-256-ECB", NULL);
  if (k->gcm == NULL || k->ecb == NULL || !xaes_make_mask(k, key)) {
    xaes_stop(k);
    return err_set(NACRE_ERR_UNSUPPORTED, "libcrypto on this machine gives no AES-256-GCM");
  }
  *state = k;
  return NACRE_OK;
}

/* A NIST SP 800-108 counter KDF with CMAC whose input is one block, so one AES a half. */
static bool xaes_derive(const struct xaes_key *k, const uint8_t key[AEAD_KEY_BYTES],
                        const uint8_t prefix[XAES_PREFIX_BYTES], uint8_t derived[AEAD_KEY_BYTES]) {
  uint8_t blocks[2 * XAES_BLOCK_BYTES];
  for (unsigned half = 0; half < 2; half++) {
    uint8_t *block = blocks + half * XAES_BLOCK_BYTES;
    block[0] = 0;
    block[1] = (uint8_t)(half + 1);
    block[2] = 'X';
    block[3] = 0;
    memcpy(block + 4, prefix, XAES_PREFIX_BYTES);
    for (unsigned i = 0; i < XAES_BLOCK_BYTES; i++)
      block[i] ^= k->mask[i];
  }
  bool ok = xaes_blocks(k, key, blocks, sizeof blocks, derived);
  secmem_wipe(blocks, sizeof blocks);
  return ok;
}

/* Under the lock: an idle context of this session, else the idle one that was used longest ago, else NULL. */
static struct xaes_context *xaes_pick(struct xaes_context contexts[XAES_CONTEXTS], const uint8_t *prefix) {
  struct xaes_context *oldest = NULL;
  for (unsigned i = 0; i < XAES_CONTEXTS; i++) {
    struct xaes_context *c = &contexts[i];
    if (c->busy)
      continue;
    if (c->bound && memcmp(c->prefix, prefix, XAES_PREFIX_BYTES) == 0)
      return c;
    if (oldest == NULL || c->last_use < oldest->last_use)
      oldest = c;
  }
  return oldest;
}

static bool xaes_bind(const struct xaes_key *k, struct xaes_context *c, enum xaes_direction direction,
                      const uint8_t *prefix, const uint8_t derived[AEAD_KEY_BYTES]) {
  if (c->ctx == NULL)
    c->ctx = EVP_CIPHER_CTX_new();
  if (c->ctx == NULL || EVP_CipherInit_ex(c->ctx, k->gcm, NULL, derived, NULL, (int)direction) != 1)
    return false;
  memcpy(c->prefix, prefix, XAES_PREFIX_BYTES);
  c->bound = true;
  return true;
}

/* A context bound to the nonce's session; `spare` serves when all others are out. NULL on failure. */
static struct xaes_context *xaes_borrow(struct xaes_key *k, const uint8_t key[AEAD_KEY_BYTES],
                                        enum xaes_direction direction, const uint8_t *prefix,
                                        struct xaes_context *spare) {
  uint8_t derived[AEAD_KEY_BYTES];
  pthread_mutex_lock(&k->lock);
  struct xaes_context *c = xaes_pick(k->contexts[direction], prefix);
  if (c == NULL)
    c = spare;
  c->busy = true;
  c->last_use = ++k->uses;
  if (c->bound && memcmp(c->prefix, prefix, XAES_PREFIX_BYTES) == 0) {
    pthread_mutex_unlock(&k->lock);
    return c;
  }
  c->bound = false;
  pthread_mutex_unlock(&k->lock);

  if (xaes_derive(k, key, prefix, derived))
    (void)xaes_bind(k, c, direction, prefix, derived);
  secmem_wipe(derived, sizeof derived);
  return c;
}

static void xaes_return(struct xaes_key *k, struct xaes_context *c, const struct xaes_context *spare) {
  if (c == spare) {
    EVP_CIPHER_CTX_free(c->ctx);
    return;
  }
  pthread_mutex_lock(&k->lock);
  c->busy = false;
  pthread_mutex_unlock(&k->lock);
}

/* All but the tag. EVP takes no NULL, even for nothing. */
static bool xaes_update(EVP_CIPHER_CTX *ctx, enum xaes_direction direction, const struct aead_message *m,
                        uint8_t *out) {
  int done = 0;
  if (EVP_CipherInit_ex(ctx, NULL, NULL, NULL, m->nonce + XAES_PREFIX_BYTES, (int)direction) != 1)
    return false;
  if (m->aad_len > 0 && EVP_CipherUpdate(ctx, NULL, &done, m->aad, (int)m->aad_len) != 1)
    return false;
  return m->len == 0 || (EVP_CipherUpdate(ctx, out, &done, m->in, (int)m->len) == 1 && done == (int)m->len);
}

static bool xaes_finish_seal(EVP_CIPHER_CTX *ctx, uint8_t *tag) {
  uint8_t none[XAES_BLOCK_BYTES];
  int done = 0;
  return EVP_CipherFinal_ex(ctx, none, &done) == 1 &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, XAES_GCM_TAG_BYTES, tag) == 1;
}

static enum nacre_err xaes_seal(void *state, const uint8_t *key, const struct aead_message *m, uint8_t *out,
                                uint8_t *tag) {
  struct xaes_key *k = state;
  struct xaes_context spare = {0};
  /* An app's own queue of libcrypto errors stays as it was. */
  ERR_set_mark();
  struct xaes_context *c = xaes_borrow(k, key, XAES_SEAL, m->nonce, &spare);
  bool ok = c->bound && xaes_update(c->ctx, XAES_SEAL, m, out) && xaes_finish_seal(c->ctx, tag);
  if (!ok)
    c->bound = false;
  xaes_return(k, c, &spare);
  ERR_pop_to_mark();
  return ok ? NACRE_OK : NACRE_ERR_NO_MEMORY;
}

static enum nacre_err xaes_open(void *state, const uint8_t *key, const struct aead_message *m, uint8_t *out,
                                const uint8_t *tag) {
  struct xaes_key *k = state;
  struct xaes_context spare = {0};
  uint8_t expected[XAES_GCM_TAG_BYTES], none[XAES_BLOCK_BYTES];
  int done = 0;
  memcpy(expected, tag, sizeof expected); /* EVP takes it without const */
  ERR_set_mark();
  struct xaes_context *c = xaes_borrow(k, key, XAES_OPEN, m->nonce, &spare);
  bool ready = c->bound && xaes_update(c->ctx, XAES_OPEN, m, out) &&
               EVP_CIPHER_CTX_ctrl(c->ctx, EVP_CTRL_AEAD_SET_TAG, XAES_GCM_TAG_BYTES, expected) == 1;
  bool good = ready && EVP_CipherFinal_ex(c->ctx, none, &done) == 1;
  if (!ready)
    c->bound = false;
  xaes_return(k, c, &spare);
  ERR_pop_to_mark();
  if (!ready)
    return NACRE_ERR_NO_MEMORY;
  return good ? NACRE_OK : NACRE_ERR_DAMAGED;
}

const struct aead_backend aead_xaes = {
    .name = "aes-256-gcm",
    .tag_bytes = XAES_GCM_TAG_BYTES,
    .available = xaes_available,
    .start = xaes_start,
    .stop = xaes_stop,
    .seal = xaes_seal,
    .open = xaes_open,
};

#else

static bool xaes_available(void) {
  return false;
}

const struct aead_backend aead_xaes = {.name = "aes-256-gcm", .tag_bytes = 16, .available = xaes_available};

#endif
