/* Records: what is encoded comes back, and nothing malformed is taken or crashes. */
#include "base/env.h"
#include "format/record.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#define ok(expr) assert_int_equal((expr), NACRE_OK)

static struct record_inode sample(uint32_t type) {
  struct record_inode rec = {.mode = type | 0751,
                             .uid = 1,
                             .gid = 0xfffffffe,
                             .nlink = 3,
                             .project = 9,
                             .generation = 1ull << 60,
                             .atime = {-1, 2},
                             .mtime = {1ll << 40, 999999999},
                             .ctime = {5, 6},
                             .btime = {7, 8},
                             .chunk_log2 = 14};
  if (type == S_IFREG) {
    rec.size = FORMAT_FILE_MAX_BYTES;
    rec.units = 123456;
    rec.flags = RECORD_INODE_TAIL | RECORD_INODE_XATTRS;
  }
  if (type == S_IFLNK)
    rec.size = FORMAT_SYMLINK_MAX_BYTES;
  if (type == S_IFBLK)
    rec.rdev = 0x123456789abcull;
  if (type == S_IFDIR) {
    rec.hash_version = RECORD_NAME_HASH_SIPHASH;
    rec.parent = FORMAT_INO_MAX;
    rec.entries = 42;
    memset(rec.seed, 0x5a, sizeof rec.seed);
    rec.flags = RECORD_INODE_ACL_DEFAULT;
  }
  return rec;
}

static void test_inode(void **state) {
  (void)state;
  const uint32_t types[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK};
  uint8_t value[RECORD_INODE_MAX_BYTES], again[RECORD_INODE_MAX_BYTES];
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    struct record_inode rec = sample(types[i]), back;
    size_t len = record_inode_encode(&rec, value);
    assert_int_equal(len, types[i] == S_IFDIR ? 128 : types[i] == S_IFBLK || types[i] == S_IFCHR ? 104 : 96);
    ok(record_inode_decode(value, len, &back));
    assert_int_equal(record_inode_encode(&back, again), len);
    assert_memory_equal(value, again, len);
    assert_int_equal(back.atime.s, -1);
    assert_int_equal(record_inode_decode(value, len - 1, &back), NACRE_ERR_DAMAGED);
    assert_int_equal(record_inode_decode(value, 0, &back), NACRE_ERR_UNSUPPORTED);
  }
}

static enum nacre_err decode_changed(struct record_inode rec) {
  uint8_t value[RECORD_INODE_MAX_BYTES];
  struct record_inode back;
  return record_inode_decode(value, record_inode_encode(&rec, value), &back);
}

static void test_inode_nonsense(void **state) {
  (void)state;
  struct record_inode rec = sample(S_IFREG);
  rec.mode = 0751;
  assert_int_equal(decode_changed(rec), NACRE_ERR_DAMAGED);
  rec = sample(S_IFREG);
  rec.size++;
  assert_int_equal(decode_changed(rec), NACRE_ERR_DAMAGED);
  rec = sample(S_IFREG);
  rec.chunk_log2 = 17;
  assert_int_equal(decode_changed(rec), NACRE_ERR_DAMAGED);
  rec = sample(S_IFREG);
  rec.mtime.ns = 1000000000;
  assert_int_equal(decode_changed(rec), NACRE_ERR_DAMAGED);
  rec = sample(S_IFREG);
  rec.flags |= 0x8000;
  assert_int_equal(decode_changed(rec), NACRE_ERR_UNSUPPORTED);
  rec = sample(S_IFREG);
  rec.flags |= RECORD_INODE_ACL_DEFAULT;
  assert_int_equal(decode_changed(rec), NACRE_ERR_DAMAGED);
  rec = sample(S_IFLNK);
  rec.size = 0;
  assert_int_equal(decode_changed(rec), NACRE_ERR_DAMAGED);
  rec = sample(S_IFIFO);
  rec.units = 1;
  assert_int_equal(decode_changed(rec), NACRE_ERR_DAMAGED);
  rec = sample(S_IFDIR);
  rec.parent = 0;
  assert_int_equal(decode_changed(rec), NACRE_ERR_DAMAGED);
  rec = sample(S_IFDIR);
  rec.hash_version = 2;
  assert_int_equal(decode_changed(rec), NACRE_ERR_DAMAGED);
}

