/* Calls that are wrong in themselves: without a handle, with what belongs to another process, with nowhere to put an
 * answer. Each says so, and nothing else happens. */
#include "api_fixture.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

struct calls {
  nacre_volume *vol;
  nacre_file *file;
  nacre_dir *dir;
  nacre_credential *cred;
};

static bool take(void *arg, const struct nacre_dirent *entry) {
  (void)arg;
  (void)entry;
  return true;
}

struct answer {
  const char *call;
  enum nacre_err err;
};

static unsigned count_wrong(const struct answer *answers, size_t count, enum nacre_err wanted) {
  unsigned wrong = 0;
  for (size_t i = 0; i < count; i++) {
    if (answers[i].err == wanted)
      continue;
    print_error("%s: %s\n", answers[i].call, nacre_strerror(answers[i].err));
    wrong++;
  }
  return wrong;
}

static unsigned volume_calls(const struct calls *c, enum nacre_err wanted) {
  struct nacre_statfs st = {.struct_size = sizeof st};
  struct nacre_volume_info info = {.struct_size = sizeof info};
  struct nacre_verify_report report = {.struct_size = sizeof report};
  size_t len = 0;
  uint32_t index;
  const struct answer answers[] = {
      {"sync", nacre_volume_sync(c->vol)},
      {"fsync of all", nacre_volume_fsync(c->vol)},
      {"info", nacre_volume_get_info(c->vol, &info)},
      {"statfs", nacre_statfs(c->vol, &st)},
      {"slot list", nacre_slot_list(c->vol, NULL, &len)},
      {"slot add", nacre_slot_add(c->vol, c->cred, NULL, NULL, &index)},
      {"slot remove", nacre_slot_remove(c->vol, 3, false)},
      {"slot change", nacre_slot_change(c->vol, 3, c->cred, NULL, NULL)},
      {"slot rename", nacre_slot_rename(c->vol, 3, NULL)},
      {"verify", nacre_verify(c->vol, &report, NULL, NULL, NULL, NULL, NULL)},
  };
  return count_wrong(answers, sizeof answers / sizeof answers[0], wanted);
}

static unsigned path_calls(const struct calls *c, enum nacre_err wanted) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  nacre_file *file;
  nacre_dir *dir;
  char text[16];
  size_t len = 0;
  const struct answer answers[] = {
      {"open", nacre_open(c->vol, "x", NACRE_O_READ, 0, NULL, &file)},
      {"opendir", nacre_opendir(c->vol, "", &dir)},
      {"stat", nacre_stat(c->vol, "", &attr)},
      {"lstat", nacre_lstat(c->vol, "", &attr)},
      {"setattr", nacre_setattr(c->vol, "", &attr, 0)},
      {"mkdir", nacre_mkdir(c->vol, "x", 0700, NULL)},
      {"mknod", nacre_mknod(c->vol, "x", 0100600, 0, NULL)},
      {"symlink", nacre_symlink(c->vol, "x", "y", NULL)},
      {"readlink", nacre_readlink(c->vol, "x", text, sizeof text)},
      {"link", nacre_link(c->vol, "x", "y")},
      {"unlink", nacre_unlink(c->vol, "x")},
      {"rmdir", nacre_rmdir(c->vol, "x")},
      {"rename", nacre_rename(c->vol, "x", "y", 0)},
      {"getxattr", nacre_getxattr(c->vol, "", "user.x", text, sizeof text, &len)},
      {"setxattr", nacre_setxattr(c->vol, "", "user.x", "", 0, 0)},
      {"listxattr", nacre_listxattr(c->vol, "", text, sizeof text, &len)},
      {"removexattr", nacre_removexattr(c->vol, "", "user.x")},
  };
  return count_wrong(answers, sizeof answers / sizeof answers[0], wanted);
}

