/* Chunks that are buffered in part: a write into the midst of one reads nothing; what is stored of it and what was
 * written come together wherever somebody looks, and where it can't be read no more is lost than that chunk. */
#include "fs_volume.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#define CHUNK 16384u
#define CHUNKS 40u
#define PIECE 4096u

static unsigned reads; /* of a chunk at least */
static int (*plain_read)(void *ctx, void *buf, size_t len, uint64_t offset);
static uint64_t refused_offset; /* 0: none */

static int count_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  reads += len >= CHUNK;
  return refused_offset != 0 && offset == refused_offset ? EIO : plain_read(ctx, buf, len, offset);
}

static unsigned asked; /* for what is in memory, and no reading that waits came before */

/* Each other chunk is in memory. */
static int read_at_once(void *ctx, void *buf, size_t len, uint64_t offset) {
  assert_int_equal(reads, 0);
  return asked++ % 2 == 0 ? EAGAIN : plain_read(ctx, buf, len, offset);
}

static const struct store_medium_ops slow_medium = {.read_at_once = read_at_once};

/* Nothing is in memory, so that what is wrong is found by the readings that wait, as in a file. */
static int read_nothing_at_once(void *ctx, void *buf, size_t len, uint64_t offset) {
  (void)ctx, (void)buf, (void)len, (void)offset;
  return EAGAIN;
}

static const struct store_medium_ops cold_medium = {.read_at_once = read_nothing_at_once};
static const struct store_medium_ops *medium; /* of the tests that run next */

struct made {
  struct volume v;
  struct fs_file *file;
  uint8_t want[CHUNKS * CHUNK]; /* what the file must hold */
};

/* A file that is stored, a hole in the fifth chunk, and nothing of its data in memory. */
static struct made *make(unsigned threads) {
  struct made *m = calloc(1, sizeof *m);
  const unsigned flags = NACRE_O_READ | NACRE_O_WRITE;
  volume_make(&m->v, 64 * MIB, threads, 16 * MIB, CHUNK);
  for (size_t i = 0; i < sizeof m->want; i++)
    m->want[i] = (uint8_t)(i * 31 + i / CHUNK);
  ok(fs_create(m->v.fs, 1, "file", 4, 0600, flags, &root_caller, NULL, &m->file));
  ok(fs_write(m->file, m->want, sizeof m->want, 0));
  ok(fs_fallocate(m->file, NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_KEEP_SIZE, 5ull * CHUNK, CHUNK));
  memset(m->want + 5ull * CHUNK, 0, CHUNK);
  fs_close(m->file);
  volume_reopen(&m->v);
  m->file = volume_find(&m->v, "file");
  plain_read = m->v.store.ops.read;
  m->v.store.ops.read = count_read;
  m->v.store.medium = medium;
  reads = 0;
  refused_offset = 0;
  return m;
}

static void end(struct made *m) {
  m->v.store.ops.read = plain_read;
  fs_close(m->file);
  volume_reopen(&m->v);
  volume_check(&m->v);
  volume_end(&m->v);
  free(m);
}

static void put(struct made *m, uint64_t offset, size_t len) {
  static uint8_t next;
  for (size_t i = 0; i < len; i++)
    m->want[offset + i] = (uint8_t)(++next * 17 + i);
  ok(fs_write(m->file, m->want + offset, len, offset));
}

static void expect(struct made *m, uint64_t offset, size_t len) {
  static uint8_t back[CHUNKS * CHUNK];
  size_t done;
  ok(fs_read(m->file, back, len, offset, &done));
  assert_int_equal(done, len);
  assert_memory_equal(back, m->want + offset, len);
}

static void reopen_and_expect(struct made *m) {
  fs_close(m->file);
  volume_reopen(&m->v);
  m->file = volume_find(&m->v, "file");
  expect(m, 0, sizeof m->want);
}

static void test_a_write_reads_nothing(void **state) {
  (void)state;
  struct made *m = make(0);
  for (uint32_t i = 0; i < CHUNKS; i += 2)
    put(m, (uint64_t)i * CHUNK + PIECE, PIECE);
  put(m, 5ull * CHUNK + 100, 50);
  /* What goes on where it began, behind it or before it. */
  put(m, 2 * PIECE, PIECE);
  put(m, 0, PIECE);
  expect(m, 0, 3 * PIECE);
  assert_int_equal(reads, 0);
  reopen_and_expect(m);
  end(m);
}

