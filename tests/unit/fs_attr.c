/* Attributes, extended attributes and access control lists. */
#include "fs_volume.h"

#include "fs/acl.h"

static struct volume v;
static struct fs *fs;

static int start(void **state) {
  (void)state;
  volume_make(&v, 128 * MIB, 0, 8 * MIB, 16384);
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

static uint64_t make_node(uint64_t dir, const char *name, uint32_t mode) {
  struct nacre_attr attr;
  if (S_ISDIR(mode))
    ok(fs_mkdir(fs, dir, name, strlen(name), mode, &root_caller, &attr));
  else
    ok(fs_mknod(fs, dir, name, strlen(name), mode, 0, &root_caller, &attr));
  fs_unpin(fs, attr.ino, 1);
  return attr.ino;
}

static void test_setattr(void **state) {
  (void)state;
  uint64_t f = make_node(1, "f", S_IFREG | 0644);
  struct nacre_attr attr = {
      .mode = 06755, .uid = 10, .gid = 20, .atime = {-5, 6}, .mtime = {1ll << 40, 999999999}, .size_bytes = 100000};
  unsigned set = NACRE_SET_MODE | NACRE_SET_UID | NACRE_SET_GID | NACRE_SET_ATIME | NACRE_SET_MTIME | NACRE_SET_SIZE;
  ok(fs_setattr(fs, f, &attr, set));
  reopen();
  ok(fs_getattr(fs, f, &attr));
  assert_int_equal(attr.mode, S_IFREG | 06755);
  assert_int_equal(attr.uid, 10);
  assert_int_equal(attr.gid, 20);
  assert_int_equal(attr.atime.s, -5);
  assert_int_equal(attr.mtime.s, 1ll << 40);
  assert_int_equal(attr.mtime.ns, 999999999);
  assert_int_equal(attr.size_bytes, 100000);
  assert_int_equal(attr.allocated_bytes, 0);
  ok(fs_setxattr(fs, f, "security.capability", "cap", 3, 0));
  ok(fs_setattr(fs, f, &attr, NACRE_SET_KILL_PRIV));
  assert_int_equal(attr.mode, S_IFREG | 0755);
  size_t len;
  assert_int_equal(fs_getxattr(fs, f, "security.capability", NULL, 0, &len), NACRE_ERR_NO_ATTRIBUTE);
  attr.mode = 06745;
  ok(fs_setattr(fs, f, &attr, NACRE_SET_MODE));
  ok(fs_setattr(fs, f, &attr, NACRE_SET_KILL_PRIV));
  assert_int_equal(attr.mode, S_IFREG | 02745);
  ok(fs_setattr(fs, f, &attr, NACRE_SET_KILL_PRIV | NACRE_SET_KILL_SETGID));
  assert_int_equal(attr.mode, S_IFREG | 0745);
  attr.mtime.ns = 1000000000;
  assert_int_equal(fs_setattr(fs, f, &attr, NACRE_SET_MTIME), NACRE_ERR_ARGUMENT);
  assert_int_equal(fs_setattr(fs, 1, &attr, NACRE_SET_SIZE), NACRE_ERR_IS_DIRECTORY);
  assert_int_equal(fs_setattr(fs, 999, &attr, NACRE_SET_MODE), NACRE_ERR_NOT_FOUND);
}

static bool time_is(struct nacre_time a, struct nacre_time b) {
  return a.s == b.s && a.ns == b.ns;
}

static void test_change_time(void **state) {
  (void)state;
  const struct nacre_time old = {.s = 1000, .ns = 5};
  uint64_t f = make_node(1, "f", S_IFREG | 0644);
  struct nacre_attr attr = {.atime = old, .ctime = old};
  ok(fs_setattr(fs, f, &attr, NACRE_SET_ATIME | NACRE_SET_CTIME));
  assert_true(time_is(attr.ctime, old));
  ok(fs_setattr(fs, f, &attr, NACRE_SET_KEEP_CTIME));
  assert_true(time_is(attr.atime, old) && time_is(attr.ctime, old));
  ok(fs_setattr(fs, f, &attr, NACRE_SET_ATIME_NOW | NACRE_SET_KEEP_CTIME));
  reopen();
  ok(fs_getattr(fs, f, &attr));
  assert_true(attr.atime.s > old.s && time_is(attr.ctime, old));
  attr.ctime.ns++;
  ok(fs_setattr(fs, f, &attr, NACRE_SET_CTIME | NACRE_SET_KEEP_CTIME));
  assert_int_equal(attr.ctime.ns, old.ns + 1);
  ok(fs_setattr(fs, f, &attr, NACRE_SET_ATIME_NOW));
  assert_true(attr.ctime.s > old.s);
}

static void test_xattrs(void **state) {
  (void)state;
  static uint8_t value[65537], back[65536];
  char names[256];
  size_t len;
  uint64_t f = make_node(1, "f", S_IFREG | 0644), p = make_node(1, "p", S_IFIFO | 0644);
  for (size_t i = 0; i < sizeof value; i++)
    value[i] = (uint8_t)(i * 31 + i / 256);
  const size_t lens[] = {0, 1, 100, 2000, 2001, 3800, 3801, 7600, 65536};
  for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
    ok(fs_setxattr(fs, f, "user.a", value, lens[i], 0));
    ok(fs_setxattr(fs, f, "trusted.b", value + 1, lens[sizeof lens / sizeof lens[0] - 1 - i], 0));
    ok(fs_getxattr(fs, f, "user.a", NULL, 0, &len));
    assert_int_equal(len, lens[i]);
    ok(fs_getxattr(fs, f, "user.a", back, sizeof back, &len));
    assert_int_equal(len, lens[i]);
    assert_memory_equal(back, value, len);
    if (len > 1)
      assert_int_equal(fs_getxattr(fs, f, "user.a", back, len - 1, &len), NACRE_ERR_RANGE);
    volume_check(&v);
  }
  reopen();
  ok(fs_getxattr(fs, f, "user.a", back, sizeof back, &len));
  assert_memory_equal(back, value, 65536);
  ok(fs_listxattr(fs, f, NULL, 0, &len));
  assert_int_equal(len, 7 + 10);
  ok(fs_listxattr(fs, f, names, sizeof names, &len));
  assert_true(memcmp(names, "user.a\0trusted.b", 17) == 0 || memcmp(names, "trusted.b\0user.a", 17) == 0);
  assert_int_equal(fs_listxattr(fs, f, names, 16, &len), NACRE_ERR_RANGE);
  assert_int_equal(fs_setxattr(fs, f, "user.a", value, 1, NACRE_XATTR_CREATE), NACRE_ERR_EXISTS);
  assert_int_equal(fs_setxattr(fs, f, "user.c", value, 1, NACRE_XATTR_REPLACE), NACRE_ERR_NO_ATTRIBUTE);
  assert_int_equal(fs_setxattr(fs, f, "user.c", value, 65537, 0), NACRE_ERR_TOO_LARGE);
  assert_int_equal(fs_setxattr(fs, f, "other.c", value, 1, 0), NACRE_ERR_UNSUPPORTED);
  assert_int_equal(fs_setxattr(fs, f, "user.", value, 1, 0), NACRE_ERR_ARGUMENT);
  assert_int_equal(fs_setxattr(fs, p, "user.c", value, 1, 0), NACRE_ERR_PERMISSION);
  ok(fs_setxattr(fs, p, "trusted.c", value, 1, 0));
  ok(fs_removexattr(fs, f, "user.a"));
  assert_int_equal(fs_removexattr(fs, f, "user.a"), NACRE_ERR_NO_ATTRIBUTE);
  ok(fs_removexattr(fs, f, "trusted.b"));
  ok(fs_listxattr(fs, f, names, sizeof names, &len));
  assert_int_equal(len, 0);
  ok(fs_setxattr(fs, f, "user.big", value, 65536, 0));
  ok(fs_unlink(fs, 1, "f", 1));
}

