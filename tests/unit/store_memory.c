#include "base/bytes.h"
#include "base/err.h"
#include "store/store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>

static void test_reads_back_what_was_written(void **state) {
  (void)state;
  struct store s;
  uint8_t buf[100], back[100];
  memset(buf, 7, sizeof buf);
  assert_int_equal(memory_store_new(1000, 5000, &s), NACRE_OK);
  assert_int_equal(store_write(&s, buf, 100, 900), NACRE_OK);
  assert_int_equal(store_read(&s, back, 100, 900), NACRE_OK);
  assert_memory_equal(buf, back, 100);
  assert_int_equal(store_read(&s, back, 100, 0), NACRE_OK);
  assert_true(bytes_all_zero(back, 100));
  assert_int_equal(store_sync(&s), NACRE_OK);
  store_close(&s);
  assert_null(s.ctx);
}

static void test_bounds(void **state) {
  (void)state;
  struct store s;
  uint8_t buf[100] = {0};
  assert_int_equal(memory_store_new(1000, 5000, &s), NACRE_OK);
  assert_int_equal(store_read(&s, buf, 100, 901), NACRE_ERR_IO);
  assert_string_equal(err_message(), "the container ends at 1000, before 1001");
  assert_int_equal(store_write(&s, buf, 100, 901), NACRE_ERR_IO);
  assert_int_equal(store_read(&s, buf, 100, UINT64_MAX - 50), NACRE_ERR_IO);
  assert_int_equal(store_write(&s, buf, 100, UINT64_MAX - 50), NACRE_ERR_IO);
  assert_int_equal(store_read(&s, buf, 0, 5000), NACRE_OK);
  store_close(&s);
}

static void test_resize(void **state) {
  (void)state;
  struct store s;
  uint64_t size;
  uint8_t buf[5000], back[5000];
  memset(buf, 9, sizeof buf);
  assert_int_equal(memory_store_new(0, 50000, &s), NACRE_OK);
  assert_true(store_can_resize(&s));
  assert_int_equal(store_resize(&s, 50000), NACRE_OK);
  assert_int_equal(store_write(&s, buf, 5000, 40000), NACRE_OK);
  assert_int_equal(store_resize(&s, 50001), NACRE_ERR_NO_SPACE);
  assert_int_equal(store_resize(&s, UINT64_MAX), NACRE_ERR_NO_SPACE);
  assert_int_equal(store_resize(&s, 41000), NACRE_OK);
  assert_int_equal(store_size(&s, &size), NACRE_OK);
  assert_true(size == 41000);
  assert_int_equal(store_resize(&s, 50000), NACRE_OK);
  assert_int_equal(store_read(&s, back, 5000, 40000), NACRE_OK);
  assert_memory_equal(back, buf, 1000);
  assert_true(bytes_all_zero(back + 1000, 4000)); /* shrinking forgot the rest */
  assert_int_equal(store_resize(&s, 0), NACRE_OK);
  assert_int_equal(store_resize(&s, 10), NACRE_OK);
  store_close(&s);
  assert_int_equal(memory_store_new(2, 1, &s), NACRE_ERR_NO_SPACE);
}

/* What was never written costs nothing, as far as there are addresses. */
static void test_sparse(void **state) {
  (void)state;
  struct store s;
  const uint64_t size = SIZE_MAX > UINT32_MAX ? 1ull << 36 : 1ull << 29;
  uint8_t byte = 5, back = 0;
  assert_int_equal(memory_store_new(size, size, &s), NACRE_OK);
  assert_int_equal(store_write(&s, &byte, 1, size - 1), NACRE_OK);
  assert_int_equal(store_read(&s, &back, 1, size - 1), NACRE_OK);
  assert_int_equal(back, 5);
  assert_int_equal(s.ops.discard(s.ctx, size / 2, UINT64_MAX), 0);
  assert_int_equal(store_read(&s, &back, 1, size - 1), NACRE_OK);
  assert_int_equal(back, 0);
  store_close(&s);
  if (SIZE_MAX == UINT32_MAX)
    assert_int_equal(memory_store_new(1ull << 33, 1ull << 33, &s), NACRE_ERR_NO_MEMORY);
}