static void test_all_are_asked_for_before_one_is_waited_for(void **state) {
  (void)state;
  struct made *m = make(0);
  for (uint32_t i = 0; i < CHUNKS; i += 4)
    put(m, (uint64_t)i * CHUNK + PIECE, PIECE);
  put(m, 5ull * CHUNK, CHUNK); /* which has nothing to read */
  m->v.store.medium = &slow_medium;
  asked = 0;
  ok(fs_sync(m->v.fs));
  m->v.store.medium = medium;
  assert_int_equal(asked, CHUNKS / 4);
  assert_int_equal(reads, CHUNKS / 8);
  reopen_and_expect(m);
  end(m);
}

static void test_who_asks_for_the_rest_gets_it(void **state) {
  (void)state;
  struct made *m = make(0);
  put(m, 3ull * CHUNK + PIECE, PIECE);
  put(m, 5ull * CHUNK + PIECE, PIECE); /* in the hole */
  put(m, 7ull * CHUNK + PIECE, PIECE);
  expect(m, 3ull * CHUNK + PIECE, PIECE);
  assert_int_equal(reads, 0);
  expect(m, 3ull * CHUNK + 2 * PIECE - 1, 2);
  assert_int_equal(reads, 1);
  expect(m, 3ull * CHUNK, CHUNK);
  assert_int_equal(reads, 1);
  put(m, 7ull * CHUNK + 3 * PIECE, 10); /* with a gap */
  assert_int_equal(reads, 2);
  expect(m, 0, sizeof m->want);
  reopen_and_expect(m);
  end(m);
}

static void test_the_end_moves_into_one(void **state) {
  (void)state;
  struct made *m = make(0);
  const uint64_t cut = 9ull * CHUNK + 3 * PIECE;
  put(m, 9ull * CHUNK + PIECE, PIECE);
  ok(fs_ftruncate(m->file, cut));
  ok(fs_ftruncate(m->file, sizeof m->want));
  memset(m->want + cut, 0, sizeof m->want - cut);
  expect(m, 0, sizeof m->want);
  put(m, 12ull * CHUNK + PIECE, PIECE);
  reopen_and_expect(m);
  put(m, 8ull * CHUNK + PIECE, PIECE);
  ok(fs_ftruncate(m->file, 8ull * CHUNK + PIECE + 10));
  ok(fs_sync(m->v.fs));
  ok(fs_ftruncate(m->file, sizeof m->want));
  memset(m->want + 8ull * CHUNK + PIECE + 10, 0, sizeof m->want - 8ull * CHUNK - PIECE - 10);
  reopen_and_expect(m);
  end(m);
}

/* What is stored there reads otherwise when the file is longer: it is not left for later. */
static void test_the_chunk_in_which_the_file_ends(void **state) {
  (void)state;
  struct made *m = make(0);
  const uint64_t cut = 9ull * CHUNK + 2 * PIECE + 100;
  ok(fs_ftruncate(m->file, cut));
  memset(m->want + cut, 0, sizeof m->want - cut);
  fs_close(m->file);
  volume_reopen(&m->v);
  m->file = volume_find(&m->v, "file");
  put(m, 9ull * CHUNK + PIECE, 10);
  ok(fs_ftruncate(m->file, sizeof m->want));
  expect(m, 0, sizeof m->want);
  reopen_and_expect(m);
  end(m);
}

static void test_holes(void **state) {
  (void)state;
  struct made *m = make(0);
  const unsigned how = NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_KEEP_SIZE;
  put(m, 3ull * CHUNK + PIECE, PIECE);
  put(m, 4ull * CHUNK + PIECE, PIECE);
  put(m, 6ull * CHUNK + PIECE, PIECE);
  ok(fs_fallocate(m->file, how, 3ull * CHUNK + 3 * PIECE, 3ull * CHUNK + 200));
  memset(m->want + 3ull * CHUNK + 3 * PIECE, 0, 3ull * CHUNK + 200);
  expect(m, 0, sizeof m->want);
  put(m, 4ull * CHUNK + 2 * PIECE, 77);
  reopen_and_expect(m);
  end(m);
}

static void test_a_crash_after_fsync(void **state) {
  (void)state;
  struct made *m = make(0);
  put(m, 3ull * CHUNK + PIECE, PIECE);
  ok(fs_fsync(m->file));
  put(m, 3ull * CHUNK + PIECE + 100, 50);
  put(m, 11ull * CHUNK + 7, 5);
  ok(fs_fsync(m->file));
  fs_close(m->file);
  volume_crash(&m->v);
  assert_int_equal(m->v.replays, 1);
  m->file = volume_find(&m->v, "file");
  expect(m, 0, sizeof m->want);
  end(m);
}