static void test_many_names(void **state) {
  (void)state;
  uint64_t f = make_node(1, "f", S_IFREG | 0644);
  char name[256], *names = malloc(65536);
  size_t len;
  enum nacre_err err = NACRE_OK;
  unsigned count = 0;
  while (err == NACRE_OK) {
    (void)snprintf(name, sizeof name, "user.%0200u", count++);
    err = fs_setxattr(fs, f, name, "v", 1, 0);
  }
  assert_int_equal(err, NACRE_ERR_TOO_LARGE);
  assert_int_equal(count - 1, 65536 / 206);
  ok(fs_listxattr(fs, f, names, 65536, &len));
  assert_int_equal(len, (count - 1) * 206);
  free(names);
}

/* ---- Lists ---- */

static size_t list(uint8_t *out, unsigned count, const uint32_t (*entries)[3]) {
  struct acl acl = {.count = count};
  for (unsigned i = 0; i < count; i++)
    acl.entries[i] = (struct acl_entry){(uint16_t)entries[i][0], (uint16_t)entries[i][1], entries[i][2]};
  return acl_encode(&acl, out);
}

static uint32_t mode_of(uint64_t ino) {
  struct nacre_attr attr;
  ok(fs_getattr(fs, ino, &attr));
  return attr.mode & 07777u;
}

