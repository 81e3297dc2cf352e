/* Heads and items of the intent log: round trips, and everything that contradicts itself. */
#include "base/env.h"
#include "format/intent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct intent_head make_head(uint32_t items_bytes) {
  struct intent_head h = {.generation = 12,
                          .number = 7,
                          .next_ino = 100,
                          .inodes = 40,
                          .sealed_blocks = 1ull << 40,
                          .sealed_bytes = 5,
                          .items_bytes = items_bytes};
  env_random(h.id, sizeof h.id);
  env_random(h.previous, sizeof h.previous);
  return h;
}

static void test_heads(void **state) {
  (void)state;
  uint8_t plain[INTENT_HEAD_PLAIN_BYTES], items[INTENT_INLINE_MAX_BYTES];
  const uint8_t *found;
  struct intent_head back;
  env_random(items, sizeof items);
  for (uint32_t len = 1; len <= INTENT_INLINE_MAX_BYTES; len += INTENT_INLINE_MAX_BYTES - 1) {
    struct intent_head h = make_head(len);
    intent_head_encode(&h, items, plain);
    assert_int_equal(intent_head_decode(plain, &back, &found), NACRE_OK);
    assert_memory_equal(&back, &h, sizeof h);
    assert_memory_equal(found, items, len);
  }
  for (uint32_t len = INTENT_INLINE_MAX_BYTES + 1; len <= INTENT_ITEMS_MAX_BYTES; len += 100003) {
    struct intent_head h = make_head(len);
    env_random(h.body_nonce, sizeof h.body_nonce);
    env_random(h.body_tag, sizeof h.body_tag);
    intent_head_encode(&h, items, plain);
    assert_int_equal(intent_head_decode(plain, &back, &found), NACRE_OK);
    assert_memory_equal(&back, &h, sizeof h);
    assert_memory_equal(found, items, sizeof items);
    assert_int_equal(intent_body_units(len), (len - 3880 + 4095) / 4096);
  }
}

static void refused(const struct intent_head *h) {
  uint8_t plain[INTENT_HEAD_PLAIN_BYTES], items[INTENT_INLINE_MAX_BYTES] = {1};
  const uint8_t *found;
  struct intent_head back;
  intent_head_encode(h, items, plain);
  assert_int_equal(intent_head_decode(plain, &back, &found), NACRE_ERR_DAMAGED);
}

static void test_heads_that_contradict_themselves(void **state) {
  (void)state;
  uint8_t plain[INTENT_HEAD_PLAIN_BYTES], items[10] = {1};
  const uint8_t *found;
  struct intent_head h = make_head(10), back;
  h.items_bytes = 0;
  refused(&h);
  h.items_bytes = INTENT_ITEMS_MAX_BYTES + 1;
  refused(&h);
  h = make_head(10);
  h.body_tag[3] = 1;
  refused(&h);
  h = make_head(10);
  h.next_ino = 0;
  refused(&h);
  h.next_ino = FORMAT_INO_MAX + 2;
  refused(&h);
  h.next_ino = h.inodes = 50;
  refused(&h);
  h = make_head(sizeof items);
  intent_head_encode(&h, items, plain);
  for (size_t at = 92; at < sizeof plain; at++) {
    if (at >= 96 && at < 170)
      continue;
    plain[at] = 1;
    assert_int_equal(intent_head_decode(plain, &back, &found), NACRE_ERR_DAMAGED);
    plain[at] = 0;
  }
}

static const uint8_t bytes[FORMAT_CHUNK_MAX_BYTES + 1] = {1, 2, 3};