/* ---- An app's own store that answers what it is told ---- */

struct app {
  int answer;
  unsigned closed;
};

static int app_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  (void)buf, (void)len, (void)offset;
  return ((struct app *)ctx)->answer;
}
static int app_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  (void)buf, (void)len, (void)offset;
  return ((struct app *)ctx)->answer;
}
static int app_sync(void *ctx) {
  return ((struct app *)ctx)->answer;
}
static int app_size(void *ctx, uint64_t *size) {
  *size = 4096;
  return ((struct app *)ctx)->answer;
}
static void app_close(void *ctx) {
  ((struct app *)ctx)->closed++;
}

static const struct nacre_store_ops app_ops = {
    .struct_size = sizeof app_ops,
    .read = app_read,
    .write = app_write,
    .sync = app_sync,
    .size = app_size,
    .close = app_close,
};

static void test_errno_becomes_a_code(void **state) {
  (void)state;
  static const struct {
    int errnum;
    enum nacre_err code;
  } cases[] = {
      {0, NACRE_OK},
      {EIO, NACRE_ERR_IO},
      {ENOSPC, NACRE_ERR_NO_SPACE},
      {EDQUOT, NACRE_ERR_NO_SPACE},
      {EFBIG, NACRE_ERR_NO_SPACE},
      {EROFS, NACRE_ERR_READ_ONLY},
      {ENODEV, NACRE_ERR_IO},
  };
  struct app app = {0};
  struct store s;
  uint64_t size;
  uint8_t buf[1] = {0};
  assert_int_equal(store_from_ops(&app_ops, &app, &s), NACRE_OK);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    app.answer = cases[i].errnum;
    assert_int_equal(store_read(&s, buf, 1, 0), cases[i].code);
    assert_int_equal(store_write(&s, buf, 1, 0), cases[i].code);
    assert_int_equal(store_sync(&s), cases[i].code);
    assert_int_equal(store_size(&s, &size), cases[i].code);
  }
  app.answer = EFBIG;
  assert_int_equal(store_write(&s, buf, 1, 0), NACRE_ERR_NO_SPACE);
  assert_string_equal(err_message(), "the filesystem under the container allows no larger file");
  store_close(&s);
  assert_int_equal(app.closed, 1);
}

static void test_fixed_size_and_read_only(void **state) {
  (void)state;
  struct app app = {0};
  struct store s;
  uint8_t byte = 0;
  assert_int_equal(store_from_ops(&app_ops, &app, &s), NACRE_OK);
  assert_false(store_can_resize(&s));
  assert_int_equal(store_resize(&s, 8192), NACRE_ERR_NO_SPACE);
  s.read_only = true;
  app.answer = EIO; /* not even asked */
  assert_int_equal(store_write(&s, &byte, 1, 0), NACRE_ERR_READ_ONLY);
  assert_int_equal(store_resize(&s, 8192), NACRE_ERR_READ_ONLY);
  assert_int_equal(store_sync(&s), NACRE_OK);
  store_close(&s);
}

static void test_incomplete_ops_are_refused(void **state) {
  (void)state;
  struct app app = {0};
  struct store s;
  struct nacre_store_ops ops = app_ops;
  ops.struct_size = 0;
  assert_int_equal(store_from_ops(&ops, &app, &s), NACRE_ERR_ARGUMENT);
  ops = app_ops;
  ops.sync = NULL;
  assert_int_equal(store_from_ops(&ops, &app, &s), NACRE_ERR_ARGUMENT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_reads_back_what_was_written),
      cmocka_unit_test(test_bounds),
      cmocka_unit_test(test_resize),
      cmocka_unit_test(test_sparse),
      cmocka_unit_test(test_errno_becomes_a_code),
      cmocka_unit_test(test_fixed_size_and_read_only),
      cmocka_unit_test(test_incomplete_ops_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
