/* A check that finds nothing proves nothing: every kind of harm done to a sound volume must be named. The harm is
 * done through the engine, so that all of it authenticates. */
#include "format/record.h"
#include "ops/check.h"
#include "ops/create.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define STORE_BYTES (32u << 20)

struct fixture {
  struct store memory;
  struct nacre_credential cred;
  struct volume *v;
  uint64_t folder, file, small; /* inodes of "folder", "folder/file" and "small" */
};

static void keep_open(void *ctx) {
  (void)ctx;
}

static uint64_t make_file(struct fixture *f, uint64_t dir, const char *name, size_t len) {
  static const struct nacre_caller caller;
  struct fs_file *file = NULL;
  uint8_t *bytes = calloc(1, len);
  const unsigned flags = NACRE_O_READ | NACRE_O_WRITE;
  assert_int_equal(fs_create(f->v->fs, dir, name, strlen(name), 0600, flags, &caller, NULL, &file), NACRE_OK);
  assert_int_equal(fs_write(file, bytes, len, 0), NACRE_OK);
  uint64_t ino = fs_file_ino(file);
  fs_close(file);
  free(bytes);
  return ino;
}

static int make_fixture(void **state) {
  static const struct nacre_caller caller;
  static uint8_t key[32] = {1};
  const struct create_request request = {
      .size_limit_bytes = STORE_BYTES, .cipher = NACRE_CIPHER_XCHACHA20_POLY1305, .chunk_bytes = 4096};
  const struct volume_options options = {.memory_bytes = 16u << 20};
  struct fixture *f = calloc(1, sizeof *f);
  struct nacre_attr attr;
  *state = f;
  f->cred = (struct nacre_credential){.kind = NACRE_SLOT_RAW_KEY, .len = sizeof key, .secret = key};
  assert_int_equal(memory_store_new(0, STORE_BYTES, &f->memory), NACRE_OK);
  struct store opened = f->memory;
  opened.ops.close = keep_open;
  assert_int_equal(create_volume(&opened, &request, &f->cred), NACRE_OK);
  assert_int_equal(volume_open(&opened, &options, &f->cred, &f->v), NACRE_OK);
  assert_int_equal(fs_mkdir(f->v->fs, NACRE_ROOT_INO, "folder", 6, 0700, &caller, &attr), NACRE_OK);
  f->folder = attr.ino;
  fs_unpin(f->v->fs, attr.ino, 1);
  f->file = make_file(f, f->folder, "file", 100000);
  f->small = make_file(f, NACRE_ROOT_INO, "small", 100);
  assert_int_equal(fs_sync(f->v->fs), NACRE_OK);
  return 0;
}

static int free_fixture(void **state) {
  struct fixture *f = *state;
  volume_free(f->v);
  store_close(&f->memory);
  free(f);
  return 0;
}

/* ---- What a check says ---- */

struct findings {
  unsigned count;
  bool as_expected;
  const char *path, *text; /* what one of them must say; path NULL: any */
};

static void on_problem(void *arg, const char *path, const char *problem) {
  struct findings *found = arg;
  found->count++;
  bool path_right = !found->path || (path && strcmp(path, found->path) == 0);
  if (path_right && strstr(problem, found->text))
    found->as_expected = true;
  else
    print_message("# besides: %s: %s\n", path ? path : "-", problem);
}

static void assert_found(struct fixture *f, const char *path, const char *text) {
  struct findings found = {.path = path, .text = text};
  const struct check_options options = {.problem = on_problem, .problem_arg = &found};
  struct nacre_verify_report report;
  assert_int_equal(check_volume(f->v, &options, &report), NACRE_ERR_DAMAGED);
  assert_true(report.problems == found.count);
  assert_true(found.as_expected);
}

/* ---- Doing harm ---- */

static void put(struct fixture *f, struct key key, const uint8_t *value, size_t len) {
  struct txn txn;
  assert_int_equal(txn_begin(f->v->engine, TXN_NORMAL, 1, &txn), NACRE_OK);
  assert_int_equal(tree_put(&txn, &key, value, len), NACRE_OK);
  txn_end(&txn);
}