static struct extent find_extent(struct made *m, uint64_t chunk) {
  uint8_t value[EXTENT_VALUE_MAX_BYTES];
  struct extent x;
  struct key key = key_make(fs_file_ino(m->file), FORMAT_RECORD_EXTENT, chunk);
  size_t len;
  ok(tree_get(m->v.e, &key, value, sizeof value, &len));
  ok(extent_decode(value, len, engine_units_end(m->v.e), &x));
  return x;
}

static uint64_t place_of(struct made *m, uint64_t chunk) {
  const struct extent x = find_extent(m, 6);
  return (x.unit + (chunk - 6) * (CHUNK / FORMAT_UNIT_BYTES)) * FORMAT_UNIT_BYTES;
}

/* Three side by side, of which the one in the middle cannot be made whole. From then on an fsync of a little would be
 * a record of the intent log. */
static void write_three(struct made *m, bool damage) {
  static uint8_t noise[CHUNK];
  const uint64_t place = place_of(m, 20);
  put(m, 0, PIECE);
  ok(fs_sync(m->v.fs));
  if (damage)
    ok(store_write(&m->v.store, noise, sizeof noise, place));
  else
    refused_offset = place;
  for (uint64_t i = 19; i <= 21; i++)
    put(m, i * CHUNK + PIECE, PIECE);
}

static enum nacre_err read_whole(struct made *m, uint64_t chunk) {
  static uint8_t back[CHUNK];
  size_t done;
  return fs_read(m->file, back, CHUNK, chunk * CHUNK, &done);
}

/* Neither the one that is lost nor anything else reads as it was before. */
static void expect_one_lost(struct made *m, enum nacre_err told) {
  fs_close(m->file);
  volume_reopen(&m->v);
  m->file = volume_find(&m->v, "file");
  expect(m, 0, 20ull * CHUNK);
  expect(m, 21ull * CHUNK, (CHUNKS - 21) * CHUNK);
  assert_int_equal(read_whole(m, 20), told);
  /* Written as a whole it is well again. */
  put(m, 20ull * CHUNK, CHUNK);
  reopen_and_expect(m);
}

/* Whoever asks for the volume is told once, of which file. */
static void expect_volume_told(struct made *m, enum nacre_err told) {
  char number[32];
  snprintf(number, sizeof number, "number %" PRIu64 " could", fs_file_ino(m->file));
  assert_int_equal(fs_take_loss(m->v.fs), told);
  assert_non_null(strstr(err_message(), number));
  ok(fs_take_loss(m->v.fs));
}

static void test_a_base_that_is_damaged(void **state) {
  (void)state;
  struct made *m = make(0);
  write_three(m, true);
  /* It is in memory until it has to be stored. */
  expect(m, 20ull * CHUNK + PIECE, PIECE);
  assert_int_equal(read_whole(m, 20), NACRE_ERR_DAMAGED);
  assert_int_equal(fs_fsync(m->file), NACRE_ERR_DAMAGED);
  assert_int_equal(fs_dirty_bytes(m->v.fs), 0);
  ok(fs_fsync(m->file));
  expect_volume_told(m, NACRE_ERR_DAMAGED);
  expect_one_lost(m, NACRE_ERR_DAMAGED);
  end(m);
}

static void test_a_base_that_cannot_be_read_for_a_while(void **state) {
  (void)state;
  struct made *m = make(0);
  write_three(m, false);
  for (unsigned i = 0; i < 3; i++) {
    assert_int_equal(fs_fsync(m->file), NACRE_ERR_IO);
    assert_int_equal(fs_sync(m->v.fs), NACRE_ERR_IO);
    assert_int_equal(fs_sync_lightly(m->v.fs), NACRE_ERR_IO);
  }
  ok(fs_take_loss(m->v.fs)); /* not given up */
  assert_int_equal(fs_dirty_bytes(m->v.fs), 3 * CHUNK);
  assert_int_equal(read_whole(m, 20), NACRE_ERR_IO);
  refused_offset = 0;
  ok(fs_fsync(m->file));
  fs_close(m->file);
  volume_crash(&m->v);
  m->file = volume_find(&m->v, "file");
  expect(m, 0, sizeof m->want);
  end(m);
}

static void test_a_base_that_cannot_be_read_for_long(void **state) {
  (void)state;
  struct made *m = make(0);
  write_three(m, false);
  const uint64_t begin = env_monotonic_ms();
  enum nacre_err err = NACRE_ERR_IO;
  while (err != NACRE_OK) {
    assert_int_equal(err, NACRE_ERR_IO);
    usleep(100000);
    err = fs_sync(m->v.fs);
  }
  assert_in_range(env_monotonic_ms() - begin, 4000, 60000);
  assert_int_equal(fs_dirty_bytes(m->v.fs), 0);
  expect_volume_told(m, NACRE_ERR_IO);
  assert_int_equal(fs_fsync(m->file), NACRE_ERR_IO);
  ok(fs_fsync(m->file));
  expect_one_lost(m, NACRE_ERR_IO);
  end(m);
}

