/* The intent log, as somebody with the keys may write it: heads and items of any kind behind a sound commit. The
 * volume opens or is refused; what opens can be read, written to and committed, within bounds. */
#include "base/env.h"
#include "base/err.h"
#include "format/intent.h"
#include "fs/fs.h"
#include "fuzz/feed.h"
#include "tree/core.h"

#define LIMIT_BYTES (24ull << 20)
#define MEMORY_BYTES (4ull << 20)
#define RECORDS_MAX 3u
#define ITEMS_MAX 6u

static uint8_t *base; /* the container with one commit of a small tree */
static uint64_t base_bytes;
static struct superblock base_sb;
static struct workers *workers;
static const struct nacre_caller caller = {0, 0, 0};

static struct engine_keys make_keys(void) {
  static const uint8_t raw_key[32] = "any key";
  struct engine_keys keys = {.current_epoch = 1, .epochs = {{.epoch = 1}}};
  struct aead_key **all[] = {&keys.epochs[0].node, &keys.epochs[0].data, &keys.epochs[0].superblock,
                             &keys.epochs[0].log};
  for (unsigned i = 0; i < 4; i++)
    FUZZ_CHECK(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, raw_key, all[i]) == NACRE_OK);
  return keys;
}

static enum nacre_err open_engine(struct store *store, bool read_only, struct engine **e) {
  struct engine_keys keys = make_keys();
  struct engine_options options = {.memory_bytes = MEMORY_BYTES, .header_sequence = 1, .read_only = read_only};
  return engine_open(store, &keys, workers, &options, e);
}

static void make_file(struct fs *fs, const char *name, size_t len) {
  static uint8_t bytes[100000] = {7};
  struct fs_file *file;
  FUZZ_CHECK(fs_create(fs, 1, name, strlen(name), 0600, NACRE_O_WRITE, &caller, NULL, &file) == NACRE_OK);
  FUZZ_CHECK(len == 0 || fs_write(file, bytes, len, 0) == NACRE_OK);
  fs_close(file);
}

static void start(void) {
  struct store store;
  struct engine *e;
  struct fs *fs;
  struct engine_keys keys = make_keys();
  struct engine_geometry g = {.size_limit_bytes = LIMIT_BYTES, .chunk_bytes = 16384, .header_sequence = 1};
  FUZZ_CHECK(env_start() == NACRE_OK && workers_new(0, &workers) == NACRE_OK);
  FUZZ_CHECK(memory_store_new(0, LIMIT_BYTES, &store) == NACRE_OK && engine_create(&store, &keys, &g) == NACRE_OK);
  FUZZ_CHECK(open_engine(&store, false, &e) == NACRE_OK && fs_new(e, workers, MEMORY_BYTES, &fs) == NACRE_OK);
  FUZZ_CHECK(fs_make_root(fs, 0, 0, 0755) == NACRE_OK);
  make_file(fs, "large", 100000);
  make_file(fs, "small", 500);
  make_file(fs, "empty", 0);
  FUZZ_CHECK(fs_sync(fs) == NACRE_OK && store_size(&store, &base_bytes) == NACRE_OK);
  base_sb = e->durable;
  base = malloc(base_bytes);
  FUZZ_CHECK(base != NULL && store_read(&store, base, base_bytes, 0) == NACRE_OK);
  fs_free(fs);
  engine_close(e);
  store_close(&store);
}

/* ---- What is forged ---- */

static void write_item(struct feed *f, struct writer *w) {
  uint8_t bytes[FORMAT_VALUE_MAX_BYTES];
  struct intent_item item = {.kind = (enum intent_kind)(feed_u8(f) % 6), .bytes = bytes};
  item.key = key_make(feed_u8(f) % 8, feed_u8(f) % 13, feed_wide(f));
  item.ino = feed_u8(f) % 8;
  item.index = feed_wide(f);
  item.from = (uint32_t)feed_wide(f);
  item.len = (uint32_t)(feed_wide(f) % sizeof bytes);
  feed_copy(f, bytes, item.len);
  (void)intent_item_write(w, &item);
}

