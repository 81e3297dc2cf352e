/* What is too long, too large, or not for this handle, through the interface. */
#include "api_fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static void test_lengths(void **state) {
  struct api *a = *state;
  char name[300], target[5000];
  size_t len;
  uint32_t index;
  memset(name, 'n', sizeof name);
  name[sizeof name - 1] = '\0';
  memset(target, 't', sizeof target);
  target[sizeof target - 1] = '\0';
  assert_int_equal(nacre_mkdir(a->vol, name, 0700, NULL), NACRE_ERR_NAME_TOO_LONG);
  assert_int_equal(nacre_symlink(a->vol, target, "link", NULL), NACRE_ERR_NAME_TOO_LONG);
  assert_int_equal(nacre_symlink(a->vol, "", "link", NULL), NACRE_ERR_NOT_FOUND);
  target[4095] = '\0';
  ok(nacre_symlink(a->vol, target, "link", NULL));
  memcpy(name, "user.", 5);
  assert_int_equal(nacre_setxattr(a->vol, "", name, "", 0, 0), NACRE_ERR_RANGE);
  assert_int_equal(nacre_getxattr(a->vol, "", name, NULL, 0, &len), NACRE_ERR_RANGE);
  name[64] = '\0';
  assert_int_equal(nacre_slot_add(a->vol, a->cred, NULL, name, &index), NACRE_ERR_NAME_TOO_LONG);
  const struct nacre_create_options options = {.struct_size = sizeof options, .slot_name = name};
  assert_int_equal(nacre_create(&a->target, &options, a->cred), NACRE_ERR_NAME_TOO_LONG);
}

static void test_sizes(void **state) {
  struct api *a = *state;
  nacre_file *file;
  struct nacre_attr attr = {.struct_size = sizeof attr, .size_bytes = 1ull << 62};
  const uint64_t most = (1ull << 62) - 1;
  ok(nacre_open(a->vol, "file", NACRE_O_READ | NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &file));
  assert_int_equal(nacre_write(file, "x", 1, most), NACRE_ERR_TOO_LARGE);
  assert_int_equal(nacre_write(file, "xx", 2, UINT64_MAX), NACRE_ERR_TOO_LARGE);
  assert_int_equal(nacre_ftruncate(file, most + 1), NACRE_ERR_TOO_LARGE);
  assert_int_equal(nacre_fallocate(file, 0, most, 1), NACRE_ERR_TOO_LARGE);
  assert_int_equal(nacre_fallocate(file, 0, UINT64_MAX, 2), NACRE_ERR_TOO_LARGE);
  assert_int_equal(nacre_setattr(a->vol, "file", &attr, NACRE_SET_SIZE), NACRE_ERR_TOO_LARGE);
  ok(nacre_write(file, "x", 1, most - 1));
  ok(nacre_fstat(file, &attr));
  assert_true(attr.size_bytes == most);
  char last[8];
  size_t done;
  ok(nacre_read(file, last, sizeof last, most - 1, &done));
  assert_int_equal(done, 1);
  ok(nacre_read(file, last, sizeof last, UINT64_MAX - 2, &done));
  assert_int_equal(done, 0);
  nacre_close(file);
}

static void test_handles_for_one_purpose(void **state) {
  struct api *a = *state;
  nacre_file *reads, *writes;
  ok(nacre_open(a->vol, "file", NACRE_O_WRITE | NACRE_O_CREATE, 0600, NULL, &writes));
  ok(nacre_open(a->vol, "file", NACRE_O_READ, 0, NULL, &reads));
  assert_int_equal(nacre_write(reads, "x", 1, 0), NACRE_ERR_PERMISSION);
  assert_int_equal(nacre_ftruncate(reads, 0), NACRE_ERR_PERMISSION);
  assert_int_equal(nacre_fallocate(reads, 0, 0, 1), NACRE_ERR_PERMISSION);
  ok(nacre_write(writes, "x", 1, 0));
  nacre_close(reads);
  nacre_close(writes);
}

