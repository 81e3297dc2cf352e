/* Names and attributes that all have the same hash: what a bucket holds, and what it does when it is full. The linker
 * sends kdf_name_hash here. */
#include "fs_volume.h"

#include "crypto/kdf.h"

#define BUCKET RECORD_BUCKET_ENTRIES
#define VALUE_BYTES 3000u /* larger than what a bucket keeps itself */
#define LONG_NAME_BYTES 250u

static struct volume v;
static struct fs *fs;
static uint64_t the_hash;

uint64_t __wrap_kdf_name_hash(const uint8_t seed[16], const void *name, size_t len);
uint64_t __wrap_kdf_name_hash(const uint8_t seed[16], const void *name, size_t len) {
  (void)seed;
  (void)name;
  (void)len;
  return the_hash;
}

static int start(void **state) {
  (void)state;
  the_hash = 0x123456789abcdef0ull;
  volume_make(&v, 256 * MIB, 1, 16 * MIB, 16384);
  fs = v.fs;
  return 0;
}

static int end(void **state) {
  (void)state;
  volume_check(&v);
  volume_end(&v);
  return 0;
}

static void reopen(void) {
  volume_reopen(&v);
  fs = v.fs;
}

static enum nacre_err make(const char *name) {
  return fs_mknod(fs, 1, name, strlen(name), S_IFREG | 0644, 0, &root_caller, NULL);
}

static uint64_t number_of(const char *name) {
  struct nacre_attr attr;
  enum nacre_err err = fs_lookup(fs, 1, name, strlen(name), &attr);
  if (err == NACRE_ERR_NOT_FOUND)
    return 0;
  ok(err);
  fs_unpin(fs, attr.ino, 1);
  return attr.ino;
}

static const char *numbered(unsigned n) {
  static char name[16];
  (void)snprintf(name, sizeof name, "n%u", n);
  return name;
}

struct list {
  bool seen[2 * BUCKET + 1];
  unsigned count, stop_after;
  uint64_t next;
};

static bool list_one(void *arg, const struct nacre_dirent *entry) {
  struct list *l = arg;
  if (l->count == l->stop_after)
    return false;
  l->next = entry->next;
  if (entry->name[0] == '.')
    return true;
  unsigned n = (unsigned)strtoul(entry->name + 1, NULL, 10);
  assert_true(n <= 2 * BUCKET && !l->seen[n]);
  l->seen[n] = true;
  l->count++;
  return true;
}

/* Listed with a new call for each entry: positions within a bucket hold. */
static unsigned list_all(struct list *l) {
  unsigned total = 0;
  *l = (struct list){.stop_after = 1};
  do {
    l->count = 0;
    ok(fs_readdir(fs, 1, l->next, true, list_one, l));
    total += l->count;
  } while (l->count > 0);
  return total;
}

/* The pins that a listing with attributes gave. */
static void unpin_listed(const struct list *l) {
  for (unsigned n = 0; n <= 2 * BUCKET; n++)
    if (l->seen[n])
      fs_unpin(fs, number_of(numbered(n)), 1);
}

static void check_names(const bool wanted[2 * BUCKET + 1]) {
  struct list l;
  unsigned count = 0;
  for (unsigned n = 0; n <= 2 * BUCKET; n++) {
    assert_int_equal(number_of(numbered(n)) != 0, wanted[n]);
    count += wanted[n];
  }
  assert_int_equal(list_all(&l), count);
  assert_memory_equal(l.seen, wanted, sizeof l.seen);
  unpin_listed(&l);
}

static enum nacre_err move(unsigned from, unsigned to, unsigned flags) {
  char from_name[16];
  (void)snprintf(from_name, sizeof from_name, "%s", numbered(from));
  return fs_rename(fs, 1, from_name, strlen(from_name), 1, numbered(to), strlen(numbered(to)), flags);
}

static void remove_name(unsigned n) {
  ok(fs_unlink(fs, 1, numbered(n), strlen(numbered(n))));
}