static uint64_t write_record(struct feed *f, struct block_io *io, uint64_t unit, uint64_t number,
                             uint8_t tag[AEAD_TAG_BYTES]) {
  static uint8_t items[INTENT_ITEMS_MAX_BYTES], body[INTENT_ITEMS_MAX_BYTES];
  uint8_t raw[FORMAT_UNIT_BYTES], plain[INTENT_HEAD_PLAIN_BYTES];
  struct intent_head head = {
      .number = number, .next_ino = base_sb.next_ino + feed_u8(f) % 4, .inodes = feed_u8(f) % 5};
  struct writer w = writer_make(items, sizeof items);
  struct ptr p = {.birth = base_sb.intent.generation};
  for (unsigned n = 1 + feed_u8(f) % ITEMS_MAX; n > 0; n--)
    write_item(f, &w);
  memcpy(head.id, base_sb.intent.id, sizeof head.id);
  head.generation = base_sb.intent.generation;
  memcpy(head.previous, tag, sizeof head.previous);
  head.items_bytes = (uint32_t)w.done;
  const uint64_t units = intent_body_units(head.items_bytes);
  if (units > 0) {
    p.len_bytes = (uint32_t)(units * FORMAT_UNIT_BYTES);
    memset(body, 0, p.len_bytes);
    memcpy(body, items + INTENT_INLINE_MAX_BYTES, w.done - INTENT_INLINE_MAX_BYTES);
    FUZZ_CHECK(block_seal(io, FORMAT_KIND_INTENT_BODY, 0, &p, body, body) == NACRE_OK);
    FUZZ_CHECK(store_write(io->store, body, p.len_bytes, (unit + 1) * FORMAT_UNIT_BYTES) == NACRE_OK);
    memcpy(head.body_nonce, p.nonce, sizeof head.body_nonce);
    memcpy(head.body_tag, p.tag, sizeof head.body_tag);
  }
  intent_head_encode(&head, items, plain);
  for (unsigned n = feed_u8(f) % 4; n > 2; n--)
    plain[feed_u16(f) % sizeof plain] = feed_u8(f);
  p.len_bytes = INTENT_HEAD_PLAIN_BYTES;
  FUZZ_CHECK(block_seal(io, FORMAT_KIND_INTENT_HEAD, 0, &p, plain, raw + AEAD_NONCE_BYTES + AEAD_TAG_BYTES) ==
             NACRE_OK);
  memcpy(raw, p.nonce, sizeof p.nonce);
  memcpy(raw + AEAD_NONCE_BYTES, p.tag, sizeof p.tag);
  memcpy(tag, p.tag, AEAD_TAG_BYTES);
  FUZZ_CHECK(store_write(io->store, raw, sizeof raw, unit * FORMAT_UNIT_BYTES) == NACRE_OK);
  return 1 + units;
}

static void forge(struct feed *f, struct store *store) {
  uint8_t tag[AEAD_TAG_BYTES] = {0};
  struct block_io io;
  struct engine_keys keys = make_keys();
  const struct superblock_intent *area = &base_sb.intent;
  uint64_t unit = area->unit + area->half * area->half_units;
  block_io_start(&io, store, &keys);
  for (uint64_t number = 0, n = 1 + feed_u8(f) % RECORDS_MAX; number < n; number++)
    unit += write_record(f, &io, unit, number, tag);
  block_io_end(&io);
  engine_keys_free(&keys);
}

/* ---- What is tried on it ---- */

/* Errors are as good as success. */
static void any(enum nacre_err err) {
  (void)err;
}

static void use_file(struct fs *fs, const char *name, bool write) {
  static uint8_t bytes[40000];
  struct nacre_attr attr;
  struct fs_file *file;
  size_t done;
  if (fs_lookup(fs, 1, name, strlen(name), &attr) != NACRE_OK)
    return;
  if (fs_open(fs, attr.ino, NACRE_O_READ | NACRE_O_WRITE, &file) == NACRE_OK) {
    any(fs_read(file, bytes, sizeof bytes, 0, &done));
    if (write) {
      any(fs_write(file, bytes, 3000, 700));
      any(fs_ftruncate(file, attr.size_bytes / 2));
      any(fs_fsync(file));
    }
    fs_close(file);
  }
  if (write)
    any(fs_unlink(fs, 1, name, strlen(name)));
  fs_unpin(fs, attr.ino, 1);
}

static void use(struct store *store, bool read_only) {
  struct engine *e;
  struct fs *fs;
  if (open_engine(store, read_only, &e) != NACRE_OK)
    return;
  FUZZ_CHECK(fs_new(e, workers, MEMORY_BYTES, &fs) == NACRE_OK);
  if (fs_replay(fs) == NACRE_OK) {
    if (!read_only)
      any(fs_recover(fs));
    use_file(fs, "large", !read_only);
    use_file(fs, "small", !read_only);
    use_file(fs, "empty", !read_only);
    if (!read_only)
      any(fs_sync(fs));
  }
  fs_free(fs);
  engine_close(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  struct store store;
  if (base == NULL)
    start();
  FUZZ_CHECK(memory_store_new(base_bytes, LIMIT_BYTES, &store) == NACRE_OK);
  FUZZ_CHECK(store_write(&store, base, base_bytes, 0) == NACRE_OK);
  forge(&f, &store);
  use(&store, true);
  use(&store, false);
  store_close(&store);
  return 0;
}
