/* The header: its public part, which anybody may write, and its sealed part, which somebody with the key may. */
#include "base/env.h"
#include "base/err.h"
#include "format/header.h"
#include "fuzz/reseal.h"

#define MAC_OFFSET (FORMAT_HEADER_BYTES - 32u)

static const uint8_t master_key[32] = "the key that the enemy has got";

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
  uint8_t *plain = calloc(1, RESEAL_PLAIN_BYTES), *raw = calloc(1, FORMAT_HEADER_BYTES);
  FUZZ_CHECK(raw != NULL && plain != NULL && env_start() == NACRE_OK);
  if (feed_u8(&f) & 1)
    feed_copy(&f, plain, RESEAL_PLAIN_BYTES);
  else
    plain[32] = plain[40] = 1; /* epoch 1 and its key */
  feed_copy(&f, raw, f.left < MAC_OFFSET ? f.left : MAC_OFFSET);
  enum nacre_err err = header_decode(raw, &h);
  reseal_header(raw, plain, master_key);
  if (header_open_sealed(raw, master_key, &sealed) == NACRE_OK && err == NACRE_OK)
    write_back(raw, &h, &sealed);
  raw[feed_u16(&f)] ^= 1;
  FUZZ_CHECK(header_open_sealed(raw, master_key, &sealed) != NACRE_OK);
  free(raw);
  free(plain);
  return 0;
}
