/* fsync by the intent log: what it costs, what is there after a crash, and what becomes of a log that is torn,
 * foreign, full, or goes with a commit that is damaged. */
#include "fs_volume.h"
#include "tree/core.h"

#include <errno.h>

#define CHUNK 16384u

static unsigned writes, syncs;
static int (*plain_write)(void *ctx, const void *buf, size_t len, uint64_t offset);
static int (*plain_sync)(void *ctx);

static int count_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  writes++;
  return plain_write(ctx, buf, len, offset);
}

static int count_sync(void *ctx) {
  syncs++;
  return plain_sync(ctx);
}

static void count_calls(struct volume *v) {
  plain_write = v->store.ops.write;
  plain_sync = v->store.ops.sync;
  v->store.ops.write = count_write;
  v->store.ops.sync = count_sync;
  writes = syncs = 0;
}

static struct engine_keys two_epochs(const struct volume *v, uint8_t raw[4][32]) {
  struct engine_keys k = volume_keys(v);
  k.current_epoch = k.epochs[1].epoch = 2;
  struct aead_key **keys[4] = {&k.epochs[1].node, &k.epochs[1].data, &k.epochs[1].superblock, &k.epochs[1].log};
  for (unsigned i = 0; i < 4; i++)
    ok(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, raw[i], keys[i]));
  return k;
}

static struct fs_file *make(struct volume *v, const char *name) {
  struct fs_file *file;
  struct nacre_attr attr;
  ok(fs_create(v->fs, 1, name, strlen(name), 0600, NACRE_O_READ | NACRE_O_WRITE, &root_caller, &attr, &file));
  fs_unpin(v->fs, attr.ino, 1);
  return file;
}

static bool exists(struct volume *v, const char *name) {
  struct nacre_attr attr;
  enum nacre_err err = fs_lookup(v->fs, 1, name, strlen(name), &attr);
  if (err == NACRE_OK)
    fs_unpin(v->fs, attr.ino, 1);
  else
    assert_int_equal(err, NACRE_ERR_NOT_FOUND);
  return err == NACRE_OK;
}

static void fill(struct fs_file *file, uint8_t byte, size_t len, uint64_t offset) {
  uint8_t *bytes = malloc(len);
  memset(bytes, byte, len);
  ok(fs_write(file, bytes, len, offset));
  free(bytes);
}

static void expect(struct fs_file *file, uint8_t byte, size_t len, uint64_t offset) {
  uint8_t *bytes = malloc(len);
  size_t done;
  ok(fs_read(file, bytes, len, offset, &done));
  assert_int_equal(done, len);
  for (size_t i = 0; i < len; i++)
    assert_int_equal(bytes[i], byte);
  free(bytes);
}

static uint64_t size_of(struct fs_file *file) {
  struct nacre_attr attr;
  ok(fs_fstat(file, &attr));
  return attr.size_bytes;
}

/* A file of 100 KiB, committed. */
static struct fs_file *start(struct volume *v) {
  volume_make(v, 64 * MIB, 1, 8 * MIB, CHUNK);
  struct fs_file *file = make(v, "file");
  fill(file, 1, 100 << 10, 0);
  ok(fs_sync(v->fs));
  return file;
}

static void end(struct volume *v, struct fs_file *file) {
  if (file != NULL)
    fs_close(file);
  volume_check(v);
  volume_end(v);
}

static void crash(struct volume *v, struct fs_file **file) {
  fs_close(*file);
  volume_crash(v);
  *file = volume_find(v, "file");
}

