/* The calls by inode number, with attributes and without, and the pins that go with them. */
#include "api_fixture.h"

#include <dirent.h>
#include <stdio.h>

#define NEW_ATTR                                                                                                     \
  { .struct_size = sizeof(struct nacre_attr) }

static uint64_t lookup(struct api *a, uint64_t dir, const char *name) {
  struct nacre_attr attr = NEW_ATTR;
  ok(nacre_inode_lookup(a->vol, dir, name, strlen(name), &attr));
  nacre_inode_unpin(a->vol, attr.ino, 1);
  return attr.ino;
}

static bool is_there(struct api *a, uint64_t dir, const char *name) {
  struct nacre_attr attr = NEW_ATTR;
  enum nacre_err err = nacre_inode_lookup(a->vol, dir, name, strlen(name), &attr);
  if (err != NACRE_OK)
    assert_int_equal(err, NACRE_ERR_NOT_FOUND);
  else
    nacre_inode_unpin(a->vol, attr.ino, 1);
  return err == NACRE_OK;
}

/* Each kind of object, its attributes asked for. */
static void test_making_with_attributes(void **state) {
  struct api *a = *state;
  const struct nacre_caller caller = {.uid = 5, .gid = 6, .umask = 022};
  struct nacre_attr file = NEW_ATTR, dir = NEW_ATTR, fifo = NEW_ATTR, link = NEW_ATTR, hard = NEW_ATTR,
                    none = NEW_ATTR;
  nacre_file *open_file, *unnamed;
  ok(nacre_inode_mkdir(a->vol, NACRE_ROOT_INO, "dir", 3, 0777, &caller, &dir));
  assert_int_equal(dir.mode, S_IFDIR | 0755);
  ok(nacre_inode_create(a->vol, dir.ino, "file", 4, 0666, NACRE_O_READ | NACRE_O_WRITE, &caller, &file, &open_file));
  assert_int_equal(file.mode, S_IFREG | 0644);
  assert_int_equal(file.uid, 5);
  ok(nacre_inode_mknod(a->vol, dir.ino, "fifo", 4, S_IFIFO | 0600, 0, &caller, &fifo));
  assert_int_equal(fifo.mode, S_IFIFO | 0600);
  ok(nacre_inode_symlink(a->vol, dir.ino, "link", 4, "file", &caller, &link));
  assert_int_equal(link.size_bytes, 4);
  ok(nacre_inode_link(a->vol, file.ino, dir.ino, "hard", 4, &hard));
  assert_int_equal(hard.ino, file.ino);
  assert_int_equal(hard.nlink, 2);
  ok(nacre_inode_tmpfile(a->vol, dir.ino, 0600, NACRE_O_WRITE, &caller, &none, &unnamed));
  assert_int_equal(none.nlink, 0);
  ok(nacre_write(unnamed, "named later", 11, 0));
  ok(nacre_inode_link(a->vol, none.ino, dir.ino, "named", 5, NULL));
  nacre_close(unnamed);
  nacre_close(open_file);
  assert_int_equal(lookup(a, dir.ino, "named"), none.ino);
  nacre_inode_unpin(a->vol, file.ino, 2);
  const uint64_t once[] = {dir.ino, fifo.ino, link.ino, none.ino};
  for (size_t i = 0; i < sizeof once / sizeof once[0]; i++)
    nacre_inode_unpin(a->vol, once[i], 1);
}

/* And not: then nothing is pinned. */
static void test_making_without_attributes(void **state) {
  struct api *a = *state;
  nacre_file *file;
  const uint64_t root = NACRE_ROOT_INO;
  ok(nacre_inode_mkdir(a->vol, root, "dir", 3, 0700, NULL, NULL));
  ok(nacre_inode_mknod(a->vol, root, "fifo", 4, S_IFIFO | 0600, 0, NULL, NULL));
  ok(nacre_inode_symlink(a->vol, root, "link", 4, "dir", NULL, NULL));
  ok(nacre_inode_create(a->vol, root, "file", 4, 0600, NACRE_O_WRITE, NULL, NULL, &file));
  nacre_close(file);
  ok(nacre_inode_link(a->vol, lookup(a, root, "file"), root, "hard", 4, NULL));
  ok(nacre_inode_tmpfile(a->vol, root, 0600, NACRE_O_WRITE, NULL, NULL, &file));
  nacre_close(file);
  assert_int_equal(nacre_inode_create(a->vol, root, "file", 4, 0600, NACRE_O_WRITE, NULL, NULL, &file),
                   NACRE_ERR_EXISTS);
  struct nacre_volume_info info = {.struct_size = sizeof info};
  ok(nacre_volume_sync(a->vol));
  ok(nacre_volume_get_info(a->vol, &info));
  assert_int_equal(info.inodes, 5); /* the one without a name has gone */
}

