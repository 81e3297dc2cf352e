/* Writing the intent log. */
#include "tree/intent.h"

#include "base/err.h"
#include "base/secmem.h"
#include "tree/core.h"

#include <assert.h>

/* A half is as long as a part of what the container may grow to: of a small one a larger part, up to the first bound.
 */
#define HALF_PART_SMALL 128u
#define HALF_SMALL_UNITS 128u /* 512 KiB */
#define HALF_PART 512u
/* 4 MiB, or 512 records of 4 KiB, between which the leaves of a large file are not written for each of them. At an
 * opening it is read, and what it has is in memory; so many chunks, where they are of 16 KiB, are also what a mount
 * of 64 MiB buffers before it stores some, which ends the records. */
#define HALF_UNITS 1024u

static_assert(NACRE_VOLUME_SIZE_MIN_BYTES / FORMAT_UNIT_BYTES / HALF_PART_SMALL >= FORMAT_INTENT_HALF_MIN_UNITS,
              "the smallest container has an area, too");
static_assert(HALF_UNITS <= FORMAT_INTENT_HALF_MAX_UNITS, "a half is of a length that the format has");
static_assert(FORMAT_UNIT_BYTES + INTENT_ITEMS_MAX_BYTES <= BUFFER_BYTES, "a record fits a buffer");

void intent_start(struct intent *in) {
  pthread_mutex_init(&in->lock, NULL);
  atomic_init(&in->wants_commit, true);
}

void intent_end(struct intent *in) {
  intent_forget_found(in);
  pthread_mutex_destroy(&in->lock);
}

enum nacre_err intent_place(struct engine *e) {
  struct superblock_intent *area = &e->durable.intent;
  const uint64_t half = u64_max(u64_min(e->units_limit / HALF_PART_SMALL, HALF_SMALL_UNITS),
                                u64_min(e->units_limit / HALF_PART, HALF_UNITS));
  struct run run;
  const uint64_t units = half * FORMAT_INTENT_HALVES;
  ERR_TRY(alloc_take(&e->alloc, ALLOC_LOW, units, units, 1, &run));
  ERR_TRY(alloc_hold(&e->alloc, run.unit, run.units));
  e->durable.incompat |= FORMAT_INCOMPAT_INTENT_LOG;
  *area = (struct superblock_intent){.unit = run.unit, .half_units = half};
  return NACRE_OK;
}

/* ---- What has changed ---- */

void engine_wants_commit(struct engine *e) {
  atomic_store(&e->intent.wants_commit, true);
}

static bool note_locked(struct intent *in, const struct key *key) {
  unsigned low = 0, high = in->key_count;
  while (low < high) {
    unsigned mid = low + (high - low) / 2;
    int order = key_compare(&in->keys[mid], key);
    if (order == 0)
      return true;
    if (order < 0)
      low = mid + 1;
    else
      high = mid;
  }
  if (in->key_count == INTENT_KEYS_MAX)
    return false;
  memmove(in->keys + low + 1, in->keys + low, (in->key_count - low) * sizeof in->keys[0]);
  in->keys[low] = *key;
  in->key_count++;
  return true;
}

void intent_note(struct engine *e, const struct key *key) {
  struct intent *in = &e->intent;
  if (atomic_load(&in->wants_commit))
    return;
  pthread_mutex_lock(&in->lock);
  bool noted = note_locked(in, key);
  pthread_mutex_unlock(&in->lock);
  if (!noted)
    engine_wants_commit(e);
}

void intent_frozen(struct engine *e) {
  struct intent *in = &e->intent;
  pthread_mutex_lock(&in->lock);
  in->key_count = 0;
  pthread_mutex_unlock(&in->lock);
  atomic_store(&in->wants_commit, e->durable.intent.half_units == 0);
}

void intent_committed(struct engine *e) {
  struct intent *in = &e->intent;
  in->used_units = 0;
  in->number = 0;
  memset(in->last_tag, 0, sizeof in->last_tag);
  in->own = !e->restating && !in->pending;
}

/* ---- A record ---- */

/* So that those that the head has no room for begin where the body does. */
#define ITEMS_OFFSET (FORMAT_UNIT_BYTES - INTENT_INLINE_MAX_BYTES)

struct record {
  uint8_t *buf; /* a unit for the head, and the body's */
  struct writer items;
  bool fits;
};

/* Superblocks say these things, and records don't. */
static bool only_superblocks_tell(struct engine *e) {
  pthread_mutex_lock(&e->state_lock);
  bool other = e->dirty || e->header_changed || e->has_fresh_log || e->failed || e->read_only;
  pthread_mutex_unlock(&e->state_lock);
  return other || alloc_units_end(&e->alloc) != e->durable.units_end ||
         block_current_epoch(&e->io) != e->durable.epoch;
}

static bool must_commit(struct engine *e) {
  const struct intent *in = &e->intent;
  return e->capture == NULL || !in->own || atomic_load(&in->wants_commit) || only_superblocks_tell(e);
}

/* Values as they are now: the tree's dirty nodes are in memory. */
static enum nacre_err write_change(struct engine *e, const struct key *key, struct record *rec) {
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  size_t len = 0;
  enum nacre_err err = tree_get(e, key, value, sizeof value, &len);
  if (err != NACRE_OK && err != NACRE_ERR_NOT_FOUND)
    return err;
  const struct intent_item item = {.kind = err == NACRE_OK ? INTENT_PUT : INTENT_DELETE,
                                   .key = *key,
                                   .bytes = value,
                                   .len = err == NACRE_OK ? (uint32_t)len : 0};
  rec->fits = intent_item_write(&rec->items, &item);
  secmem_wipe(value, sizeof value);
  return NACRE_OK;
}

