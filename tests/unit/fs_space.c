/* A full volume, and many threads at once. */
#include "fs_volume.h"

#include <pthread.h>
#include <stdatomic.h>

static struct volume v;

static uint64_t free_units(void) {
  struct nacre_statfs s;
  fs_statfs(v.fs, &s);
  return s.free_blocks;
}

static enum nacre_err write_file(const char *name, size_t len) {
  static uint8_t data[MIB];
  struct fs_file *file;
  enum nacre_err err = fs_create(v.fs, 1, name, strlen(name), 0644, NACRE_O_WRITE, &root_caller, NULL, &file);
  if (err != NACRE_OK)
    return err;
  memset(data, name[1], sizeof data);
  for (size_t done = 0; done < len && err == NACRE_OK; done += sizeof data)
    err = fs_write(file, data, u64_min(sizeof data, len - done), done);
  fs_close(file);
  return err;
}

/* Fill, delete, fill again: the space comes back each time, and nothing that was there is harmed. */
static void fill_and_empty(unsigned threads, size_t file_bytes) {
  char name[16];
  volume_make(&v, 64 * MIB, threads, 8 * MIB, 16384);
  ok(write_file("keep", 100000));
  ok(fs_sync(v.fs));
  uint64_t before = free_units(), rounds[3];
  for (unsigned round = 0; round < 3; round++) {
    enum nacre_err err = NACRE_OK;
    unsigned count = 0;
    while (err == NACRE_OK) {
      (void)snprintf(name, sizeof name, "f%u", count++);
      err = write_file(name, file_bytes);
    }
    assert_int_equal(err, NACRE_ERR_NO_SPACE);
    rounds[round] = count;
    assert_true((uint64_t)count * file_bytes > before * 4096 / 100 * 75);
    assert_int_equal(fs_sync(v.fs), NACRE_OK);
    volume_check(&v);
    for (unsigned i = 0; i < count; i++) {
      int len = snprintf(name, sizeof name, "f%u", i);
      enum nacre_err gone = fs_unlink(v.fs, 1, name, (size_t)len);
      assert_true(gone == NACRE_OK || (gone == NACRE_ERR_NOT_FOUND && i == count - 1));
    }
    for (unsigned i = 0; i < 3; i++)
      ok(fs_sync(v.fs));
    volume_check(&v);
    assert_true(free_units() + 600 > before);
  }
  assert_true(rounds[2] + rounds[2] / 10 + 2 >= rounds[0]);
  struct nacre_attr attr;
  struct fs_file *file;
  static uint8_t back[100000];
  size_t done;
  ok(fs_lookup(v.fs, 1, "keep", 4, &attr));
  ok(fs_open(v.fs, attr.ino, NACRE_O_READ, &file));
  ok(fs_read(file, back, sizeof back, 0, &done));
  assert_int_equal(done, sizeof back);
  for (size_t i = 0; i < done; i++)
    assert_int_equal(back[i], 'e');
  fs_close(file);
  volume_end(&v);
}

static void test_full_of_large(void **state) {
  (void)state;
  fill_and_empty(0, 5 * MIB);
}

static void test_full_of_small(void **state) {
  (void)state;
  fill_and_empty(1, 9000);
}

/* What can't be had is refused before the container grows for it. */
static void test_more_than_there_is(void **state) {
  (void)state;
  struct engine_info before, after;
  struct fs_file *file;
  volume_make(&v, 256 * MIB, 0, 8 * MIB, 16384);
  ok(fs_create(v.fs, 1, "f", 1, 0644, NACRE_O_WRITE, &root_caller, NULL, &file));
  engine_get_info(v.e, &before);
  assert_int_equal(fs_fallocate(file, 0, 0, (before.free_units + 1) * FORMAT_UNIT_BYTES), NACRE_ERR_NO_SPACE);
  assert_int_equal(fs_fallocate(file, NACRE_FALLOCATE_KEEP_SIZE, 0, 1ull << 50), NACRE_ERR_NO_SPACE);
  engine_get_info(v.e, &after);
  assert_int_equal(after.units_end, before.units_end);
  ok(fs_fallocate(file, 0, 0, 8 * MIB));
  fs_close(file);
  volume_end(&v);
}