static void test_one_write_and_one_sync(void **state) {
  (void)state;
  struct volume v;
  struct fs_file *file = start(&v);
  fs_close(file);
  fs_free(v.fs);
  engine_close(v.e);
  count_calls(&v);
  volume_start(&v);
  file = volume_find(&v, "file");
  fill(file, 2, 4096, 0);
  ok(fs_fsync(file)); /* an opening's first is a commit */
  for (unsigned i = 0; i < 20; i++) {
    writes = syncs = 0;
    fill(file, (uint8_t)(3 + i), 4096, 20480);
    ok(fs_fsync(file));
    assert_int_equal(writes, 1);
    assert_int_equal(syncs, 1);
  }
  writes = syncs = 0;
  ok(fs_fsync(file)); /* nothing has changed */
  assert_int_equal(writes + syncs, 0);
  crash(&v, &file);
  assert_int_equal(v.replays, 1);
  expect(file, 2, 4096, 0);
  expect(file, 22, 4096, 20480);
  expect(file, 1, 4096, 40960);
  end(&v, file);
}

/* Parts of a chunk over the whole, a grown file over its old tail, holes, and zeroes that were never written. */
static void test_bytes(void **state) {
  (void)state;
  struct volume v;
  struct fs_file *file = start(&v);
  fill(file, 2, 100, 100 << 10); /* a tail */
  ok(fs_sync(v.fs));
  for (unsigned i = 0; i < 3; i++) {
    fill(file, (uint8_t)(10 + i), 10, 5000 + 20 * i);
    ok(fs_fsync(file));
  }
  fill(file, 3, 10, 500000); /* behind a hole */
  ok(fs_fsync(file));
  fill(file, 0, 2000, 30000);
  ok(fs_ftruncate(file, 600001));
  ok(fs_fsync(file));
  fill(file, 99, 10, 0); /* is lost */
  for (unsigned again = 0; again < 3; again++) {
    crash(&v, &file);
    assert_int_equal(v.replays, again + 1);
    assert_int_equal(size_of(file), 600001);
    for (unsigned i = 0; i < 3; i++)
      expect(file, (uint8_t)(10 + i), 10, 5000 + 20 * i);
    expect(file, 1, 10, 0);
    expect(file, 2, 100, 100 << 10);
    expect(file, 0, 1000, (100 << 10) + 100);
    expect(file, 3, 10, 500000);
    expect(file, 0, 2000, 30000);
    expect(file, 0, 1, 600000);
  }
  ok(fs_sync(v.fs));
  crash(&v, &file);
  assert_int_equal(v.replays, 3);
  expect(file, 12, 10, 5040);
  expect(file, 2, 100, 100 << 10);
  end(&v, file);
}

static void test_names(void **state) {
  (void)state;
  struct volume v;
  struct nacre_attr attr;
  struct fs_file *file = start(&v);
  struct fs_file *small = make(&v, "small");
  fs_close(make(&v, "gone"));
  ok(fs_sync(v.fs));
  fill(small, 5, 1000, 0);
  ok(fs_mkdir(v.fs, 1, "dir", 3, 0700, &root_caller, &attr));
  fs_unpin(v.fs, attr.ino, 1);
  fs_close(make(&v, "new"));
  ok(fs_unlink(v.fs, 1, "gone", 4));
  ok(fs_rename(v.fs, 1, "small", 5, 1, "renamed", 7, 0));
  ok(fs_fsync(file));
  ok(fs_rename(v.fs, 1, "renamed", 7, 1, "new", 3, 0)); /* over an empty one */
  ok(fs_fsync(file));
  fs_close(small);
  crash(&v, &file);
  assert_int_equal(v.replays, 1);
  assert_true(exists(&v, "dir") && exists(&v, "new"));
  assert_false(exists(&v, "gone") || exists(&v, "small") || exists(&v, "renamed"));
  small = volume_find(&v, "new");
  expect(small, 5, 1000, 0);
  fs_close(small);
  fs_close(make(&v, "another")); /* of a number that nobody has */
  end(&v, file);
}

/* What programs do that want a name to be durable: a new file, over an old one, away again; and each time all of it.
 */