static unsigned inode_calls(const struct calls *c, enum nacre_err wanted) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  nacre_file *file;
  nacre_dir *dir;
  char text[16];
  size_t len = 0;
  const struct answer answers[] = {
      {"inode lookup", nacre_inode_lookup(c->vol, 1, "x", 1, &attr)},
      {"inode getattr", nacre_inode_getattr(c->vol, 1, &attr)},
      {"inode setattr", nacre_inode_setattr(c->vol, 1, &attr, 0)},
      {"inode open", nacre_inode_open(c->vol, 1, NACRE_O_READ, &file)},
      {"inode opendir", nacre_inode_opendir(c->vol, 1, &dir)},
      {"inode create", nacre_inode_create(c->vol, 1, "x", 1, 0600, NACRE_O_READ, NULL, NULL, &file)},
      {"inode tmpfile", nacre_inode_tmpfile(c->vol, 1, 0600, NACRE_O_READ, NULL, NULL, &file)},
      {"inode mkdir", nacre_inode_mkdir(c->vol, 1, "x", 1, 0700, NULL, NULL)},
      {"inode mknod", nacre_inode_mknod(c->vol, 1, "x", 1, 0100600, 0, NULL, NULL)},
      {"inode symlink", nacre_inode_symlink(c->vol, 1, "x", 1, "y", NULL, NULL)},
      {"inode readlink", nacre_inode_readlink(c->vol, 1, text, sizeof text)},
      {"inode link", nacre_inode_link(c->vol, 1, 1, "x", 1, NULL)},
      {"inode unlink", nacre_inode_unlink(c->vol, 1, "x", 1)},
      {"inode rmdir", nacre_inode_rmdir(c->vol, 1, "x", 1)},
      {"inode rename", nacre_inode_rename(c->vol, 1, "x", 1, 1, "y", 1, 0)},
      {"inode getxattr", nacre_inode_getxattr(c->vol, 1, "user.x", text, sizeof text, &len)},
      {"inode setxattr", nacre_inode_setxattr(c->vol, 1, "user.x", "", 0, 0)},
      {"inode listxattr", nacre_inode_listxattr(c->vol, 1, text, sizeof text, &len)},
      {"inode removexattr", nacre_inode_removexattr(c->vol, 1, "user.x")},
  };
  return count_wrong(answers, sizeof answers / sizeof answers[0], wanted);
}

static unsigned handle_calls(const struct calls *c, enum nacre_err wanted) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  char text[16];
  size_t len = 0;
  uint64_t found;
  const struct answer answers[] = {
      {"read", nacre_read(c->file, text, sizeof text, 0, &len)},
      {"write", nacre_write(c->file, "x", 1, 0)},
      {"fallocate", nacre_fallocate(c->file, 0, 0, 1)},
      {"seek data", nacre_seek_data(c->file, 0, &found)},
      {"seek hole", nacre_seek_hole(c->file, 0, &found)},
      {"fstat", nacre_fstat(c->file, &attr)},
      {"ftruncate", nacre_ftruncate(c->file, 0)},
      {"fsync", nacre_fsync(c->file)},
      {"file error", nacre_file_error(c->file)},
      {"readdir", nacre_readdir(c->dir, 0, false, take, NULL)},
  };
  return count_wrong(answers, sizeof answers / sizeof answers[0], wanted);
}

/* Every call that has a handle. The others of its arguments are good. */
static unsigned each_call(const struct calls *c, enum nacre_err wanted) {
  return volume_calls(c, wanted) + path_calls(c, wanted) + inode_calls(c, wanted) + handle_calls(c, wanted);
}

static void test_without_a_handle(void **state) {
  struct api *a = *state;
  const struct calls c = {.cred = a->cred};
  assert_int_equal(each_call(&c, NACRE_ERR_ARGUMENT), 0);
  nacre_close(NULL);
  nacre_closedir(NULL);
  nacre_inode_unpin(NULL, 1, 1);
  nacre_volume_abandon(NULL);
  ok(nacre_volume_close(NULL));
  nacre_cancel_fire(NULL);
  nacre_cancel_free(NULL);
  assert_int_equal(nacre_credential_kind(NULL), NACRE_SLOT_EMPTY);
}

/* Where the build counts what is reached. */
extern void __gcov_dump(void) __attribute__((weak));

