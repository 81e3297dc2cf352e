/* The engine against a plain map: records, data, space, commits, reopening. */
#include "tree_fixture.h"

/* ---- The allocator equals the walk ---- */

struct tally {
  uint8_t *bits;
  uint64_t units;
  uint64_t problems, records;
};

static void tally_mark(void *arg, uint64_t unit, uint64_t units) {
  struct tally *t = arg;
  for (uint64_t u = unit; u < unit + units; u++) {
    assert_true(u < t->units);
    assert_int_equal(t->bits[u], 0);
    t->bits[u] = 1;
  }
}

static void tally_node(void *arg, const struct ptr *ptr, uint8_t level) {
  (void)level;
  tally_mark(arg, ptr->unit, FORMAT_NODE_UNITS);
}

static enum nacre_err tally_record(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct tally *t = arg;
  if (key->type == FORMAT_RECORD_LINEAGE)
    return NACRE_OK;
  t->records++;
  if (key->type == FORMAT_RECORD_EXTENT) {
    struct extent x;
    ok(extent_decode(value, len, t->units, &x));
    tally_mark(t, x.unit, extent_units(&x));
  }
  return NACRE_OK;
}

static void tally_problem(void *arg, const char *what) {
  (void)what;
  ((struct tally *)arg)->problems++;
}

static uint64_t check_map(struct engine *e) {
  ok(engine_pause(e));
  struct tally t = {.units = alloc_units_end(&e->alloc)};
  t.bits = calloc(1, t.units);
  engine_fixed_units(e, tally_mark, &t);
  struct engine_visitor v = {.arg = &t, .node = tally_node, .record = tally_record, .problem = tally_problem};
  ok(engine_walk(e, &v));
  assert_int_equal(t.problems, 0);
  /* A pending unit is nobody's either: marking it would fail. */
  engine_pending_units(e, tally_mark, &t);
  for (uint64_t u = 0; u < t.units; u++)
    assert_int_equal(t.bits[u], engine_unit_used(e, u));
  free(t.bits);
  engine_resume(e);
  return t.records;
}

/* ---- Records ---- */

#define MODEL_KEYS 20000u

struct model {
  uint16_t len[MODEL_KEYS]; /* 0: absent */
  uint8_t seed[MODEL_KEYS];
};

static uint64_t rng_state;

static uint64_t rng(void) {
  rng_state ^= rng_state << 13;
  rng_state ^= rng_state >> 7;
  rng_state ^= rng_state << 17;
  return rng_state;
}

static struct key model_key(unsigned i) {
  return key_make(i / 7, (uint8_t)(1 + i % 7), i * 3ull);
}

static void model_value(unsigned i, uint8_t seed, uint8_t *out, size_t len) {
  for (size_t k = 0; k < len; k++)
    out[k] = (uint8_t)(seed + i + k);
  out[0] = FORMAT_RECORD_VERSION;
}

static void model_step(struct engine *e, struct model *m) {
  unsigned i = (unsigned)(rng() % MODEL_KEYS);
  if (i % 7 == 5)
    i++; /* not an extent */
  struct key key = model_key(i);
  struct txn txn;
  ok(txn_begin(e, TXN_NORMAL, 1, &txn));
  if (rng() % 3 == 0) {
    assert_int_equal(tree_delete(&txn, &key), m->len[i] ? NACRE_OK : NACRE_ERR_NOT_FOUND);
    m->len[i] = 0;
  } else {
    uint8_t value[FORMAT_VALUE_MAX_BYTES];
    size_t len = rng() % 20 == 0 ? 1 + rng() % FORMAT_VALUE_MAX_BYTES : 1 + rng() % 150;
    m->seed[i] = (uint8_t)rng();
    m->len[i] = (uint16_t)len;
    model_value(i, m->seed[i], value, len);
    ok(tree_put(&txn, &key, value, len));
  }
  txn_end(&txn);
}

