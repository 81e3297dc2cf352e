/* A certificate of erasure that anybody wrote. What is read from it can be compared with a container, whatever it
 * says; and a certificate that is written of it is read as the same, whatever its texts are. */
#include "cli/certificate.h"
#include "cli/report.h"
#include "fuzz/text_file.h"

#define CONTAINER_BYTES 8192u

static int container_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  (void)ctx;
  FUZZ_CHECK(offset <= CONTAINER_BYTES && len <= CONTAINER_BYTES - offset);
  memset(buf, 7, len);
  return 0;
}

static int container_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  (void)ctx;
  (void)buf;
  (void)len;
  (void)offset;
  fprintf(stderr, "comparing writes\n");
  abort();
}

static int container_sync(void *ctx) {
  (void)ctx;
  return 0;
}

static int container_size(void *ctx, uint64_t *size) {
  (void)ctx;
  *size = CONTAINER_BYTES;
  return 0;
}

static void container_close(void *ctx) {
  (void)ctx;
}

static const struct nacre_store_ops container_ops = {.struct_size = sizeof container_ops,
                                                     .read = container_read,
                                                     .write = container_write,
                                                     .sync = container_sync,
                                                     .size = container_size,
                                                     .close = container_close};

static void compare(const struct nacre_erase_report *report) {
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &container_ops};
  struct nacre_erase_check check = {.struct_size = sizeof check};
  uint32_t hashes = 0;
  for (uint32_t i = 0; i < report->range_count; i++)
    hashes += report->ranges[i].read_back;
  if (nacre_erase_verify(&target, report, NULL, NULL, NULL, &check) == NACRE_OK) {
    FUZZ_CHECK(check.ranges_equal + check.ranges_changed == hashes && !check.volume_there);
    FUZZ_CHECK(check.verdict != NACRE_ERASE_MATCHES || report->container_bytes == CONTAINER_BYTES);
  }
}

static bool same_range(const struct nacre_erase_range *a, const struct nacre_erase_range *b) {
  return a->offset_bytes == b->offset_bytes && a->len_bytes == b->len_bytes && a->keys == b->keys &&
         a->read_back == b->read_back && (!a->read_back || memcmp(a->hash, b->hash, sizeof a->hash) == 0);
}

/* The texts are the input itself: no text may pass for the record. */
static void write_and_read(const struct nacre_erase_report *report, const char *text) {
  const struct medium medium = {.rotational = -1};
  const struct certificate certificate = {.path = text, .header = text, .report = report, .medium = &medium};
  struct nacre_erase_report again;
  char *written = NULL;
  size_t len = 0;
  FILE *out = open_memstream(&written, &len);
  FUZZ_CHECK(out != NULL && certificate_write(&certificate, out) && fclose(out) == 0);
  FUZZ_CHECK(certificate_read(text_file((const uint8_t *)written, len), &again) == EXIT_DONE);
  FUZZ_CHECK(again.range_count == report->range_count && again.container_bytes == report->container_bytes);
  FUZZ_CHECK(again.identified == report->identified);
  FUZZ_CHECK(memcmp(again.volume_id, report->volume_id, sizeof again.volume_id) == 0);
  for (uint32_t i = 0; i < again.range_count; i++)
    FUZZ_CHECK(same_range(&again.ranges[i], &report->ranges[i]));
  free(written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct nacre_erase_report report;
  text_hide();
  const int code = certificate_read(text_file(data, size), &report);
  text_show();
  FUZZ_CHECK(code == EXIT_DONE || code == EXIT_USAGE);
  if (code != EXIT_DONE)
    return 0;
  FUZZ_CHECK(report.range_count <= NACRE_ERASE_RANGES_MAX && memchr(data, '\0', size) == NULL);
  compare(&report);
  char *text = strndup((const char *)data, size);
  FUZZ_CHECK(text != NULL);
  (void)snprintf(report.label, sizeof report.label, "%s", text);
  write_and_read(&report, text);
  free(text);
  return 0;
}