static void test_folders(void **state) {
  (void)state;
  struct volume v;
  struct fs_file *file = start(&v);
  for (unsigned i = 0; i < 10; i++) {
    struct fs_file *next = make(&v, "next");
    fill(next, (uint8_t)i, 3000 * (i + 1), 0);
    ok(fs_fsync(next));
    fs_close(next);
    ok(fs_rename(v.fs, 1, "next", 4, 1, "kept", 4, 0));
    ok(fs_sync_lightly(v.fs));
    fs_close(make(&v, "journal"));
    ok(fs_sync_lightly(v.fs));
    ok(fs_unlink(v.fs, 1, "journal", 7));
    ok(fs_sync_lightly(v.fs));
    assert_int_equal(v.e->intent.number, 4 * (i + 1));
  }
  crash(&v, &file);
  assert_int_equal(v.replays, 1);
  assert_false(exists(&v, "next") || exists(&v, "journal"));
  struct fs_file *kept = volume_find(&v, "kept");
  assert_int_equal(size_of(kept), 30000);
  expect(kept, 9, 30000, 0);
  fs_close(kept);
  end(&v, file);
}

/* What frees space, or takes it, is a commit; and so is what is too much for a record. */
static void test_what_is_committed(void **state) {
  (void)state;
  struct volume v;
  struct fs_file *file = start(&v);
  fill(file, 2, 10, 0);
  ok(fs_fsync(file));
  assert_true(v.e->intent.number > 0);
  ok(fs_ftruncate(file, 50000));
  ok(fs_fsync(file));
  assert_int_equal(v.e->intent.number, 0);
  fill(file, 3, 2 << 20, 0);
  ok(fs_fsync(file));
  assert_int_equal(v.e->intent.number, 0);
  crash(&v, &file);
  assert_int_equal(v.replays, 0);
  expect(file, 3, 2 << 20, 0);
  end(&v, file);
}

static void test_full_half(void **state) {
  (void)state;
  struct volume v;
  struct fs_file *file = start(&v);
  unsigned commits = 0;
  for (unsigned i = 0; i < 300; i++) {
    uint64_t before = v.e->durable.generation;
    fill(file, (uint8_t)i, 300, 200 * i);
    ok(fs_fsync(file));
    commits += v.e->durable.generation != before;
    if (i % 37 == 0)
      crash(&v, &file);
    expect(file, (uint8_t)i, 300, 200 * i);
  }
  assert_true(commits > 3 && commits < 100);
  for (unsigned i = 0; i < 299; i++)
    expect(file, (uint8_t)i, 200, 200 * i);
  end(&v, file);
}

/* Opened, with what the log has taken up, or gone without. */
static void open_as(struct volume *v, struct engine_options options, struct engine_keys keys) {
  options.memory_bytes = v->memory;
  options.header_sequence = 1;
  ok(engine_open(&v->store, &keys, v->workers, &options, &v->e));
  v->replays += engine_has_replay(v->e);
  ok(fs_new(v->e, v->workers, v->memory, &v->fs));
  if (fs_replay(v->fs) == NACRE_OK)
    return;
  fs_free(v->fs);
  ok(engine_forgo_replay(v->e));
  ok(fs_new(v->e, v->workers, v->memory, &v->fs));
}

static void shut(struct volume *v, struct fs_file *file) {
  if (file != NULL)
    fs_close(file);
  fs_free(v->fs);
  engine_close(v->e);
}

static struct fs_file *find_to_read(struct volume *v, const char *name) {
  struct fs_file *file;
  struct nacre_attr attr;
  ok(fs_lookup(v->fs, 1, name, strlen(name), &attr));
  ok(fs_open(v->fs, attr.ino, NACRE_O_READ, &file));
  fs_unpin(v->fs, attr.ino, 1);
  return file;
}

static struct engine_info info_of(struct volume *v) {
  struct engine_info info;
  engine_get_info(v->e, &info);
  return info;
}