/* Version 1, but with leave to ignore what is not understood: this version has none such. */
static void test_first_byte(void **state) {
  (void)state;
  uint8_t value[RECORD_INODE_MAX_BYTES];
  struct record_inode rec = sample(S_IFREG), back;
  size_t len = record_inode_encode(&rec, value);
  for (unsigned first = 0; first < 256; first++) {
    value[0] = (uint8_t)first;
    assert_int_equal(record_inode_decode(value, len, &back), first == 0x81 ? NACRE_OK : NACRE_ERR_UNSUPPORTED);
  }
}

static void test_dirents(void **state) {
  (void)state;
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  struct record_dirents d = {.count = 3}, back;
  d.entries[0] = (struct record_dirent){.ino = 5, .type = DT_REG, .index = 0, .name_len = 1, .name = "a"};
  d.entries[1] =
      (struct record_dirent){.ino = FORMAT_INO_MAX, .type = DT_DIR, .index = 7, .name_len = 3, .name = "\xff\x01."};
  d.entries[2] = (struct record_dirent){.ino = 6, .type = DT_SOCK, .index = 15, .name_len = 2, .name = ".a"};
  size_t len = record_dirents_encode(&d, value);
  assert_int_equal(len, 1 + 3 * 8 + 6);
  ok(record_dirents_decode(value, len, &back));
  assert_int_equal(back.count, 3);
  for (unsigned i = 0; i < 3; i++) {
    assert_int_equal(back.entries[i].ino, d.entries[i].ino);
    assert_int_equal(back.entries[i].type, d.entries[i].type);
    assert_int_equal(back.entries[i].index, d.entries[i].index);
    assert_int_equal(back.entries[i].name_len, d.entries[i].name_len);
    assert_memory_equal(back.entries[i].name, d.entries[i].name, d.entries[i].name_len);
  }
  for (size_t cut = 1; cut < len; cut++) {
    enum nacre_err err = record_dirents_decode(value, cut, &back);
    assert_int_equal(err, cut == 10 || cut == 21 ? NACRE_OK : NACRE_ERR_DAMAGED);
  }
  d.entries[2].index = 7;
  assert_int_equal(record_dirents_decode(value, record_dirents_encode(&d, value), &back), NACRE_ERR_DAMAGED);
  d.entries[2] = (struct record_dirent){.ino = 6, .type = DT_REG, .index = 9, .name_len = 1, .name = "a"};
  assert_int_equal(record_dirents_decode(value, record_dirents_encode(&d, value), &back), NACRE_ERR_DAMAGED);
  d.entries[2] = (struct record_dirent){.ino = 6, .type = DT_REG, .index = 9, .name_len = 2, .name = ".."};
  assert_int_equal(record_dirents_decode(value, record_dirents_encode(&d, value), &back), NACRE_ERR_DAMAGED);
  d.entries[2] = (struct record_dirent){.ino = 0, .type = DT_REG, .index = 9, .name_len = 1, .name = "b"};
  assert_int_equal(record_dirents_decode(value, record_dirents_encode(&d, value), &back), NACRE_ERR_DAMAGED);
}

static void test_full_bucket(void **state) {
  (void)state;
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  char names[16][255];
  struct record_dirents d = {.count = 16}, back;
  for (unsigned i = 0; i < 16; i++) {
    memset(names[i], 'a' + (int)i, 255);
    d.entries[i] =
        (struct record_dirent){.ino = i + 1, .type = DT_REG, .index = (uint8_t)i, .name_len = 255, .name = names[i]};
  }
  assert_int_equal(record_dirents_encode(&d, value), 0);
  d.count = 15;
  ok(record_dirents_decode(value, record_dirents_encode(&d, value), &back));
}

static void test_name_positions(void **state) {
  (void)state;
  uint8_t seed[16] = {1};
  char name[16];
  for (unsigned i = 0; i < 10000; i++) {
    int len = snprintf(name, sizeof name, "%u", i);
    uint64_t at = record_dirent_offset(seed, name, (size_t)len);
    assert_true(at >= 16 && at % 16 == 0 && at + 16 <= INT64_MAX);
    assert_int_equal(record_xattr_offset(name, (size_t)len) % 4096, 0);
  }
  assert_false(record_name_valid("", 0));
  assert_false(record_name_valid(".", 1));
  assert_false(record_name_valid("..", 2));
  assert_false(record_name_valid("a/b", 3));
  assert_false(record_name_valid("a\0b", 3));
  assert_true(record_name_valid("...", 3));
  assert_true(record_name_valid(" ", 1));
}

