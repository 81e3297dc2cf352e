/* A volume made by somebody who has the key and means harm: records, nodes, log, superblocks or headers hold what
 * they must not, and all of it authenticates. Opening, reading, writing, deleting and verifying end without a crash.
 */
#include "api/handle.h"
#include "fuzz/drive.h"
#include "fuzz/harm.h"

static void use(struct feed *f, bool read_only) {
  nacre_volume *vol;
  struct nacre_verify_report report = {.struct_size = sizeof report};
  if (fuzz_volume_open(read_only, &vol) != NACRE_OK)
    return;
  drive_walk(vol, false);
  fuzz_any(nacre_verify(vol, &report, NULL, NULL, NULL, NULL, NULL));
  drive(vol, f, false);
  fuzz_any(nacre_volume_sync(vol));
  fuzz_any(nacre_verify(vol, &report, NULL, NULL, NULL, NULL, NULL));
  fuzz_any(nacre_volume_close(vol));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  nacre_volume *vol;
  uint8_t form = feed_u8(&f);
  fuzz_volume_reset();
  FUZZ_CHECK(fuzz_volume_open(false, &vol) == NACRE_OK);
  if (form & 1)
    harm_records(vol->v->engine, &f);
  if (form & 2)
    harm_blocks(vol->v->engine, &f);
  if (form & 16)
    harm_ring(vol->v->engine, &f);
  if (form & 32)
    harm_headers(vol->v->engine, vol->v->master_key, &f);
  nacre_volume_abandon(vol);
  use(&f, (form & 4) != 0);
  if (form & 8)
    use(&f, false);
  return 0;
}
