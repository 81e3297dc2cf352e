/* Rotation through the library: no block of before lies anywhere in the container when it is over. */
#include "unit/api_content.h"

#include "api/handle.h"
#include "base/bytes.h"
#include "tree/core.h"

#include <errno.h>

/* All of the container but its two groups, in the caller's hands. */
static uint8_t *blocks_of(struct api *a, uint64_t *size) {
  assert_int_equal(a->ops.size(a->target.ctx, size), 0);
  uint8_t *bytes = malloc(*size);
  read_at(a, 0, bytes, *size);
  return bytes;
}

static bool in_group(uint64_t offset) {
  return offset < FORMAT_GROUP_BYTES ||
         (offset >= FORMAT_GROUP_1_OFFSET && offset < FORMAT_GROUP_1_OFFSET + FORMAT_GROUP_BYTES);
}

/* How many units of the container, of which before has what it held, are as they were. */
static unsigned units_as_before(struct api *a, const uint8_t *before, uint64_t before_size) {
  uint64_t size;
  unsigned same = 0;
  uint8_t *after = blocks_of(a, &size);
  for (uint64_t at = 0; at < before_size && at < size; at += FORMAT_UNIT_BYTES) {
    if (!in_group(at) && !bytes_all_zero(before + at, FORMAT_UNIT_BYTES))
      same += memcmp(before + at, after + at, FORMAT_UNIT_BYTES) == 0;
  }
  free(after);
  return same;
}

/* Blocks in use, and free ones of all kinds. */
static void make_old_blocks(nacre_volume *vol) {
  make_content(vol);
  write_file(vol, "passing", 3 * FILE_BYTES, 4);
  ok(nacre_volume_sync(vol));
  ok(nacre_unlink(vol, "passing"));
  write_file(vol, "large", FILE_BYTES, 1);
  for (unsigned i = 0; i < 3; i++) {
    write_file(vol, "other", 5000, i);
    ok(nacre_volume_sync(vol));
  }
}

static void swap_groups(struct api *a, uint8_t *blocks) {
  static const uint64_t offsets[] = {0, FORMAT_GROUP_1_OFFSET};
  uint8_t *now = malloc(FORMAT_GROUP_BYTES);
  for (unsigned i = 0; i < 2; i++) {
    read_at(a, offsets[i], now, FORMAT_GROUP_BYTES);
    put_at(a, offsets[i], blocks + offsets[i], FORMAT_GROUP_BYTES);
    memcpy(blocks + offsets[i], now, FORMAT_GROUP_BYTES);
  }
  free(now);
}

/* Nothing of what the container held is where it was: not what was in use, nor what had been freed before. */
static void test_no_old_block_is_left(void **state) {
  struct api *a = *state;
  uint64_t size;
  make_old_blocks(a->vol);
  uint8_t *before = blocks_of(a, &size);
  struct nacre_rekey_report report = {.struct_size = sizeof report};
  ok(nacre_rekey(a->vol, NULL, &report));
  assert_true(report.wiped_bytes > FILE_BYTES);
  assert_int_equal(units_as_before(a, before, size), 0);
  ok(reopen(a, a->cred));
  check_content(a->vol);
  /* With the groups of then, and the credential, there is nothing to be found. */
  ok(nacre_volume_close(a->vol));
  swap_groups(a, before);
  assert_int_equal(nacre_volume_open(&a->target, NULL, a->cred, &a->vol), NACRE_ERR_DAMAGED);
  swap_groups(a, before);
  ok(nacre_volume_open(&a->target, NULL, a->cred, &a->vol));
  free(before);
}

/* Nor behind its end, where a growth or a trim that was cut leaves a container longer than it says. */
static void test_what_lies_behind_the_end_goes(void **state) {
  struct api *a = *state;
  uint64_t before, size;
  uint8_t old[FORMAT_UNIT_BYTES];
  make_content(a->vol);
  ok(nacre_volume_close(a->vol));
  ok(store_size(&a->memory, &before));
  ok(store_resize(&a->memory, before + (4u << 20)));
  memset(old, 0x5a, sizeof old);
  put_at(a, before + (3u << 20), old, sizeof old);
  ok(nacre_volume_open(&a->target, NULL, a->cred, &a->vol));
  ok(rekey(a->vol, NACRE_CIPHER_AUTO));
  uint8_t *after = blocks_of(a, &size);
  for (uint64_t at = 0; at < size; at += FORMAT_UNIT_BYTES)
    assert_memory_not_equal(after + at, old, sizeof old);
  free(after);
  check_content(a->vol);
}