static void model_check(struct engine *e, const struct model *m) {
  for (unsigned i = 0; i < MODEL_KEYS; i++) {
    uint8_t got[FORMAT_VALUE_MAX_BYTES], want[FORMAT_VALUE_MAX_BYTES];
    size_t len;
    struct key key = model_key(i);
    enum nacre_err err = tree_get(e, &key, got, sizeof got, &len);
    assert_int_equal(err, m->len[i] ? NACRE_OK : NACRE_ERR_NOT_FOUND);
    if (err != NACRE_OK)
      continue;
    assert_int_equal(len, m->len[i]);
    model_value(i, m->seed[i], want, len);
    assert_memory_equal(got, want, len);
  }
}

static void records_equal_a_map(void **state) {
  (void)state;
  struct fixture f;
  struct model *m = calloc(1, sizeof *m), *committed = calloc(1, sizeof *m);
  rng_state = 0x9e3779b97f4a7c15ull;
  fx_make(&f, 256 * MIB, 2, 2 * MIB);
  for (unsigned round = 0; round < 30; round++) {
    for (unsigned i = 0; i < 3000; i++)
      model_step(f.e, m);
    switch (round % 4) {
    case 0:
      ok(engine_commit(f.e));
      break;
    case 1:
      ok(engine_commit(f.e));
      *committed = *m;
      fx_reopen(&f, (round % 3 + 1) * 512 * 1024);
      break;
    case 2:
      check_map(f.e);
      break;
    default:
      break;
    }
    model_check(f.e, m);
  }
  uint64_t live = 0;
  for (unsigned i = 0; i < MODEL_KEYS; i++)
    live += m->len[i] != 0;
  assert_int_equal(check_map(f.e), live);
  /* Delete everything: one empty leaf stays. */
  for (unsigned i = 0; i < MODEL_KEYS; i++) {
    struct key key = model_key(i);
    struct txn txn;
    ok(txn_begin(f.e, TXN_FREEING, 1, &txn));
    assert_int_equal(tree_delete(&txn, &key), m->len[i] ? NACRE_OK : NACRE_ERR_NOT_FOUND);
    m->len[i] = 0;
    txn_end(&txn);
  }
  assert_int_equal(check_map(f.e), 0);
  fx_reopen(&f, MIB);
  model_check(f.e, m);
  assert_int_equal(check_map(f.e), 0);
  fx_end(&f);
  free(m);
  free(committed);
}

static void uncommitted_is_dropped(void **state) {
  (void)state;
  struct fixture f;
  struct model *m = calloc(1, sizeof *m), *committed = calloc(1, sizeof *m);
  rng_state = 42;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  for (unsigned round = 0; round < 10; round++) {
    for (unsigned i = 0; i < 500; i++)
      model_step(f.e, m);
    ok(engine_commit(f.e));
    *committed = *m;
    for (unsigned i = 0; i < 500; i++)
      model_step(f.e, m);
    fx_reopen(&f, 8 * MIB);
    *m = *committed;
    model_check(f.e, m);
    check_map(f.e);
  }
  fx_end(&f);
  free(m);
  free(committed);
}

/* ---- Data ---- */

static enum nacre_err write_file(struct engine *e, uint64_t ino, uint32_t chunks, uint8_t fill) {
  uint8_t *data = malloc((size_t)chunks * 16384);
  memset(data, fill, (size_t)chunks * 16384);
  const uint8_t *list[FORMAT_EXTENT_CHUNKS_MAX];
  for (uint32_t done = 0; done < chunks;) {
    uint32_t n = (uint32_t)u64_min(chunks - done, FORMAT_EXTENT_CHUNKS_MAX);
    for (uint32_t i = 0; i < n; i++)
      list[i] = data + (size_t)(done + i) * 16384;
    uint64_t units = n * 4ull + engine_metadata_units(1);
    enum nacre_err err = space_reserve(e, units);
    if (err != NACRE_OK) {
      free(data);
      return err;
    }
    struct txn txn;
    struct extent x;
    uint8_t value[EXTENT_VALUE_MAX_BYTES];
    ok(txn_begin(e, TXN_FLUSH, 1, &txn));
    ok(data_write(&txn, list, n, 16384, 16384, &x));
    struct key key = key_make(ino, FORMAT_RECORD_EXTENT, done);
    ok(tree_put(&txn, &key, value, extent_encode(&x, value)));
    txn_end(&txn);
    space_release(e, units);
    done += x.count;
  }
  free(data);
  return NACRE_OK;
}