static void test_names(void **state) {
  struct api *a = *state;
  const uint64_t root = NACRE_ROOT_INO;
  ok(nacre_inode_mkdir(a->vol, root, "a", 1, 0700, NULL, NULL));
  ok(nacre_inode_mkdir(a->vol, root, "b", 1, 0700, NULL, NULL));
  uint64_t a_ino = lookup(a, root, "a"), b_ino = lookup(a, root, "b");
  ok(nacre_inode_mknod(a->vol, a_ino, "x", 1, S_IFREG | 0600, 0, NULL, NULL));
  ok(nacre_inode_rename(a->vol, a_ino, "x", 1, b_ino, "y", 1, 0));
  assert_false(is_there(a, a_ino, "x"));
  assert_true(is_there(a, b_ino, "y"));
  assert_int_equal(nacre_inode_rmdir(a->vol, root, "b", 1), NACRE_ERR_NOT_EMPTY);
  assert_int_equal(nacre_inode_unlink(a->vol, root, "b", 1), NACRE_ERR_IS_DIRECTORY);
  assert_int_equal(nacre_inode_rmdir(a->vol, b_ino, "y", 1), NACRE_ERR_NOT_DIRECTORY);
  ok(nacre_inode_unlink(a->vol, b_ino, "y", 1));
  ok(nacre_inode_rmdir(a->vol, root, "b", 1));
  assert_false(is_there(a, root, "b"));
}

static void test_attributes(void **state) {
  struct api *a = *state;
  struct nacre_attr attr = NEW_ATTR;
  char text[16];
  size_t len;
  ok(nacre_inode_mknod(a->vol, NACRE_ROOT_INO, "file", 4, S_IFREG | 0600, 0, NULL, NULL));
  ok(nacre_inode_symlink(a->vol, NACRE_ROOT_INO, "link", 4, "to there", NULL, NULL));
  uint64_t ino = lookup(a, NACRE_ROOT_INO, "file");
  attr.mode = 0640;
  attr.size_bytes = 5000;
  ok(nacre_inode_setattr(a->vol, ino, &attr, NACRE_SET_MODE | NACRE_SET_SIZE));
  ok(nacre_inode_getattr(a->vol, ino, &attr));
  assert_int_equal(attr.mode, S_IFREG | 0640);
  assert_int_equal(attr.size_bytes, 5000);
  ok(nacre_inode_setxattr(a->vol, ino, "user.x", "value", 5, NACRE_XATTR_CREATE));
  ok(nacre_inode_getxattr(a->vol, ino, "user.x", text, sizeof text, &len));
  assert_int_equal(len, 5);
  assert_memory_equal(text, "value", 5);
  ok(nacre_inode_listxattr(a->vol, ino, text, sizeof text, &len));
  assert_int_equal(len, sizeof "user.x");
  ok(nacre_inode_removexattr(a->vol, ino, "user.x"));
  assert_int_equal(nacre_inode_getxattr(a->vol, ino, "user.x", text, sizeof text, &len), NACRE_ERR_NO_ATTRIBUTE);
  ok(nacre_inode_readlink(a->vol, lookup(a, NACRE_ROOT_INO, "link"), text, sizeof text));
  assert_string_equal(text, "to there");
}

static bool count(void *arg, const struct nacre_dirent *entry) {
  (void)entry;
  (*(unsigned *)arg)++;
  return true;
}

static void test_handles(void **state) {
  struct api *a = *state;
  nacre_file *file;
  nacre_dir *dir;
  unsigned entries = 0;
  ok(nacre_inode_mknod(a->vol, NACRE_ROOT_INO, "file", 4, S_IFREG | 0600, 0, NULL, NULL));
  uint64_t ino = lookup(a, NACRE_ROOT_INO, "file");
  ok(nacre_inode_open(a->vol, ino, NACRE_O_READ | NACRE_O_WRITE, &file));
  ok(nacre_write(file, "x", 1, 0));
  ok(nacre_file_error(file));
  nacre_close(file);
  ok(nacre_inode_opendir(a->vol, NACRE_ROOT_INO, &dir));
  ok(nacre_readdir(dir, 0, false, count, &entries));
  assert_int_equal(entries, 3);
  nacre_closedir(dir);
  assert_int_equal(nacre_inode_opendir(a->vol, ino, &dir), NACRE_ERR_NOT_DIRECTORY);
  assert_int_equal(nacre_inode_open(a->vol, NACRE_ROOT_INO, NACRE_O_WRITE, &file), NACRE_ERR_IS_DIRECTORY);
}

