/* What a record of the intent log changes of a chunk, over what the commit has stored of it: against a model of the
 * bytes that were fsynced, where the file is cut and grows and has holes meanwhile, and where what is stored cannot
 * be read when the record is replayed. */
#include "fs_volume.h"
#include "tree/core.h"

#include <errno.h>

#define CHUNK 16384u
#define FILE_MAX (12 * CHUNK)
#define STEPS 1500u
#define FILES 3u

struct bytes {
  uint64_t size;
  uint8_t data[FILE_MAX];
};

struct model {
  struct fs_file *file;
  struct bytes now, durable;
};

static struct model models[FILES];
static uint64_t state = 1;

static uint64_t dice(uint64_t n) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (state >> 33) % n;
}

static struct fs_file *open_file(struct volume *v, const char *name, bool create) {
  struct fs_file *file;
  struct nacre_attr attr;
  if (create)
    ok(fs_create(v->fs, 1, name, strlen(name), 0600, NACRE_O_READ | NACRE_O_WRITE, &root_caller, &attr, &file));
  else
    ok(fs_lookup(v->fs, 1, name, strlen(name), &attr));
  if (!create)
    ok(fs_open(v->fs, attr.ino, NACRE_O_READ | NACRE_O_WRITE, &file));
  fs_unpin(v->fs, attr.ino, 1);
  return file;
}

static const char *name_of(unsigned i) {
  static const char *const names[FILES] = {"a", "b", "c"};
  return names[i];
}

static void compare(struct model *m) {
  static uint8_t got[FILE_MAX];
  struct nacre_attr attr;
  size_t done;
  ok(fs_fstat(m->file, &attr));
  assert_int_equal(attr.size_bytes, m->now.size);
  ok(fs_read(m->file, got, sizeof got, 0, &done));
  assert_int_equal(done, m->now.size);
  assert_memory_equal(got, m->now.data, done);
}

/* Mostly in the way of databases: units of a file that is there. */
static void write_some(struct model *m) {
  static uint8_t bytes[2 * CHUNK];
  uint64_t at, len;
  if (dice(2) == 0) {
    at = dice(FILE_MAX / 4096) * 4096;
    len = 4096;
  } else {
    at = dice(FILE_MAX - 1);
    len = 1 + dice(dice(8) == 0 ? sizeof bytes : 700);
  }
  if (dice(4) == 0)
    at = m->now.size;
  if (at >= FILE_MAX)
    return;
  len = u64_min(len, FILE_MAX - at);
  memset(bytes, (int)dice(256), len);
  ok(fs_write(m->file, bytes, len, at));
  memcpy(m->now.data + at, bytes, len);
  m->now.size = u64_max(m->now.size, at + len);
}

static void resize(struct model *m) {
  uint64_t size = dice(3) == 0 ? dice(FILE_MAX) : dice(12) * CHUNK;
  if (dice(2) == 0 && m->now.size > 0) /* inside its last chunk, or so */
    size = m->now.size - dice(u64_min(m->now.size, 6000));
  ok(fs_ftruncate(m->file, size));
  if (size < m->now.size)
    memset(m->now.data + size, 0, m->now.size - size);
  m->now.size = size;
}

static void punch(struct model *m) {
  uint64_t from = dice(FILE_MAX - 1), len = 1 + dice(dice(2) == 0 ? 3000 : 3 * CHUNK);
  ok(fs_fallocate(m->file, NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_KEEP_SIZE, from, len));
  if (from < m->now.size)
    memset(m->now.data + from, 0, u64_min(len, m->now.size - from));
}

static void all_durable(void) {
  for (unsigned i = 0; i < FILES; i++)
    models[i].durable = models[i].now;
}

static void power_cut(struct volume *v) {
  for (unsigned i = 0; i < FILES; i++)
    fs_close(models[i].file);
  volume_crash(v);
  for (unsigned i = 0; i < FILES; i++) {
    models[i].file = open_file(v, name_of(i), false);
    models[i].now = models[i].durable;
    compare(&models[i]);
  }
}

