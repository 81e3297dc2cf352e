/* Paths through the public interface: links, dots, slashes, and what each flag of opening does. */
#include <nacre.h>

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define STORE_BYTES (32u << 20)

struct fixture {
  struct store memory;
  struct nacre_store_ops ops;
  nacre_volume *vol;
};

static void keep_open(void *ctx) {
  (void)ctx;
}

static int make_fixture(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  const uint8_t key[32] = {1};
  nacre_credential *cred = NULL;
  *state = f;
  if (nacre_credential_raw_key(key, &cred) != NACRE_OK || memory_store_new(0, STORE_BYTES, &f->memory) != NACRE_OK)
    return -1;
  f->ops = f->memory.ops;
  f->ops.close = keep_open;
  const struct nacre_target target = {.struct_size = sizeof target, .ops = &f->ops, .ctx = f->memory.ctx};
  const struct nacre_create_options options = {.struct_size = sizeof options, .size_bytes = STORE_BYTES};
  enum nacre_err err = nacre_create(&target, &options, cred);
  if (err == NACRE_OK)
    err = nacre_volume_open(&target, NULL, cred, &f->vol);
  nacre_credential_free(cred);
  return err == NACRE_OK ? 0 : -1;
}

static int free_fixture(void **state) {
  struct fixture *f = *state;
  enum nacre_err err = nacre_volume_close(f->vol);
  store_close(&f->memory);
  free(f);
  return err == NACRE_OK ? 0 : -1;
}

static uint64_t ino_of(struct fixture *f, const char *path) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  assert_int_equal(nacre_stat(f->vol, path, &attr), NACRE_OK);
  return attr.ino;
}

static enum nacre_err look(struct fixture *f, const char *path) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  return nacre_stat(f->vol, path, &attr);
}

static enum nacre_err open_close(struct fixture *f, const char *path, unsigned flags) {
  nacre_file *file = NULL;
  enum nacre_err err = nacre_open(f->vol, path, flags, 0600, NULL, &file);
  if (err == NACRE_OK)
    nacre_close(file);
  return err;
}

static void make_tree(struct fixture *f) {
  assert_int_equal(nacre_mkdir(f->vol, "a", 0700, NULL), NACRE_OK);
  assert_int_equal(nacre_mkdir(f->vol, "/a/b/", 0700, NULL), NACRE_OK);
  assert_int_equal(open_close(f, "a/b/file", NACRE_O_CREATE | NACRE_O_WRITE), NACRE_OK);
}

static void test_dots_and_slashes(void **state) {
  struct fixture *f = *state;
  make_tree(f);
  uint64_t file = ino_of(f, "a/b/file");
  assert_true(ino_of(f, "//a///b//file") == file);
  assert_true(ino_of(f, "./a/./b/../b/file") == file);
  assert_true(ino_of(f, "../../a/b/file") == file);
  assert_true(ino_of(f, "") == NACRE_ROOT_INO && ino_of(f, "/") == NACRE_ROOT_INO && ino_of(f, "a/..") == 1);
  assert_true(ino_of(f, "a/b/") == ino_of(f, "a/b") && ino_of(f, "a/b/.") == ino_of(f, "a/b"));
  assert_int_equal(look(f, "a/b/file/"), NACRE_ERR_NOT_DIRECTORY);
  assert_int_equal(look(f, "a/b/file/x"), NACRE_ERR_NOT_DIRECTORY);
  assert_int_equal(look(f, "a/missing/x"), NACRE_ERR_NOT_FOUND);
  assert_int_equal(look(f, "a/missing/.."), NACRE_ERR_NOT_FOUND);
}

static void test_links_are_followed(void **state) {
  struct fixture *f = *state;
  struct nacre_attr attr = {.struct_size = sizeof attr};
  make_tree(f);
  uint64_t file = ino_of(f, "a/b/file");
  assert_int_equal(nacre_symlink(f->vol, "b/file", "a/relative", NULL), NACRE_OK);
  assert_int_equal(nacre_symlink(f->vol, "/a/b", "a/b/absolute", NULL), NACRE_OK);
  assert_int_equal(nacre_symlink(f->vol, "../relative", "a/b/up", NULL), NACRE_OK);
  assert_true(ino_of(f, "a/relative") == file && ino_of(f, "a/b/up") == file);
  assert_true(ino_of(f, "a/b/absolute/absolute/file") == file);
  assert_true(ino_of(f, "a/b/absolute/../relative") == file);
  assert_int_equal(nacre_lstat(f->vol, "a/relative", &attr), NACRE_OK);
  assert_true(S_ISLNK(attr.mode));
  assert_int_equal(nacre_lstat(f->vol, "a/b/absolute/", &attr), NACRE_OK);
  assert_true(S_ISDIR(attr.mode));
  char target[7];
  assert_int_equal(nacre_readlink(f->vol, "a/relative", target, sizeof target), NACRE_OK);
  assert_string_equal(target, "b/file");
  assert_int_equal(nacre_readlink(f->vol, "a/relative", target, 6), NACRE_ERR_RANGE);
}

