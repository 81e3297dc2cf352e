/* The allocation log, as somebody with the key may write it: a checkpoint's index and body, and the chain of records.
 * What loads is a map whose counts agree, and a checkpoint of it says the same. */
#include "base/env.h"
#include "base/err.h"
#include "fuzz/feed.h"
#include "tree/spacelog.h"

#define STORE_BYTES (20ull << 20)
#define SETS_UNIT 128u /* behind the first group */
#define CHECKPOINT_GENERATION 10u
#define CLUSTER_UNITS 16u
#define GROUP_BYTES (FORMAT_CHECKPOINT_GROUP_UNITS / 8)
#define RECORDS_MAX 5u
#define RUNS_MAX 6u
#define RECORD_UNITS 1u

struct world {
  struct store store;
  struct block_io io;
  struct superblock_log log;
  uint64_t units_end, generation;
  uint8_t body[4 * (1 + 2 * GROUP_BYTES) + FORMAT_UNIT_BYTES];
  size_t body_bytes;
};

static struct world *start(void) {
  static struct world w;
  static const uint8_t raw_key[32] = "the key of the log";
  static struct engine_keys keys = {.current_epoch = 1, .epochs = {{.epoch = 1}}}; /* the world goes on using them */
  if (w.io.store != NULL)
    return &w;
  FUZZ_CHECK(env_start() == NACRE_OK && memory_store_new(STORE_BYTES, STORE_BYTES, &w.store) == NACRE_OK);
  FUZZ_CHECK(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, raw_key, &keys.epochs[0].log) == NACRE_OK);
  block_io_start(&w.io, &w.store, &keys);
  return &w;
}

/* Bytes overwritten somewhere in it. */
static void change(struct feed *f, uint8_t *p, size_t len) {
  for (unsigned changes = feed_u8(f) % 4; changes > 0; changes--) {
    size_t at = feed_u16(f) % len;
    feed_copy(f, p + at, 1 + feed_u8(f) % (len - at < 12 ? len - at : 12));
  }
}

static void seal(struct world *w, enum format_kind kind, struct ptr *p, uint8_t *plain) {
  FUZZ_CHECK(block_seal(&w->io, kind, 0, p, plain, plain) == NACRE_OK);
  FUZZ_CHECK(store_write(&w->store, plain, p->len_bytes, p->unit * FORMAT_UNIT_BYTES) == NACRE_OK);
}

/* ---- A checkpoint ---- */

static void add_bits(struct feed *f, uint8_t *bits) {
  for (unsigned runs = feed_u8(f) % RUNS_MAX; runs > 0; runs--) {
    size_t from = feed_u16(f) % FORMAT_CHECKPOINT_GROUP_UNITS;
    size_t to = from + feed_wide(f) % (FORMAT_CHECKPOINT_GROUP_UNITS - from + 1);
    for (size_t i = from; i < to; i++)
      bits[i / 8] |= (uint8_t)(1u << (i % 8));
  }
}

static void make_body(struct feed *f, struct world *w) {
  memset(w->body, 0, sizeof w->body);
  w->body_bytes = 0;
  for (uint64_t base = 0; base < w->units_end; base += FORMAT_CHECKPOINT_GROUP_UNITS) {
    uint8_t form = feed_u8(f), tag = form & 0x80 ? form : form & 3;
    uint8_t *at = w->body + w->body_bytes + 1;
    at[-1] = tag;
    w->body_bytes += 1;
    if (tag == 2 || tag == 3) {
      add_bits(f, at);
      w->body_bytes += GROUP_BYTES;
    }
    if (tag == 3) {
      add_bits(f, at + GROUP_BYTES);
      w->body_bytes += GROUP_BYTES;
    }
  }
}

static void write_checkpoint(struct feed *f, struct world *w) {
  uint8_t index[FORMAT_UNIT_BYTES] = {0};
  struct superblock_extent *set = &w->log.sets[w->log.current];
  struct ptr *p = &w->log.checkpoint;
  *p = (struct ptr){.unit = set->unit,
                    .len_bytes = FORMAT_UNIT_BYTES,
                    .birth = CHECKPOINT_GENERATION,
                    .alloc = CHECKPOINT_GENERATION};
  struct ptr segment = *p;
  segment.unit++;
  segment.len_bytes = (uint32_t)(u64_ceil_div(w->body_bytes, FORMAT_UNIT_BYTES) * FORMAT_UNIT_BYTES);
  seal(w, FORMAT_KIND_CHECKPOINT_SEGMENT, &segment, w->body);
  le64_put(index, w->units_end);
  le64_put(index + 8, w->body_bytes);
  le32_put(index + 16, 1);
  memcpy(index + 24, segment.nonce, sizeof segment.nonce);
  memcpy(index + 48, segment.tag, sizeof segment.tag);
  change(f, index, 96);
  seal(w, FORMAT_KIND_CHECKPOINT_INDEX, p, index);
}

