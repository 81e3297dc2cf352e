/* A FIDO2 slot's record: what decodes, encodes to the same bytes. */
#include "cli/fido2.h"
#include "fuzz/feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct fido2_record record;
  uint8_t body[FIDO2_BODY_MAX];
  if (!fido2_record_decode(data, size, &record))
    return 0;
  FUZZ_CHECK(record.id_len <= FIDO2_ID_MAX && strlen(record.rp) <= FIDO2_RP_MAX);
  FUZZ_CHECK(fido2_record_encode(&record, body) == size && memcmp(body, data, size) == 0);
  return 0;
}
