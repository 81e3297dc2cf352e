/* The superblock's plaintext. */
#include "base/bytes.h"
#include "format/superblock.h"
#include "fuzz/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  uint8_t *plain = malloc(SUPERBLOCK_PLAIN_BYTES), again[SUPERBLOCK_PLAIN_BYTES];
  struct superblock sb;
  FUZZ_CHECK(plain != NULL);
  feed_copy(&f, plain, SUPERBLOCK_PLAIN_BYTES);
  if (superblock_decode(plain, &sb) == NACRE_OK) {
    superblock_encode(&sb, again);
    FUZZ_CHECK(memcmp(plain, again, 496) == 0);
    FUZZ_CHECK(sb.compat != 0 || sb.ro_compat != 0 || memcmp(plain, again, sizeof again) == 0);
    FUZZ_CHECK(sb.root.unit + FORMAT_NODE_UNITS <= sb.units_end);
    FUZZ_CHECK(superblock_offset(sb.generation) <= FORMAT_GROUP_1_OFFSET + FORMAT_GROUP_BYTES - FORMAT_UNIT_BYTES);
  }
  free(plain);
  return 0;
}