/* ---- Records ---- */

static void write_record(struct feed *f, struct world *w) {
  uint8_t plain[RECORD_UNITS * FORMAT_UNIT_BYTES] = {0};
  uint32_t allocated = feed_u8(f) % RUNS_MAX, freed = feed_u8(f) % RUNS_MAX;
  w->generation += 1 + feed_u8(f) % 3u;
  le64_put(plain, w->generation);
  if (w->log.last.unit != 0)
    ptr_encode(&w->log.last, plain + 8);
  le32_put(plain + 104, allocated);
  le32_put(plain + 108, freed);
  for (uint32_t i = 0; i < allocated + freed; i++) {
    le64_put(plain + 112 + (size_t)i * 12, feed_wide(f) * 8);
    le32_put(plain + 120 + (size_t)i * 12, 1 + (uint32_t)feed_wide(f));
  }
  change(f, plain, 112 + RUNS_MAX * 24);
  w->log.last = (struct ptr){
      .unit = w->log.next_unit, .len_bytes = sizeof plain, .birth = w->generation, .alloc = w->generation};
  seal(w, FORMAT_KIND_LOG, &w->log.last, plain);
  w->log.next_unit += RECORD_UNITS;
}

static void make_log(struct feed *f, struct world *w) {
  w->units_end = 4224 + 64 * (uint64_t)(feed_u16(f) % 1900);
  w->log = (struct superblock_log){.checkpoint_units = spacelog_checkpoint_units(w->units_end),
                                   .current = feed_u8(f) % FORMAT_LOG_SETS};
  uint64_t units = spacelog_set_units(w->log.checkpoint_units);
  for (unsigned i = 0; i < FORMAT_LOG_SETS; i++)
    w->log.sets[i] = (struct superblock_extent){.unit = SETS_UNIT + i * units, .units = units};
  w->log.next_unit = w->log.sets[w->log.current].unit + w->log.checkpoint_units;
  w->generation = CHECKPOINT_GENERATION;
  make_body(f, w);
  write_checkpoint(f, w);
  for (unsigned records = feed_u8(f) % RECORDS_MAX; records > 0; records--)
    write_record(f, w);
}

/* ---- What was loaded ---- */

static uint64_t count_used(const struct alloc *a) {
  uint64_t used = 0;
  for (uint64_t unit = 0; unit < a->units_end; unit++)
    used += alloc_bit(a, unit);
  return used;
}

/* The next commit's checkpoint of the map says what the map says. */
static void write_again(struct world *w, struct alloc *a) {
  struct spacelog_write out;
  struct alloc again;
  uint64_t generation = w->generation + 1;
  FUZZ_CHECK(spacelog_plan(&w->log, SPACELOG_CHECKPOINT, a, generation, &out) == NACRE_OK);
  FUZZ_CHECK(spacelog_write(&w->io, &out) == NACRE_OK);
  FUZZ_CHECK(alloc_start(&again, w->units_end, CLUSTER_UNITS) == NACRE_OK);
  FUZZ_CHECK(spacelog_load(&w->io, &out.log, w->units_end, generation, &again) == NACRE_OK);
  alloc_durable(a, generation);
  FUZZ_CHECK(a->free_units == again.free_units);
  for (uint64_t unit = 0; unit < w->units_end; unit++)
    FUZZ_CHECK(alloc_bit(a, unit) == alloc_bit(&again, unit));
  alloc_end(&again);
  spacelog_write_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  struct world *w = start();
  struct alloc a;
  make_log(&f, w);
  FUZZ_CHECK(alloc_start(&a, w->units_end, CLUSTER_UNITS) == NACRE_OK);
  if (spacelog_load(&w->io, &w->log, w->units_end, w->generation, &a) == NACRE_OK) {
    FUZZ_CHECK(count_used(&a) == w->units_end - a.free_units);
    FUZZ_CHECK(a.pending_units <= count_used(&a));
    write_again(w, &a);
  }
  alloc_end(&a);
  return 0;
}
