#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <pthread.h>

static void test_little_and_big_endian(void **state) {
  (void)state;
  uint8_t b[8];
  le16_put(b, 0x1234);
  assert_int_equal(b[0], 0x34);
  assert_int_equal(le16_get(b), 0x1234);
  le32_put(b, 0x89abcdef);
  assert_int_equal(b[0], 0xef);
  assert_int_equal(le32_get(b), 0x89abcdef);
  le64_put(b, 0xfedcba9876543210u);
  assert_int_equal(b[7], 0xfe);
  assert_true(le64_get(b) == 0xfedcba9876543210u);
  be32_put(b, 0x89abcdef);
  assert_int_equal(b[0], 0x89);
  assert_int_equal(be32_get(b), 0x89abcdef);
  be64_put(b, 0xfedcba9876543210u);
  assert_int_equal(b[0], 0xfe);
  assert_true(be64_get(b) == 0xfedcba9876543210u);
}

static void test_checked_arithmetic(void **state) {
  (void)state;
  uint64_t r;
  assert_true(u64_add(1, 2, &r) && r == 3);
  assert_true(u64_add(UINT64_MAX, 0, &r) && r == UINT64_MAX);
  assert_false(u64_add(UINT64_MAX, 1, &r));
  assert_true(u64_mul(1u << 31, 1u << 31, &r) && r == 1ull << 62);
  assert_false(u64_mul(1ull << 32, 1ull << 32, &r));
  assert_true(u64_ceil_div(0, 7) == 0 && u64_ceil_div(7, 7) == 1 && u64_ceil_div(8, 7) == 2);
  assert_true(u64_ceil_div(UINT64_MAX, 2) == 1ull << 63);
  assert_true(u64_min(3, 4) == 3 && u64_max(3, 4) == 4);
}

static void test_all_zero(void **state) {
  (void)state;
  uint8_t b[9] = {0};
  assert_true(bytes_all_zero(b, 0));
  assert_true(bytes_all_zero(b, sizeof b));
  for (size_t i = 0; i < sizeof b; i++) {
    b[i] = 1;
    assert_false(bytes_all_zero(b, sizeof b));
    assert_true(bytes_all_zero(b, i));
    b[i] = 0;
  }
}

static void test_reader_reads_what_writer_wrote(void **state) {
  (void)state;
  uint8_t b[32], copy[4];
  struct writer w = writer_make(b, sizeof b);
  writer_u8(&w, 1);
  writer_u16(&w, 2);
  writer_u32(&w, 3);
  writer_u64(&w, 4);
  writer_copy(&w, "abcd", 4);
  writer_zeroes(&w, 13);
  assert_false(w.bad);
  assert_int_equal(w.done, 32);
  assert_int_equal(w.left, 0);

  struct reader r = reader_make(b, sizeof b);
  assert_int_equal(reader_u8(&r), 1);
  assert_int_equal(reader_u16(&r), 2);
  assert_int_equal(reader_u32(&r), 3);
  assert_int_equal(reader_u64(&r), 4);
  reader_copy(&r, copy, 4);
  assert_memory_equal(copy, "abcd", 4);
  reader_zeroes(&r, 13);
  assert_false(r.bad);
  assert_int_equal(r.left, 0);
}

static void test_reader_stops_at_the_end(void **state) {
  (void)state;
  const uint8_t b[7] = {1, 2, 3, 4, 5, 6, 7};
  struct reader r = reader_make(b, sizeof b);
  assert_true(reader_u64(&r) == 0);
  assert_true(r.bad);
  assert_int_equal(reader_u8(&r), 0); /* stays bad, though a byte is left */
  assert_null(reader_view(&r, 1));

  uint8_t copy[8];
  memset(copy, 0xff, sizeof copy);
  r = reader_make(b, sizeof b);
  reader_copy(&r, copy, 8);
  assert_true(r.bad && bytes_all_zero(copy, sizeof copy));

  r = reader_make(b, sizeof b);
  assert_null(reader_view(&r, SIZE_MAX));
  assert_true(r.bad);

  r = reader_make(b, sizeof b);
  reader_zeroes(&r, 2);
  assert_true(r.bad);
}

