/* Names: making, linking, removing, renaming, listing; orphans; what a crash leaves. */
#include "fs_volume.h"

#include <dirent.h>

static struct volume v;
static struct fs *fs;

static int start(void **state) {
  (void)state;
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

static void reopen(bool crash) {
  if (crash)
    volume_crash(&v);
  else
    volume_reopen(&v);
  fs = v.fs;
}

static uint64_t lookup(uint64_t dir, const char *name, struct nacre_attr *attr) {
  ok(fs_lookup(fs, dir, name, strlen(name), attr));
  fs_unpin(fs, attr->ino, 1);
  return attr->ino;
}

static enum nacre_err try_lookup(uint64_t dir, const char *name) {
  struct nacre_attr attr;
  enum nacre_err err = fs_lookup(fs, dir, name, strlen(name), &attr);
  if (err == NACRE_OK)
    fs_unpin(fs, attr.ino, 1);
  return err;
}

static uint64_t make_file(uint64_t dir, const char *name) {
  struct fs_file *file;
  ok(fs_create(fs, dir, name, strlen(name), 0644, NACRE_O_READ | NACRE_O_WRITE, &root_caller, NULL, &file));
  ok(fs_write(file, name, strlen(name), 0));
  uint64_t ino = fs_file_ino(file);
  fs_close(file);
  return ino;
}

static uint64_t make_dir(uint64_t dir, const char *name) {
  struct nacre_attr attr;
  ok(fs_mkdir(fs, dir, name, strlen(name), 0755, &root_caller, &attr));
  fs_unpin(fs, attr.ino, 1);
  return attr.ino;
}

static void test_by_number(void **state) {
  (void)state;
  struct nacre_attr attr;
  uint64_t folder = make_dir(1, "numbered"), file = make_file(folder, "f");
  assert_int_equal(lookup(file, ".", &attr), file);
  assert_int_equal(lookup(folder, ".", &attr), folder);
  assert_int_equal(lookup(folder, "..", &attr), 1);
  assert_int_equal(lookup(1, "..", &attr), 1);
  assert_int_equal(try_lookup(file, ".."), NACRE_ERR_NOT_DIRECTORY);
  assert_int_equal(try_lookup(999999, "."), NACRE_ERR_NOT_FOUND);
  struct fs_file *held;
  ok(fs_open(fs, file, NACRE_O_READ, &held));
  ok(fs_unlink(fs, folder, "f", 1));
  assert_int_equal(try_lookup(file, "."), NACRE_ERR_NOT_FOUND);
  fs_close(held);
  ok(fs_rmdir(fs, 1, "numbered", 8));
}

static enum nacre_err move(uint64_t from_dir, const char *from, uint64_t to_dir, const char *to, unsigned flags) {
  return fs_rename(fs, from_dir, from, strlen(from), to_dir, to, strlen(to), flags);
}

static enum nacre_err unlink_name(uint64_t dir, const char *name) {
  return fs_unlink(fs, dir, name, strlen(name));
}

static uint32_t links(uint64_t ino) {
  struct nacre_attr attr;
  ok(fs_getattr(fs, ino, &attr));
  return attr.nlink;
}

static uint64_t inode_count(void) {
  struct engine_info info;
  engine_get_info(v.e, &info);
  return info.inodes;
}

static void test_make(void **state) {
  (void)state;
  struct nacre_attr attr;
  uint64_t d = make_dir(1, "d");
  assert_int_equal(links(1), 3);
  uint64_t f = make_file(d, "f");
  assert_int_equal(lookup(d, "f", &attr), f);
  assert_int_equal(attr.mode, S_IFREG | 0644);
  assert_int_equal(attr.size_bytes, 1);
  assert_int_equal(fs_mkdir(fs, 1, "d", 1, 0755, &root_caller, &attr), NACRE_ERR_EXISTS);
  assert_int_equal(try_lookup(d, "g"), NACRE_ERR_NOT_FOUND);
  assert_int_equal(try_lookup(f, "g"), NACRE_ERR_NOT_DIRECTORY);
  assert_int_equal(fs_mkdir(fs, 1, "a/b", 3, 0755, &root_caller, &attr), NACRE_ERR_ARGUMENT);
  assert_int_equal(fs_mkdir(fs, 1, "..", 2, 0755, &root_caller, &attr), NACRE_ERR_ARGUMENT);
  char longest[256];
  memset(longest, 'x', sizeof longest);
  ok(fs_mkdir(fs, 1, longest, 255, 0755, &root_caller, NULL));
  assert_int_equal(fs_mkdir(fs, 1, longest, 256, 0755, &root_caller, &attr), NACRE_ERR_NAME_TOO_LONG);
  ok(fs_mknod(fs, d, "null", 4, S_IFCHR | 0666, 0x103, &root_caller, &attr));
  fs_unpin(fs, attr.ino, 1);
  ok(fs_mknod(fs, d, "pipe", 4, S_IFIFO | 0600, 7, &root_caller, &attr));
  fs_unpin(fs, attr.ino, 1);
  assert_int_equal(attr.rdev, 0);
  assert_int_equal(fs_mknod(fs, d, "dir", 3, S_IFDIR | 0600, 0, &root_caller, &attr), NACRE_ERR_ARGUMENT);
  reopen(false);
  assert_int_equal(lookup(d, "f", &attr), f);
  lookup(d, "null", &attr);
  assert_int_equal(attr.mode, S_IFCHR | 0666);
  assert_int_equal(attr.rdev, 0x103);
  uint64_t parent;
  ok(fs_parent(fs, d, &parent));
  assert_int_equal(parent, 1);
}

static void test_umask_and_setgid(void **state) {
  (void)state;
  struct nacre_caller caller = {.uid = 5, .gid = 6, .umask = 027};
  struct nacre_attr attr;
  ok(fs_mkdir(fs, 1, "d", 1, 02777, &caller, &attr));
  assert_int_equal(attr.mode, S_IFDIR | 02750);
  uint64_t d = attr.ino;
  caller.gid = 9;
  ok(fs_mkdir(fs, d, "sub", 3, 0777, &caller, &attr));
  assert_int_equal(attr.mode, S_IFDIR | 02750);
  assert_int_equal(attr.gid, 6);
  ok(fs_mknod(fs, d, "f", 1, 0666, 0, &caller, &attr));
  assert_int_equal(attr.mode, S_IFREG | 0640);
  assert_int_equal(attr.gid, 6);
  assert_int_equal(attr.uid, 5);
}

static void test_symlink(void **state) {
  (void)state;
  char target[4096], back[4096];
  struct nacre_attr attr;
  memset(target, 't', sizeof target);
  target[4095] = 0;
  ok(fs_symlink(fs, 1, "long", 4, target, &root_caller, &attr));
  assert_int_equal(attr.size_bytes, 4095);
  uint64_t ino = attr.ino;
  ok(fs_readlink(fs, ino, back, sizeof back));
  assert_string_equal(back, target);
  assert_int_equal(fs_readlink(fs, ino, back, 4095), NACRE_ERR_RANGE);
  assert_int_equal(fs_readlink(fs, 1, back, sizeof back), NACRE_ERR_ARGUMENT);
  ok(fs_symlink(fs, 1, "short", 5, "a", &root_caller, NULL));
  reopen(false);
  ok(fs_readlink(fs, ino, back, sizeof back));
  assert_string_equal(back, target);
  ok(fs_readlink(fs, lookup(1, "short", &attr), back, sizeof back));
  assert_string_equal(back, "a");
  ok(unlink_name(1, "long"));
}

static void test_links(void **state) {
  (void)state;
  struct nacre_attr attr;
  uint64_t f = make_file(1, "f"), d = make_dir(1, "d");
  ok(fs_link(fs, f, d, "g", 1, &attr));
  assert_int_equal(attr.nlink, 2);
  fs_unpin(fs, f, 1);
  assert_int_equal(fs_link(fs, f, d, "g", 1, &attr), NACRE_ERR_EXISTS);
  assert_int_equal(fs_link(fs, d, d, "h", 1, &attr), NACRE_ERR_PERMISSION);
  ok(unlink_name(1, "f"));
  assert_int_equal(links(f), 1);
  assert_int_equal(unlink_name(1, "d"), NACRE_ERR_IS_DIRECTORY);
  assert_int_equal(fs_rmdir(fs, d, "g", 1), NACRE_ERR_NOT_DIRECTORY);
  assert_int_equal(fs_rmdir(fs, 1, "d", 1), NACRE_ERR_NOT_EMPTY);
  ok(unlink_name(d, "g"));
  assert_int_equal(fs_getattr(fs, f, &attr), NACRE_ERR_NOT_FOUND);
  ok(fs_rmdir(fs, 1, "d", 1));
  assert_int_equal(fs_getattr(fs, d, &attr), NACRE_ERR_NOT_FOUND);
  assert_int_equal(links(1), 2);
  assert_int_equal(inode_count(), 1);
}

static void test_orphans(void **state) {
  (void)state;
  struct nacre_attr attr;
  struct fs_file *file;
  static uint8_t data[200000];
  size_t done;
  memset(data, 7, sizeof data);
  ok(fs_create(fs, 1, "f", 1, 0600, NACRE_O_READ | NACRE_O_WRITE, &root_caller, &attr, &file));
  ok(fs_write(file, data, sizeof data, 0));
  ok(fs_sync(fs));
  ok(unlink_name(1, "f"));
  assert_int_equal(links(attr.ino), 0);
  ok(fs_write(file, "x", 1, 300000));
  ok(fs_read(file, data, 10, 100, &done));
  assert_int_equal(done, 10);
  assert_int_equal(data[0], 7);
  /* The handle goes, the pin stays; and the other way round. */
  fs_close(file);
  assert_int_equal(links(attr.ino), 0);
  volume_check(&v);
  ok(fs_open(fs, attr.ino, NACRE_O_READ, &file));
  fs_unpin(fs, attr.ino, 1);
  assert_int_equal(links(attr.ino), 0);
  fs_close(file);
  assert_int_equal(fs_getattr(fs, attr.ino, &attr), NACRE_ERR_NOT_FOUND);
  assert_int_equal(inode_count(), 1);
  /* After a crash an open one that was committed goes too. */
  ok(fs_create(fs, 1, "g", 1, 0600, NACRE_O_WRITE, &root_caller, NULL, &file));
  ok(fs_write(file, data, sizeof data, 0));
  ok(unlink_name(1, "g"));
  ok(fs_sync(fs));
  assert_int_equal(inode_count(), 2);
  fs_close(file);
  reopen(true);
  assert_int_equal(inode_count(), 1);
}

#define INODE_FLAGS_AT 6u /* in the record */

/* One orphan that this program does not understand is left alone; those after it go, and the volume opens. */
static void test_strange_orphan(void **state) {
  (void)state;
  uint8_t value[RECORD_INODE_MAX_BYTES];
  size_t len;
  struct txn txn;
  struct fs_file *files[2];
  uint64_t strange;
  struct engine_info info;
  for (unsigned i = 0; i < 2; i++)
    ok(fs_tmpfile(v.fs, 1, 0600, NACRE_O_WRITE, &root_caller, NULL, &files[i]));
  strange = fs_file_ino(files[0]);
  struct key key = key_make(strange, FORMAT_RECORD_INODE, 0);
  ok(tree_get(v.e, &key, value, sizeof value, &len));
  value[INODE_FLAGS_AT + 1] |= 0x80;
  ok(txn_begin(v.e, TXN_NORMAL, 1, &txn));
  ok(tree_put(&txn, &key, value, len));
  txn_end(&txn);
  ok(engine_commit(v.e));
  engine_get_info(v.e, &info);
  uint64_t before = info.inodes;
  for (unsigned i = 0; i < 2; i++)
    fs_close(files[i]);
  fs_free(v.fs);
  engine_close(v.e);
  volume_start(&v);
  ok(fs_recover(v.fs));
  engine_get_info(v.e, &info);
  assert_int_equal(info.inodes, before - 1);
  ok(tree_get(v.e, &key, value, sizeof value, &len));
  /* As it was, for the check at the end. */
  value[INODE_FLAGS_AT + 1] &= 0x7f;
  ok(txn_begin(v.e, TXN_NORMAL, 1, &txn));
  ok(tree_put(&txn, &key, value, len));
  txn_end(&txn);
  ok(fs_recover(v.fs));
}

static void test_tmpfile(void **state) {
  (void)state;
  struct nacre_attr attr;
  struct fs_file *file;
  ok(fs_tmpfile(fs, 1, 0600, NACRE_O_WRITE, &root_caller, &attr, &file));
  assert_int_equal(attr.nlink, 0);
  ok(fs_write(file, "hello", 5, 0));
  volume_check(&v);
  ok(fs_link(fs, attr.ino, 1, "named", 5, NULL));
  fs_close(file);
  fs_unpin(fs, attr.ino, 1);
  assert_int_equal(links(attr.ino), 1);
  ok(fs_tmpfile(fs, 1, 0600, NACRE_O_WRITE, &root_caller, NULL, &file));
  fs_close(file);
  /* One that was unlinked gets no name again. */
  ok(fs_open(fs, attr.ino, NACRE_O_READ, &file));
  ok(unlink_name(1, "named"));
  assert_int_equal(fs_link(fs, attr.ino, 1, "again", 5, NULL), NACRE_ERR_NOT_FOUND);
  fs_close(file);
  assert_int_equal(inode_count(), 1);
}

static void test_rename(void **state) {
  (void)state;
  struct nacre_attr attr;
  uint64_t a = make_dir(1, "a"), b = make_dir(1, "b"), f = make_file(a, "f"), g = make_file(b, "g");
  uint64_t sub = make_dir(a, "sub"), deep = make_dir(sub, "deep"), parent;
  ok(move(a, "f", a, "f2", 0));
  assert_int_equal(try_lookup(a, "f"), NACRE_ERR_NOT_FOUND);
  assert_int_equal(move(a, "f2", b, "g", NACRE_RENAME_NOREPLACE), NACRE_ERR_EXISTS);
  ok(move(a, "f2", b, "g", 0));
  assert_int_equal(lookup(b, "g", &attr), f);
  assert_int_equal(fs_getattr(fs, g, &attr), NACRE_ERR_NOT_FOUND);
  assert_int_equal(move(1, "a", deep, "a", 0), NACRE_ERR_ARGUMENT);
  assert_int_equal(move(1, "a", a, "a", 0), NACRE_ERR_ARGUMENT);
  assert_int_equal(move(sub, "deep", 1, "a", 0), NACRE_ERR_NOT_EMPTY);
  assert_int_equal(move(sub, "deep", 1, "a", NACRE_RENAME_EXCHANGE), NACRE_ERR_ARGUMENT);
  assert_int_equal(move(1, "b", 1, "none", NACRE_RENAME_EXCHANGE), NACRE_ERR_NOT_FOUND);
  assert_int_equal(move(a, "sub", b, "g", 0), NACRE_ERR_NOT_DIRECTORY);
  assert_int_equal(move(b, "g", a, "sub", 0), NACRE_ERR_IS_DIRECTORY);
  ok(move(a, "sub", b, "sub", 0));
  ok(fs_parent(fs, sub, &parent));
  assert_int_equal(parent, b);
  assert_int_equal(links(a), 2);
  assert_int_equal(links(b), 3);
  volume_check(&v);
  /* A folder over an empty one, and two that change places with a file. */
  make_dir(a, "empty");
  ok(move(b, "sub", a, "empty", 0));
  assert_int_equal(lookup(a, "empty", &attr), sub);
  ok(move(a, "empty", b, "g", NACRE_RENAME_EXCHANGE));
  assert_int_equal(lookup(b, "g", &attr), sub);
  assert_int_equal(lookup(a, "empty", &attr), f);
  ok(fs_parent(fs, sub, &parent));
  assert_int_equal(parent, b);
  /* Two names of one file: nothing happens. */
  ok(fs_link(fs, f, 1, "f3", 2, NULL));
  ok(move(1, "f3", a, "empty", 0));
  assert_int_equal(links(f), 2);
  ok(move(1, "f3", 1, "f3", 0));
  assert_int_equal(move(1, "none", 1, "x", 0), NACRE_ERR_NOT_FOUND);
  reopen(false);
}

/* ---- Listing ---- */

struct list {
  unsigned count, stop_after;
  uint64_t next;
  uint8_t *seen; /* by number in the name */
  bool with_attr;
};

static bool list_one(void *arg, const struct nacre_dirent *entry) {
  struct list *l = arg;
  if (l->count == l->stop_after)
    return false;
  l->count++;
  assert_true(entry->next > l->next && entry->next < INT64_MAX);
  l->next = entry->next;
  if (l->with_attr && entry->name[0] != '.') {
    assert_int_equal(entry->attr->ino, entry->ino);
    fs_unpin(fs, entry->ino, 1);
  }
  if (l->seen != NULL && entry->name[0] == 'n') {
    unsigned number = (unsigned)strtoul(entry->name + 1, NULL, 10);
    assert_int_equal(entry->type, DT_REG);
    assert_int_equal(l->seen[number], 0);
    l->seen[number] = 1;
  }
  return true;
}

#define MANY 100000u

static void test_large_folder(void **state) {
  (void)state;
  uint64_t d = make_dir(1, "d");
  char name[16];
  uint8_t *seen = calloc(1, 2 * MANY);
  for (unsigned i = 0; i < MANY; i++) {
    int len = snprintf(name, sizeof name, "n%u", i);
    ok(fs_mknod(fs, d, name, (size_t)len, 0644, 0, &root_caller, NULL));
  }
  reopen(false);
  struct list l = {.stop_after = 1000, .seen = seen, .with_attr = true};
  uint64_t before;
  /* In pieces, while entries come and go: all that stay come once. */
  unsigned gone = 0;
  do {
    before = l.count = 0;
    uint64_t from = l.next;
    ok(fs_readdir(fs, d, from, l.with_attr, list_one, &l));
    before = l.next - from;
    int len = snprintf(name, sizeof name, "n%u", gone * 7);
    assert_int_equal(fs_unlink(fs, d, name, (size_t)len), NACRE_OK);
    gone++;
    len = snprintf(name, sizeof name, "n%u", MANY + gone);
    ok(fs_mknod(fs, d, name, (size_t)len, 0644, 0, &root_caller, NULL));
  } while (before > 0);
  for (unsigned i = 0; i < MANY; i++)
    assert_true(seen[i] || (i % 7 == 0 && i / 7 < gone));
  struct nacre_attr attr;
  ok(fs_getattr(fs, d, &attr));
  assert_int_equal(attr.size_bytes, MANY);
  free(seen);
}

static void test_dots(void **state) {
  (void)state;
  uint64_t d = make_dir(1, "d");
  struct list l = {.stop_after = 1};
  ok(fs_readdir(fs, d, 0, true, list_one, &l));
  assert_int_equal(l.next, 1);
  l.count = 0;
  ok(fs_readdir(fs, d, l.next, true, list_one, &l));
  assert_int_equal(l.next, 2);
  l.count = 0;
  ok(fs_readdir(fs, d, l.next, true, list_one, &l));
  assert_int_equal(l.count, 0);
  assert_int_equal(fs_readdir(fs, make_file(1, "f"), 0, false, list_one, &l), NACRE_ERR_NOT_DIRECTORY);
  ok(fs_check_dir(fs, d));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_make, start, end),
      cmocka_unit_test_setup_teardown(test_by_number, start, end),
      cmocka_unit_test_setup_teardown(test_umask_and_setgid, start, end),
      cmocka_unit_test_setup_teardown(test_symlink, start, end),
      cmocka_unit_test_setup_teardown(test_links, start, end),
      cmocka_unit_test_setup_teardown(test_orphans, start, end),
      cmocka_unit_test_setup_teardown(test_strange_orphan, start, end),
      cmocka_unit_test_setup_teardown(test_tmpfile, start, end),
      cmocka_unit_test_setup_teardown(test_rename, start, end),
      cmocka_unit_test_setup_teardown(test_large_folder, start, end),
      cmocka_unit_test_setup_teardown(test_dots, start, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