struct one_extent {
  struct key key;
  struct extent x;
  bool found;
  uint64_t units_end;
};

static bool take_one(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct one_extent *o = arg;
  o->key = *key;
  o->found = extent_decode(value, len, o->units_end, &o->x) == NACRE_OK;
  return false;
}

static void delete_file(struct engine *e, uint64_t ino) {
  for (;;) {
    struct one_extent o = {.units_end = alloc_units_end(&e->alloc)};
    struct key from = key_make(ino, FORMAT_RECORD_EXTENT, 0), to = key_make(ino, FORMAT_RECORD_EXTENT, UINT64_MAX);
    struct txn txn;
    ok(txn_begin(e, TXN_FREEING, 1, &txn));
    ok(tree_scan(e, &from, &to, take_one, &o));
    if (o.found) {
      ok(tree_delete(&txn, &o.key));
      data_free(&txn, &o.x);
    }
    txn_end(&txn);
    if (!o.found)
      return;
  }
}

static void full_volume_gives_space_back(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  uint64_t first_fit = 0;
  for (unsigned round = 0; round < 4; round++) {
    uint64_t n = 0;
    enum nacre_err err;
    while ((err = write_file(f.e, 100 + n, 50, (uint8_t)n)) == NACRE_OK)
      n++;
    assert_int_equal(err, NACRE_ERR_NO_SPACE);
    assert_true(n > 60); /* 64 MiB less the fixed areas and the reserve, in files of 800 KiB */
    if (round == 0)
      first_fit = n;
    assert_in_range(n, first_fit - 2, first_fit + 2);
    delete_file(f.e, 100 + n); /* the one cut short */
    check_map(f.e);
    if (round == 2)
      fx_reopen(&f, 8 * MIB);
    for (uint64_t i = 0; i < n; i++)
      delete_file(f.e, 100 + i);
    check_map(f.e);
  }
  fx_end(&f);
}

static void data_reads_back(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 2048 * MIB, 2, 8 * MIB);
  for (unsigned i = 0; i < 150; i++)
    ok(write_file(f.e, 100 + i, 130, (uint8_t)i)); /* 300 MiB: the container grows */
  check_map(f.e);
  fx_reopen(&f, 8 * MIB);
  uint8_t *buf = malloc(FORMAT_EXTENT_CHUNKS_MAX * 16384);
  for (unsigned i = 0; i < 150; i++) {
    struct one_extent o = {.units_end = alloc_units_end(&f.e->alloc)};
    struct key from = key_make(100 + i, FORMAT_RECORD_EXTENT, 0), to = key_make(100 + i, FORMAT_RECORD_EXTENT, 200);
    ok(tree_scan(f.e, &from, &to, take_one, &o));
    assert_true(o.found);
    ok(data_read(f.e, &o.x, 1, o.x.count - 1, buf));
    for (size_t k = 0; k < (o.x.count - 1) * 16384u; k += 997)
      assert_int_equal(buf[k], (uint8_t)i);
  }
  free(buf);
  fx_end(&f);
}

static uint64_t store_length(struct fixture *f) {
  uint64_t size;
  ok(store_size(&f->store, &size));
  return size;
}

/* What is closed is as short as it can be, and the commit before the last one can still be fallen back to. */
static void trimming_gives_the_end_back(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 2048 * MIB, 0, 8 * MIB);
  for (unsigned i = 0; i < 100; i++)
    ok(write_file(f.e, 100 + i, 130, (uint8_t)i));
  for (unsigned i = 50; i < 100; i++)
    delete_file(f.e, 100 + i);
  ok(engine_commit(f.e));
  uint64_t before = store_length(&f);
  ok(engine_trim(f.e));
  uint64_t after = store_length(&f);
  assert_true(after < before - 80 * MIB);
  check_map(f.e);
  fx_reopen(&f, 8 * MIB);
  assert_int_equal(check_map(f.e), 50 * 2);
  ok(engine_trim(f.e)); /* nothing is left to do */
  assert_int_equal(store_length(&f), after);
  ok(write_file(f.e, 500, 2000, 7)); /* and it grows again */
  check_map(f.e);
  assert_true(store_length(&f) > after);
  fx_end(&f);
}

