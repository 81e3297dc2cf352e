/* A header in a file of its own: what is left in the container says nothing, and everything else is as it was. */
#include <nacre.h>

#include "format/format.h"
#include "store/store.h"
#include "support/survivors.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define STORE_BYTES (32u << 20)

struct fixture {
  struct store body, header;
  struct nacre_store_ops body_ops, header_ops;
  struct nacre_target target, header_target, body_target;
  nacre_credential *keys[2];
  nacre_volume *vol;
};

static void keep_open(void *ctx) {
  (void)ctx;
}

static int make_fixture(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  *state = f;
  for (unsigned i = 0; i < 2; i++) {
    uint8_t key[32] = {(uint8_t)(i + 1)};
    if (nacre_credential_raw_key(key, &f->keys[i]) != NACRE_OK)
      return -1;
  }
  if (memory_store_new(0, STORE_BYTES, &f->body) != NACRE_OK ||
      memory_store_new(0, 2 * NACRE_HEADER_BYTES, &f->header) != NACRE_OK)
    return -1;
  f->body_ops = f->body.ops;
  f->header_ops = f->header.ops;
  f->body_ops.close = f->header_ops.close = keep_open;
  f->header_target =
      (struct nacre_target){.struct_size = sizeof f->header_target, .ops = &f->header_ops, .ctx = f->header.ctx};
  f->body_target =
      (struct nacre_target){.struct_size = sizeof f->body_target, .ops = &f->body_ops, .ctx = f->body.ctx};
  f->target = f->body_target;
  f->target.header = &f->header_target;
  const struct nacre_create_options create = {
      .struct_size = sizeof create, .size_bytes = STORE_BYTES, .label = "a label"};
  return nacre_create(&f->target, &create, f->keys[0]) == NACRE_OK ? 0 : -1;
}

static int free_fixture(void **state) {
  struct fixture *f = *state;
  nacre_credential_free(f->keys[0]);
  nacre_credential_free(f->keys[1]);
  store_close(&f->body);
  store_close(&f->header);
  free(f);
  return 0;
}

static uint8_t *contents(struct store *s, size_t *len) {
  uint64_t size = 0;
  assert_int_equal(store_size(s, &size), NACRE_OK);
  uint8_t *bytes = malloc((size_t)size);
  assert_non_null(bytes);
  assert_int_equal(store_read(s, bytes, (size_t)size, 0), NACRE_OK);
  *len = (size_t)size;
  return bytes;
}

static void open_it(struct fixture *f, unsigned key) {
  assert_int_equal(nacre_volume_open(&f->target, NULL, f->keys[key], &f->vol), NACRE_OK);
}

static void close_it(struct fixture *f) {
  assert_int_equal(nacre_volume_close(f->vol), NACRE_OK);
}

/* Each value of a byte comes about as often as any other. */
static bool looks_random(const uint8_t *bytes, size_t len) {
  size_t counts[256] = {0};
  for (size_t i = 0; i < len; i++)
    counts[bytes[i]]++;
  double squares = 0, expected = (double)len / 256;
  for (size_t i = 0; i < 256; i++)
    squares += ((double)counts[i] - expected) * ((double)counts[i] - expected) / expected;
  return squares < 400; /* 255 expected, deviation 23 */
}

static void nothing_public_is_left(void **state) {
  struct fixture *f = *state;
  struct survivors s;
  size_t len, header_len;
  open_it(f, 0);
  assert_int_equal(nacre_slot_add(f->vol, f->keys[1], NULL, "second", NULL), NACRE_OK);
  assert_int_equal(nacre_mkdir(f->vol, "folder", 0700, NULL), NACRE_OK);
  close_it(f);
  uint8_t *header = contents(&f->header, &header_len), *body = contents(&f->body, &len);
  assert_int_equal(header_len, 2 * NACRE_HEADER_BYTES);
  assert_memory_equal(header, FORMAT_MAGIC, 8);
  assert_memory_equal(header, header + NACRE_HEADER_BYTES, NACRE_HEADER_BYTES);
  survivors_init(&s, header_len);
  survivors_add(&s, header, header_len);
  assert_int_equal(survivors_count(&s, body, len, NULL), 0);
  survivors_free(&s);
  assert_null(memmem(body, len, FORMAT_MAGIC, 8));
  assert_null(memmem(body, len, "a label", 7));
  for (size_t at = 0; at < FORMAT_GROUP_BYTES; at += 64u << 10) {
    assert_true(looks_random(body + FORMAT_GROUP_0_OFFSET + at, 64u << 10));
    assert_true(looks_random(body + FORMAT_GROUP_1_OFFSET + at, 64u << 10));
  }
  free(header);
  free(body);
  struct nacre_public_info info = {.struct_size = sizeof info};
  assert_int_equal(nacre_probe(&f->body_target, &info), NACRE_ERR_NOT_VOLUME);
  assert_int_equal(nacre_volume_open(&f->body_target, NULL, f->keys[0], &f->vol), NACRE_ERR_NOT_VOLUME);
  assert_int_equal(nacre_probe(&f->target, &info), NACRE_OK);
  assert_int_equal(info.header_copies_valid, 2);
  assert_int_equal(info.container_bytes, len);
  assert_string_equal(info.label, "a label");
  open_it(f, 1);
  struct nacre_attr attr = {.struct_size = sizeof attr};
  assert_int_equal(nacre_stat(f->vol, "folder", &attr), NACRE_OK);
  close_it(f);
}