static void test_items(void **state) {
  (void)state;
  static const struct intent_item items[] = {
      {.kind = INTENT_PUT, .key = {FORMAT_TREE_FS, FORMAT_RECORD_DIRENT, 5, 6}, .bytes = bytes, .len = 100},
      {.kind = INTENT_DELETE, .key = {FORMAT_TREE_FS, FORMAT_RECORD_LINEAGE, 0, UINT64_MAX}, .bytes = bytes},
      {.kind = INTENT_WHOLE, .ino = 9, .index = 1ull << 40, .bytes = bytes, .len = FORMAT_CHUNK_MAX_BYTES},
      {.kind = INTENT_WHOLE, .ino = 9, .index = 0, .bytes = bytes, .len = 0},
      {.kind = INTENT_PART, .ino = FORMAT_INO_MAX, .index = 3, .from = 65535, .bytes = bytes, .len = 1},
  };
  static uint8_t buf[200000];
  struct writer w = writer_make(buf, sizeof buf);
  const size_t count = sizeof items / sizeof items[0];
  for (size_t i = 0; i < count; i++)
    assert_true(intent_item_write(&w, &items[i]));
  struct reader r = reader_make(buf, w.done);
  for (size_t i = 0; i < count; i++) {
    struct intent_item back;
    assert_int_equal(intent_item_read(&r, &back), NACRE_OK);
    assert_true(back.kind == items[i].kind && back.len == items[i].len && back.from == items[i].from);
    assert_true(back.ino == items[i].ino && back.index == items[i].index);
    assert_int_equal(key_compare(&back.key, &items[i].key), 0);
    assert_memory_equal(back.bytes, items[i].bytes, back.len);
  }
  assert_int_equal(r.left, 0);
  /* Not one byte of it where it does not fit. */
  w = writer_make(buf, 125);
  assert_false(intent_item_write(&w, &items[0]));
  assert_int_equal(w.done, 0);
  w = writer_make(buf, 126);
  assert_true(intent_item_write(&w, &items[0]));
}

static void refuse_item(struct intent_item item, size_t at, uint8_t byte) {
  static uint8_t buf[FORMAT_CHUNK_MAX_BYTES + 100];
  struct intent_item back;
  struct writer w = writer_make(buf, sizeof buf);
  item.bytes = bytes;
  assert_true(intent_item_write(&w, &item));
  if (byte != 0)
    buf[at] = byte;
  struct reader r = reader_make(buf, w.done);
  assert_int_equal(intent_item_read(&r, &back), NACRE_ERR_DAMAGED);
}

static void test_items_that_make_no_sense(void **state) {
  (void)state;
  const struct intent_item put = {.kind = INTENT_PUT, .key = {FORMAT_TREE_FS, FORMAT_RECORD_DIRENT, 5, 6}, .len = 9};
  const struct intent_item part = {.kind = INTENT_PART, .ino = 9, .index = 3, .from = 65000, .len = 536};
  struct intent_item item = put;
  refuse_item(put, 0, 9);
  refuse_item(put, 3, 1); /* longer than what there is */
  refuse_item(put, 0, INTENT_DELETE);
  refuse_item(put, 8, 2);   /* another tree */
  refuse_item(put, 17, 12); /* a record of another kind */
  item.key.type = 0;
  refuse_item(item, 0, 0);
  item = put;
  item.len = FORMAT_VALUE_MAX_BYTES + 1;
  refuse_item(item, 0, 0);
  refuse_item(part, 21, 0xff); /* past the largest chunk */
  refuse_item(part, 25, 1);
  refuse_item(part, 0, INTENT_WHOLE); /* which begins at the start */
  item = part;
  item.len = 0;
  refuse_item(item, 0, 0);
  item = part;
  item.ino = 0;
  refuse_item(item, 0, 0);
  item.ino = FORMAT_INO_MAX + 1;
  refuse_item(item, 0, 0);
  item = part;
  item.index = UINT64_MAX;
  refuse_item(item, 0, 0);
  item = part;
  item.kind = INTENT_WHOLE;
  item.from = 0;
  item.len = FORMAT_CHUNK_MAX_BYTES + 1;
  refuse_item(item, 0, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_heads),
      cmocka_unit_test(test_heads_that_contradict_themselves),
      cmocka_unit_test(test_items),
      cmocka_unit_test(test_items_that_make_no_sense),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