/* Opens for reading alone, tells, and is accepted; `byte` is what the file begins with. */
static void told_and_accepted(struct volume *v, uint8_t byte) {
  open_as(v, (struct engine_options){.read_only = true}, volume_keys(v));
  assert_true(info_of(v).fell_back);
  struct fs_file *file = find_to_read(v, "file");
  expect(file, byte, 10, 0);
  shut(v, file);
  open_as(v, (struct engine_options){0}, volume_keys(v));
  assert_true(info_of(v).fell_back && info_of(v).read_only && info_of(v).unchanged);
  file = find_to_read(v, "file");
  expect(file, byte, 10, 0);
  shut(v, file);
  open_as(v, (struct engine_options){.accept_gap = true}, volume_keys(v));
  assert_true(info_of(v).fell_back && !info_of(v).read_only);
  file = volume_find(v, "file");
  expect(file, byte, 10, 0);
  fill(file, 77, 10, 0);
  ok(fs_fsync(file));
  shut(v, file);
  open_as(v, (struct engine_options){0}, volume_keys(v));
  assert_false(info_of(v).fell_back || info_of(v).read_only);
  file = volume_find(v, "file");
  expect(file, 77, 10, 0);
  end(v, file);
}

static uint64_t log_offset(const struct volume *v, uint64_t unit) {
  const struct superblock_intent *area = &v->e->durable.intent;
  return (area->unit + area->half * area->half_units + unit) * FORMAT_UNIT_BYTES;
}

/* The last record torn is what a power cut leaves. One before it is damage. */
static void test_torn_record(void **state) {
  (void)state;
  for (unsigned torn = 0; torn < 4; torn++) {
    struct volume v;
    uint8_t unit[FORMAT_UNIT_BYTES];
    struct fs_file *file = start(&v);
    for (unsigned i = 0; i < 4; i++) {
      fill(file, (uint8_t)(10 + i), 10, 0);
      ok(fs_fsync(file));
    }
    /* The first has the whole chunk, and a body. */
    const uint64_t size = v.e->intent.used_units - 3;
    const uint64_t at = log_offset(&v, torn == 0 ? size - 1 : size + torn - 1);
    ok(store_read(&v.store, unit, sizeof unit, at));
    unit[100 + 900 * torn] ^= 1;
    ok(store_write(&v.store, unit, sizeof unit, at));
    const uint8_t left = torn == 0 ? 1 : (uint8_t)(9 + torn);
    if (torn < 3) {
      shut(&v, file);
      told_and_accepted(&v, left);
      continue;
    }
    crash(&v, &file);
    assert_false(info_of(&v).fell_back);
    expect(file, left, 10, 0);
    fill(file, 77, 10, 0);
    ok(fs_fsync(file));
    crash(&v, &file);
    expect(file, 77, 10, 0);
    end(&v, file);
  }
}

/* The head of the last record arrived, and its body did not: that is nobody else's record either. */
static void test_torn_body(void **state) {
  (void)state;
  struct volume v;
  uint8_t unit[FORMAT_UNIT_BYTES];
  struct fs_file *file = start(&v);
  fill(file, 2, 10, 0);
  ok(fs_fsync(file));
  fill(file, 3, 10, 50000);
  ok(fs_fsync(file));
  const uint64_t at = log_offset(&v, v.e->intent.used_units - 1);
  ok(store_read(&v.store, unit, sizeof unit, at));
  unit[0] ^= 1;
  ok(store_write(&v.store, unit, sizeof unit, at));
  crash(&v, &file);
  expect(file, 2, 10, 0);
  expect(file, 1, 10, 50000);
  fill(file, 4, 10, 0);
  ok(fs_fsync(file));
  ok(fs_sync(v.fs));
  crash(&v, &file);
  expect(file, 4, 10, 0);
  end(&v, file);
}

static uint64_t bad_offset;
static int (*plain_read)(void *ctx, void *buf, size_t len, uint64_t offset);

static int read_but_there(void *ctx, void *buf, size_t len, uint64_t offset) {
  bool meets = offset < bad_offset + FORMAT_UNIT_BYTES && offset + len > bad_offset;
  return meets ? EIO : plain_read(ctx, buf, len, offset);
}