/* A mount remembers many: each keeps its pin until it is given back, also when it was deleted meanwhile. */
static void test_many_pins(void **state) {
  struct api *a = *state;
  enum { FILES = 3000 };
  static uint64_t inos[FILES];
  struct nacre_attr attr = NEW_ATTR;
  struct nacre_volume_info info = {.struct_size = sizeof info};
  char name[16];
  for (unsigned i = 0; i < FILES; i++) {
    int len = snprintf(name, sizeof name, "%u", i);
    ok(nacre_inode_mknod(a->vol, NACRE_ROOT_INO, name, (size_t)len, S_IFREG | 0600, 0, NULL, &attr));
    inos[i] = attr.ino;
    ok(nacre_inode_unlink(a->vol, NACRE_ROOT_INO, name, (size_t)len));
  }
  for (unsigned i = 0; i < FILES; i++) {
    ok(nacre_inode_getattr(a->vol, inos[i], &attr));
    assert_int_equal(attr.nlink, 0);
  }
  for (unsigned i = 0; i < FILES; i++)
    nacre_inode_unpin(a->vol, inos[i], 1);
  ok(nacre_volume_sync(a->vol));
  ok(nacre_volume_get_info(a->vol, &info));
  assert_int_equal(info.inodes, 1);
  assert_int_equal(nacre_inode_getattr(a->vol, inos[0], &attr), NACRE_ERR_NOT_FOUND);
}

/* Numbers that name nothing. */
static void test_no_such_inode(void **state) {
  struct api *a = *state;
  static const uint64_t numbers[] = {0, 77, 1ull << 48, UINT64_MAX};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
    struct nacre_attr attr = NEW_ATTR;
    nacre_file *file;
    nacre_dir *dir;
    char text[8];
    size_t len;
    uint64_t no = numbers[i];
    assert_int_equal(nacre_inode_getattr(a->vol, no, &attr), NACRE_ERR_NOT_FOUND);
    assert_int_equal(nacre_inode_setattr(a->vol, no, &attr, NACRE_SET_UID), NACRE_ERR_NOT_FOUND);
    assert_int_equal(nacre_inode_lookup(a->vol, no, "x", 1, &attr), NACRE_ERR_NOT_FOUND);
    assert_int_equal(nacre_inode_open(a->vol, no, NACRE_O_READ, &file), NACRE_ERR_NOT_FOUND);
    assert_int_equal(nacre_inode_opendir(a->vol, no, &dir), NACRE_ERR_NOT_FOUND);
    assert_int_equal(nacre_inode_mkdir(a->vol, no, "x", 1, 0700, NULL, NULL), NACRE_ERR_NOT_FOUND);
    assert_int_equal(nacre_inode_link(a->vol, no, NACRE_ROOT_INO, "x", 1, NULL), NACRE_ERR_NOT_FOUND);
    assert_int_equal(nacre_inode_unlink(a->vol, no, "x", 1), NACRE_ERR_NOT_FOUND);
    assert_int_equal(nacre_inode_readlink(a->vol, no, text, sizeof text), NACRE_ERR_NOT_FOUND);
    assert_int_equal(nacre_inode_getxattr(a->vol, no, "user.x", text, sizeof text, &len), NACRE_ERR_NOT_FOUND);
    assert_int_equal(nacre_inode_setxattr(a->vol, no, "user.x", text, 1, 0), NACRE_ERR_NOT_FOUND);
    assert_int_equal(nacre_inode_listxattr(a->vol, no, text, sizeof text, &len), NACRE_ERR_NOT_FOUND);
    assert_int_equal(nacre_inode_rename(a->vol, NACRE_ROOT_INO, "x", 1, no, "y", 1, 0), NACRE_ERR_NOT_FOUND);
  }
}

#define WITH_VOLUME(test) cmocka_unit_test_setup_teardown(test, api_make, api_free)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_VOLUME(test_making_with_attributes),
      WITH_VOLUME(test_making_without_attributes),
      WITH_VOLUME(test_names),
      WITH_VOLUME(test_attributes),
      WITH_VOLUME(test_handles),
      WITH_VOLUME(test_no_such_inode),
      WITH_VOLUME(test_many_pins),
  };
  return cmocka_run_group_tests_name("api inode", tests, NULL, NULL);
}