static void drop(struct fixture *f, struct key key) {
  struct txn txn;
  assert_int_equal(txn_begin(f->v->engine, TXN_NORMAL, 1, &txn), NACRE_OK);
  assert_int_equal(tree_delete(&txn, &key), NACRE_OK);
  txn_end(&txn);
}

struct seen {
  struct key key;
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  size_t len;
};

static bool see_first(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct seen *s = arg;
  s->key = *key;
  memcpy(s->value, value, len);
  s->len = len;
  return false;
}

/* The first record of that type. */
static void get(struct fixture *f, uint64_t ino, uint8_t type, struct seen *s) {
  const struct key from = key_make(ino, type, 0), to = key_make(ino, type, UINT64_MAX);
  s->len = 0;
  assert_int_equal(tree_scan(f->v->engine, &from, &to, see_first, s), NACRE_OK);
  assert_true(s->len > 0);
}

static void get_inode(struct fixture *f, uint64_t ino, struct record_inode *inode) {
  struct seen s;
  get(f, ino, FORMAT_RECORD_INODE, &s);
  assert_int_equal(record_inode_decode(s.value, s.len, inode), NACRE_OK);
}

static void put_inode(struct fixture *f, uint64_t ino, const struct record_inode *inode) {
  uint8_t value[RECORD_INODE_MAX_BYTES];
  put(f, key_make(ino, FORMAT_RECORD_INODE, 0), value, record_inode_encode(inode, value));
}

/* ---- The kinds ---- */

static void test_a_sound_volume(void **state) {
  struct fixture *f = *state;
  const struct check_options options = {0};
  struct nacre_verify_report report;
  assert_int_equal(check_volume(f->v, &options, &report), NACRE_OK);
  assert_true(report.inodes == 4 && report.files == 2 && report.directories == 2 && report.problems == 0);
  assert_int_equal(fs_unlink(f->v->fs, f->folder, "file", 4), NACRE_OK);
  assert_int_equal(check_volume(f->v, &options, &report), NACRE_OK);
}

static void test_links(void **state) {
  struct fixture *f = *state;
  struct record_inode inode;
  get_inode(f, f->file, &inode);
  inode.nlink = 2;
  put_inode(f, f->file, &inode);
  assert_found(f, "/folder/file", "counts 2 links and has 1");
}

static void test_a_name_that_is_gone(void **state) {
  struct fixture *f = *state;
  struct seen s;
  get(f, f->folder, FORMAT_RECORD_DIRENT, &s);
  drop(f, s.key);
  assert_found(f, NULL, "counts 1 links and has 0");
  assert_found(f, "/folder", "counts 1 names and has 0");
}

static void test_an_inode_that_is_gone(void **state) {
  struct fixture *f = *state;
  drop(f, key_make(f->small, FORMAT_RECORD_INODE, 0));
  assert_found(f, "/small", "leads to no inode");
  assert_found(f, "/small", "none of its own");
}

static void test_a_misplaced_name(void **state) {
  struct fixture *f = *state;
  struct seen s;
  get(f, f->folder, FORMAT_RECORD_DIRENT, &s);
  drop(f, s.key);
  s.key.offset ^= 1u << 20;
  put(f, s.key, s.value, s.len);
  assert_found(f, "/folder/file", "where no lookup finds it");
}

static void test_parents(void **state) {
  struct fixture *f = *state;
  struct record_inode inode;
  get_inode(f, f->folder, &inode);
  inode.parent = f->file;
  put_inode(f, f->folder, &inode);
  assert_found(f, "/folder", "another parent");
  assert_found(f, "/folder", "does not hang on the root");
  inode.parent = f->folder;
  put_inode(f, f->folder, &inode);
  assert_found(f, "/folder", "circle");
}

static void test_orphans(void **state) {
  struct fixture *f = *state;
  uint8_t value[RECORD_ORPHAN_BYTES];
  size_t len = record_orphan_encode(RECORD_ORPHAN_UNLINKED, value);
  put(f, key_make(0, FORMAT_RECORD_ORPHAN, f->small), value, len);
  assert_found(f, "/small", "list of orphans and has names");
  put(f, key_make(0, FORMAT_RECORD_ORPHAN, 9999), value, len);
  assert_found(f, NULL, "an orphan that does not exist");
}

