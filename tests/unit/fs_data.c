/* File data against plain arrays: writes of all sizes, truncation, holes, zeroes, seeking, with commits, crashes and
 * reopenings in between. */
#include "fs_volume.h"

#define FILES 3u
#define FILE_MAX_BYTES (3u << 20)

struct model {
  uint8_t *now;
  uint64_t size;
  uint8_t *durable;
  uint64_t durable_size;
  uint64_t from, to; /* outside of this `now` and `durable` are the same */
  uint64_t ino;
  struct fs_file *file;
};

static uint64_t seed_state;
static bool little; /* changes of a few bytes, and many fsyncs: what the intent log is for */

static uint64_t rnd(uint64_t below) {
  seed_state ^= seed_state << 13;
  seed_state ^= seed_state >> 7;
  seed_state ^= seed_state << 17;
  return seed_state % below;
}

/* Small, around unit and chunk borders, and large ones alike. */
static uint64_t rnd_len(void) {
  switch (rnd(little ? 2 : 5)) {
  case 0:
    return 1 + rnd(300);
  case 1:
    return 1 + rnd(5000);
  case 2:
    return 4096 * (1 + rnd(8));
  case 3:
    return 1 + rnd(100000);
  default:
    return 1 + rnd(1u << 20);
  }
}

static uint64_t rnd_offset(const struct model *m) {
  switch (rnd(4)) {
  case 0:
    return m->size;
  case 1:
    return rnd(m->size + 1);
  case 2:
    return 4096 * rnd(FILE_MAX_BYTES / 4096);
  default:
    return rnd(FILE_MAX_BYTES / 8);
  }
}

static void differ(struct model *m, uint64_t from, uint64_t to) {
  bool was_same = m->from == m->to;
  m->from = was_same ? from : u64_min(m->from, from);
  m->to = was_same ? to : u64_max(m->to, to);
}

static void to_durable(struct model *m) {
  memcpy(m->durable + m->from, m->now + m->from, m->to - m->from);
  m->durable_size = m->size;
  m->from = m->to = 0;
}

static void back_to_durable(struct model *m) {
  memcpy(m->now + m->from, m->durable + m->from, m->to - m->from);
  m->size = m->durable_size;
  m->from = m->to = 0;
}

static void do_write(struct model *m) {
  static uint8_t buf[1u << 20];
  uint64_t offset = rnd_offset(m), len = rnd_len();
  if (offset >= FILE_MAX_BYTES)
    return;
  len = u64_min(u64_min(len, FILE_MAX_BYTES - offset), sizeof buf);
  uint8_t fill = (uint8_t)rnd(256);
  for (size_t i = 0; i < len; i++)
    buf[i] = (uint8_t)(fill + i * 7 + i / 4096);
  ok(fs_write(m->file, buf, len, offset));
  memcpy(m->now + offset, buf, len);
  differ(m, offset, offset + len);
  m->size = u64_max(m->size, offset + len);
}

static void model_resize(struct model *m, uint64_t size) {
  if (size < m->size) {
    memset(m->now + size, 0, m->size - size);
    differ(m, size, m->size);
  }
  m->size = size;
}

static void do_truncate(struct model *m) {
  uint64_t size = rnd(3) == 0 ? rnd(FILE_MAX_BYTES)
                  : rnd(2)    ? rnd(m->size + 1)
                              : m->size - rnd(u64_min(m->size, 5000) + 1);
  ok(fs_ftruncate(m->file, size));
  model_resize(m, size);
}

static void do_fallocate(struct model *m) {
  uint64_t offset = rnd_offset(m), len = rnd_len();
  if (offset >= FILE_MAX_BYTES)
    return;
  len = u64_min(len, FILE_MAX_BYTES - offset);
  unsigned modes[4] = {NACRE_FALLOCATE_PUNCH_HOLE | NACRE_FALLOCATE_KEEP_SIZE, NACRE_FALLOCATE_ZERO_RANGE,
                       NACRE_FALLOCATE_ZERO_RANGE | NACRE_FALLOCATE_KEEP_SIZE, 0};
  unsigned mode = modes[rnd(4)];
  ok(fs_fallocate(m->file, mode, offset, len));
  if (mode != 0 && offset < m->size) {
    memset(m->now + offset, 0, u64_min(len, m->size - offset));
    differ(m, offset, offset + u64_min(len, m->size - offset));
  }
  if (!(mode & NACRE_FALLOCATE_KEEP_SIZE))
    m->size = u64_max(m->size, offset + len);
}

