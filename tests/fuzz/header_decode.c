/* The header: its public part, which anybody may write, and its sealed part, which somebody with the key may. */
#include "base/env.h"
#include "base/err.h"
#include "crypto/aead.h"
#include "format/header.h"
#include "fuzz/feed.h"

#define SEALED_OFFSET 135168u
#define PLAIN_BYTES 4040u
#define MAC_OFFSET (FORMAT_HEADER_BYTES - 32u)

static const uint8_t master_key[32] = "the key that the enemy has got";

static void subkey_seal(uint8_t *raw, uint8_t *plain) {
  uint8_t subkey[32], aad[28];
  struct aead_key *key;
  memcpy(aad, raw + 16, 16);
  memcpy(aad + 16, raw + 8, 4);
  memcpy(aad + 20, raw + 40, 8);
  kdf_subkey(master_key, "header seal", NULL, 0, subkey);
  FUZZ_CHECK(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, subkey, &key) == NACRE_OK);
  uint8_t *nonce = raw + SEALED_OFFSET, *tag = nonce + AEAD_NONCE_BYTES;
  FUZZ_CHECK(aead_seal(key, nonce, aad, sizeof aad, plain, PLAIN_BYTES, tag + AEAD_TAG_BYTES, tag) == NACRE_OK);
  aead_key_free(key);
  kdf_subkey(master_key, "header mac", NULL, 0, subkey);
  kdf_mac(subkey, raw, MAC_OFFSET, raw + MAC_OFFSET);
}

/* A sound header is written back as it was, but for what is random. */
static void write_back(const uint8_t *raw, const struct header *h, const struct header_sealed *sealed) {
  uint8_t *again = malloc(FORMAT_HEADER_BYTES);
  struct header h2;
  struct header_sealed sealed2;
  FUZZ_CHECK(again != NULL);
  FUZZ_CHECK(header_encode(h, sealed, master_key, again) == NACRE_OK);
  FUZZ_CHECK(memcmp(raw, again, 4096) == 0);
  FUZZ_CHECK(header_decode(again, &h2) == NACRE_OK);
  FUZZ_CHECK(header_open_sealed(again, master_key, &sealed2) == NACRE_OK);
  FUZZ_CHECK(memcmp(sealed->epochs, sealed2.epochs, sizeof sealed2.epochs) == 0);
  FUZZ_CHECK(memcmp(sealed->slots, sealed2.slots, sizeof sealed2.slots) == 0);
  free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  struct header h;
  struct header_sealed sealed;
  uint8_t *plain = calloc(1, PLAIN_BYTES), *raw = calloc(1, FORMAT_HEADER_BYTES);
  FUZZ_CHECK(raw != NULL && plain != NULL && env_start() == NACRE_OK);
  if (feed_u8(&f) & 1)
    feed_copy(&f, plain, PLAIN_BYTES);
  else
    plain[32] = plain[40] = 1; /* epoch 1 and its key */
  feed_copy(&f, raw, f.left < MAC_OFFSET ? f.left : MAC_OFFSET);
  enum nacre_err err = header_decode(raw, &h);
  subkey_seal(raw, plain);
  if (header_open_sealed(raw, master_key, &sealed) == NACRE_OK && err == NACRE_OK)
    write_back(raw, &h, &sealed);
  raw[feed_u16(&f)] ^= 1;
  FUZZ_CHECK(header_open_sealed(raw, master_key, &sealed) != NACRE_OK);
  free(raw);
  free(plain);
  return 0;
}