static void test_extents(void **state) {
  struct fixture *f = *state;
  struct seen s;
  struct engine_info info;
  struct extent *x = calloc(1, sizeof *x);
  get(f, f->file, FORMAT_RECORD_EXTENT, &s);
  engine_get_info(f->v->engine, &info);
  assert_int_equal(extent_decode(s.value, s.len, info.units_end, x), NACRE_OK);
  /* The same chunks in another file, and again at another place of the first. */
  put(f, key_make(f->small, FORMAT_RECORD_EXTENT, 5), s.value, s.len);
  assert_found(f, "/small", "past the end of the file");
  assert_found(f, NULL, "belong to another block too");
  drop(f, key_make(f->small, FORMAT_RECORD_EXTENT, 5));
  put(f, key_make(f->file, FORMAT_RECORD_EXTENT, 1), s.value, s.len);
  assert_found(f, "/folder/file", "two extents hold the same part");
  drop(f, key_make(f->file, FORMAT_RECORD_EXTENT, 1));
  x->tags[3][0] ^= 1;
  put(f, s.key, s.value, extent_encode(x, s.value));
  assert_found(f, "/folder/file", "at offset 12288 does not authenticate");
  free(x);
}

static void keep_last_run(void *arg, uint64_t unit, uint64_t units) {
  uint64_t *start = arg;
  assert_true(units > 24); /* as many as the file has */
  *start = unit;
}

/* A record that names the engine's own places: never for them to be given back. */
static void test_extents_of_the_engine(void **state) {
  struct fixture *f = *state;
  struct seen s;
  uint64_t log_unit = 0;
  struct extent *x = calloc(1, sizeof *x);
  get(f, f->file, FORMAT_RECORD_EXTENT, &s);
  assert_int_equal(extent_decode(s.value, s.len, UINT64_MAX, x), NACRE_OK);
  const uint64_t group_units[] = {1, 127, 4096, 4223, 4095}; /* the last begins before its group */
  for (size_t i = 0; i < sizeof group_units / sizeof group_units[0]; i++) {
    uint8_t value[FORMAT_VALUE_MAX_BYTES];
    struct extent *back = calloc(1, sizeof *back);
    x->unit = group_units[i];
    assert_int_equal(extent_decode(value, extent_encode(x, value), UINT64_MAX, back), NACRE_ERR_DAMAGED);
    free(back);
  }
  engine_fixed_units(f->v->engine, keep_last_run, &log_unit);
  x->unit = log_unit;
  put(f, s.key, s.value, extent_encode(x, s.value));
  assert_found(f, NULL, "belong to another block too");
  enum nacre_err unlinked = fs_unlink(f->v->fs, f->folder, "file", 4);
  assert_true(unlinked == NACRE_OK || unlinked == NACRE_ERR_DAMAGED || unlinked == NACRE_ERR_READ_ONLY);
  assert_int_equal(fs_sync(f->v->fs), NACRE_ERR_READ_ONLY);
  free(x);
}

static void test_lost_space(void **state) {
  struct fixture *f = *state;
  struct seen s;
  get(f, f->file, FORMAT_RECORD_EXTENT, &s);
  drop(f, s.key);
  assert_found(f, "/folder/file", "it counts 24 units and has");
  struct record_inode inode;
  get_inode(f, f->file, &inode);
  inode.units = 0;
  put_inode(f, f->file, &inode);
  assert_found(f, NULL, "belong to no block");
}

static void test_space_given_back_too_early(void **state) {
  struct fixture *f = *state;
  struct seen s;
  struct engine_info info;
  struct txn txn;
  struct extent *x = calloc(1, sizeof *x);
  get(f, f->file, FORMAT_RECORD_EXTENT, &s);
  engine_get_info(f->v->engine, &info);
  assert_int_equal(extent_decode(s.value, s.len, info.units_end, x), NACRE_OK);
  assert_int_equal(txn_begin(f->v->engine, TXN_NORMAL, 1, &txn), NACRE_OK);
  data_free(&txn, x);
  txn_end(&txn);
  assert_found(f, NULL, "belong to a block and");
  free(x);
}