static void a_destroyed_copy_is_mended(void **state) {
  struct fixture *f = *state;
  struct nacre_public_info info = {.struct_size = sizeof info};
  assert_int_equal(store_resize(&f->header, NACRE_HEADER_BYTES), NACRE_OK);
  assert_int_equal(nacre_probe(&f->target, &info), NACRE_OK);
  assert_int_equal(info.header_copies_valid, 1);
  open_it(f, 0);
  close_it(f);
  assert_int_equal(nacre_probe(&f->target, &info), NACRE_OK);
  assert_int_equal(info.header_copies_valid, 2);
}

static void headers_are_changed_and_restored_there(void **state) {
  struct fixture *f = *state;
  uint8_t backup[NACRE_HEADER_BYTES];
  assert_int_equal(nacre_header_backup(&f->target, NULL, NULL, backup), NACRE_OK);
  assert_int_equal(nacre_header_backup(&f->body_target, NULL, NULL, backup), NACRE_ERR_NOT_VOLUME);
  open_it(f, 0);
  assert_int_equal(nacre_slot_change(f->vol, 0, f->keys[1], NULL, NULL), NACRE_OK);
  close_it(f);
  assert_int_equal(nacre_volume_open(&f->target, NULL, f->keys[0], &f->vol), NACRE_ERR_CREDENTIAL);
  assert_int_equal(store_resize(&f->header, 0), NACRE_OK);
  assert_int_equal(nacre_volume_open(&f->target, NULL, f->keys[1], &f->vol), NACRE_ERR_NOT_VOLUME);
  const struct nacre_open_options options = {
      .struct_size = sizeof options, .header_backup = backup, .header_backup_bytes = sizeof backup};
  assert_int_equal(nacre_volume_open(&f->target, &options, f->keys[0], &f->vol), NACRE_OK);
  assert_int_equal(nacre_header_restore(f->vol, false, NULL), NACRE_OK);
  close_it(f);
  open_it(f, 0);
  close_it(f);
}

static void erasing_destroys_both(void **state) {
  struct fixture *f = *state;
  struct nacre_erase_report report = {.struct_size = sizeof report};
  struct nacre_erase_check check = {.struct_size = sizeof check};
  struct survivors s;
  size_t len;
  uint8_t *bytes = contents(&f->header, &len);
  survivors_init(&s, 3 * NACRE_HEADER_BYTES);
  survivors_add(&s, bytes, len);
  free(bytes);
  bytes = contents(&f->body, &len);
  survivors_add(&s, bytes + FORMAT_RING_OFFSET, FORMAT_GROUP_BYTES - FORMAT_RING_OFFSET);
  free(bytes);
  assert_int_equal(nacre_erase(&f->body_target, NULL, &report), NACRE_ERR_NOT_VOLUME);
  assert_int_equal(nacre_erase(&f->target, NULL, &report), NACRE_OK);
  assert_true(report.identified);
  bytes = contents(&f->header, &len);
  assert_int_equal(survivors_count(&s, bytes, len, NULL), 0);
  free(bytes);
  bytes = contents(&f->body, &len);
  assert_int_equal(survivors_count(&s, bytes, len, NULL), 0);
  free(bytes);
  survivors_free(&s);
  assert_int_equal(nacre_erase_verify(&f->target, &report, NULL, NULL, NULL, &check), NACRE_OK);
  assert_int_equal(check.verdict, NACRE_ERASE_MATCHES);
  assert_int_equal(nacre_erase_verify(&f->body_target, &report, NULL, NULL, NULL, &check), NACRE_OK);
  assert_int_equal(check.verdict, NACRE_ERASE_OTHER);
}

static void another_volumes_header(void **state) {
  struct fixture *f = *state, *g;
  assert_int_equal(make_fixture((void **)&g), 0);
  struct nacre_target mixed = f->body_target;
  mixed.header = &g->header_target;
  assert_int_equal(nacre_volume_open(&mixed, NULL, f->keys[0], &f->vol), NACRE_ERR_DAMAGED);
  (void)free_fixture((void **)&g);
  /* Nor is one made over it, or over the container. */
  const struct nacre_create_options create = {.struct_size = sizeof create, .size_bytes = STORE_BYTES};
  struct store empty;
  assert_int_equal(memory_store_new(0, STORE_BYTES, &empty), NACRE_OK);
  struct nacre_store_ops ops = empty.ops;
  ops.close = keep_open;
  const struct nacre_target over = {
      .struct_size = sizeof over, .ops = &ops, .ctx = empty.ctx, .header = &f->header_target};
  assert_int_equal(nacre_create(&over, &create, f->keys[0]), NACRE_ERR_EXISTS);
  store_close(&empty);
  open_it(f, 0);
  close_it(f);
}

static void targets_that_make_no_sense(void **state) {
  struct fixture *f = *state;
  struct nacre_public_info info = {.struct_size = sizeof info};
  const struct nacre_target nothing = {.struct_size = sizeof nothing};
  struct nacre_target bad = f->body_target;
  bad.header = &nothing;
  assert_int_equal(nacre_probe(&bad, &info), NACRE_ERR_ARGUMENT);
  bad.header = &f->target;
  assert_int_equal(nacre_probe(&bad, &info), NACRE_ERR_ARGUMENT);
  const struct nacre_target missing = {.struct_size = sizeof missing, .path = "/nonexistent/header"};
  bad.header = &missing;
  assert_int_equal(nacre_probe(&bad, &info), NACRE_ERR_NOT_VOLUME);
  assert_non_null(strstr(nacre_last_error(), "header's file"));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_fixture, free_fixture)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(nothing_public_is_left), TEST(a_destroyed_copy_is_mended), TEST(headers_are_changed_and_restored_there),
      TEST(erasing_destroys_both),  TEST(another_volumes_header),     TEST(targets_that_make_no_sense),
  };
  return cmocka_run_group_tests_name("api_detached", tests, NULL, NULL);
}