static void trimmed_container_can_fall_back(void **state) {
  (void)state;
  struct fixture f;
  uint8_t junk[4096] = {1};
  fx_make(&f, 2048 * MIB, 0, 8 * MIB);
  for (unsigned i = 0; i < 40; i++)
    ok(write_file(f.e, 100 + i, 130, (uint8_t)i));
  for (unsigned i = 10; i < 40; i++)
    delete_file(f.e, 100 + i);
  ok(engine_commit(f.e));
  ok(engine_trim(f.e));
  uint64_t log_unit = f.e->durable.log.last.unit;
  assert_true(log_unit != 0);
  engine_close(f.e);
  ok(store_write(&f.store, junk, sizeof junk, log_unit * FORMAT_UNIT_BYTES));
  fx_open(&f, 8 * MIB);
  assert_true(f.e->fell_back);
  assert_int_equal(check_map(f.e), 10 * 2);
  fx_end(&f);
}

/* The container outgrows the first log sets (1 GiB). In memory, which 32 bits can't address. */
static void log_sets_grow(void **state) {
  (void)state;
  if (SIZE_MAX == UINT32_MAX)
    skip();
  struct fixture f;
  fx_make(&f, 8192 * MIB, 0, 8 * MIB);
  uint64_t before = f.e->durable.log.checkpoint_units;
  ok(space_grow(f.e, 3000 * MIB / FORMAT_UNIT_BYTES));
  ok(engine_commit(f.e));
  assert_true(f.e->durable.log.checkpoint_units > before);
  check_map(f.e);
  for (unsigned i = 0; i < 5; i++) {
    ok(write_file(f.e, 100 + i, 130, (uint8_t)i));
    ok(engine_commit(f.e));
  }
  fx_reopen(&f, 8 * MIB);
  check_map(f.e);
  fx_end(&f);
}

static void newest_superblock_lost_gives_parent(void **state) {
  (void)state;
  struct fixture f;
  struct model *m = calloc(1, sizeof *m), *parent = calloc(1, sizeof *m);
  rng_state = 7;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  for (unsigned i = 0; i < 500; i++)
    model_step(f.e, m);
  ok(engine_commit(f.e));
  *parent = *m;
  for (unsigned i = 0; i < 500; i++)
    model_step(f.e, m);
  ok(engine_commit(f.e));
  uint64_t newest = f.e->durable.generation;
  struct ptr root = f.e->durable.root;
  engine_close(f.e);
  /* Its root is gone: the commit before is taken, and said so. */
  uint8_t junk[4096] = {1};
  ok(store_write(&f.store, junk, sizeof junk, root.unit * FORMAT_UNIT_BYTES));
  fx_open(&f, 8 * MIB);
  assert_true(f.e->fell_back);
  model_check(f.e, parent);
  check_map(f.e);
  assert_true(f.e->tree.generation > newest + 1);
  for (unsigned i = 0; i < 100; i++)
    model_step(f.e, parent);
  ok(engine_commit(f.e));
  fx_reopen(&f, 8 * MIB);
  assert_false(f.e->fell_back);
  model_check(f.e, parent);
  fx_end(&f);
  free(m);
  free(parent);
}