static void fill(bool there[2 * BUCKET + 1]) {
  for (unsigned n = 0; n < BUCKET; n++) {
    ok(make(numbered(n)));
    there[n] = true;
  }
}

static void test_names(void **state) {
  (void)state;
  bool there[2 * BUCKET + 1] = {false};
  fill(there);
  assert_int_equal(make(numbered(3)), NACRE_ERR_EXISTS);
  /* No more, and the volume goes on. */
  assert_int_equal(make(numbered(BUCKET)), NACRE_ERR_NO_SPACE);
  check_names(there);
  reopen();
  check_names(there);
  uint64_t kept = number_of(numbered(9));
  for (unsigned n = 0; n < BUCKET; n += 3) {
    remove_name(n);
    there[n] = false;
  }
  check_names(there);
  for (unsigned n = BUCKET; n < BUCKET + 4; n++) {
    ok(make(numbered(n)));
    there[n] = true;
  }
  assert_int_equal(number_of(numbered(10)) != 0, there[10]);
  assert_int_equal(kept != 0 && number_of(numbered(9)) == 0, true);
  reopen();
  check_names(there);
  for (unsigned n = 0; n <= 2 * BUCKET; n++)
    if (there[n])
      remove_name(n);
  memset(there, 0, sizeof there);
  check_names(there);
}

static void test_renames(void **state) {
  (void)state;
  bool there[2 * BUCKET + 1] = {false};
  fill(there);
  uint64_t one = number_of(numbered(1)), two = number_of(numbered(2)), five = number_of(numbered(5));
  ok(move(1, 2, 0));
  there[1] = false;
  assert_int_equal(number_of(numbered(2)), one);
  assert_true(two != one);
  ok(move(2, 5, NACRE_RENAME_EXCHANGE));
  assert_int_equal(number_of(numbered(2)), five);
  assert_int_equal(number_of(numbered(5)), one);
  ok(move(15, 20, 0));
  there[15] = false;
  there[20] = true;
  assert_int_equal(move(20, 3, NACRE_RENAME_NOREPLACE), NACRE_ERR_EXISTS);
  check_names(there);
  reopen();
  check_names(there);
}

/* A bucket is full by its bytes, too. */
static void test_long_names(void **state) {
  (void)state;
  char name[LONG_NAME_BYTES + 1];
  memset(name, 'x', LONG_NAME_BYTES);
  name[LONG_NAME_BYTES] = 0;
  unsigned made = 0;
  enum nacre_err err = NACRE_OK;
  while (err == NACRE_OK) {
    name[0] = (char)('a' + made);
    err = make(name);
    made += err == NACRE_OK;
  }
  assert_int_equal(err, NACRE_ERR_NO_SPACE);
  assert_true(made > 4 && made < BUCKET);
  ok(make("short"));
  reopen();
  name[0] = 'a';
  assert_true(number_of(name) != 0);
  ok(fs_unlink(fs, 1, name, LONG_NAME_BYTES));
  name[0] = (char)('a' + made);
  ok(make(name));
}

/* Hashes at the ends of what a bucket's offset may be. */
static void test_ends(void **state) {
  (void)state;
  static const uint64_t hashes[] = {0, 15, 16, UINT64_MAX, INT64_MAX};
  bool there[2 * BUCKET + 1] = {false};
  for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++) {
    the_hash = hashes[i];
    fill(there);
    check_names(there);
    for (unsigned n = 0; n < BUCKET; n++)
      remove_name(n);
  }
}

/* ---- Attributes ---- */

static const char *attribute(unsigned n) {
  static char name[24];
  (void)snprintf(name, sizeof name, "user.%u", n);
  return name;
}

static const uint8_t *value_of(unsigned n) {
  static uint8_t value[VALUE_BYTES];
  memset(value, (int)n + 1, sizeof value);
  return value;
}