/* An fsync makes all of the volume durable, as one state. */
static void step(struct volume *v, unsigned *records) {
  struct model *m = &models[dice(FILES)];
  uint64_t what = dice(100);
  if (what < 45) {
    write_some(m);
  } else if (what < 85) {
    ok(fs_fsync(m->file));
    *records += v->e->intent.number > 0;
    all_durable();
  } else if (what < 90) {
    resize(m);
  } else if (what < 93) {
    punch(m);
  } else if (what < 95) {
    ok(fs_sync(v->fs));
    all_durable();
  } else if (what < 98) {
    compare(m);
  } else {
    power_cut(v);
  }
}

static void test_against_model(void **unused) {
  (void)unused;
  const char *more = getenv("NACRE_TORTURE");
  for (uint64_t seed = 1; seed <= (more != NULL && *more != '\0' ? 200u : 6u); seed++) {
    struct volume v;
    unsigned records = 0;
    state = seed;
    volume_make(&v, 64 * MIB, 1, 8 * MIB, CHUNK);
    for (unsigned i = 0; i < FILES; i++) {
      models[i] = (struct model){.file = open_file(&v, name_of(i), true)};
      write_some(&models[i]);
    }
    ok(fs_sync(v.fs));
    all_durable();
    for (unsigned i = 0; i < STEPS; i++)
      step(&v, &records);
    assert_true(records > STEPS / 20);
    power_cut(&v);
    for (unsigned i = 0; i < FILES; i++)
      fs_close(models[i].file);
    ok(fs_sync(v.fs));
    volume_check(&v);
    volume_end(&v);
  }
}

/* ---- One chunk ---- */

static void fill(struct fs_file *file, uint8_t byte, size_t len, uint64_t offset) {
  static uint8_t bytes[FILE_MAX];
  memset(bytes, byte, len);
  ok(fs_write(file, bytes, len, offset));
}

static void expect(struct fs_file *file, uint8_t byte, size_t len, uint64_t offset) {
  static uint8_t bytes[FILE_MAX];
  size_t done;
  ok(fs_read(file, bytes, len, offset, &done));
  assert_int_equal(done, len);
  for (size_t i = 0; i < len; i++)
    assert_int_equal(bytes[i], byte);
}

static struct fs_file *start(struct volume *v) {
  volume_make(v, 64 * MIB, 1, 8 * MIB, CHUNK);
  struct fs_file *file = open_file(v, "a", true);
  fill(file, 1, 6 * CHUNK, 0);
  ok(fs_sync(v->fs));
  return file;
}

static void test_only_what_changed(void **unused) {
  (void)unused;
  struct volume v;
  struct fs_file *file = start(&v);
  for (unsigned i = 0; i < 5; i++) {
    uint64_t before = v.e->intent.used_units;
    fill(file, (uint8_t)(10 + i), 4096, i * CHUNK + 4096);
    ok(fs_fsync(file));
    assert_int_equal(v.e->intent.number, i + 1);
    assert_int_equal(v.e->intent.used_units - before, 2);
  }
  fs_close(file);
  volume_crash(&v);
  file = open_file(&v, "a", false);
  for (unsigned i = 0; i < 5; i++) {
    expect(file, 1, 4096, i * CHUNK);
    expect(file, (uint8_t)(10 + i), 4096, i * CHUNK + 4096);
    expect(file, 1, 8192, i * CHUNK + 8192);
  }
  /* What a replay took up is for the next commit: no record goes without that. */
  fill(file, 99, 10, 5000);
  ok(fs_fsync(file));
  assert_int_equal(v.e->intent.number, 0);
  fs_close(file);
  volume_crash(&v);
  assert_int_equal(v.replays, 1);
  file = open_file(&v, "a", false);
  expect(file, 99, 10, 5000);
  expect(file, 10, 3000, 5010);
  fs_close(file);
  volume_check(&v);
  volume_end(&v);
}

/* What is reserved for chunks that lie apart is many times what they take: the container grows a few times for it,
 * each of which is a commit, and then no more. Nine commits are seen here, three or four of them for full halves of
 * the log; forty where each reservation that finds no room is settled by one. */