static void test_xattrs(void **state) {
  (void)state;
  uint8_t value[FORMAT_VALUE_MAX_BYTES], data[RECORD_XATTR_INLINE_MAX_BYTES];
  memset(data, 3, sizeof data);
  struct record_xattrs x = {.count = 2}, back;
  x.entries[0] = (struct record_xattr){.index = 1, .name_len = 6, .value_len = 2000, .name = "user.a", .value = data};
  x.entries[1] =
      (struct record_xattr){.index = 2, .name_len = 6, .in_parts = true, .value_len = 65536, .name = "user.b"};
  size_t len = record_xattrs_encode(&x, value);
  ok(record_xattrs_decode(value, len, &back));
  assert_int_equal(back.count, 2);
  assert_memory_equal(back.entries[0].value, data, 2000);
  assert_true(back.entries[1].in_parts && back.entries[1].value == NULL);
  assert_int_equal(record_xattrs_decode(value, len - 1, &back), NACRE_ERR_DAMAGED);
  x.entries[1].value_len = 65537;
  assert_int_equal(record_xattrs_decode(value, record_xattrs_encode(&x, value), &back), NACRE_ERR_DAMAGED);
  x.entries[1] = (struct record_xattr){.index = 2, .name_len = 6, .value_len = 2000, .name = "user.b", .value = data};
  x.entries[2] = (struct record_xattr){.index = 3, .name_len = 6, .value_len = 2000, .name = "user.c", .value = data};
  x.count = 3;
  assert_int_equal(record_xattrs_encode(&x, value), 0);
}

static void test_small_ones(void **state) {
  (void)state;
  uint8_t value[FORMAT_VALUE_MAX_BYTES], data[RECORD_PART_MAX_BYTES] = {1, 2, 3};
  const uint8_t *back;
  size_t back_len;
  uint64_t start;
  ok(record_part_decode(value, record_part_encode(data, sizeof data, value), &back, &back_len));
  assert_int_equal(back_len, sizeof data);
  assert_memory_equal(back, data, back_len);
  assert_int_equal(record_part_decode(value, 1, &back, &back_len), NACRE_ERR_DAMAGED);
  assert_int_equal(record_part_decode(value, FORMAT_VALUE_MAX_BYTES, &back, &back_len), NACRE_ERR_DAMAGED);
  size_t len = record_tail_encode(4096, data, RECORD_TAIL_MAX_BYTES, value);
  ok(record_tail_decode(value, len, &start, &back, &back_len));
  assert_int_equal(start, 4096);
  assert_int_equal(back_len, RECORD_TAIL_MAX_BYTES);
  assert_int_equal(record_tail_decode(value, len + 1, &start, &back, &back_len), NACRE_ERR_DAMAGED);
  assert_int_equal(record_tail_decode(value, 9, &start, &back, &back_len), NACRE_ERR_DAMAGED);
  len = record_tail_encode(4097, data, 5, value);
  assert_int_equal(record_tail_decode(value, len, &start, &back, &back_len), NACRE_ERR_DAMAGED);
  enum record_orphan_kind kind;
  ok(record_orphan_decode(value, record_orphan_encode(RECORD_ORPHAN_UNLINKED, value), &kind));
  value[1] = 9;
  assert_int_equal(record_orphan_decode(value, 2, &kind), NACRE_ERR_DAMAGED);
  value[0] = 0x82;
  assert_int_equal(record_orphan_decode(value, 2, &kind), NACRE_ERR_UNSUPPORTED);
}

/* Bytes at random, most of them with a version that is known: any answer but a crash. */
static void test_noise(void **state) {
  (void)state;
  ok(env_start());
  for (unsigned i = 0; i < 200000; i++) {
    uint8_t value[256];
    uint16_t draw;
    struct record_inode inode;
    struct record_dirents dirents;
    struct record_xattrs xattrs;
    const uint8_t *data;
    size_t data_len;
    uint64_t start;
    env_random(value, sizeof value);
    env_random(&draw, sizeof draw);
    size_t len = draw % (sizeof value + 1);
    value[0] = draw & 0x8000 ? value[0] : 0x81;
    (void)!record_inode_decode(value, len, &inode);
    (void)!record_dirents_decode(value, len, &dirents);
    (void)!record_xattrs_decode(value, len, &xattrs);
    (void)!record_tail_decode(value, len, &start, &data, &data_len);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_inode),   cmocka_unit_test(test_inode_nonsense), cmocka_unit_test(test_first_byte),
      cmocka_unit_test(test_dirents), cmocka_unit_test(test_full_bucket),    cmocka_unit_test(test_name_positions),
      cmocka_unit_test(test_xattrs),  cmocka_unit_test(test_small_ones),     cmocka_unit_test(test_noise),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