static void do_read(struct model *m) {
  static uint8_t buf[FILE_MAX_BYTES];
  uint64_t offset = rnd_offset(m), len = rnd(4) == 0 ? sizeof buf : rnd_len();
  size_t done;
  memset(buf, 0xee, u64_min(len + 1, sizeof buf));
  ok(fs_read(m->file, buf, len, offset, &done));
  uint64_t expect = offset >= m->size ? 0 : u64_min(len, m->size - offset);
  assert_int_equal(done, expect);
  if (done > 0 && memcmp(buf, m->now + offset, done) != 0) {
    size_t at = 0;
    while (buf[at] == m->now[offset + at])
      at++;
    print_message("differs at %llu of [%llu, +%zu), size %llu: %02x, not %02x\n", (unsigned long long)(offset + at),
                  (unsigned long long)offset, done, (unsigned long long)m->size, buf[at], m->now[offset + at]);
    fail();
  }
  if (done < len)
    assert_int_equal(buf[done], 0xee);
}

static void do_seek(struct model *m) {
  uint64_t offset = rnd_offset(m), found;
  enum nacre_err err = fs_seek_data(m->file, offset, &found);
  uint64_t stop = err == NACRE_OK ? found : m->size;
  assert_true(err == NACRE_OK || err == NACRE_ERR_RANGE);
  assert_true(stop <= offset || bytes_all_zero(m->now + offset, stop - offset));
  err = fs_seek_hole(m->file, offset, &found);
  if (offset >= m->size) {
    assert_int_equal(err, NACRE_ERR_RANGE);
    return;
  }
  ok(err);
  assert_true(found >= offset && found <= m->size);
  struct nacre_attr attr;
  ok(fs_fstat(m->file, &attr));
  uint64_t end = u64_min(m->size, (found / attr.chunk_bytes + 1) * attr.chunk_bytes);
  assert_true(end <= found || bytes_all_zero(m->now + found, end - found));
}

static void compare_all(struct model *m) {
  static uint8_t buf[FILE_MAX_BYTES];
  size_t done;
  struct nacre_attr attr;
  ok(fs_fstat(m->file, &attr));
  assert_int_equal(attr.size_bytes, m->size);
  memset(buf, 0xee, sizeof buf);
  ok(fs_read(m->file, buf, FILE_MAX_BYTES, 0, &done));
  assert_int_equal(done, m->size);
  assert_int_equal(memcmp(buf, m->now, m->size), 0);
}

static void reopen(struct volume *v, struct model *models, bool crash) {
  for (unsigned i = 0; i < FILES; i++)
    fs_close(models[i].file);
  if (crash)
    volume_crash(v);
  else
    volume_reopen(v);
  for (unsigned i = 0; i < FILES; i++) {
    struct model *m = &models[i];
    if (crash)
      back_to_durable(m);
    else
      to_durable(m);
    ok(fs_open(v->fs, m->ino, NACRE_O_READ | NACRE_O_WRITE, &m->file));
    compare_all(m);
  }
}

static void commit(struct volume *v, struct model *models) {
  ok(rnd(little ? 10 : 2) == 0 ? fs_sync(v->fs) : fs_fsync(models[rnd(FILES)].file));
  for (unsigned i = 0; i < FILES; i++)
    to_durable(&models[i]);
}

static void step(struct volume *v, struct model *models) {
  struct model *m = &models[rnd(FILES)];
  uint64_t what = rnd(100);
  if (little && what >= 30 && what < 58 && rnd(4) > 0)
    what = 95;
  if (little && what >= 80 && what < 84)
    what = 98;
  if (what < 40)
    do_write(m);
  else if (what < 50)
    do_truncate(m);
  else if (what < 58)
    do_fallocate(m);
  else if (what < 88)
    do_read(m);
  else if (what < 93)
    do_seek(m);
  else if (what < 98)
    commit(v, models);
  else if (what < 99)
    reopen(v, models, true);
  else
    reopen(v, models, false);
}

static void run(uint64_t seed, unsigned steps, unsigned threads, uint64_t memory, uint32_t chunk_bytes) {
  struct volume v;
  struct model models[FILES];
  seed_state = seed;
  volume_make(&v, 128 * MIB, threads, memory, chunk_bytes);
  for (unsigned i = 0; i < FILES; i++) {
    struct nacre_attr attr;
    char name[8];
    (void)snprintf(name, sizeof name, "f%u", i);
    models[i] = (struct model){.now = calloc(1, FILE_MAX_BYTES), .durable = calloc(1, FILE_MAX_BYTES)};
    ok(fs_create(v.fs, 1, name, strlen(name), 0644, NACRE_O_READ | NACRE_O_WRITE, &root_caller, &attr,
                 &models[i].file));
    models[i].ino = attr.ino;
    fs_unpin(v.fs, attr.ino, 1);
  }
  commit(&v, models);
  for (unsigned i = 0; i < steps; i++) {
    step(&v, models);
    if (i % 200 == 199)
      volume_check(&v), commit(&v, models);
  }
  for (unsigned i = 0; i < FILES; i++)
    compare_all(&models[i]);
  volume_check(&v);
  for (unsigned i = 0; i < FILES; i++) {
    fs_close(models[i].file);
    free(models[i].now);
    free(models[i].durable);
  }
  if (little)
    assert_true(v.replays > steps / 100);
  volume_end(&v);
}

static void test_alone(void **state) {
  (void)state;
  run(0x1234567, 1500, 0, 8 * MIB, 16384);
}

