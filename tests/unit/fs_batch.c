/* Storing buffered chunks that lie apart: in one write, each run of them by itself where something is wrong, and by
 * workers before writers have to. */
#include "fs_volume.h"

#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#define CHUNK 16384u
#define CHUNKS 300u

/* The store beneath, counting what is long, and failing what it is told to. */
static struct {
  int (*write)(void *ctx, const void *buf, size_t len, uint64_t offset);
  pthread_mutex_t lock;
  pthread_t main;
  unsigned of_one_chunk, longer, by_others;
  unsigned failures; /* of those to come */
} under = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int watched_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  pthread_mutex_lock(&under.lock);
  under.of_one_chunk += len == CHUNK;
  under.longer += len > CHUNK;
  under.by_others += len >= CHUNK && !pthread_equal(pthread_self(), under.main);
  bool fails = len >= CHUNK && under.failures > 0;
  under.failures -= fails;
  pthread_mutex_unlock(&under.lock);
  return fails ? EIO : under.write(ctx, buf, len, offset);
}

static void watch(struct volume *v) {
  if (v->store.ops.write != watched_write)
    under.write = v->store.ops.write;
  v->store.ops.write = watched_write;
  under.main = pthread_self();
  under.of_one_chunk = under.longer = under.by_others = under.failures = 0;
}

static void fill(uint8_t *chunk, uint32_t index, unsigned version) {
  for (uint32_t i = 0; i < CHUNK; i++)
    chunk[i] = (uint8_t)(index * 7 + version * 101 + i / 5);
}

static void write_chunk(struct fs_file *file, uint32_t index, unsigned version) {
  static uint8_t data[CHUNK];
  fill(data, index, version);
  ok(fs_write(file, data, sizeof data, (uint64_t)index * CHUNK));
}

static enum nacre_err read_chunk(struct fs_file *file, uint32_t index, unsigned version) {
  static uint8_t data[CHUNK], back[CHUNK];
  size_t done;
  enum nacre_err err = fs_read(file, back, sizeof back, (uint64_t)index * CHUNK, &done);
  fill(data, index, version);
  if (err == NACRE_OK)
    assert_memory_equal(back, data, sizeof data);
  return err;
}

static struct fs_file *make_file(struct volume *v) {
  struct fs_file *file;
  const unsigned flags = NACRE_O_READ | NACRE_O_WRITE;
  ok(fs_create(v->fs, 1, "file", 4, 0600, flags, &root_caller, NULL, &file));
  for (uint32_t i = 0; i < CHUNKS; i++)
    write_chunk(file, i, 0);
  ok(fs_sync(v->fs));
  return file;
}

/* Three of four are as they were. */
static void expect_fourths(struct fs_file *file, unsigned version) {
  for (uint32_t i = 0; i < CHUNKS; i++)
    ok(read_chunk(file, i, i % 4 == 1 ? version : 0));
}

static void test_what_lies_apart_is_one_write(void **state) {
  (void)state;
  struct volume v;
  volume_make(&v, 64 * MIB, 0, 32 * MIB, CHUNK);
  struct fs_file *file = make_file(&v);
  watch(&v);
  for (uint32_t i = 1; i < CHUNKS; i += 4)
    write_chunk(file, i, 1);
  assert_int_equal(under.of_one_chunk + under.longer, 0);
  ok(fs_sync(v.fs));
  /* Of the 75, and of nodes. */
  assert_in_range(under.of_one_chunk + under.longer, 1, 12);
  fs_close(file);
  volume_reopen(&v);
  volume_check(&v);
  file = volume_find(&v, "file");
  expect_fourths(file, 1);
  fs_close(file);
  volume_end(&v);
}

/* The end of the file, its tail and what is short, in a batch with others. */
static void test_the_end_in_a_batch(void **state) {
  (void)state;
  static const uint32_t ends[] = {1, 1000, 4096, 4097, 9000, CHUNK - 1};
  static uint8_t data[CHUNK], back[CHUNK];
  for (size_t n = 0; n < sizeof ends / sizeof ends[0]; n++) {
    struct volume v;
    size_t done;
    volume_make(&v, 64 * MIB, 0, 32 * MIB, CHUNK);
    struct fs_file *file = make_file(&v);
    for (uint32_t i = 1; i < CHUNKS; i += 4)
      write_chunk(file, i, 2);
    fill(data, CHUNKS + 1, 2);
    ok(fs_write(file, data, ends[n], (uint64_t)(CHUNKS + 1) * CHUNK));
    ok(fs_sync(v.fs));
    fs_close(file);
    volume_reopen(&v);
    volume_check(&v);
    file = volume_find(&v, "file");
    expect_fourths(file, 2);
    ok(fs_read(file, back, sizeof back, (uint64_t)(CHUNKS + 1) * CHUNK, &done));
    assert_int_equal(done, ends[n]);
    assert_memory_equal(back, data, done);
    fs_close(file);
    volume_end(&v);
  }
}

static void test_damage_costs_the_run_that_meets_it(void **state) {
  (void)state;
  struct volume v;
  volume_make(&v, 64 * MIB, 0, 32 * MIB, CHUNK);
  struct fs_file *file = make_file(&v);
  spoil_map(v.e, fs_file_ino(file));
  write_chunk(file, 5, 1);
  write_chunk(file, 250, 1);
  write_chunk(file, 252, 1);
  assert_int_equal(fs_fsync(file), NACRE_ERR_DAMAGED);
  ok(fs_fsync(file));
  assert_int_equal(fs_dirty_bytes(v.fs), 0);
  fs_close(file);
  volume_crash(&v);
  file = volume_find(&v, "file");
  assert_int_equal(read_chunk(file, 5, 1), NACRE_ERR_DAMAGED);
  ok(read_chunk(file, 250, 1));
  ok(read_chunk(file, 251, 0));
  ok(read_chunk(file, 252, 1));
  fs_close(file);
  volume_end(&v);
}

static unsigned writes_by_others(void) {
  pthread_mutex_lock(&under.lock);
  unsigned count = under.by_others;
  pthread_mutex_unlock(&under.lock);
  return count;
}

/* Workers begin at half of what may be buffered, and what fails there is stored by who comes next. */
static void test_workers_store_before_writers_must(void **state) {
  (void)state;
  struct volume v;
  volume_make(&v, 64 * MIB, 1, 4 * MIB, CHUNK);
  struct fs_file *file = make_file(&v);
  watch(&v);
  under.failures = 1;
  for (uint32_t i = 1; i < CHUNKS; i += 4)
    write_chunk(file, i, 3);
  while (writes_by_others() < 2)
    usleep(1000);
  assert_int_equal(under.failures, 0);
  ok(fs_sync(v.fs));
  fs_close(file);
  volume_reopen(&v);
  volume_check(&v);
  file = volume_find(&v, "file");
  expect_fourths(file, 3);
  fs_close(file);
  volume_end(&v);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_lies_apart_is_one_write),
                                     cmocka_unit_test(test_the_end_in_a_batch),
                                     cmocka_unit_test(test_damage_costs_the_run_that_meets_it),
                                     cmocka_unit_test(test_workers_store_before_writers_must)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