/* A child has none of its parent's threads and locks. */
static void test_in_a_child(void **state) {
  struct api *a = *state;
  struct calls c = {.vol = a->vol, .cred = a->cred};
  ok(nacre_open(a->vol, "file", NACRE_O_READ | NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &c.file));
  ok(nacre_opendir(a->vol, "", &c.dir));
  (void)fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    unsigned wrong = each_call(&c, NACRE_ERR_FORKED);
    nacre_inode_unpin(c.vol, 1, 1);
    nacre_close(c.file);
    nacre_closedir(c.dir);
    nacre_volume_abandon(c.vol);
    wrong += nacre_volume_close(c.vol) != NACRE_ERR_FORKED;
    if (__gcov_dump)
      __gcov_dump();
    _exit(wrong == 0 ? 0 : 1); /* not as a process ends that has lost memory: it can't free the volume */
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  nacre_close(c.file);
  nacre_closedir(c.dir);
}

#define refused(call) assert_int_equal((call), NACRE_ERR_ARGUMENT)

static void test_what_is_missing(void **state) {
  struct api *a = *state;
  struct nacre_attr attr = {.struct_size = sizeof attr};
  nacre_file *file;
  nacre_dir *dir;
  char text[16];
  size_t len, one = 1;
  uint32_t index;
  ok(nacre_mknod(a->vol, "x", S_IFREG | 0600, 0, NULL));
  refused(nacre_volume_get_info(a->vol, NULL));
  refused(nacre_statfs(a->vol, NULL));
  refused(nacre_slot_list(a->vol, NULL, NULL));
  refused(nacre_slot_list(a->vol, NULL, &one));
  refused(nacre_slot_add(a->vol, NULL, NULL, NULL, &index));
  refused(nacre_slot_change(a->vol, 0, NULL, NULL, NULL));
  refused(nacre_slot_test(&a->target, NULL, NULL, &index));
  refused(nacre_slot_test(&a->target, a->cred, NULL, NULL));
  refused(nacre_slot_test(NULL, a->cred, NULL, &index));
  ok(nacre_verify(a->vol, NULL, NULL, NULL, NULL, NULL, NULL)); /* the one answer that may be left out */
  refused(nacre_open(a->vol, NULL, NACRE_O_READ, 0, NULL, &file));
  refused(nacre_open(a->vol, "x", NACRE_O_READ, 0, NULL, NULL));
  refused(nacre_opendir(a->vol, NULL, &dir));
  refused(nacre_opendir(a->vol, "", NULL));
  refused(nacre_stat(a->vol, NULL, &attr));
  refused(nacre_stat(a->vol, "", NULL));
  refused(nacre_lstat(a->vol, "", NULL));
  refused(nacre_setattr(a->vol, "", NULL, 0));
  refused(nacre_setattr(a->vol, NULL, &attr, 0));
  refused(nacre_mkdir(a->vol, NULL, 0700, NULL));
  refused(nacre_symlink(a->vol, NULL, "x", NULL));
  refused(nacre_symlink(a->vol, "x", NULL, NULL));
  refused(nacre_readlink(a->vol, "x", NULL, 8));
  refused(nacre_link(a->vol, NULL, "x"));
  refused(nacre_link(a->vol, "x", NULL));
  refused(nacre_unlink(a->vol, NULL));
  refused(nacre_rmdir(a->vol, NULL));
  refused(nacre_rename(a->vol, NULL, "x", 0));
  refused(nacre_rename(a->vol, "x", NULL, 0));
  refused(nacre_getxattr(a->vol, "", NULL, text, sizeof text, &len));
  refused(nacre_getxattr(a->vol, "", "user.x", NULL, 8, &len));
  refused(nacre_getxattr(a->vol, "", "user.x", text, sizeof text, NULL));
  refused(nacre_getxattr(a->vol, NULL, "user.x", text, sizeof text, &len));
  refused(nacre_setxattr(a->vol, "", NULL, "", 0, 0));
  refused(nacre_setxattr(a->vol, "", "user.x", NULL, 1, 0));
  refused(nacre_setxattr(a->vol, "", "user.x", "", 0, 4));
  refused(nacre_setxattr(a->vol, NULL, "user.x", "", 0, 0));
  refused(nacre_listxattr(a->vol, "", NULL, 8, &len));
  refused(nacre_listxattr(a->vol, "", text, sizeof text, NULL));
  refused(nacre_listxattr(a->vol, NULL, text, sizeof text, &len));
  refused(nacre_removexattr(a->vol, "", NULL));
  refused(nacre_removexattr(a->vol, NULL, "user.x"));
}