static void test_truncate_full(void **state) {
  (void)state;
  volume_make(&v, 64 * MIB, 1, 8 * MIB, 16384);
  struct nacre_attr attr;
  assert_int_equal(write_file("big", 200 * MIB), NACRE_ERR_NO_SPACE);
  ok(fs_lookup(v.fs, 1, "big", 3, &attr));
  fs_unpin(v.fs, attr.ino, 1);
  uint64_t size = attr.size_bytes;
  assert_true(size > 30 * MIB);
  while (size > 0) {
    size = size > 3 * MIB ? size - 3 * MIB - 1 : 0;
    attr.size_bytes = size;
    ok(fs_setattr(v.fs, attr.ino, &attr, NACRE_SET_SIZE));
    assert_int_equal(attr.size_bytes, size);
  }
  ok(fs_sync(v.fs));
  volume_check(&v);
  ok(write_file("again", 20 * MIB));
  volume_end(&v);
}

/* ---- Threads ---- */

#define THREADS 4u
#define SHARED_BYTES (4u << 20)

static atomic_bool stop;
static atomic_uint failures;

static void expect(enum nacre_err err) {
  if (err != NACRE_OK && atomic_fetch_add(&failures, 1) == 0)
    print_message("a thread failed: %d %s\n", (int)err, err_message());
}

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

struct worker {
  pthread_t thread;
  unsigned number;
  uint64_t shared;
  uint64_t rng;
};

/* Files of its own: what was written is what is read. */
static void own_file(struct worker *w) {
  static _Thread_local uint8_t data[300000], back[300000];
  char name[24];
  struct nacre_attr attr;
  struct fs_file *file;
  size_t done;
  int len = snprintf(name, sizeof name, "w%u-%u", w->number, (unsigned)(next_random(&w->rng) % 8));
  enum nacre_err err =
      fs_create(v.fs, 1, name, (size_t)len, 0600, NACRE_O_READ | NACRE_O_WRITE, &root_caller, &attr, &file);
  if (err == NACRE_ERR_EXISTS) {
    expect(fs_unlink(v.fs, 1, name, (size_t)len));
    return;
  }
  expect(err);
  if (err != NACRE_OK)
    return;
  size_t size = 1 + next_random(&w->rng) % sizeof data;
  memset(data, (int)next_random(&w->rng), size);
  for (size_t at = 0; at < size;) {
    size_t piece = u64_min(1 + next_random(&w->rng) % 50000, size - at);
    expect(fs_write(file, data + at, piece, at));
    at += piece;
  }
  expect(fs_read(file, back, sizeof back, 0, &done));
  if (done != size || memcmp(data, back, size) != 0)
    expect(NACRE_ERR_DAMAGED);
  fs_close(file);
  fs_unpin(v.fs, attr.ino, 1);
}

/* One file that all share: each 4 KiB block holds one byte's value only, whoever wrote it last. */
static void shared_file(struct worker *w) {
  uint8_t block[4096], back[8 * 4096];
  struct fs_file *file;
  size_t done;
  expect(fs_open(v.fs, w->shared, NACRE_O_READ | NACRE_O_WRITE, &file));
  for (unsigned i = 0; i < 20; i++) {
    uint64_t at = next_random(&w->rng) % (SHARED_BYTES / 4096 - 8) * 4096;
    memset(block, (int)next_random(&w->rng), sizeof block);
    expect(fs_write(file, block, sizeof block, at));
    expect(fs_read(file, back, sizeof back, at, &done));
    for (size_t k = 0; k < done; k++) {
      if (back[k] != back[k - k % 4096])
        expect(NACRE_ERR_DAMAGED);
    }
  }
  if (next_random(&w->rng) % 16 == 0)
    expect(fs_ftruncate(file, next_random(&w->rng) % (SHARED_BYTES / 4096) * 4096));
  if (next_random(&w->rng) % 16 == 0)
    expect(fs_fallocate(file, NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_KEEP_SIZE,
                        next_random(&w->rng) % (SHARED_BYTES / 4096) * 4096, 400 * 4096));
  fs_close(file);
}