static void test_writer_stops_at_the_end(void **state) {
  (void)state;
  uint8_t b[4] = {9, 9, 9, 9};
  struct writer w = writer_make(b, 3);
  writer_u32(&w, 0);
  assert_true(w.bad);
  assert_int_equal(w.done, 0);
  writer_u8(&w, 1);
  assert_int_equal(b[0], 9);
}

static void *other_thread(void *arg) {
  (void)arg;
  err_set(NACRE_ERR_IO, "another thread's");
  return NULL;
}

static void test_message_is_of_this_thread(void **state) {
  (void)state;
  assert_int_equal(err_set(NACRE_ERR_DAMAGED, "block %d", 7), NACRE_ERR_DAMAGED);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
  pthread_join(thread, NULL);
  assert_string_equal(err_message(), "block 7");
  err_clear();
  assert_string_equal(err_message(), "");
}

static void test_message_is_one_line_and_bounded(void **state) {
  (void)state;
  err_set(NACRE_ERR_IO, "a\nb\x1b[0m");
  assert_string_equal(err_message(), "a?b?[0m");
  char name[400];
  memset(name, 'x', sizeof name - 1);
  name[sizeof name - 1] = '\0';
  err_set(NACRE_ERR_IO, "%s", name);
  assert_int_equal(strlen(err_message()), 255);
  err_prefix(NACRE_ERR_IO, "%s", name);
  err_set_errno(NACRE_ERR_IO, EIO, "%s", name);
  assert_int_equal(strlen(err_message()), 255);
}

static void test_message_takes_prefix_and_errno(void **state) {
  (void)state;
  assert_int_equal(err_set_errno(NACRE_ERR_IO, ENOENT, "opening %s", "x"), NACRE_ERR_IO);
  assert_string_equal(err_message(), "opening x: No such file or directory");
  assert_int_equal(err_prefix(NACRE_ERR_DAMAGED, "slot %u", 3u), NACRE_ERR_DAMAGED);
  assert_string_equal(err_message(), "slot 3: opening x: No such file or directory");
  err_set(NACRE_ERR_IO, "again: %s", err_message());
  assert_string_equal(err_message(), "again: slot 3: opening x: No such file or directory");
}

static struct nacre_time noon(void) {
  return (struct nacre_time){.s = 12, .ns = 34};
}

static void test_environment(void **state) {
  (void)state;
  assert_int_equal(env_start(), NACRE_OK);
  assert_int_equal(env_start(), NACRE_OK);
  uint8_t a[32] = {0}, b[32] = {0};
  env_random(a, sizeof a);
  env_random(b, sizeof b);
  assert_memory_not_equal(a, b, sizeof a);
  assert_true(env_ram_bytes() > 1u << 20);
  assert_true(env_cores() >= 1);
  uint64_t before = env_monotonic_ms();
  assert_true(env_monotonic_ms() >= before);
  assert_true(env_realtime().s > 1600000000);
  env_set_clock(noon);
  assert_true(env_realtime().s == 12 && env_realtime().ns == 34);
  env_set_clock(NULL);
  assert_true(env_realtime().s > 1600000000);
}

static void test_secret_memory(void **state) {
  (void)state;
  for (size_t len = 0; len < 100; len++) {
    uint8_t *p = secmem_alloc(len);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 16, 0);
    assert_true(bytes_all_zero(p, len));
    memset(p, 1, len);
    secmem_wipe(p, len);
    assert_true(bytes_all_zero(p, len));
    secmem_free(p);
  }
  secmem_free(NULL);
  assert_null(secmem_alloc(SIZE_MAX));
  assert_int_equal(secmem_compare("abc", "abc", 3), 0);
  assert_int_not_equal(secmem_compare("abc", "abd", 3), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_little_and_big_endian),
      cmocka_unit_test(test_checked_arithmetic),
      cmocka_unit_test(test_all_zero),
      cmocka_unit_test(test_reader_reads_what_writer_wrote),
      cmocka_unit_test(test_reader_stops_at_the_end),
      cmocka_unit_test(test_writer_stops_at_the_end),
      cmocka_unit_test(test_message_is_of_this_thread),
      cmocka_unit_test(test_message_is_one_line_and_bounded),
      cmocka_unit_test(test_message_takes_prefix_and_errno),
      cmocka_unit_test(test_environment),
      cmocka_unit_test(test_secret_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