static void check_value(uint64_t ino, unsigned n, size_t len, unsigned of) {
  uint8_t got[VALUE_BYTES + 1];
  size_t got_len;
  ok(fs_getxattr(fs, ino, attribute(n), got, sizeof got, &got_len));
  assert_int_equal(got_len, len);
  assert_memory_equal(got, value_of(of), len);
}

static size_t length_of(unsigned n) {
  static const size_t lengths[] = {0, 10, 40, VALUE_BYTES};
  return lengths[n % 4];
}

static void test_attributes(void **state) {
  (void)state;
  char list[1024];
  size_t len;
  ok(make("f"));
  uint64_t ino = number_of("f");
  for (unsigned n = 0; n < BUCKET; n++)
    ok(fs_setxattr(fs, ino, attribute(n), value_of(n), length_of(n), 0));
  assert_int_equal(fs_setxattr(fs, ino, attribute(BUCKET), "v", 1, 0), NACRE_ERR_NO_SPACE);
  reopen();
  for (unsigned n = 0; n < BUCKET; n++)
    check_value(ino, n, length_of(n), n);
  /* Each of another length than before; then some go, which makes room. */
  for (unsigned n = 0; n < BUCKET; n++)
    ok(fs_setxattr(fs, ino, attribute(n), value_of(n + 40), length_of(n + 1), NACRE_XATTR_REPLACE));
  for (unsigned n = 0; n < BUCKET; n += 2)
    ok(fs_removexattr(fs, ino, attribute(n)));
  ok(fs_setxattr(fs, ino, attribute(BUCKET), value_of(BUCKET), VALUE_BYTES, NACRE_XATTR_CREATE));
  reopen();
  for (unsigned n = 1; n < BUCKET; n += 2)
    check_value(ino, n, length_of(n + 1), n + 40);
  check_value(ino, BUCKET, VALUE_BYTES, BUCKET);
  assert_int_equal(fs_getxattr(fs, ino, attribute(2), NULL, 0, &len), NACRE_ERR_NO_ATTRIBUTE);
  ok(fs_listxattr(fs, ino, list, sizeof list, &len));
  unsigned names = 0;
  for (size_t at = 0; at < len; at += strlen(list + at) + 1)
    names++;
  assert_int_equal(names, BUCKET / 2 + 1);
  for (unsigned n = 1; n < BUCKET; n += 2)
    ok(fs_removexattr(fs, ino, attribute(n)));
  ok(fs_removexattr(fs, ino, attribute(BUCKET)));
  ok(fs_listxattr(fs, ino, list, sizeof list, &len));
  assert_int_equal(len, 0);
}

/* Values that fill the record leave no room for another's name, and what does not fit into it goes into parts. */
static void test_crowded_attributes(void **state) {
  (void)state;
  const size_t len = 1900;
  ok(make("f"));
  uint64_t ino = number_of("f");
  unsigned made = 0;
  enum nacre_err err = NACRE_OK;
  while (err == NACRE_OK && made < BUCKET) {
    err = fs_setxattr(fs, ino, attribute(made), value_of(made), made % 2 == 0 ? len : 100, 0);
    made += err == NACRE_OK;
  }
  assert_int_equal(err, NACRE_ERR_NO_SPACE);
  assert_true(made > 2);
  assert_int_equal(fs_setxattr(fs, ino, attribute(made), "", 0, 0), NACRE_ERR_NO_SPACE);
  reopen();
  for (unsigned n = 0; n < made; n++)
    check_value(ino, n, n % 2 == 0 ? len : 100, n);
  ok(fs_removexattr(fs, ino, attribute(0)));
  ok(fs_setxattr(fs, ino, attribute(made), value_of(made), 100, 0));
  check_value(ino, made, 100, made);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_names, start, end),
      cmocka_unit_test_setup_teardown(test_renames, start, end),
      cmocka_unit_test_setup_teardown(test_long_names, start, end),
      cmocka_unit_test_setup_teardown(test_ends, start, end),
      cmocka_unit_test_setup_teardown(test_attributes, start, end),
      cmocka_unit_test_setup_teardown(test_crowded_attributes, start, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
