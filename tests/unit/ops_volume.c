/* Opening volumes whose header copies disagree. */
#include "ops/create.h"
#include "ops/headers.h"
#include "ops/volume.h"
#include "tree/core.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <stdlib.h>

#define STORE_BYTES (32u << 20)

struct fixture {
  struct store memory;
  struct nacre_credential cred;
};

static void keep_open(void *ctx) {
  (void)ctx;
}

static enum nacre_err open_volume(struct fixture *f, struct volume **v) {
  const struct volume_options options = {.memory_bytes = 16u << 20};
  struct store opened = f->memory;
  opened.ops.close = keep_open;
  return volume_open(&opened, &options, &f->cred, v);
}

static int make_fixture(void **state) {
  static uint8_t key[32] = {1};
  const struct create_request request = {
      .size_limit_bytes = STORE_BYTES, .cipher = NACRE_CIPHER_XCHACHA20_POLY1305, .chunk_bytes = 4096};
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
  f->cred = (struct nacre_credential){.kind = NACRE_SLOT_RAW_KEY, .len = sizeof key, .secret = key};
  assert_int_equal(memory_store_new(0, STORE_BYTES, &f->memory), NACRE_OK);
  struct store opened = f->memory;
  opened.ops.close = keep_open;
  assert_int_equal(create_volume(&opened, &request, &f->cred), NACRE_OK);
  return 0;
}

static int free_fixture(void **state) {
  struct fixture *f = *state;
  store_close(&f->memory);
  free(f);
  return 0;
}

/* Exchanges a byte of the second copy of the header with *byte. */
static void swap_byte(struct fixture *f, uint8_t *byte) {
  const uint64_t at = headers_offset(1) + 5000;
  uint8_t before;
  assert_int_equal(store_read(&f->memory, &before, 1, at), NACRE_OK);
  assert_int_equal(store_write(&f->memory, byte, 1, at), NACRE_OK);
  *byte = before;
}

static void test_a_torn_copy_is_mended(void **state) {
  struct fixture *f = *state;
  struct volume *v = NULL;
  uint8_t right = 0, byte;
  swap_byte(f, &right);
  assert_int_equal(open_volume(f, &v), NACRE_OK);
  volume_free(v);
  byte = 0;
  swap_byte(f, &byte);
  assert_int_equal(byte, right);
}

/* It opens, but for reading: then the torn copy is let be, too. */
static void test_features_that_allow_reading(void **state) {
  struct fixture *f = *state;
  struct volume *v = NULL;
  struct nacre_attr attr;
  assert_int_equal(open_volume(f, &v), NACRE_OK);
  v->engine->durable.ro_compat |= 1ull << 60;
  v->engine->dirty = true;
  assert_int_equal(engine_commit(v->engine), NACRE_OK);
  volume_free(v);
  uint8_t byte = 0, harm;
  swap_byte(f, &byte);
  assert_int_equal(open_volume(f, &v), NACRE_OK);
  assert_int_equal(engine_check_writable(v->engine), NACRE_ERR_READ_ONLY);
  assert_int_equal(fs_getattr(v->fs, NACRE_ROOT_INO, &attr), NACRE_OK);
  volume_free(v);
  harm = 0xff;
  swap_byte(f, &harm);
  assert_int_equal(harm, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_a_torn_copy_is_mended, make_fixture, free_fixture),
      cmocka_unit_test_setup_teardown(test_features_that_allow_reading, make_fixture, free_fixture),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