static void test_what_is_missing_by_number(void **state) {
  struct api *a = *state;
  struct nacre_attr attr = {.struct_size = sizeof attr}, no_size = {0};
  nacre_file *file;
  char text[16];
  size_t len;
  refused(nacre_inode_lookup(a->vol, 1, NULL, 1, &attr));
  refused(nacre_inode_lookup(a->vol, 1, "x", 1, NULL));
  refused(nacre_inode_getattr(a->vol, 1, NULL));
  refused(nacre_inode_setattr(a->vol, 1, NULL, 0));
  refused(nacre_inode_open(a->vol, 1, NACRE_O_READ, NULL));
  refused(nacre_inode_opendir(a->vol, 1, NULL));
  refused(nacre_inode_create(a->vol, 1, NULL, 1, 0600, NACRE_O_READ, NULL, NULL, &file));
  refused(nacre_inode_create(a->vol, 1, "x", 1, 0600, NACRE_O_READ, NULL, &no_size, &file));
  refused(nacre_inode_create(a->vol, 1, "x", 1, 0600, NACRE_O_READ, NULL, NULL, NULL));
  refused(nacre_inode_tmpfile(a->vol, 1, 0600, NACRE_O_READ, NULL, NULL, NULL));
  refused(nacre_inode_tmpfile(a->vol, 1, 0600, NACRE_O_READ, NULL, &no_size, &file));
  refused(nacre_inode_mkdir(a->vol, 1, NULL, 1, 0700, NULL, NULL));
  refused(nacre_inode_mknod(a->vol, 1, NULL, 1, 0100600, 0, NULL, NULL));
  refused(nacre_inode_symlink(a->vol, 1, NULL, 1, "y", NULL, NULL));
  refused(nacre_inode_symlink(a->vol, 1, "x", 1, NULL, NULL, NULL));
  refused(nacre_inode_readlink(a->vol, 1, NULL, 8));
  refused(nacre_inode_link(a->vol, 1, 1, NULL, 1, NULL));
  refused(nacre_inode_unlink(a->vol, 1, NULL, 1));
  refused(nacre_inode_rmdir(a->vol, 1, NULL, 1));
  refused(nacre_inode_rename(a->vol, 1, NULL, 1, 1, "y", 1, 0));
  refused(nacre_inode_rename(a->vol, 1, "x", 1, 1, NULL, 1, 0));
  refused(nacre_inode_getxattr(a->vol, 1, NULL, text, sizeof text, &len));
  refused(nacre_inode_setxattr(a->vol, 1, NULL, "", 0, 0));
  refused(nacre_inode_setxattr(a->vol, 1, "user.x", "", 0, 4));
  refused(nacre_inode_listxattr(a->vol, 1, NULL, 8, &len));
  refused(nacre_inode_removexattr(a->vol, 1, NULL));
}

static void test_what_is_missing_on_handles(void **state) {
  struct api *a = *state;
  nacre_file *f;
  nacre_dir *d;
  char text[16];
  size_t len;
  ok(nacre_open(a->vol, "file", NACRE_O_READ | NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &f));
  ok(nacre_opendir(a->vol, "", &d));
  refused(nacre_read(f, NULL, 8, 0, &len));
  refused(nacre_read(f, text, 8, 0, NULL));
  refused(nacre_write(f, NULL, 1, 0));
  refused(nacre_fallocate(f, 0, 0, 0));
  refused(nacre_seek_data(f, 0, NULL));
  refused(nacre_seek_hole(f, 0, NULL));
  refused(nacre_fstat(f, NULL));
  refused(nacre_readdir(d, 0, false, NULL, NULL));
  assert_int_equal(nacre_fallocate(f, NACRE_FALLOCATE_PUNCH_HOLE, 0, 1), NACRE_ERR_UNSUPPORTED);
  assert_int_equal(nacre_fallocate(f, 8, 0, 1), NACRE_ERR_UNSUPPORTED);
  ok(nacre_read(f, NULL, 0, 0, &len));
  ok(nacre_write(f, NULL, 0, 0));
  nacre_close(f);
  nacre_closedir(d);
}

