/* A new volume on a container in memory, open for writing. */
#ifndef NACRE_TESTS_UNIT_API_FIXTURE_H
#define NACRE_TESTS_UNIT_API_FIXTURE_H

#include <nacre.h>

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define API_STORE_BYTES (32u << 20)
#define ok(expr) assert_int_equal((expr), NACRE_OK)

struct api {
  struct store memory;
  struct nacre_store_ops ops;
  struct nacre_target target;
  nacre_credential *cred;
  nacre_volume *vol;
};

static inline void api_keep_open(void *ctx) {
  (void)ctx;
}

static inline int api_make(void **state) {
  static const uint8_t key[32] = {1};
  const struct nacre_create_options options = {.struct_size = sizeof options, .size_bytes = API_STORE_BYTES};
  struct api *a = calloc(1, sizeof *a);
  *state = a;
  ok(memory_store_new(0, API_STORE_BYTES, &a->memory));
  a->ops = a->memory.ops;
  a->ops.close = api_keep_open;
  a->target = (struct nacre_target){.struct_size = sizeof a->target, .ops = &a->ops, .ctx = a->memory.ctx};
  ok(nacre_credential_raw_key(key, &a->cred));
  ok(nacre_create(&a->target, &options, a->cred));
  ok(nacre_volume_open(&a->target, NULL, a->cred, &a->vol));
  return 0;
}

static inline int api_free(void **state) {
  struct api *a = *state;
  ok(nacre_volume_close(a->vol));
  nacre_credential_free(a->cred);
  store_close(&a->memory);
  free(a);
  return 0;
}

#endif
