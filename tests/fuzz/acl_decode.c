/* Access control lists, which come from callers and from storage alike, and what a mode makes of them. */
#include "fs/acl.h"
#include "fuzz/feed.h"

static void try_mode(struct acl *acl, uint32_t mode) {
  uint32_t bits, inherited = mode;
  acl_set_mode(acl, mode);
  (void)acl_to_mode(acl, &bits);
  FUZZ_CHECK(acl->count == 0 || bits == (mode & 0777));
  acl_inherit(acl, &inherited);
  FUZZ_CHECK((inherited & ~mode) == 0 && (inherited & ~0777u) == (mode & ~0777u));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  uint32_t mode = feed_u16(&f), bits;
  uint8_t *value = feed_exact(f.p, f.left), again[ACL_VALUE_MAX_BYTES];
  struct acl *acl = calloc(1, sizeof *acl);
  FUZZ_CHECK(acl != NULL);
  if (acl_decode(value, f.left, acl) == NACRE_OK) {
    FUZZ_CHECK(acl_encode(acl, again) == f.left && memcmp(value, again, f.left) == 0);
    bool whole = acl_to_mode(acl, &bits);
    FUZZ_CHECK(bits <= 0777 && whole == (acl->count <= 3));
    try_mode(acl, mode);
    size_t len = acl_encode(acl, again);
    FUZZ_CHECK(len == f.left && acl_decode(again, len, acl) == NACRE_OK);
  }
  free(acl);
  free(value);
  return 0;
}