static void test_scattered(void **unused) {
  (void)unused;
  static uint8_t data[1024 * CHUNK];
  struct volume v;
  volume_make(&v, 1024 * MIB, 1, 32 * MIB, CHUNK);
  struct fs_file *file = open_file(&v, "a", true);
  ok(fs_write(file, data, sizeof data, 0));
  ok(fs_sync(v.fs));
  const uint64_t generation = v.e->durable.generation;
  for (unsigned i = 0; i < 960; i++) {
    ok(fs_write(file, data, 4096, (uint64_t)(i % 240 * 4 + 1) * CHUNK + i / 240 * 4096));
    ok(fs_fsync(file));
  }
  assert_in_range(v.e->durable.generation - generation, 0, 20);
  fs_close(file);
  volume_reopen(&v);
  volume_check(&v);
  volume_end(&v);
}

/* The half is longer in a larger container; what is left in it of earlier commits is looked at in each opening. */
static void test_halves(void **unused) {
  (void)unused;
  static const struct {
    uint64_t limit, units;
  } sizes[] = {{24 * MIB, 48},    {64 * MIB, 128},    {256 * MIB, 128},
               {1024 * MIB, 512}, {2048 * MIB, 1024}, {1ull << 34, 1024}};
  for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct volume v;
    volume_make(&v, sizes[i].limit, 1, 8 * MIB, CHUNK);
    struct fs_file *file = open_file(&v, "a", true);
    fill(file, 1, FILE_MAX, 0);
    ok(fs_sync(v.fs));
    const uint64_t generation = v.e->durable.generation;
    assert_int_equal(v.e->durable.intent.half_units, sizes[i].units);
    unsigned records = 0;
    for (; v.e->durable.generation == generation; records++) {
      fill(file, (uint8_t)records, 4096, records * 4096 % FILE_MAX);
      ok(fs_fsync(file));
    }
    assert_int_equal(records, sizes[i].units / 2 + 1);
    fill(file, 5, 4096, 8192);
    ok(fs_fsync(file));
    fs_close(file);
    volume_crash(&v);
    file = open_file(&v, "a", false);
    expect(file, 5, 4096, 8192);
    expect(file, (uint8_t)(records - 1), 4096, (records - 1) * 4096 % FILE_MAX);
    fs_close(file);
    volume_check(&v);
    volume_end(&v);
  }
}

/* ---- What is stored cannot be read ---- */

static uint64_t bad_offset;
static bool bad;
static int (*plain_read)(void *ctx, void *buf, size_t len, uint64_t offset);

static int read_but_there(void *ctx, void *buf, size_t len, uint64_t offset) {
  bool meets = bad && offset < bad_offset + FORMAT_UNIT_BYTES && offset + len > bad_offset;
  return meets ? EIO : plain_read(ctx, buf, len, offset);
}

struct place {
  uint64_t unit;
};

static bool take_place(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct extent x;
  (void)key;
  ok(extent_decode(value, len, UINT64_MAX, &x));
  ((struct place *)arg)->unit = x.unit;
  return false;
}

/* Two chunks, and the file's inode, are in the log; `index` is the one that goes. */
static uint64_t offset_of_chunk(struct volume *v, struct fs_file *file, uint64_t index) {
  struct place place = {0};
  struct key low = key_make(fs_file_ino(file), FORMAT_RECORD_EXTENT, 0);
  struct key high = key_make(fs_file_ino(file), FORMAT_RECORD_EXTENT, UINT64_MAX);
  ok(tree_scan(v->e, &low, &high, take_place, &place));
  assert_true(place.unit > 0);
  return place.unit * FORMAT_UNIT_BYTES + index * CHUNK;
}

static struct fs_file *start_logged(struct volume *v) {
  struct fs_file *file = start(v);
  fill(file, 2, 100, 2 * CHUNK + 50);
  fill(file, 3, 100, 4 * CHUNK + 50);
  ok(fs_fsync(file));
  fill(file, 4, 100, 2 * CHUNK + 90);
  ok(fs_fsync(file));
  assert_int_equal(v->e->intent.number, 2);
  bad_offset = offset_of_chunk(v, file, 2);
  fs_close(file);
  fs_free(v->fs);
  engine_close(v->e);
  return file;
}

static struct engine_info open_as(struct volume *v, struct engine_options options) {
  struct engine_keys keys = volume_keys(v);
  struct engine_info info;
  options.memory_bytes = v->memory;
  options.header_sequence = 1;
  ok(engine_open(&v->store, &keys, v->workers, &options, &v->e));
  ok(fs_new(v->e, v->workers, v->memory, &v->fs));
  ok(fs_replay(v->fs));
  engine_get_info(v->e, &info);
  return info;
}

