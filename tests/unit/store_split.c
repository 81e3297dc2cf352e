/* Two stores that look like one. */
#include "base/bytes.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BODY_BYTES 10000u
#define AT_0 0u
#define LEN_0 100u
#define AT_1 5000u
#define LEN_1 300u

struct counted {
  struct store memory;
  unsigned syncs, closes;
  int sync_error;
};

static int counted_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  struct counted *c = ctx;
  return c->memory.ops.read(c->memory.ctx, buf, len, offset);
}

static int counted_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  struct counted *c = ctx;
  return c->memory.ops.write(c->memory.ctx, buf, len, offset);
}

static int counted_sync(void *ctx) {
  struct counted *c = ctx;
  c->syncs++;
  return c->sync_error;
}

static int counted_size(void *ctx, uint64_t *size) {
  struct counted *c = ctx;
  return c->memory.ops.size(c->memory.ctx, size);
}

static int counted_resize(void *ctx, uint64_t size) {
  struct counted *c = ctx;
  return c->memory.ops.resize(c->memory.ctx, size);
}

static void counted_close(void *ctx) {
  struct counted *c = ctx;
  c->closes++;
}

static const struct nacre_store_ops counted_ops = {.struct_size = sizeof counted_ops,
                                                   .read = counted_read,
                                                   .write = counted_write,
                                                   .sync = counted_sync,
                                                   .size = counted_size,
                                                   .resize = counted_resize,
                                                   .close = counted_close};

struct fixture {
  struct counted body, aside;
  struct store split;
};

static int make_fixture(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  const struct split_part parts[] = {{AT_0, LEN_0, 0}, {AT_1, LEN_1, LEN_0}};
  *state = f;
  if (memory_store_new(BODY_BYTES, 2 * BODY_BYTES, &f->body.memory) != NACRE_OK ||
      memory_store_new(0, LEN_0 + LEN_1, &f->aside.memory) != NACRE_OK)
    return -1;
  struct store body = {.ops = counted_ops, .ctx = &f->body}, aside = {.ops = counted_ops, .ctx = &f->aside};
  return split_store_new(&body, &aside, parts, 2, &f->split) == NACRE_OK ? 0 : -1;
}

static int free_fixture(void **state) {
  struct fixture *f = *state;
  store_close(&f->split);
  bool closed = f->body.closes == 1 && f->aside.closes == 1;
  store_close(&f->body.memory);
  store_close(&f->aside.memory);
  free(f);
  return closed ? 0 : -1;
}

static uint64_t size_of(struct store *s) {
  uint64_t size = 0;
  assert_int_equal(store_size(s, &size), NACRE_OK);
  return size;
}

static void bytes_go_where_they_belong(void **state) {
  struct fixture *f = *state;
  uint8_t whole[BODY_BYTES], read[BODY_BYTES], aside[LEN_0 + LEN_1];
  for (size_t i = 0; i < sizeof whole; i++)
    whole[i] = (uint8_t)(i * 7 + i / 256 + 1);
  assert_int_equal(store_write(&f->split, whole, sizeof whole, 0), NACRE_OK);
  assert_int_equal(size_of(&f->aside.memory), LEN_0 + LEN_1);
  assert_int_equal(store_read(&f->aside.memory, aside, sizeof aside, 0), NACRE_OK);
  assert_memory_equal(aside, whole + AT_0, LEN_0);
  assert_memory_equal(aside + LEN_0, whole + AT_1, LEN_1);
  assert_int_equal(store_read(&f->body.memory, read, sizeof read, 0), NACRE_OK);
  assert_true(bytes_all_zero(read, LEN_0));
  assert_true(bytes_all_zero(read + AT_1, LEN_1));
  assert_memory_equal(read + LEN_0, whole + LEN_0, AT_1 - LEN_0);
  assert_memory_equal(read + AT_1 + LEN_1, whole + AT_1 + LEN_1, BODY_BYTES - AT_1 - LEN_1);
  for (size_t from = 0; from < BODY_BYTES; from += 37) {
    size_t len = (size_t)u64_min(from % 11 * 97 + 1, BODY_BYTES - from);
    assert_int_equal(store_read(&f->split, read, len, from), NACRE_OK);
    assert_memory_equal(read, whole + from, len);
  }
  assert_int_equal(store_read(&f->split, read, 2, BODY_BYTES - 1), NACRE_ERR_IO);
}

static void what_is_aside_may_be_short(void **state) {
  struct fixture *f = *state;
  uint8_t bytes[LEN_1];
  assert_int_equal(store_read(&f->split, bytes, LEN_0, AT_0), NACRE_OK);
  assert_true(bytes_all_zero(bytes, LEN_0));
  assert_int_equal(store_write(&f->split, "x", 1, AT_0), NACRE_OK);
  assert_int_equal(size_of(&f->aside.memory), LEN_0 + LEN_1);
  assert_int_equal(store_resize(&f->aside.memory, LEN_0 + 10), NACRE_OK);
  memset(bytes, 1, sizeof bytes);
  assert_int_equal(store_read(&f->split, bytes, LEN_1, AT_1), NACRE_OK);
  assert_true(bytes_all_zero(bytes, LEN_1));
}

static void both_are_synced(void **state) {
  struct fixture *f = *state;
  assert_int_equal(store_sync(&f->split), NACRE_OK);
  assert_int_equal(f->body.syncs, 1); /* what others left */
  assert_int_equal(f->aside.syncs, 1);
  assert_int_equal(store_write(&f->split, "x", 1, AT_1), NACRE_OK);
  assert_int_equal(store_sync(&f->split), NACRE_OK);
  assert_int_equal(f->body.syncs, 1);
  assert_int_equal(f->aside.syncs, 2);
  assert_int_equal(store_write(&f->split, "xy", 2, AT_1 - 1), NACRE_OK);
  assert_int_equal(store_sync(&f->split), NACRE_OK);
  assert_int_equal(f->body.syncs, 2);
  assert_int_equal(f->aside.syncs, 3);
  assert_int_equal(store_resize(&f->split, BODY_BYTES + 1), NACRE_OK);
  assert_int_equal(size_of(&f->split), BODY_BYTES + 1);
  f->body.sync_error = EIO;
  assert_int_equal(store_sync(&f->split), NACRE_ERR_IO);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_fixture, free_fixture)

int main(void) {
  const struct CMUnitTest tests[] = {TEST(bytes_go_where_they_belong), TEST(what_is_aside_may_be_short),
                                     TEST(both_are_synced)};
  return cmocka_run_group_tests_name("store_split", tests, NULL, NULL);
}