static void test_loops_end(void **state) {
  struct fixture *f = *state;
  assert_int_equal(nacre_symlink(f->vol, "y", "x", NULL), NACRE_OK);
  assert_int_equal(nacre_symlink(f->vol, "x", "y", NULL), NACRE_OK);
  assert_int_equal(look(f, "x"), NACRE_ERR_LOOP);
  assert_int_equal(open_close(f, "x", NACRE_O_CREATE | NACRE_O_WRITE), NACRE_ERR_LOOP);
  char name[20], target[20];
  assert_int_equal(nacre_mkdir(f->vol, "link-0", 0700, NULL), NACRE_OK);
  for (unsigned i = 1; i <= 41; i++) {
    snprintf(name, sizeof name, "link-%u", i);
    snprintf(target, sizeof target, "link-%u", i - 1);
    assert_int_equal(nacre_symlink(f->vol, target, name, NULL), NACRE_OK);
  }
  assert_int_equal(look(f, "link-40"), NACRE_OK);
  assert_int_equal(look(f, "link-41"), NACRE_ERR_LOOP);
}

static void test_opening(void **state) {
  struct fixture *f = *state;
  make_tree(f);
  assert_int_equal(nacre_symlink(f->vol, "made", "a/dangling", NULL), NACRE_OK);
  assert_int_equal(open_close(f, "a/dangling", NACRE_O_READ), NACRE_ERR_NOT_FOUND);
  assert_int_equal(open_close(f, "a/dangling", NACRE_O_WRITE | NACRE_O_CREATE | NACRE_O_EXCLUSIVE), NACRE_ERR_EXISTS);
  assert_int_equal(open_close(f, "a/dangling", NACRE_O_READ | NACRE_O_NOFOLLOW), NACRE_ERR_LOOP);
  assert_int_equal(open_close(f, "a/dangling", NACRE_O_WRITE | NACRE_O_CREATE), NACRE_OK);
  assert_int_equal(look(f, "a/made"), NACRE_OK);
  assert_int_equal(open_close(f, "a/b/file", NACRE_O_WRITE | NACRE_O_CREATE | NACRE_O_EXCLUSIVE), NACRE_ERR_EXISTS);
  assert_int_equal(open_close(f, "a/b", NACRE_O_READ), NACRE_ERR_IS_DIRECTORY);
  assert_int_equal(open_close(f, "a/new/", NACRE_O_WRITE | NACRE_O_CREATE), NACRE_ERR_IS_DIRECTORY);
  nacre_dir *dir = NULL;
  assert_int_equal(nacre_opendir(f->vol, "a/b/file", &dir), NACRE_ERR_NOT_DIRECTORY);
  assert_int_equal(nacre_opendir(f->vol, "a/b/..", &dir), NACRE_OK);
  nacre_closedir(dir);
}

static void test_names_that_cannot_change(void **state) {
  struct fixture *f = *state;
  make_tree(f);
  assert_int_equal(nacre_mkdir(f->vol, "/", 0700, NULL), NACRE_ERR_EXISTS);
  assert_int_equal(nacre_rmdir(f->vol, "/"), NACRE_ERR_IN_USE);
  assert_int_equal(nacre_rmdir(f->vol, "a/b/."), NACRE_ERR_IN_USE);
  assert_int_equal(nacre_rename(f->vol, "a", "/", 0), NACRE_ERR_IN_USE);
  assert_int_equal(nacre_rename(f->vol, "a", "a/b/c", 0), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_rename(f->vol, "a/b/file", "a/file/", 0), NACRE_ERR_NOT_DIRECTORY);
  assert_int_equal(nacre_rename(f->vol, "a/b", "a/c/", 0), NACRE_OK);
  assert_int_equal(nacre_symlink(f->vol, "x", "a/link/", NULL), NACRE_ERR_NOT_DIRECTORY);
  assert_int_equal(nacre_unlink(f->vol, "a/c"), NACRE_ERR_IS_DIRECTORY);
  assert_int_equal(nacre_rmdir(f->vol, "a/c/"), NACRE_ERR_NOT_EMPTY);
}

#define WITH_VOLUME(test) cmocka_unit_test_setup_teardown(test, make_fixture, free_fixture)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_VOLUME(test_dots_and_slashes), WITH_VOLUME(test_links_are_followed),       WITH_VOLUME(test_loops_end),
      WITH_VOLUME(test_opening),          WITH_VOLUME(test_names_that_cannot_change),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
