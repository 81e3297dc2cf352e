/* A container that somebody without the key made, or changed: both headers are the input's, the rest is zeroes. */
#include "api/handle.h"
#include "fuzz/feed.h"

#include <errno.h>

#define PUBLIC_BYTES 4096u
#define SLOT_BYTES 216u /* of each 4096 what is not random */
#define CONTAINER_BYTES (17ull << 20)

/* Copies of a header, as far as they are not zeroes: the public part, then what a slot has of each in turn. */
struct source {
  uint8_t copy[2][PUBLIC_BYTES + 2 * FORMAT_UNIT_BYTES];
  uint64_t size;
};

static int source_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  const struct source *s = ctx;
  uint8_t *out = buf;
  if (offset > s->size || len > s->size - offset)
    return EIO;
  memset(out, 0, len);
  for (unsigned i = 0; i < 2; i++) {
    uint64_t start = i == 0 ? FORMAT_GROUP_0_OFFSET : FORMAT_GROUP_1_OFFSET;
    for (uint64_t at = u64_max(start, offset); at < start + sizeof s->copy[i] && at < offset + len; at++)
      out[at - offset] = s->copy[i][at - start];
  }
  return 0;
}

static int source_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  (void)ctx;
  (void)buf;
  (void)len;
  (void)offset;
  fprintf(stderr, "a container that nobody unlocked is written to\n");
  abort();
}

static int source_sync(void *ctx) {
  (void)ctx;
  return 0;
}

static int source_size(void *ctx, uint64_t *size) {
  *size = ((const struct source *)ctx)->size;
  return 0;
}

static void source_close(void *ctx) {
  (void)ctx;
}

static const struct nacre_store_ops source_ops = {.struct_size = sizeof source_ops,
                                                  .read = source_read,
                                                  .write = source_write,
                                                  .sync = source_sync,
                                                  .size = source_size,
                                                  .close = source_close};

/* Public parts that would be taken, where the input asks for that, and then its changes. */
static void fill_copy(struct feed *f, uint8_t *copy) {
  static const uint8_t magic[8] = {0x6e, 0x61, 0x63, 0x72, 0x65, 0x0d, 0x0a, 0x1a};
  uint8_t form = feed_u8(f);
  if (form & 1)
    memcpy(copy, magic, sizeof magic);
  copy[12] = form >> 1 & 3;
  copy[40] = form >> 3;
  unsigned changes = feed_u8(f) % 24;
  for (unsigned i = 0; i < changes; i++) {
    size_t at = feed_u16(f) % (PUBLIC_BYTES + 2 * FORMAT_UNIT_BYTES - 40), len = feed_u8(f) % 40;
    feed_copy(f, copy + at, len);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const uint8_t key[32] = "not the key of anything";
  struct feed f = {data, size};
  struct source *s = calloc(1, sizeof *s);
  FUZZ_CHECK(s != NULL);
  s->size = feed_u8(&f) & 1 ? CONTAINER_BYTES : feed_wide(&f) % CONTAINER_BYTES;
  fill_copy(&f, s->copy[0]);
  fill_copy(&f, s->copy[1]);
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &source_ops, .ctx = s};
  struct nacre_public_info info = {.struct_size = sizeof info};
  if (nacre_probe(&target, &info) == NACRE_OK)
    FUZZ_CHECK(memchr(info.label, '\0', sizeof info.label) != NULL);
  struct nacre_open_options options = {.struct_size = sizeof options, .memory_bytes = 8u << 20};
  nacre_credential *cred;
  nacre_volume *vol;
  FUZZ_CHECK(nacre_credential_raw_key(key, &cred) == NACRE_OK);
  FUZZ_CHECK(nacre_volume_open(&target, &options, cred, &vol) != NACRE_OK);
  FUZZ_CHECK(*nacre_last_error() != '\0');
  nacre_credential_free(cred);
  free(s);
  return 0;
}