static void test_tails(void **state) {
  struct fixture *f = *state;
  drop(f, key_make(f->small, FORMAT_RECORD_TAIL, 0));
  assert_found(f, "/small", "tail disagree");
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  const uint8_t bytes[50] = {0};
  put(f, key_make(f->small, FORMAT_RECORD_TAIL, 0), value, record_tail_encode(0, bytes, sizeof bytes, value));
  assert_found(f, "/small", "does not end where the file does");
}

static void test_attributes(void **state) {
  struct fixture *f = *state;
  struct seen s;
  uint8_t *large = calloc(1, 9000);
  assert_int_equal(fs_setxattr(f->v->fs, f->small, "user.large", large, 9000, 0), NACRE_OK);
  assert_int_equal(fs_sync(f->v->fs), NACRE_OK);
  get(f, f->small, FORMAT_RECORD_XATTR_PART, &s);
  drop(f, s.key);
  assert_found(f, "/small", "lacks some of its value");
  assert_found(f, "/small", "belongs to none");
  free(large);
}

static void test_strange_records(void **state) {
  struct fixture *f = *state;
  const uint8_t value[4] = {0x81, 1, 2, 3};
  put(f, key_make(f->small, 77, 0), value, sizeof value);
  assert_found(f, "/small", "unknown type 77");
  put(f, key_make(f->small, FORMAT_RECORD_XATTR, 0), value, sizeof value);
  assert_found(f, "/small", "a record contradicts itself");
  put(f, key_make(f->small, FORMAT_RECORD_SYMLINK, 0), value, sizeof value);
  assert_found(f, "/small", "is no symbolic link");
}

/* Deleting goes in steps, and a volume that is opened only to be read stays as the crash left it between two. */
static void test_half_deleted(void **state) {
  struct fixture *f = *state;
  const struct check_options options = {0};
  struct nacre_verify_report report;
  struct record_inode inode;
  struct fs_file *file = NULL;
  struct seen s;
  uint8_t *large = calloc(1, 9000);
  assert_int_equal(fs_setxattr(f->v->fs, f->file, "user.large", large, 9000, 0), NACRE_OK);
  assert_int_equal(fs_open(f->v->fs, f->file, NACRE_O_READ, &file), NACRE_OK);
  assert_int_equal(fs_unlink(f->v->fs, f->folder, "file", 4), NACRE_OK);
  assert_int_equal(check_volume(f->v, &options, &report), NACRE_OK);
  get(f, f->file, FORMAT_RECORD_XATTR, &s);
  drop(f, s.key);
  assert_int_equal(check_volume(f->v, &options, &report), NACRE_OK);
  get(f, f->file, FORMAT_RECORD_XATTR_PART, &s);
  drop(f, s.key);
  assert_int_equal(check_volume(f->v, &options, &report), NACRE_OK);
  drop(f, key_make(f->file, FORMAT_RECORD_TAIL, 0));
  assert_int_equal(check_volume(f->v, &options, &report), NACRE_OK);
  /* With a name it is no such thing. */
  get_inode(f, f->file, &inode);
  inode.nlink = 1;
  put_inode(f, f->file, &inode);
  assert_found(f, NULL, "tail disagree");
  fs_close(file);
  free(large);
}

#define WITH_VOLUME(test) cmocka_unit_test_setup_teardown(test, make_fixture, free_fixture)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_VOLUME(test_a_sound_volume),
      WITH_VOLUME(test_links),
      WITH_VOLUME(test_a_name_that_is_gone),
      WITH_VOLUME(test_an_inode_that_is_gone),
      WITH_VOLUME(test_a_misplaced_name),
      WITH_VOLUME(test_parents),
      WITH_VOLUME(test_orphans),
      WITH_VOLUME(test_extents),
      WITH_VOLUME(test_extents_of_the_engine),
      WITH_VOLUME(test_lost_space),
      WITH_VOLUME(test_space_given_back_too_early),
      WITH_VOLUME(test_tails),
      WITH_VOLUME(test_attributes),
      WITH_VOLUME(test_strange_records),
      WITH_VOLUME(test_half_deleted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