static bool list_any(void *arg, const struct nacre_dirent *entry) {
  unsigned *count = arg;
  if (entry->attr != NULL)
    fs_unpin(v.fs, entry->ino, 1);
  (*count)++;
  return true;
}

static void names(struct worker *w) {
  char a[16], b[16];
  int a_len = snprintf(a, sizeof a, "d%u", (unsigned)(next_random(&w->rng) % 4));
  int b_len = snprintf(b, sizeof b, "d%u", (unsigned)(next_random(&w->rng) % 4));
  struct nacre_attr attr, other;
  unsigned count = 0;
  uint64_t dir = 1;
  if (fs_lookup(v.fs, 1, b, (size_t)b_len, &other) == NACRE_OK) {
    dir = other.ino;
    fs_unpin(v.fs, dir, 1);
  }
  if (fs_mkdir(v.fs, dir, a, (size_t)a_len, 0700, &root_caller, &attr) == NACRE_OK)
    fs_unpin(v.fs, attr.ino, 1);
  (void)!fs_rename(v.fs, dir, a, (size_t)a_len, 1, b, (size_t)b_len,
                   next_random(&w->rng) % 2 ? NACRE_RENAME_EXCHANGE : 0);
  (void)!fs_rmdir(v.fs, dir, a, (size_t)a_len);
  (void)!fs_readdir(v.fs, dir, 0, true, list_any, &count);
}

static void *worker_main(void *arg) {
  struct worker *w = arg;
  while (!atomic_load(&stop)) {
    own_file(w);
    shared_file(w);
    names(w);
  }
  return NULL;
}

static void run_threads(unsigned pool, uint64_t memory, unsigned seconds_tenths) {
  struct worker workers[THREADS];
  struct fs_file *file;
  atomic_store(&stop, false);
  atomic_store(&failures, 0);
  volume_make(&v, 256 * MIB, pool, memory, 16384);
  ok(fs_create(v.fs, 1, "shared", 6, 0600, NACRE_O_WRITE, &root_caller, NULL, &file));
  uint64_t shared = fs_file_ino(file);
  fs_close(file);
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){.number = i, .shared = shared, .rng = 77 + i};
    assert_int_equal(pthread_create(&workers[i].thread, NULL, worker_main, &workers[i]), 0);
  }
  uint64_t until = env_monotonic_ms() + 100ull * seconds_tenths;
  while (env_monotonic_ms() < until) {
    expect(fs_sync(v.fs));
    volume_check(&v);
  }
  atomic_store(&stop, true);
  for (unsigned i = 0; i < THREADS; i++)
    pthread_join(workers[i].thread, NULL);
  assert_int_equal(atomic_load(&failures), 0);
  volume_reopen(&v);
  volume_check(&v);
  volume_end(&v);
}

static void test_threads(void **state) {
  (void)state;
  run_threads(2, 16 * MIB, 25);
}

static void test_threads_without_pool(void **state) {
  (void)state;
  run_threads(0, 8 * MIB, 15);
}

static void test_threads_tight(void **state) {
  (void)state;
  run_threads(2, 2 * MIB, 15);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_full_of_large),
      cmocka_unit_test(test_full_of_small),
      cmocka_unit_test(test_more_than_there_is),
      cmocka_unit_test(test_truncate_full),
      cmocka_unit_test(test_threads),
      cmocka_unit_test(test_threads_without_pool),
      cmocka_unit_test(test_threads_tight),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