/* A cut commit tears one slot, the next. Destroyed commits show. */
static void missing_superblocks_are_noticed(void **state) {
  (void)state;
  struct fixture f;
  uint8_t junk[FORMAT_SUPERBLOCK_BYTES];
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  struct model *m = calloc(1, sizeof *m);
  rng_state = 11;
  for (unsigned i = 0; i < 5; i++) {
    model_step(f.e, m);
    ok(engine_commit(f.e));
  }
  uint64_t newest = f.e->durable.generation;
  env_random(junk, sizeof junk);
  engine_close(f.e);
  ok(store_write(&f.store, junk, sizeof junk, superblock_offset(newest + 1)));
  ok(try_open(&f, false));
  assert_int_equal(f.e->durable.generation, newest);
  engine_close(f.e);
  for (uint64_t back = 1; back <= 6; back++) {
    uint8_t kept[FORMAT_SUPERBLOCK_BYTES];
    ok(store_read(&f.store, kept, sizeof kept, superblock_offset(newest - back)));
    ok(store_write(&f.store, junk, sizeof junk, superblock_offset(newest - back)));
    assert_int_equal(try_open(&f, false), NACRE_ERR_DAMAGED);
    ok(try_open(&f, true));
    struct engine_info info;
    engine_get_info(f.e, &info);
    assert_true(info.ring_damaged);
    engine_close(f.e);
    ok(store_write(&f.store, kept, sizeof kept, superblock_offset(newest - back)));
  }
  /* The newest two: what is left is a sound commit, but there is a gap behind it. */
  ok(store_write(&f.store, junk, sizeof junk, superblock_offset(newest)));
  ok(store_write(&f.store, junk, sizeof junk, superblock_offset(newest - 1)));
  assert_int_equal(try_open(&f, false), NACRE_ERR_DAMAGED);
  ok(try_open(&f, true));
  assert_int_equal(f.e->durable.generation, newest - 2);
  fx_end(&f);
  free(m);
}

static void second_writer_is_noticed(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 64 * MIB, 0, 8 * MIB);
  struct model *m = calloc(1, sizeof *m);
  rng_state = 3;
  model_step(f.e, m);
  ok(engine_commit(f.e));
  uint8_t junk[4096] = {0};
  ok(store_write(&f.store, junk, sizeof junk, superblock_offset(f.e->durable.generation)));
  model_step(f.e, m);
  assert_int_equal(engine_commit(f.e), NACRE_ERR_IN_USE);
  assert_int_equal(engine_commit(f.e), NACRE_ERR_READ_ONLY);
  model_check(f.e, m);
  fx_end(&f);
  free(m);
}

/* ---- Threads ---- */

struct writer_job {
  struct engine *e;
  unsigned id;
};

static void *writer_main(void *arg) {
  struct writer_job *job = arg;
  for (uint64_t i = 0; i < 3000; i++) {
    uint8_t value[100] = {FORMAT_RECORD_VERSION, (uint8_t)job->id, (uint8_t)i};
    struct key key = key_make(1000 + job->id, 1, i * 7919 % 3000);
    struct txn txn;
    if (txn_begin(job->e, TXN_NORMAL, 1, &txn) != NACRE_OK || tree_put(&txn, &key, value, sizeof value) != NACRE_OK)
      abort();
    txn_end(&txn);
    if (i % 500 == 0 && engine_commit(job->e) != NACRE_OK)
      abort();
    size_t len;
    if (tree_get(job->e, &key, value, sizeof value, &len) != NACRE_OK || value[2] != (uint8_t)i)
      abort();
  }
  return NULL;
}

static void threads_share_the_tree(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, 256 * MIB, 2, MIB);
  pthread_t threads[4];
  struct writer_job jobs[4];
  for (unsigned i = 0; i < 4; i++) {
    jobs[i] = (struct writer_job){.e = f.e, .id = i};
    pthread_create(&threads[i], NULL, writer_main, &jobs[i]);
  }
  for (unsigned i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
  assert_int_equal(check_map(f.e), 4 * 3000);
  fx_reopen(&f, MIB);
  assert_int_equal(check_map(f.e), 4 * 3000);
  fx_end(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(records_equal_a_map),
      cmocka_unit_test(uncommitted_is_dropped),
      cmocka_unit_test(data_reads_back),
      cmocka_unit_test(full_volume_gives_space_back),
      cmocka_unit_test(trimming_gives_the_end_back),
      cmocka_unit_test(trimmed_container_can_fall_back),
      cmocka_unit_test(log_sets_grow),
      cmocka_unit_test(newest_superblock_lost_gives_parent),
      cmocka_unit_test(missing_superblocks_are_noticed),
      cmocka_unit_test(second_writer_is_noticed),
      cmocka_unit_test(threads_share_the_tree),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