static const uint32_t plain[3][3] = {{1, 6, ~0u}, {4, 4, ~0u}, {0x20, 0, ~0u}};
static const uint32_t named[5][3] = {{1, 7, ~0u}, {2, 5, 1000}, {4, 4, ~0u}, {0x10, 5, ~0u}, {0x20, 1, ~0u}};

static void test_access_list(void **state) {
  (void)state;
  uint64_t f = make_node(1, "f", S_IFREG | 0644);
  uint8_t value[ACL_VALUE_MAX_BYTES], back[ACL_VALUE_MAX_BYTES];
  size_t len;
  ok(fs_setxattr(fs, f, ACL_NAME_ACCESS, value, list(value, 5, named), 0));
  assert_int_equal(mode_of(f), 0751);
  ok(fs_getxattr(fs, f, ACL_NAME_ACCESS, back, sizeof back, &len));
  assert_int_equal(len, 44);
  assert_memory_equal(back, value, len);
  /* chmod changes the mask, not the group's entry. */
  struct nacre_attr attr = {.mode = 0640};
  ok(fs_setattr(fs, f, &attr, NACRE_SET_MODE));
  ok(fs_getxattr(fs, f, ACL_NAME_ACCESS, back, sizeof back, &len));
  struct acl acl;
  ok(acl_decode(back, len, &acl));
  assert_int_equal(acl.entries[0].perm, 6);
  assert_int_equal(acl.entries[2].perm, 4);
  assert_int_equal(acl.entries[3].perm, 4);
  assert_int_equal(acl.entries[4].perm, 0);
  /* One that a mode can say is not kept. */
  ok(fs_setxattr(fs, f, ACL_NAME_ACCESS, value, list(value, 3, plain), 0));
  assert_int_equal(mode_of(f), 0640);
  assert_int_equal(fs_getxattr(fs, f, ACL_NAME_ACCESS, NULL, 0, &len), NACRE_ERR_NO_ATTRIBUTE);
  assert_int_equal(fs_setxattr(fs, f, ACL_NAME_ACCESS, value, list(value, 4, named), 0), NACRE_ERR_ARGUMENT);
  assert_int_equal(fs_setxattr(fs, f, ACL_NAME_ACCESS, value, 3, 0), NACRE_ERR_ARGUMENT);
  assert_int_equal(fs_setxattr(fs, f, ACL_NAME_DEFAULT, value, list(value, 3, plain), 0), NACRE_ERR_PERMISSION);
  ok(fs_setxattr(fs, f, ACL_NAME_ACCESS, value, list(value, 0, plain), 0));
}

static void test_default_list(void **state) {
  (void)state;
  uint64_t d = make_node(1, "d", S_IFDIR | 0755);
  uint8_t value[ACL_VALUE_MAX_BYTES], back[ACL_VALUE_MAX_BYTES];
  struct nacre_caller caller = {.umask = 077};
  struct nacre_attr attr;
  size_t len;
  ok(fs_setxattr(fs, d, ACL_NAME_DEFAULT, value, list(value, 5, named), 0));
  assert_int_equal(mode_of(d), 0755);
  ok(fs_mknod(fs, d, "f", 1, S_IFREG | 0666, 0, &caller, &attr));
  assert_int_equal(attr.mode, S_IFREG | 0640);
  ok(fs_getxattr(fs, attr.ino, ACL_NAME_ACCESS, back, sizeof back, &len));
  assert_int_equal(len, 44);
  assert_int_equal(fs_getxattr(fs, attr.ino, ACL_NAME_DEFAULT, NULL, 0, &len), NACRE_ERR_NO_ATTRIBUTE);
  ok(fs_mkdir(fs, d, "sub", 3, 0777, &caller, &attr));
  assert_int_equal(attr.mode, S_IFDIR | 0751);
  ok(fs_getxattr(fs, attr.ino, ACL_NAME_DEFAULT, back, sizeof back, &len));
  assert_memory_equal(back, value, len);
  ok(fs_symlink(fs, d, "l", 1, "t", &caller, &attr));
  assert_int_equal(attr.mode, S_IFLNK | 0777);
  ok(fs_removexattr(fs, d, ACL_NAME_DEFAULT));
  ok(fs_mknod(fs, d, "g", 1, S_IFREG | 0666, 0, &caller, &attr));
  assert_int_equal(attr.mode, S_IFREG | 0600);
  reopen();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_setattr, start, end),
      cmocka_unit_test_setup_teardown(test_change_time, start, end),
      cmocka_unit_test_setup_teardown(test_xattrs, start, end),
      cmocka_unit_test_setup_teardown(test_many_names, start, end),
      cmocka_unit_test_setup_teardown(test_access_list, start, end),
      cmocka_unit_test_setup_teardown(test_default_list, start, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