/* What is empty stays so: a file's holes don't become blocks. */
static void test_empty_blocks_stay_empty(void **state) {
  struct api *a = *state;
  uint64_t size;
  make_content(a->vol);
  write_file(a->vol, "passing", FILE_BYTES, 4);
  ok(nacre_volume_sync(a->vol));
  ok(rekey(a->vol, NACRE_CIPHER_AUTO));
  ok(nacre_unlink(a->vol, "passing"));
  for (unsigned i = 0; i < 3; i++)
    ok(nacre_volume_sync(a->vol)); /* its place is free */
  static const uint8_t empty[FORMAT_UNIT_BYTES];
  uint8_t *found = blocks_of(a, &size);
  unsigned holes = 0, left = 0;
  for (uint64_t unit = 0; unit < size / FORMAT_UNIT_BYTES; unit += 3) {
    if (in_group(unit * FORMAT_UNIT_BYTES) || engine_unit_used(a->vol->v->engine, unit))
      continue;
    put_at(a, unit * FORMAT_UNIT_BYTES, empty, sizeof empty);
    holes++;
  }
  free(found);
  ok(rekey(a->vol, NACRE_CIPHER_AUTO));
  found = blocks_of(a, &size);
  for (uint64_t unit = 0; unit < size / FORMAT_UNIT_BYTES; unit += 3)
    left +=
        !in_group(unit * FORMAT_UNIT_BYTES) && bytes_all_zero(found + unit * FORMAT_UNIT_BYTES, FORMAT_UNIT_BYTES);
  free(found);
  assert_true(holes > 300 && left > 0);
  check_content(a->vol);
}

static uint64_t bad_offset; /* of a unit that cannot be written */

static int write_but_there(void *ctx, const void *from, size_t len, uint64_t offset) {
  const struct api *a = ctx;
  if (bad_offset != 0 && offset <= bad_offset && bad_offset < offset + len)
    return EIO;
  return a->memory.ops.write(a->memory.ctx, from, len, offset);
}

static int read_but_there(void *ctx, void *to, size_t len, uint64_t offset) {
  const struct api *a = ctx;
  if (bad_offset != 0 && offset <= bad_offset && bad_offset < offset + len)
    return EIO;
  return a->memory.ops.read(a->memory.ctx, to, len, offset);
}

static int size_of_all(void *ctx, uint64_t *size) {
  const struct api *a = ctx;
  return a->memory.ops.size(a->memory.ctx, size);
}

static int resize_all(void *ctx, uint64_t size) {
  const struct api *a = ctx;
  return a->memory.ops.resize(a->memory.ctx, size);
}

static int sync_all(void *ctx) {
  const struct api *a = ctx;
  return a->memory.ops.sync(a->memory.ctx);
}

static uint64_t free_unit(struct api *a) {
  uint64_t unit = FORMAT_GROUP_1_OFFSET / FORMAT_UNIT_BYTES;
  while (engine_unit_used(a->vol->v->engine, unit))
    unit++;
  return unit;
}

/* A bad place in free space keeps the old key, and only its own old block. */
static void test_a_place_that_cannot_be_wiped(void **state) {
  struct api *a = *state;
  const struct nacre_store_ops ops = {.struct_size = sizeof ops,
                                      .read = read_but_there,
                                      .write = write_but_there,
                                      .sync = sync_all,
                                      .size = size_of_all,
                                      .resize = resize_all,
                                      .close = api_keep_open};
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &ops, .ctx = a};
  uint64_t size;
  make_old_blocks(a->vol);
  for (unsigned i = 0; i < 3; i++)
    ok(nacre_volume_sync(a->vol));
  const uint64_t unit = free_unit(a);
  ok(nacre_volume_close(a->vol));
  ok(nacre_volume_open(&target, NULL, a->cred, &a->vol));
  uint8_t *before = blocks_of(a, &size);
  bad_offset = unit * FORMAT_UNIT_BYTES;
  assert_int_equal(rekey(a->vol, NACRE_CIPHER_AUTO), NACRE_ERR_IO);
  assert_non_null(strstr(nacre_last_error(), "1 blocks of free space cannot be overwritten"));
  assert_true(status_of(a->vol).under_way);
  assert_true(units_as_before(a, before, size) <= 1);
  bad_offset = 0;
  ok(rekey(a->vol, NACRE_CIPHER_AUTO));
  assert_int_equal(units_as_before(a, before, size), 0);
  check_content(a->vol);
  free(before);
}

/* Until free space is wiped the rotation is not over, and the old key not given up. */
static void test_is_broken_off_while_it_wipes(void **state) {
  struct api *a = *state;
  struct nacre_rekey_report report = {.struct_size = sizeof report};
  make_content(a->vol);
  write_file(a->vol, "passing", FILE_BYTES, 4);
  ok(nacre_volume_sync(a->vol));
  ok(nacre_unlink(a->vol, "passing"));
  assert_int_equal(rekey_stopped(a->vol, "wipe", 2), NACRE_ERR_CANCELLED);
  assert_true(status_of(a->vol).under_way);
  ok(reopen(a, a->cred));
  check_content(a->vol);
  assert_int_equal(rekey(a->vol, NACRE_CIPHER_AES_256_GCM), NACRE_ERR_IN_USE); /* its keys are there still */
  ok(nacre_rekey(a->vol, NULL, &report));
  assert_true(report.resumed && report.rewritten_bytes == 0 && report.wiped_bytes > 0);
  assert_false(status_of(a->vol).under_way);
  check_content(a->vol);
}

#define WITH_VOLUME(test) cmocka_unit_test_setup_teardown(test, api_make, api_free)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_VOLUME(test_no_old_block_is_left),         WITH_VOLUME(test_what_lies_behind_the_end_goes),
      WITH_VOLUME(test_empty_blocks_stay_empty),      WITH_VOLUME(test_a_place_that_cannot_be_wiped),
      WITH_VOLUME(test_is_broken_off_while_it_wipes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