static void test_attributes_that_make_no_sense(void **state) {
  struct api *a = *state;
  struct nacre_attr attr = {.struct_size = sizeof attr, .mtime = {.ns = 1000000000}};
  static const uint8_t no_acl[] = {2, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9};
  static const uint8_t acl[] = {2, 0, 0,   0,   1,   0,   6,  0, 255, 255, 255, 255, 4,   0,
                                4, 0, 255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255};
  static uint8_t long_acl[4 + 501 * 8] = {2};
  ok(nacre_symlink(a->vol, "x", "link", NULL));
  assert_int_equal(nacre_setattr(a->vol, "", &attr, 1u << 20), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_setattr(a->vol, "", &attr, NACRE_SET_MTIME), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_setxattr(a->vol, "", "system.posix_acl_access", no_acl, sizeof no_acl, 0),
                   NACRE_ERR_ARGUMENT);
  assert_int_not_equal(nacre_setxattr(a->vol, "", "system.posix_acl_access", long_acl, sizeof long_acl, 0), NACRE_OK);
  assert_int_equal(nacre_setxattr(a->vol, "link", "system.posix_acl_access", acl, sizeof acl, 0),
                   NACRE_ERR_UNSUPPORTED);
}

static void test_slots_that_are_not_there(void **state) {
  struct api *a = *state;
  uint32_t index;
  assert_int_equal(nacre_slot_remove(a->vol, NACRE_SLOTS_MAX, true), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_slot_change(a->vol, NACRE_SLOTS_MAX, a->cred, NULL, NULL), NACRE_ERR_ARGUMENT);
  assert_int_equal(nacre_slot_remove(a->vol, 7, true), NACRE_ERR_NOT_FOUND);
  /* Who says which slot, and names one of another kind, is told of the credential. */
  static const char *const kinds[] = {"passphrase", "key file", "recovery key"};
  nacre_credential *creds[3];
  char text[NACRE_RECOVERY_TEXT_BYTES];
  ok(nacre_credential_passphrase("words", 5, &creds[0]));
  ok(nacre_credential_key_file("bytes", 5, &creds[1]));
  ok(nacre_recovery_generate(text));
  ok(nacre_credential_recovery(text, &creds[2]));
  for (unsigned i = 0; i < 3; i++) {
    assert_int_equal(nacre_slot_test(&a->target, creds[i], NULL, &index), NACRE_ERR_CREDENTIAL);
    assert_non_null(strstr(nacre_last_error(), kinds[i]));
    nacre_credential_free(creds[i]);
  }
}

/* A struct of a later version is filled as far as this one knows it. */
static void test_longer_structs(void **state) {
  struct api *a = *state;
  struct {
    struct nacre_attr attr;
    uint64_t later;
  } longer = {.attr = {.struct_size = sizeof longer}, .later = 77};
  ok(nacre_stat(a->vol, "", &longer.attr));
  assert_true(S_ISDIR(longer.attr.mode));
  assert_int_equal(longer.later, 0);
  longer.attr.struct_size = sizeof longer.attr.struct_size - 1;
  assert_int_equal(nacre_stat(a->vol, "", &longer.attr), NACRE_ERR_ARGUMENT);
}

static void test_versions(void **state) {
  (void)state;
  assert_string_equal(nacre_version(), NACRE_VERSION);
  assert_int_equal(nacre_format_version(), 0);
}

/* A container by its descriptor, with as many threads as there are cores, and costs that this machine chooses. */
static void test_a_descriptor(void **state) {
  struct api *a = *state;
  char path[] = "/tmp/nacre-unit-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  const struct nacre_target target = {.struct_size = sizeof target, .fd = fd, .use_fd = true};
  const struct nacre_create_options create = {.struct_size = sizeof create, .size_bytes = API_STORE_BYTES};
  const struct nacre_open_options open = {.struct_size = sizeof open, .threads = -1};
  nacre_volume *vol;
  ok(nacre_create(&target, &create, a->cred));
  ok(nacre_volume_open(&target, &open, a->cred, &vol));
  ok(nacre_mkdir(vol, "folder", 0700, NULL));
  ok(nacre_volume_close(vol));
  assert_int_equal(close(fd), 0);
  assert_int_equal(unlink(path), 0);
}

#define WITH_VOLUME(test) cmocka_unit_test_setup_teardown(test, api_make, api_free)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_VOLUME(test_lengths),
      WITH_VOLUME(test_sizes),
      WITH_VOLUME(test_handles_for_one_purpose),
      WITH_VOLUME(test_attributes_that_make_no_sense),
      WITH_VOLUME(test_slots_that_are_not_there),
      WITH_VOLUME(test_longer_structs),
      WITH_VOLUME(test_a_descriptor),
      cmocka_unit_test(test_versions),
  };
  return cmocka_run_group_tests_name("api limits", tests, NULL, NULL);
}
