#include "base/err.h"
#include "fuzz/harm.h"
#include "fuzz/reseal.h"
#include "ops/headers.h"

#define PUBLIC_BYTES 4096u
#define SLOTS_BYTES (FORMAT_SLOTS * FORMAT_SLOT_BYTES)
#define SEQUENCE_OFFSET 40u

static void change_copy(struct feed *f, uint8_t *raw, const uint8_t master_key[32]) {
  uint8_t plain[RESEAL_PLAIN_BYTES], form = feed_u8(f);
  unseal_header(raw, plain, master_key);
  if (form & 1) /* beyond what the superblock demands, whatever it is */
    le64_put(raw + SEQUENCE_OFFSET, le64_get(raw + SEQUENCE_OFFSET) + feed_wide(f));
  if (form & 2)
    harm_bytes(f, raw, PUBLIC_BYTES);
  if (form & 4)
    harm_bytes(f, raw + PUBLIC_BYTES + (size_t)(form >> 4) * FORMAT_SLOT_BYTES, SLOTS_BYTES / 2);
  if (form & 8)
    harm_bytes(f, plain, sizeof plain);
  reseal_header(raw, plain, master_key);
}

void harm_headers(struct engine *e, const uint8_t master_key[32], struct feed *f) {
  uint8_t *raw = malloc(FORMAT_HEADER_BYTES), form = feed_u8(f);
  FUZZ_CHECK(raw != NULL);
  for (unsigned copy = 0; copy < HEADERS_COPIES; copy++) {
    if ((form >> copy & 1) == 0)
      continue;
    uint64_t offset = headers_offset(copy);
    FUZZ_CHECK(store_read(e->store, raw, FORMAT_HEADER_BYTES, offset) == NACRE_OK);
    change_copy(f, raw, master_key);
    if (copy == 0 && (form & 4)) /* the same in both */
      FUZZ_CHECK(store_write(e->store, raw, FORMAT_HEADER_BYTES, headers_offset(1)) == NACRE_OK);
    FUZZ_CHECK(store_write(e->store, raw, FORMAT_HEADER_BYTES, offset) == NACRE_OK);
  }
  free(raw);
}