static void test_workers(void **state) {
  (void)state;
  run(0x7654321, 1500, 2, 8 * MIB, 16384);
}

static void test_tight_memory(void **state) {
  (void)state;
  run(0xabcdef, 1000, 2, 2 * MIB, 16384);
}

static void test_small_chunks(void **state) {
  (void)state;
  run(0x5555, 1000, 2, 8 * MIB, 4096);
}

static void test_large_chunks(void **state) {
  (void)state;
  run(0x9999, 1000, 1, 8 * MIB, 65536);
}

static void test_intent_log(void **state) {
  (void)state;
  little = true;
  run(0x1111, 2000, 0, 8 * MIB, 16384);
  run(0x2222, 2000, 2, 8 * MIB, 4096);
  run(0x3333, 2000, 1, 8 * MIB, 65536);
  little = false;
}

/* The writer of a file that can't take it has closed it: who opens and syncs it is told, once. */
static void test_a_loss_outlives_its_writer(void **state) {
  (void)state;
  static uint8_t data[2 * 16384] = {1};
  struct volume v;
  struct fs_file *bad, *later;
  const unsigned flags = NACRE_O_READ | NACRE_O_WRITE;
  volume_make(&v, 64 * MIB, 1, 8 * MIB, 16384);
  ok(fs_create(v.fs, 1, "bad", 3, 0600, flags, &root_caller, NULL, &bad));
  const uint64_t ino = fs_file_ino(bad);
  ok(fs_write(bad, data, sizeof data, 0));
  ok(fs_sync(v.fs));
  spoil_map(v.e, ino);
  ok(fs_write(bad, data, 16384, 0));
  fs_close(bad);
  ok(fs_sync(v.fs));
  ok(fs_open(v.fs, ino, NACRE_O_READ, &later));
  assert_int_equal(fs_fsync(later), NACRE_ERR_DAMAGED);
  ok(fs_fsync(later));
  fs_close(later);
  ok(fs_open(v.fs, ino, NACRE_O_READ, &later));
  ok(fs_file_error(later));
  ok(fs_fsync(later));
  fs_close(later);
  volume_end(&v);
}

/* What is written to a file that can't take it is lost, and its writer is told; nobody else loses anything. */
static void test_damaged_map(void **state) {
  (void)state;
  static uint8_t data[2 * 16384] = {1}, back[sizeof data];
  struct volume v;
  struct nacre_attr attr;
  struct fs_file *bad, *other, *good;
  size_t done;
  const unsigned flags = NACRE_O_READ | NACRE_O_WRITE;
  volume_make(&v, 64 * MIB, 1, 8 * MIB, 16384);
  ok(fs_create(v.fs, 1, "bad", 3, 0600, flags, &root_caller, NULL, &bad));
  ok(fs_write(bad, data, sizeof data, 0));
  ok(fs_open(v.fs, fs_file_ino(bad), NACRE_O_READ, &other));
  ok(fs_sync(v.fs));
  spoil_map(v.e, fs_file_ino(bad));
  ok(fs_write(bad, data, 16384, 0));
  ok(fs_create(v.fs, 1, "good", 4, 0600, flags, &root_caller, NULL, &good));
  ok(fs_write(good, data, sizeof data, 0));
  ok(fs_fsync(good));
  assert_int_equal(fs_fsync(bad), NACRE_ERR_DAMAGED);
  ok(fs_fsync(bad));
  assert_int_equal(fs_file_error(other), NACRE_ERR_DAMAGED);
  ok(fs_file_error(other));
  assert_int_equal(fs_dirty_bytes(v.fs), 0);
  fs_close(bad);
  fs_close(other);
  fs_close(good);
  volume_crash(&v);
  ok(fs_lookup(v.fs, 1, "good", 4, &attr));
  ok(fs_open(v.fs, attr.ino, NACRE_O_READ, &good));
  ok(fs_read(good, back, sizeof back, 0, &done));
  assert_int_equal(done, sizeof data);
  assert_memory_equal(back, data, sizeof data);
  fs_close(good);
  volume_end(&v);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_alone),        cmocka_unit_test(test_workers),
      cmocka_unit_test(test_tight_memory), cmocka_unit_test(test_small_chunks),
      cmocka_unit_test(test_large_chunks), cmocka_unit_test(test_intent_log),
      cmocka_unit_test(test_damaged_map),  cmocka_unit_test(test_a_loss_outlives_its_writer)};
  if (argc > 1) {
    for (uint64_t seed = strtoull(argv[1], NULL, 10), end = seed + 20; seed < end; seed++) {
      little = seed % 2 == 1;
      print_message("seed %llu\n", (unsigned long long)seed);
      run(seed * 0x9e3779b97f4a7c15ull | 1, 600, (unsigned)(seed % 3), (2 + seed % 7) * MIB, 4096u << 2 * (seed % 3));
    }
    return 0;
  }
  return cmocka_run_group_tests(tests, NULL, NULL);
}
