/* What was written to a file, and cannot be stored for what was there is damaged: who is told, and how often. */
#include "api_fixture.h"

#include <inttypes.h>
#include <stdio.h>

#define CHUNK 16384u
#define FILE_BYTES (4 * CHUNK)
#define MIB (1u << 20)
/* All but the two groups that have the headers and superblocks lies behind a group, up to this. */
#define SECOND_GROUP (16 * MIB)

static uint64_t make_file(struct api *a, const char *name) {
  static uint8_t bytes[FILE_BYTES];
  struct nacre_attr attr = {.struct_size = sizeof attr};
  nacre_file *file;
  memset(bytes, 'x', sizeof bytes);
  ok(nacre_open(a->vol, name, NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file));
  ok(nacre_write(file, bytes, sizeof bytes, 0));
  ok(nacre_fstat(file, &attr));
  nacre_close(file);
  return attr.ino;
}

static void write_in_part(struct api *a, const char *name) {
  nacre_file *file;
  ok(nacre_open(a->vol, name, NACRE_O_WRITE, 0, NULL, &file));
  ok(nacre_write(file, "part", 4, CHUNK + 100));
  nacre_close(file);
}

static void destroy(struct api *a) {
  static uint8_t noise[MIB];
  uint64_t size = 0;
  memset(noise, 0x5a, sizeof noise);
  ok(store_size(&a->memory, &size));
  for (uint64_t at = MIB; at < size; at += MIB)
    if (at != SECOND_GROUP)
      ok(store_write(&a->memory, noise, size - at < MIB ? size - at : MIB, at));
}

/* Files "one" and, if wanted, "two", whose buffered bytes are lost by the next commit. The first one's number. */
static uint64_t lose(struct api *a, bool both) {
  const uint64_t ino = make_file(a, "one");
  make_file(a, "two");
  ok(nacre_volume_close(a->vol));
  ok(nacre_volume_open(&a->target, NULL, a->cred, &a->vol));
  write_in_part(a, "one");
  if (both)
    write_in_part(a, "two");
  destroy(a);
  return ino;
}

static void expect_message(uint64_t ino, const char *others) {
  char wanted[128];
  snprintf(wanted, sizeof wanted, "the file with the number %" PRIu64 "%s could not be stored and is lost", ino,
           others);
  assert_non_null(strstr(nacre_last_error(), wanted));
}

static void test_sync_tells_once(void **state) {
  struct api *a = *state;
  const uint64_t ino = lose(a, false);
  assert_int_equal(nacre_volume_sync(a->vol), NACRE_ERR_DAMAGED);
  expect_message(ino, "");
  ok(nacre_volume_sync(a->vol));
}

static void test_close_tells(void **state) {
  struct api *a = *state;
  const uint64_t ino = lose(a, false);
  assert_int_equal(nacre_volume_close(a->vol), NACRE_ERR_DAMAGED);
  expect_message(ino, "");
  a->vol = NULL;
}

static void test_of_several_files(void **state) {
  struct api *a = *state;
  const uint64_t ino = lose(a, true);
  assert_int_equal(nacre_volume_sync(a->vol), NACRE_ERR_DAMAGED);
  expect_message(ino, ", and to others,");
}

/* It is durable, too, whatever was lost of others: the second call says so. */
static void test_a_light_sync_does_not_take_it(void **state) {
  struct api *a = *state;
  lose(a, false);
  nacre_file *file;
  ok(nacre_open(a->vol, "three", NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file));
  ok(nacre_volume_fsync(a->vol));
  ok(nacre_fsync(file));
  nacre_close(file);
  assert_int_equal(nacre_volume_sync(a->vol), NACRE_ERR_DAMAGED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_sync_tells_once, api_make, api_free),
      cmocka_unit_test_setup_teardown(test_close_tells, api_make, api_free),
      cmocka_unit_test_setup_teardown(test_of_several_files, api_make, api_free),
      cmocka_unit_test_setup_teardown(test_a_light_sync_does_not_take_it, api_make, api_free),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