static void test_unreadable_unit(void **state) {
  (void)state;
  for (unsigned unit = 0; unit < 8; unit += 7) {
    struct volume v;
    struct fs_file *file = start(&v);
    fill(file, 2, 10, 0);
    ok(fs_fsync(file));
    bad_offset = log_offset(&v, unit);
    shut(&v, file);
    plain_read = v.store.ops.read;
    v.store.ops.read = read_but_there;
    if (unit == 0) {
      told_and_accepted(&v, 1);
      continue;
    }
    /* Nothing says that there was anything. */
    open_as(&v, (struct engine_options){0}, volume_keys(&v));
    assert_false(info_of(&v).fell_back || info_of(&v).read_only);
    file = volume_find(&v, "file");
    expect(file, 2, 10, 0);
    end(&v, file);
  }
}

/* A commit of a later epoch that stands before the log is in the tree. */
static void test_epochs(void **state) {
  (void)state;
  struct volume v;
  uint8_t raw[4][32], junk[FORMAT_NODE_BYTES];
  struct fs_file *file = start(&v);
  env_random(raw, sizeof raw);
  env_random(junk, sizeof junk);
  fill(file, 2, 100, 0);
  ok(fs_fsync(file));
  struct engine_keys keys = two_epochs(&v, raw);
  ok(engine_replace_keys(v.e, &keys));
  fill(file, 3, 100, 50000);
  ok(fs_sync(v.fs));
  unsigned records = 0;
  for (uint8_t i = 0; i < 10; i++) {
    fill(file, i, 10, 60000);
    ok(fs_fsync(file));
    records += v.e->intent.number > 0;
  }
  assert_int_equal(records, 10);
  ok(store_write(&v.store, junk, sizeof junk, v.e->durable.root.unit * FORMAT_UNIT_BYTES));
  shut(&v, file);
  for (unsigned i = 0; i < 3; i++) {
    open_as(&v, (struct engine_options){0}, two_epochs(&v, raw));
    file = volume_find(&v, "file");
    expect(file, 2, 100, 0);
    expect(file, 1, 100, 50000);
    if (i < 2)
      shut(&v, file);
  }
  end(&v, file);
}

/* What A fsyncs between B's opening and B's first commit stays, and B stops. */
static void test_two_writers(void **state) {
  (void)state;
  struct volume v, b;
  struct fs_file *file = start(&v);
  b = v;
  open_as(&b, (struct engine_options){0}, volume_keys(&v));
  fill(file, 2, 100, 0);
  ok(fs_fsync(file));
  fs_close(make(&b, "other"));
  assert_int_equal(fs_sync(b.fs), NACRE_ERR_IN_USE);
  shut(&b, NULL);
  crash(&v, &file);
  expect(file, 2, 100, 0);
  end(&v, file);
}

/* Nothing is written, and what is read is what the log says. */
static void test_read_only(void **state) {
  (void)state;
  struct volume v;
  struct nacre_attr attr;
  struct fs_file *file = start(&v);
  fill(file, 9, 50, 99);
  fs_close(make(&v, "new"));
  ok(fs_fsync(file));
  fs_close(file);
  fs_free(v.fs);
  engine_close(v.e);
  count_calls(&v);
  struct engine_keys keys = volume_keys(&v);
  struct engine_options options = {.memory_bytes = v.memory, .header_sequence = 1, .read_only = true};
  ok(engine_open(&v.store, &keys, v.workers, &options, &v.e));
  assert_true(engine_has_replay(v.e));
  ok(fs_new(v.e, v.workers, v.memory, &v.fs));
  ok(fs_replay(v.fs));
  ok(fs_lookup(v.fs, 1, "file", 4, &attr));
  ok(fs_open(v.fs, attr.ino, NACRE_O_READ, &file));
  fs_unpin(v.fs, attr.ino, 1);
  expect(file, 9, 50, 99);
  assert_true(exists(&v, "new"));
  fs_close(file);
  fs_free(v.fs);
  engine_close(v.e);
  assert_int_equal(writes, 0);
  volume_start(&v);
  ok(fs_recover(v.fs));
  file = volume_find(&v, "file");
  expect(file, 9, 50, 99);
  end(&v, file);
}