enum how { BY_FILE, BY_OTHER, BY_VOLUME };

/* What was promised by a record of the intent log does not hang on a read, of however many chunks, of whose file, and
 * by whichever call. */
static void keep_promise(unsigned chunks, enum how how) {
  struct made *m = make(0);
  static uint8_t noise[CHUNK];
  struct fs_file *other;
  ok(fs_create(m->v.fs, 1, "other", 5, 0600, NACRE_O_WRITE, &root_caller, NULL, &other));
  put(m, 0, PIECE);
  ok(fs_sync(m->v.fs));
  for (uint64_t i = 0; i < chunks; i++)
    put(m, (CHUNKS - 2 - i) * CHUNK + PIECE, 10);
  ok(fs_write(other, noise, 10, 0));
  ok(how == BY_VOLUME ? fs_sync_lightly(m->v.fs) : fs_fsync(how == BY_FILE ? m->file : other));
  if (fs_dirty_bytes(m->v.fs) > 0)
    ok(store_write(&m->v.store, noise, sizeof noise, place_of(m, CHUNKS - 3)));
  fs_close(other);
  reopen_and_expect(m);
  end(m);
}

static void test_a_record_hangs_on_no_read(void **state) {
  (void)state;
  keep_promise(2, BY_FILE);
  keep_promise(2, BY_OTHER);
  keep_promise(2, BY_VOLUME);
  keep_promise(33, BY_FILE);
}

/* A commit that meets it first, and tells whoever asks later. */
static void test_a_commit_meets_a_damaged_base(void **state) {
  (void)state;
  struct made *m = make(1);
  static uint8_t noise[CHUNK];
  const struct extent x = find_extent(m, 6);
  ok(store_write(&m->v.store, noise, sizeof noise, x.unit * FORMAT_UNIT_BYTES));
  put(m, 6ull * CHUNK + PIECE, PIECE);
  put(m, 8ull * CHUNK + PIECE, PIECE);
  ok(fs_sync(m->v.fs));
  assert_int_equal(fs_dirty_bytes(m->v.fs), 0);
  assert_int_equal(fs_fsync(m->file), NACRE_ERR_DAMAGED);
  ok(fs_fsync(m->file));
  expect(m, 7ull * CHUNK, 3 * CHUNK);
  put(m, 6ull * CHUNK, CHUNK);
  reopen_and_expect(m);
  end(m);
}

/* Nobody has the file open when it is lost, and many others are used before somebody has. */
static void test_a_loss_waits_for_who_opens_the_file(void **state) {
  (void)state;
  struct made *m = make(0);
  write_three(m, true);
  fs_close(m->file);
  ok(fs_sync(m->v.fs));
  for (unsigned i = 0; i < 6000; i++) {
    struct fs_file *other;
    char name[16];
    snprintf(name, sizeof name, "o%u", i);
    ok(fs_create(m->v.fs, 1, name, strlen(name), 0600, NACRE_O_WRITE, &root_caller, NULL, &other));
    fs_close(other);
  }
  ok(fs_sync(m->v.fs));
  m->file = volume_find(&m->v, "file");
  assert_int_equal(fs_fsync(m->file), NACRE_ERR_DAMAGED);
  ok(fs_fsync(m->file));
  expect_one_lost(m, NACRE_ERR_DAMAGED);
  end(m);
}

static int in_memory(void **state) {
  (void)state;
  medium = NULL;
  return 0;
}

static int cold(void **state) {
  (void)state;
  medium = &cold_medium;
  return 0;
}

/* Each with all in memory, and with nothing. */
#define TEST(function) cmocka_unit_test_setup(function, in_memory), cmocka_unit_test_setup(function, cold)

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(test_a_write_reads_nothing),
      TEST(test_all_are_asked_for_before_one_is_waited_for),
      TEST(test_who_asks_for_the_rest_gets_it),
      TEST(test_the_end_moves_into_one),
      TEST(test_the_chunk_in_which_the_file_ends),
      TEST(test_holes),
      TEST(test_a_crash_after_fsync),
      TEST(test_a_base_that_is_damaged),
      TEST(test_a_base_that_cannot_be_read_for_a_while),
      TEST(test_a_base_that_cannot_be_read_for_long),
      TEST(test_a_record_hangs_on_no_read),
      TEST(test_a_loss_waits_for_who_opens_the_file),
      TEST(test_a_commit_meets_a_damaged_base),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
