/* A volume made by somebody who has the key and means harm: records, nodes, log, superblocks or headers hold what
 * they must not, and all of it authenticates. Opening, reading, writing, deleting and verifying end without a crash.
 */
#include "api/handle.h"
#include "fuzz/drive.h"
#include "fuzz/harm.h"

/* ---- An anchor that remembers the volume as it was before the harm ---- */

static struct {
  uint8_t bytes[NACRE_ANCHOR_MAX_BYTES];
  size_t len;
} remembered;

static int anchor_load(void *ctx, const uint8_t fingerprint[32], void *buf, size_t cap, size_t *len) {
  (void)ctx;
  (void)fingerprint;
  FUZZ_CHECK(remembered.len <= cap);
  memcpy(buf, remembered.bytes, remembered.len);
  *len = remembered.len;
  return 0;
}

static int anchor_store(void *ctx, const uint8_t fingerprint[32], const void *buf, size_t len) {
  (void)ctx;
  (void)fingerprint;
  FUZZ_CHECK(len <= sizeof remembered.bytes);
  memcpy(remembered.bytes, buf, len);
  remembered.len = len;
  return 0;
}

static const struct nacre_anchor_ops anchor = {
    .struct_size = sizeof anchor, .load = anchor_load, .store = anchor_store};

/* ---- A target ---- */

#define FORM_READ_ONLY 4u
#define FORM_AGAIN 8u
#define FORM_ANCHOR 64u
#define FORM_ACCEPT 128u

static enum nacre_err open_as(uint8_t form, nacre_volume **vol) {
  return fuzz_volume_open_anchored((form & FORM_READ_ONLY) != 0, form & FORM_ANCHOR ? &anchor : NULL,
                                   (form & FORM_ACCEPT) != 0, vol);
}

static void use(struct feed *f, uint8_t form) {
  nacre_volume *vol;
  struct nacre_verify_report report = {.struct_size = sizeof report};
  if (open_as(form, &vol) != NACRE_OK)
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
  remembered.len = 0;
  FUZZ_CHECK(open_as(form & FORM_ANCHOR, &vol) == NACRE_OK);
  if (form & 1)
    harm_records(vol->v->engine, &f);
  if (form & 2)
    harm_blocks(vol->v->engine, &f);
  if (form & 16)
    harm_ring(vol->v->engine, &f);
  if (form & 32)
    harm_headers(vol->v->engine, vol->v->master_key, &f);
  nacre_volume_abandon(vol);
  use(&f, form);
  if (form & FORM_AGAIN)
    use(&f, form & (uint8_t)~FORM_READ_ONLY);
  return 0;
}