/* The newest commit is damaged: the one before it is there with its own records, whoever is cut how often. */
static void test_fallback(void **state) {
  (void)state;
  struct volume v;
  struct fs_file *file = start(&v);
  uint8_t junk[FORMAT_NODE_BYTES];
  fill(file, 2, 100, 0);
  ok(fs_fsync(file));
  fill(file, 3, 100, 50);
  ok(fs_fsync(file));
  ok(fs_sync(v.fs));
  fill(file, 4, 100, 0);
  ok(fs_fsync(file)); /* of the commit that is lost */
  env_random(junk, sizeof junk);
  ok(store_write(&v.store, junk, sizeof junk, v.e->durable.root.unit * FORMAT_UNIT_BYTES));
  for (unsigned i = 0; i < 3; i++) {
    crash(&v, &file);
    assert_int_equal(v.replays, i + 1);
    expect(file, 2, 50, 0);
    expect(file, 3, 100, 50);
  }
  fill(file, 5, 100, 0);
  ok(fs_fsync(file));
  crash(&v, &file);
  expect(file, 5, 100, 0);
  expect(file, 3, 50, 100);
  end(&v, file);
}

/* 26 bytes of a record name a chunk: so many of them are no record. */
static enum nacre_err name_many_chunks(void *arg, struct txn *txn, struct writer *items, bool *fits) {
  (void)txn;
  *fits = true;
  for (uint64_t i = 0; items != NULL && *fits && i <= INTENT_CHUNKS_MAX_BYTES / CHUNK; i++) {
    const struct intent_item item = {.kind = INTENT_WHOLE, .ino = *(const uint64_t *)arg, .index = i};
    *fits = intent_item_write(items, &item);
  }
  return NACRE_OK;
}

static void test_chunks_are_bounded(void **state) {
  (void)state;
  struct volume v;
  struct fs_file *file = start(&v);
  uint64_t ino = fs_file_ino(file);
  ok(fs_ftruncate(file, 1ull << 40));
  ok(fs_sync(v.fs));
  engine_set_capture(v.e, NULL);
  engine_set_flush(v.e, NULL, &ino);
  engine_set_capture(v.e, name_many_chunks);
  ok(engine_sync(v.e));
  assert_int_equal(v.e->intent.number, 1);
  shut(&v, file);
  told_and_accepted(&v, 1);
}

/* A full volume's fsync works, and so does its replay. */
static void test_full_volume(void **state) {
  (void)state;
  struct volume v;
  struct fs_file *file = start(&v), *hog = make(&v, "hog");
  static uint8_t bytes[1u << 20] = {1};
  enum nacre_err err = NACRE_OK;
  for (uint64_t at = 0; err == NACRE_OK; at += sizeof bytes)
    err = fs_write(hog, bytes, sizeof bytes, at);
  assert_int_equal(err, NACRE_ERR_NO_SPACE);
  ok(fs_sync(v.fs));
  unsigned written = 0;
  for (unsigned i = 0; i < 20; i++) {
    uint8_t byte = (uint8_t)(100 + i);
    if (fs_write(file, &byte, 1, 16384 * (i % 5)) != NACRE_OK)
      break;
    ok(fs_fsync(file));
    written++;
  }
  fs_close(hog);
  crash(&v, &file);
  for (unsigned i = written < 5 ? 0 : written - 5; i < written; i++)
    expect(file, (uint8_t)(100 + i), 1, 16384 * (i % 5));
  end(&v, file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_one_write_and_one_sync),
      cmocka_unit_test(test_bytes),
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_folders),
      cmocka_unit_test(test_what_is_committed),
      cmocka_unit_test(test_chunks_are_bounded),
      cmocka_unit_test(test_torn_body),
      cmocka_unit_test(test_unreadable_unit),
      cmocka_unit_test(test_epochs),
      cmocka_unit_test(test_two_writers),
      cmocka_unit_test(test_full_half),
      cmocka_unit_test(test_torn_record),
      cmocka_unit_test(test_read_only),
      cmocka_unit_test(test_fallback),
      cmocka_unit_test(test_full_volume),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
