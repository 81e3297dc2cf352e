/* Calls of the public interface on a sound volume: whatever they are, it stays sound. */
#include "fuzz/drive.h"

static void check(nacre_volume *vol) {
  struct nacre_verify_report report = {.struct_size = sizeof report};
  if (nacre_verify(vol, &report, NULL, NULL, NULL, NULL, NULL) != NACRE_OK) {
    fprintf(stderr, "verify: %llu problems: %s\n", (unsigned long long)report.problems, nacre_last_error());
    abort();
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  nacre_volume *vol;
  bool abandon = (feed_u8(&f) & 1) != 0;
  fuzz_volume_reset();
  FUZZ_CHECK(fuzz_volume_open(false, &vol) == NACRE_OK);
  drive(vol, &f, true);
  if (abandon) {
    nacre_volume_abandon(vol);
  } else {
    drive_walk(vol, true);
    check(vol);
    FUZZ_CHECK(nacre_volume_close(vol) == NACRE_OK);
  }
  FUZZ_CHECK(fuzz_volume_open(false, &vol) == NACRE_OK);
  drive_walk(vol, true);
  check(vol);
  nacre_volume_abandon(vol);
  return 0;
}