static enum nacre_err write_changes(struct engine *e, struct record *rec) {
  struct intent *in = &e->intent;
  for (unsigned i = 0; i < in->key_count && rec->fits; i++)
    ERR_TRY(write_change(e, &in->keys[i], rec));
  return NACRE_OK;
}

/* With the gate closed: nobody changes anything. */
static enum nacre_err capture_closed(struct engine *e, struct record *rec) {
  struct txn txn = {.engine = e, .class = TXN_FLUSH, .generation = e->tree.generation, .exclusive = true};
  ERR_TRY(e->capture(e->flush_arg, &txn, NULL, &rec->fits));
  rec->fits = rec->fits && !must_commit(e);
  if (rec->fits)
    ERR_TRY(write_changes(e, rec));
  if (rec->fits)
    ERR_TRY(e->capture(e->flush_arg, &txn, &rec->items, &rec->fits));
  if (rec->fits)
    e->intent.key_count = 0;
  return NACRE_OK;
}

static enum nacre_err capture(struct engine *e, struct record *rec, struct intent_head *head) {
  rec->fits = true;
  gate_close(&e->gate);
  enum nacre_err err = capture_closed(e, rec);
  pthread_mutex_lock(&e->state_lock);
  head->next_ino = e->next_ino;
  head->inodes = e->inodes;
  pthread_mutex_unlock(&e->state_lock);
  /* What was taken half way is for the commit that follows. */
  if (err != NACRE_OK || !rec->fits)
    engine_wants_commit(e);
  gate_open(&e->gate);
  return err;
}

/* Seal in place. The body's units follow the head's. */
static enum nacre_err seal_record(struct engine *e, struct record *rec, struct intent_head *head, uint64_t units) {
  uint8_t plain[INTENT_HEAD_PLAIN_BYTES], *body = rec->buf + FORMAT_UNIT_BYTES;
  const uint32_t body_bytes = head->items_bytes - intent_inline_bytes(head->items_bytes);
  const uint64_t body_units = units - 1;
  struct ptr p = {.birth = head->generation};
  if (body_units > 0) {
    p.len_bytes = (uint32_t)(body_units * FORMAT_UNIT_BYTES);
    memset(body + body_bytes, 0, p.len_bytes - body_bytes);
    ERR_TRY(block_seal(&e->io, FORMAT_KIND_INTENT_BODY, 0, &p, body, body));
    memcpy(head->body_nonce, p.nonce, sizeof head->body_nonce);
    memcpy(head->body_tag, p.tag, sizeof head->body_tag);
  }
  block_sealed(&e->io, &head->sealed_blocks, &head->sealed_bytes);
  intent_head_encode(head, rec->buf + ITEMS_OFFSET, plain);
  p.len_bytes = INTENT_HEAD_PLAIN_BYTES;
  enum nacre_err err =
      block_seal(&e->io, FORMAT_KIND_INTENT_HEAD, 0, &p, plain, rec->buf + AEAD_NONCE_BYTES + AEAD_TAG_BYTES);
  memcpy(rec->buf, p.nonce, sizeof p.nonce);
  memcpy(rec->buf + AEAD_NONCE_BYTES, p.tag, sizeof p.tag);
  secmem_wipe(plain, sizeof plain);
  return err;
}

static enum nacre_err write_record(struct engine *e, struct record *rec, struct intent_head *head) {
  struct intent *in = &e->intent;
  const struct superblock_intent *area = &e->durable.intent;
  const uint64_t units = 1 + intent_body_units(head->items_bytes);
  memcpy(head->id, area->id, sizeof head->id);
  head->generation = area->generation;
  memcpy(head->previous, in->last_tag, sizeof head->previous);
  head->number = in->number;
  ERR_TRY(commit_check_sole_writer(e, e->durable.generation + 1));
  ERR_TRY(seal_record(e, rec, head, units));
  const uint64_t unit = area->unit + area->half * area->half_units + in->used_units;
  ERR_TRY(store_write(e->store, rec->buf, (size_t)(units * FORMAT_UNIT_BYTES), unit * FORMAT_UNIT_BYTES));
  ERR_TRY(store_sync(e->store));
  memcpy(in->last_tag, rec->buf + AEAD_NONCE_BYTES, sizeof in->last_tag);
  in->used_units += units;
  in->number++;
  return NACRE_OK;
}

/* The items' room: what is left of the half, less the head's own fields. */
static size_t room(const struct engine *e) {
  const uint64_t left = e->durable.intent.half_units - e->intent.used_units;
  if (left == 0)
    return 0;
  return (size_t)u64_min(left * FORMAT_UNIT_BYTES - ITEMS_OFFSET, INTENT_ITEMS_MAX_BYTES);
}

enum nacre_err intent_run(struct engine *e, bool *done) {
  *done = false;
  ERR_TRY(engine_check_writable(e));
  const size_t bytes = must_commit(e) ? 0 : room(e);
  if (bytes == 0)
    return NACRE_OK;
  struct record rec = {.buf = buffer_take(e)};
  struct intent_head head = {0};
  if (rec.buf == NULL)
    return NACRE_OK; /* the commit says so, if it has none either */
  rec.items = writer_make(rec.buf + ITEMS_OFFSET, bytes);
  enum nacre_err err = capture(e, &rec, &head);
  head.items_bytes = (uint32_t)rec.items.done;
  *done = err == NACRE_OK && rec.fits;
  if (*done && head.items_bytes > 0) {
    err = write_record(e, &rec, &head);
    if (err != NACRE_OK)
      err = engine_fail(e, err);
  } else {
    err = NACRE_OK; /* nothing was written: what is wrong the commit says */
  }
  secmem_wipe(rec.buf + ITEMS_OFFSET, rec.items.done);
  buffer_give(e, rec.buf);
  return err;
}
