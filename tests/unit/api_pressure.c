/* Far more is written, by several threads and without a sync, than the memory that a volume may take: it writes and
 * commits by itself, and all of it is there. */
#include "api_fixture.h"

#include <pthread.h>
#include <stdio.h>

#define CONTAINER_BYTES (512u << 20)
#define MEMORY_BYTES (8u << 20)
#define MAKERS 3u
#define FILES_EACH 1200u
#define SMALL_BYTES 2500u  /* in the tree */
#define LARGE_BYTES 40000u /* in chunks */

struct maker {
  struct api *a;
  pthread_t thread;
  unsigned number;
  enum nacre_err err;
  uint64_t memory_most;
};

static size_t length_of(unsigned file) {
  return file % 3 == 0 ? LARGE_BYTES : SMALL_BYTES;
}

static void fill(uint8_t content[LARGE_BYTES], unsigned maker, unsigned file) {
  for (size_t i = 0; i < LARGE_BYTES; i++)
    content[i] = (uint8_t)(i * 31 + i / 256 + file * 7 + maker * 101);
}

static void path_of(char path[32], unsigned maker, unsigned file) {
  (void)snprintf(path, 32, "d%u/f%u", maker, file);
}

static enum nacre_err make_one(struct maker *m, unsigned file) {
  uint8_t content[LARGE_BYTES];
  char path[32];
  nacre_file *handle;
  fill(content, m->number, file);
  path_of(path, m->number, file);
  enum nacre_err err =
      nacre_open(m->a->vol, path, NACRE_O_WRITE | NACRE_O_CREATE | NACRE_O_EXCLUSIVE, 0600, NULL, &handle);
  if (err != NACRE_OK)
    return err;
  err = nacre_write(handle, content, length_of(file), 0);
  nacre_close(handle);
  return err;
}

static void *maker_main(void *arg) {
  struct maker *m = arg;
  for (unsigned file = 0; file < FILES_EACH && m->err == NACRE_OK; file++) {
    struct nacre_volume_info info = {.struct_size = sizeof info};
    m->err = make_one(m, file);
    if (m->err == NACRE_OK)
      m->err = nacre_volume_get_info(m->a->vol, &info);
    if (info.memory_bytes > m->memory_most)
      m->memory_most = info.memory_bytes;
  }
  return NULL;
}

static void expect_all(struct api *a) {
  static uint8_t wanted[LARGE_BYTES], got[LARGE_BYTES + 1];
  char path[32];
  for (unsigned maker = 0; maker < MAKERS; maker++) {
    for (unsigned file = 0; file < FILES_EACH; file++) {
      nacre_file *handle;
      size_t done;
      fill(wanted, maker, file);
      path_of(path, maker, file);
      ok(nacre_open(a->vol, path, NACRE_O_READ, 0, NULL, &handle));
      ok(nacre_read(handle, got, sizeof got, 0, &done));
      nacre_close(handle);
      assert_int_equal(done, length_of(file));
      assert_memory_equal(got, wanted, done);
    }
  }
}

static int open_small(struct api *a, int threads) {
  /* No commit that time alone would make. */
  const struct nacre_open_options options = {
      .struct_size = sizeof options, .memory_bytes = MEMORY_BYTES, .threads = threads, .commit_interval_ms = 3600000};
  return nacre_volume_open(&a->target, &options, a->cred, &a->vol) == NACRE_OK ? 0 : -1;
}

static int setup(void **state) {
  static const uint8_t key[32] = {1};
  const struct nacre_create_options options = {.struct_size = sizeof options, .size_bytes = CONTAINER_BYTES};
  struct api *a = calloc(1, sizeof *a);
  *state = a;
  ok(memory_store_new(0, CONTAINER_BYTES, &a->memory));
  a->ops = a->memory.ops;
  a->ops.close = api_keep_open;
  a->target = (struct nacre_target){.struct_size = sizeof a->target, .ops = &a->ops, .ctx = a->memory.ctx};
  ok(nacre_credential_raw_key(key, &a->cred));
  return nacre_create(&a->target, &options, a->cred) == NACRE_OK ? 0 : -1;
}

static void make_all(struct api *a, int threads) {
  struct maker makers[MAKERS];
  struct nacre_volume_info before = {.struct_size = sizeof before}, after = {.struct_size = sizeof after};
  char path[32];
  assert_int_equal(open_small(a, threads), 0);
  ok(nacre_volume_get_info(a->vol, &before));
  for (unsigned i = 0; i < MAKERS; i++) {
    makers[i] = (struct maker){.a = a, .number = i};
    (void)snprintf(path, sizeof path, "d%u", i);
    ok(nacre_mkdir(a->vol, path, 0700, NULL));
  }
  for (unsigned i = 0; i < MAKERS; i++)
    assert_int_equal(pthread_create(&makers[i].thread, NULL, maker_main, &makers[i]), 0);
  for (unsigned i = 0; i < MAKERS; i++) {
    assert_int_equal(pthread_join(makers[i].thread, NULL), 0);
    ok(makers[i].err);
    /* What is being committed counts until it is written. */
    assert_true(makers[i].memory_most < 2 * MEMORY_BYTES);
  }
  ok(nacre_volume_get_info(a->vol, &after));
  assert_true(after.generation > before.generation + 1);
  expect_all(a);
  ok(nacre_volume_close(a->vol));
  assert_int_equal(open_small(a, threads), 0);
  expect_all(a);
}

static void test_with_a_thread_that_commits(void **state) {
  make_all(*state, 2);
}

static void test_without_threads(void **state) {
  make_all(*state, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_with_a_thread_that_commits, setup, api_free),
      cmocka_unit_test_setup_teardown(test_without_threads, setup, api_free),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
