/* An age file that somebody else made, and one of ours that was changed. */
#include "base/env.h"
#include "base/err.h"
#include "crypto/age.h"
#include "fuzz/feed.h"

#include <sodium.h>

static const uint8_t identity[32] = "the secret key of somebody's age";
static const uint8_t secret[AGE_PLAIN_BYTES] = "what an escrow slot is made from";

static void try_changed(struct feed *f) {
  uint8_t recipient[32], plain[AGE_PLAIN_BYTES], file[AGE_SEALED_BYTES], was[AGE_SEALED_BYTES];
  crypto_scalarmult_base(recipient, identity);
  FUZZ_CHECK(age_seal(recipient, secret, file) == NACRE_OK);
  memcpy(was, file, sizeof file);
  const size_t at = feed_u8(f) % sizeof file, len = feed_u8(f) % (sizeof file - at + 1);
  feed_copy(f, file + at, len);
  const enum nacre_err err = age_open(identity, file, sizeof file, plain);
  FUZZ_CHECK((err == NACRE_OK) == (memcmp(was, file, sizeof file) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t plain[AGE_PLAIN_BYTES], key[32];
  FUZZ_CHECK(env_start() == NACRE_OK);
  struct feed f = {data, size};
  switch (feed_u8(&f) % 3) {
  case 0:
    FUZZ_CHECK(age_open(identity, f.p, f.left, plain) != NACRE_OK);
    break;
  case 1:
    try_changed(&f);
    break;
  default: {
    char text[128] = "";
    feed_copy(&f, text, sizeof text - 1);
    const enum nacre_err as_recipient = age_recipient_decode(text, key);
    FUZZ_CHECK(as_recipient != NACRE_OK || age_identity_decode(text, key) != NACRE_OK);
  }
  }
  return 0;
}