static void shut(struct volume *v, struct fs_file *file) {
  fs_close(file);
  fs_free(v->fs);
  engine_close(v->e);
}

static struct fs_file *find_to_read(struct volume *v) {
  struct fs_file *file;
  struct nacre_attr attr;
  ok(fs_lookup(v->fs, 1, "a", 1, &attr));
  ok(fs_open(v->fs, attr.ino, NACRE_O_READ, &file));
  fs_unpin(v->fs, attr.ino, 1);
  return file;
}

/* The rest is there, and the one chunk gives no bytes at all: none that are half of what was fsynced. */
static void expect_but_one(struct fs_file *file, enum nacre_err err) {
  uint8_t bytes[100];
  size_t done;
  expect(file, 3, 100, 4 * CHUNK + 50);
  expect(file, 1, 50, 4 * CHUNK);
  expect(file, 1, CHUNK, CHUNK);
  assert_int_equal(fs_read(file, bytes, sizeof bytes, 2 * CHUNK + 50, &done), err);
  assert_int_equal(fs_read(file, bytes, sizeof bytes, 3 * CHUNK - 200, &done), err);
}

static void test_damaged_base(void **unused) {
  (void)unused;
  struct volume v;
  uint8_t byte;
  struct fs_file *file = start_logged(&v);
  ok(store_read(&v.store, &byte, 1, bad_offset + 77));
  byte ^= 1;
  ok(store_write(&v.store, &byte, 1, bad_offset + 77));
  for (unsigned i = 0; i < 3; i++) {
    struct engine_info info = open_as(&v, (struct engine_options){.read_only = i == 0});
    assert_false(info.failed || info.fell_back);
    file = find_to_read(&v);
    expect_but_one(file, NACRE_ERR_DAMAGED);
    if (i == 1)
      ok(fs_sync(v.fs)); /* from here on in the tree */
    shut(&v, file);
  }
  /* Who writes all of it has it again. */
  (void)open_as(&v, (struct engine_options){0});
  file = open_file(&v, "a", false);
  fill(file, 9, CHUNK, 2 * CHUNK);
  ok(fs_fsync(file));
  expect(file, 9, CHUNK, 2 * CHUNK);
  shut(&v, file);
  volume_start(&v);
  volume_check(&v);
  volume_end(&v);
}

static void test_unreadable_base(void **unused) {
  (void)unused;
  struct volume v;
  struct fs_file *file = start_logged(&v);
  plain_read = v.store.ops.read;
  v.store.ops.read = read_but_there;
  bad = true;
  for (unsigned i = 0; i < 3; i++) {
    struct engine_info info = open_as(&v, (struct engine_options){.read_only = i == 1});
    assert_true(info.read_only && info.fell_back && info.log_damaged);
    file = find_to_read(&v);
    expect_but_one(file, NACRE_ERR_IO);
    shut(&v, file);
  }
  /* It can be read again: so nothing was lost. */
  bad = false;
  struct engine_info info = open_as(&v, (struct engine_options){0});
  assert_false(info.read_only || info.fell_back);
  file = find_to_read(&v);
  expect(file, 2, 40, 2 * CHUNK + 50);
  expect(file, 4, 100, 2 * CHUNK + 90);
  shut(&v, file);
  /* Never again, and that is accepted. */
  bad = true;
  info = open_as(&v, (struct engine_options){.accept_gap = true});
  assert_true(!info.read_only && info.fell_back);
  file = open_file(&v, "a", false);
  expect_but_one(file, NACRE_ERR_IO);
  fill(file, 9, CHUNK, 2 * CHUNK);
  ok(fs_fsync(file));
  shut(&v, file);
  info = open_as(&v, (struct engine_options){0});
  assert_false(info.read_only || info.fell_back);
  file = find_to_read(&v);
  expect(file, 9, CHUNK, 2 * CHUNK);
  expect(file, 3, 100, 4 * CHUNK + 50);
  fs_close(file);
  bad = false;
  volume_check(&v);
  volume_end(&v);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_only_what_changed),
      cmocka_unit_test(test_scattered),
      cmocka_unit_test(test_halves),
      cmocka_unit_test(test_damaged_base),
      cmocka_unit_test(test_unreadable_base),
      cmocka_unit_test(test_against_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
