/* The text of a recovery key. */
#include "format/keyslot.h"
#include "fuzz/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint8_t secret[20], again[20];
  char written[NACRE_RECOVERY_TEXT_BYTES], *text = malloc(size + 1);
  FUZZ_CHECK(text != NULL);
  if (size > 0)
    memcpy(text, data, size);
  text[size] = '\0';
  if (recovery_decode(text, secret) == NACRE_OK) {
    FUZZ_CHECK(recovery_encode(secret, written) == NACRE_OK);
    FUZZ_CHECK(recovery_decode(written, again) == NACRE_OK && memcmp(secret, again, sizeof again) == 0);
  }
  /* And any 160 bits as text, which one wrong character anywhere spoils. */
  struct feed f = {data, size};
  feed_copy(&f, secret, sizeof secret);
  FUZZ_CHECK(recovery_encode(secret, written) == NACRE_OK);
  FUZZ_CHECK(recovery_decode(written, again) == NACRE_OK && memcmp(secret, again, sizeof again) == 0);
  size_t at = feed_u8(&f) % strlen(written);
  if (written[at] != '-') {
    written[at] = written[at] == '7' ? '8' : '7';
    FUZZ_CHECK(recovery_decode(written, again) == NACRE_ERR_CREDENTIAL);
  }
  free(text);
  return 0;
}