static void test_without_a_volume(void **state) {
  struct api *a = *state;
  struct nacre_target both = a->target, no_ops = a->target;
  struct nacre_store_ops part = a->ops;
  struct nacre_public_info public = {.struct_size = sizeof public};
  struct nacre_kdf_cost cost = {0};
  nacre_credential *cred;
  nacre_volume *vol;
  double rate;
  both.path = "/nowhere";
  part.sync = NULL;
  no_ops.ops = &part;
  refused(nacre_credential_passphrase(NULL, 1, &cred));
  refused(nacre_credential_passphrase("x", 1, NULL));
  refused(nacre_credential_passphrase("", 0, &cred));
  refused(nacre_credential_raw_key(NULL, &cred));
  refused(nacre_credential_recovery(NULL, &cred));
  refused(nacre_credential_recovery("x", NULL));
  refused(nacre_recovery_generate(NULL));
  refused(nacre_cancel_new(NULL));
  refused(nacre_create(NULL, NULL, a->cred));
  refused(nacre_create(&a->target, NULL, NULL));
  refused(nacre_probe(NULL, &public));
  refused(nacre_probe(&a->target, NULL));
  refused(nacre_volume_open(NULL, NULL, a->cred, &vol));
  refused(nacre_volume_open(&a->target, NULL, a->cred, NULL));
  refused(nacre_volume_open(&both, NULL, a->cred, &vol));
  refused(nacre_volume_open(&no_ops, NULL, a->cred, &vol));
  refused(nacre_bench_cipher(NACRE_CIPHER_AUTO, 0, 1, &rate, &rate));
  refused(nacre_bench_cipher(NACRE_CIPHER_AUTO, 17u << 20, 1, &rate, &rate));
  refused(nacre_bench_cipher(NACRE_CIPHER_AUTO, 16, 1, NULL, &rate));
  refused(nacre_bench_cipher(NACRE_CIPHER_AUTO, 16, 1, &rate, NULL));
  refused(nacre_bench_kdf(NULL, &rate));
  refused(nacre_bench_kdf(&cost, NULL));
  refused(nacre_kdf_choose(NULL, NULL, NULL));
  const struct nacre_open_options options[] = {
      {.struct_size = sizeof options[0], .memory_bytes = 1},
      {.struct_size = sizeof options[0], .threads = -2},
      {.struct_size = sizeof options[0], .threads = 10000},
      {.struct_size = sizeof options[0], .use_slot = true, .slot = -1},
      {.struct_size = sizeof options[0], .use_slot = true, .slot = NACRE_SLOTS_MAX},
  };
  for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
    refused(nacre_volume_open(&a->target, &options[i], a->cred, &vol));
  assert_int_equal(nacre_bench_cipher((enum nacre_cipher)99, 16, 1, &rate, &rate), NACRE_ERR_UNSUPPORTED);
  assert_null(nacre_cipher_name((enum nacre_cipher)99));
  assert_false(nacre_cipher_available((enum nacre_cipher)99));
  assert_true(nacre_cipher_available(NACRE_CIPHER_AUTO));
}

#define WITH_VOLUME(test) cmocka_unit_test_setup_teardown(test, api_make, api_free)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_VOLUME(test_without_a_handle),
      WITH_VOLUME(test_in_a_child),
      WITH_VOLUME(test_what_is_missing),
      WITH_VOLUME(test_what_is_missing_by_number),
      WITH_VOLUME(test_what_is_missing_on_handles),
      WITH_VOLUME(test_without_a_volume),
  };
  return cmocka_run_group_tests_name("api misuse", tests, NULL, NULL);
}
