#include "support/vault.h"

#include "support/report.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#define MEMORY_BYTES (8u << 20)
#define KEPT_BYTES (32 << 20) /* as much as the allocator can be told */

void vault_setup(void) {
  (void)mallopt(M_MMAP_THRESHOLD, KEPT_BYTES);
  (void)mallopt(M_TRIM_THRESHOLD, 2 * KEPT_BYTES);
}

nacre_credential *vault_key(uint8_t byte) {
  uint8_t key[32];
  nacre_credential *cred = NULL;
  memset(key, byte, sizeof key);
  report_must(nacre_credential_raw_key(key, &cred), "making a key");
  return cred;
}

static struct nacre_target target_of(const struct vault *v) {
  return (struct nacre_target){.struct_size = sizeof(struct nacre_target), .ops = v->ops, .ctx = v->ctx};
}

enum nacre_err vault_create(const struct vault *v, uint64_t size_bytes) {
  const struct nacre_target target = target_of(v);
  const struct nacre_create_options options = {.struct_size = sizeof options,
                                               .size_bytes = size_bytes,
                                               .chunk_bytes = v->chunk_bytes,
                                               .slot_name = "first",
                                               .root_mode = 0755};
  return nacre_create(&target, &options, v->cred);
}

enum nacre_err vault_open(const struct vault *v, bool read_only, nacre_volume **out) {
  const struct nacre_target target = target_of(v);
  const struct nacre_open_options options = {.struct_size = sizeof options,
                                             .read_only = read_only,
                                             .memory_bytes = MEMORY_BYTES,
                                             .commit_interval_ms = 3600000,
                                             .accept_rollback = v->accept_rollback};
  *out = NULL;
  return nacre_volume_open(&target, &options, v->cred, out);
}

enum nacre_err vault_open_threads(const struct vault *v, int threads, nacre_volume **out) {
  const struct nacre_target target = target_of(v);
  const struct nacre_open_options options = {
      .struct_size = sizeof options, .memory_bytes = MEMORY_BYTES, .threads = threads, .commit_interval_ms = 3};
  *out = NULL;
  return nacre_volume_open(&target, &options, v->cred, out);
}

struct first_problem {
  char *message;
  size_t size_bytes;
};

static void on_problem(void *arg, const char *path, const char *problem) {
  struct first_problem *first = arg;
  if (first->message[0] == 0)
    snprintf(first->message, first->size_bytes, "%s: %s", path ? path : "-", problem);
}

enum nacre_err vault_verify(nacre_volume *vol, char *message, size_t size_bytes) {
  struct nacre_verify_report report = {.struct_size = sizeof report};
  struct first_problem first = {.message = message, .size_bytes = size_bytes};
  message[0] = 0;
  enum nacre_err err = nacre_verify(vol, &report, on_problem, &first, NULL, NULL, NULL);
  if (err != NACRE_OK && message[0] == 0)
    snprintf(message, size_bytes, "%s", nacre_last_error());
  return err;
}

struct nacre_volume_info vault_info(nacre_volume *vol) {
  struct nacre_volume_info info = {.struct_size = sizeof info};
  report_must(nacre_volume_get_info(vol, &info), "asking for the volume's state");
  return info;
}
