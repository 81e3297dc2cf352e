/* The tree over a container in memory: inserting, finding, scanning, committing, by its size. */
#include "base/env.h"
#include "engine_keys.h"
#include "measure.h"

#include <string.h>

#define VALUE_BYTES 100u
#define ROUNDS 3u

struct setup {
  struct store store;
  struct workers *workers;
  struct engine *e;
};

static void open_engine(struct setup *s) {
  struct engine_keys keys = engine_measured_keys();
  struct engine_options options = {.memory_bytes = 1ull << 30, .header_sequence = 1};
  MEASURE_OK(engine_open(&s->store, &keys, s->workers, &options, &s->e));
}

static void start(struct setup *s) {
  struct engine_geometry g = {.size_limit_bytes = 4ull << 30, .chunk_bytes = 16384, .header_sequence = 1};
  struct engine_keys keys = engine_measured_keys();
  MEASURE_OK(memory_store_new(0, 5ull << 30, &s->store));
  MEASURE_OK(workers_new(env_cores(), &s->workers));
  MEASURE_OK(engine_create(&s->store, &keys, &g));
  engine_keys_free(&keys);
  open_engine(s);
}

static void end(struct setup *s) {
  engine_close(s->e);
  workers_free(s->workers);
  store_close(&s->store);
}

/* i as a key: in order, or scattered over all objects. */
static struct key key_of(uint64_t i, bool scattered) {
  return key_make(scattered ? (i + 1) * 0x9e3779b97f4a7c15ull >> 16 : i + 1, FORMAT_RECORD_INODE, 0);
}

static void insert_all(struct engine *e, uint64_t count, bool scattered) {
  uint8_t value[VALUE_BYTES] = {FORMAT_RECORD_VERSION};
  for (uint64_t i = 0; i < count; i++) {
    struct key key = key_of(i, scattered);
    struct txn txn;
    MEASURE_OK(txn_begin(e, TXN_NORMAL, 1, &txn));
    MEASURE_OK(tree_put(&txn, &key, value, sizeof value));
    txn_end(&txn);
  }
}

static void get_all(struct engine *e, uint64_t count, bool scattered) {
  uint8_t value[VALUE_BYTES];
  size_t len;
  for (uint64_t i = 0; i < count; i++) {
    struct key key = key_of(i * 7919 % count, scattered);
    MEASURE_OK(tree_get(e, &key, value, sizeof value, &len));
  }
}

static bool count_one(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  (void)key;
  (void)value;
  (void)len;
  ++*(uint64_t *)arg;
  return true;
}

static void scan_all(struct engine *e, uint64_t count) {
  static const struct key lowest = {0};
  static const struct key highest = {.tree = UINT32_MAX, .object = UINT64_MAX, .type = 255, .offset = UINT64_MAX};
  uint64_t seen = 0;
  MEASURE_OK(tree_scan(e, &lowest, &highest, count_one, &seen));
  MEASURE_OK(seen < count); /* records of the engine's own come besides */
}

enum step { INSERT, COMMIT, GET, SCAN, GET_COLD, STEPS };

static void round_of(uint64_t count, bool scattered, double seconds[STEPS]) {
  struct setup s = {0};
  start(&s);
  double t[STEPS + 2];
  t[0] = measure_now_s();
  insert_all(s.e, count, scattered);
  t[1] = measure_now_s();
  MEASURE_OK(engine_commit(s.e));
  t[2] = measure_now_s();
  get_all(s.e, count, scattered);
  t[3] = measure_now_s();
  scan_all(s.e, count);
  t[4] = measure_now_s();
  for (unsigned i = 0; i < GET_COLD; i++)
    seconds[i] = t[i + 1] - t[i];
  engine_close(s.e);
  open_engine(&s);
  t[0] = measure_now_s();
  get_all(s.e, count, scattered);
  seconds[GET_COLD] = measure_now_s() - t[0];
  end(&s);
}

static void measure_size(uint64_t count, bool scattered) {
  static const char *const names[STEPS] = {"insert", "commit of all", "find", "scan", "find, cold at first"};
  double seconds[ROUNDS][STEPS];
  for (unsigned r = 0; r < ROUNDS; r++)
    round_of(count, scattered, seconds[r]);
  for (unsigned s = 0; s < STEPS; s++) {
    double values[ROUNDS];
    char what[96];
    for (unsigned r = 0; r < ROUNDS; r++)
      values[r] = (double)count / seconds[r][s] / 1000;
    snprintf(what, sizeof what, "%llu records, %s: %s", (unsigned long long)count,
             scattered ? "scattered" : "in order", names[s]);
    measure_add(what, "thousand/s", values, ROUNDS);
  }
}

int main(int argc, char **argv) {
  uint64_t most = measure_option(argc, argv, "records", 1000000);
  MEASURE_OK(env_start());
  measure_begin("tree");
  for (uint64_t count = 10000; count <= most; count *= 10) {
    measure_size(count, false);
    measure_size(count, true);
  }
  measure_end();
  return 0;
}
