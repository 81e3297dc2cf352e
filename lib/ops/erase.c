/* In this order, so that a cut at any moment leaves something that the next call finishes by itself:
 *
 *   1. The medium is asked to erase all its copies, which few can.
 *   2. Random bytes over both groups (headers, slots, superblocks), but for the public part of one header copy: it
 *      has no key, and says what this was and that it is not done yet. Durable; read back.
 *   3. The blocks are discarded or overwritten.
 *   4. Random bytes over that public part. Both groups are read back whole, and compared with what was written and
 *      with what was there.
 *
 * One pass: more of them show nothing on a magnetic medium of these days (NIST SP 800-88 Rev. 1, 2.4) and reach no
 * further on flash, which writes elsewhere each time. */
#include "ops/erase.h"

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "crypto/digest.h"
#include "ops/headers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define AREAS 2u
#define PUBLIC_PART_BYTES 4096u
#define COMPARED_BYTES 16u
#define DISCARD_PIECE_BYTES (1ull << 30)

/* A place that held keys. */
struct area {
  uint64_t offset;
  size_t len;      /* shorter than a group where the container is */
  uint8_t *former; /* zeroes where it could not be read */
  uint8_t *fresh;  /* what takes its place */
};

struct erase {
  struct store *store;
  const struct erase_request *request;
  struct nacre_erase_report *report;
  struct area areas[AREAS];
  bool naming; /* a public part stays until the end: that of the group at... */
  uint64_t naming_offset;
  uint8_t *piece;
  uint64_t size, done;
  enum nacre_err first; /* the first failure of what goes on all the same */
  char first_message[256];
};

/* Half of the keys destroyed is better than none: the failure is said at the end. */
static void note_failure(struct erase *e, enum nacre_err err) {
  if (err == NACRE_OK || e->first != NACRE_OK)
    return;
  e->first = err;
  (void)snprintf(e->first_message, sizeof e->first_message, "%s", err_message());
}

static enum nacre_err noted_failure(const struct erase *e) {
  return e->first == NACRE_OK ? NACRE_OK : err_set(e->first, "%s", e->first_message);
}

static void advance(struct erase *e, uint64_t bytes) {
  e->done += bytes;
  if (e->request->progress)
    e->request->progress(e->request->progress_arg, "erase", e->done, e->size);
}

/* ---- What it is ---- */

/* By the public part of a copy, whatever became of its slots: an erasing that was cut has destroyed them. */
static void identify_copy(struct erase *e, struct headers *h, unsigned copy) {
  struct header *name = &h->copy[copy];
  bool named = h->state[copy] == NACRE_OK || h->state[copy] == NACRE_ERR_DAMAGED;
  if (!named || e->report->identified)
    return;
  e->naming = true;
  e->naming_offset = headers_offset(copy);
  if (header_decode_public(h->raw[copy], name) != NACRE_OK)
    return;
  e->report->identified = true;
  e->report->format_version = name->version;
  memcpy(e->report->volume_id, name->volume_id, sizeof e->report->volume_id);
  memcpy(e->report->label, name->label, sizeof e->report->label);
}

static enum nacre_err identify(struct erase *e, struct headers *h) {
  for (unsigned copy = 0; copy < HEADERS_COPIES; copy++)
    identify_copy(e, h, copy);
  return e->naming || e->request->force ? NACRE_OK : headers_usable(h);
}

static void read_former(struct erase *e, struct area *a) {
  if (store_read(e->store, a->former, a->len, a->offset) == NACRE_OK)
    return;
  for (size_t at = 0; at < a->len; at += FORMAT_UNIT_BYTES) {
    size_t len = (size_t)u64_min(FORMAT_UNIT_BYTES, a->len - at);
    if (store_read(e->store, a->former + at, len, a->offset + at) != NACRE_OK)
      memset(a->former + at, 0, len);
  }
}

static enum nacre_err find_areas(struct erase *e) {
  for (unsigned i = 0; i < AREAS; i++) {
    struct area *a = &e->areas[i];
    a->offset = headers_offset(i);
    a->len = e->size > a->offset ? (size_t)u64_min(FORMAT_GROUP_BYTES, e->size - a->offset) : 0;
    a->former = calloc(1, FORMAT_GROUP_BYTES);
    a->fresh = malloc(FORMAT_GROUP_BYTES);
    if (!a->former || !a->fresh)
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
    env_random(a->fresh, FORMAT_GROUP_BYTES);
    read_former(e, a);
  }
  e->piece = malloc(ERASE_PIECE_BYTES);
  return e->piece ? NACRE_OK : err_set(NACRE_ERR_NO_MEMORY, "out of memory");
}

/* ---- Keys ---- */

/* How much of the beginning of an area stays for now. */
static size_t kept_bytes(const struct erase *e, const struct area *a) {
  return e->naming && a->offset == e->naming_offset ? (size_t)u64_min(PUBLIC_PART_BYTES, a->len) : 0;
}

/* The public part that names the volume goes with the rest, and comes back until all is done. */
static void purge(struct erase *e) {
  e->report->purged = store_purge(e->store, 0, e->size) == NACRE_OK;
  for (unsigned i = 0; i < AREAS && e->report->purged; i++) {
    const struct area *a = &e->areas[i];
    note_failure(e, store_write(e->store, a->former, kept_bytes(e, a), a->offset));
  }
}

/* Where it fails as a whole, unit by unit: a bad sector must not keep its neighbours. */
static void overwrite(struct erase *e, const struct area *a, size_t from, size_t to) {
  if (from >= to || store_write(e->store, a->fresh + from, to - from, a->offset + from) == NACRE_OK)
    return;
  for (size_t at = from; at < to; at += FORMAT_UNIT_BYTES) {
    size_t len = (size_t)u64_min(FORMAT_UNIT_BYTES, to - at);
    note_failure(e, store_write(e->store, a->fresh + at, len, a->offset + at));
  }
}

static bool any_survives(const uint8_t *former, const uint8_t *now, size_t len) {
  for (size_t at = 0; at + COMPARED_BYTES <= len; at += COMPARED_BYTES)
    if (memcmp(former + at, now + at, COMPARED_BYTES) == 0)
      return true;
  return false;
}

static enum nacre_err read_back_area(struct erase *e, const struct area *a, size_t from) {
  static_assert(ERASE_PIECE_BYTES >= FORMAT_GROUP_BYTES, "an area is read at once");
  if (from >= a->len)
    return NACRE_OK;
  size_t len = a->len - from;
  memset(e->piece, 0, len);
  ERR_TRY(store_read(e->store, e->piece, len, a->offset + from));
  if (any_survives(a->former + from, e->piece, len))
    return err_set(NACRE_ERR_IO, "the storage still has key material at %llu, though it took other bytes there",
                   (unsigned long long)a->offset);
  if (memcmp(a->fresh + from, e->piece, len) != 0)
    return err_set(NACRE_ERR_IO, "what was written at %llu does not read back", (unsigned long long)a->offset);
  return NACRE_OK;
}

static enum nacre_err destroy_keys(struct erase *e) {
  for (unsigned i = 0; i < AREAS; i++)
    overwrite(e, &e->areas[i], kept_bytes(e, &e->areas[i]), e->areas[i].len);
  note_failure(e, store_sync(e->store));
  ERR_TRY(noted_failure(e));
  store_forget(e->store);
  for (unsigned i = 0; i < AREAS; i++) {
    ERR_TRY(read_back_area(e, &e->areas[i], kept_bytes(e, &e->areas[i])));
    advance(e, e->areas[i].len);
  }
  return NACRE_OK;
}

/* What named the volume goes last. */
static enum nacre_err finish_keys(struct erase *e) {
  for (unsigned i = 0; i < AREAS; i++)
    overwrite(e, &e->areas[i], 0, kept_bytes(e, &e->areas[i]));
  note_failure(e, store_sync(e->store));
  ERR_TRY(noted_failure(e));
  store_forget(e->store);
  for (unsigned i = 0; i < AREAS; i++)
    ERR_TRY(read_back_area(e, &e->areas[i], 0));
  return NACRE_OK;
}

static void report_keys(struct erase *e) {
  for (unsigned i = 0; i < AREAS; i++) {
    const struct area *a = &e->areas[i];
    if (a->len == 0)
      continue;
    struct nacre_erase_range *range = &e->report->ranges[e->report->range_count++];
    *range = (struct nacre_erase_range){.offset_bytes = a->offset,
                                        .len_bytes = a->len,
                                        .keys = true,
                                        .how = NACRE_ERASED_OVERWRITTEN,
                                        .read_back = true};
    struct digest digest;
    digest_start(&digest);
    digest_add(&digest, a->fresh, a->len);
    digest_finish(&digest, range->hash);
  }
}

/* ---- Blocks ---- */

static enum nacre_err discard(struct erase *e, struct nacre_erase_range *range) {
  for (uint64_t at = 0; at < range->len_bytes; at += DISCARD_PIECE_BYTES) {
    ERR_TRY(cancel_check(e->request->cancel));
    ERR_TRY(store_discard(e->store, range->offset_bytes + at, u64_min(DISCARD_PIECE_BYTES, range->len_bytes - at)));
  }
  range->how = NACRE_ERASED_DISCARDED;
  advance(e, range->len_bytes);
  return store_sync(e->store);
}

static enum nacre_err write_noise(struct erase *e, const struct nacre_erase_range *range, uint8_t hash[32]) {
  struct digest digest;
  digest_start(&digest);
  for (uint64_t at = 0; at < range->len_bytes; at += ERASE_PIECE_BYTES) {
    size_t len = (size_t)u64_min(ERASE_PIECE_BYTES, range->len_bytes - at);
    ERR_TRY(cancel_check(e->request->cancel));
    env_random(e->piece, len);
    digest_add(&digest, e->piece, len);
    ERR_TRY(store_write(e->store, e->piece, len, range->offset_bytes + at));
    advance(e, len);
  }
  digest_finish(&digest, hash);
  return store_sync(e->store);
}

static enum nacre_err overwrite_range(struct erase *e, struct nacre_erase_range *range) {
  uint8_t written[DIGEST_BYTES];
  struct erase_reading r = {
      .store = e->store, .request = e->request, .what = "read back", .piece = e->piece, .total = range->len_bytes};
  ERR_TRY(write_noise(e, range, written));
  store_forget(e->store);
  ERR_TRY(erase_hash_range(&r, range, range->hash));
  if (memcmp(written, range->hash, sizeof written) != 0)
    return err_set(NACRE_ERR_IO, "what was written from %llu on does not read back",
                   (unsigned long long)range->offset_bytes);
  range->how = NACRE_ERASED_OVERWRITTEN;
  range->read_back = true;
  return NACRE_OK;
}

static enum nacre_err erase_range(struct erase *e, uint64_t from, uint64_t to) {
  if (from >= to)
    return NACRE_OK;
  struct nacre_erase_range *range = &e->report->ranges[e->report->range_count++];
  *range = (struct nacre_erase_range){.offset_bytes = from, .len_bytes = to - from};
  if (e->request->rest == NACRE_ERASE_REST_LEAVE)
    return NACRE_OK;
  if (e->request->rest == NACRE_ERASE_REST_AUTO) {
    uint64_t done = e->done;
    enum nacre_err err = discard(e, range);
    if (err != NACRE_ERR_UNSUPPORTED)
      return err;
    e->done = done;
  }
  return overwrite_range(e, range);
}

static enum nacre_err erase_blocks(struct erase *e) {
  const struct area *a = e->areas;
  ERR_TRY(erase_range(e, a[0].offset + a[0].len, u64_min(e->size, a[1].offset)));
  return erase_range(e, a[1].offset + a[1].len, e->size);
}

/* ---- All ---- */

static enum nacre_err erase_steps(struct erase *e) {
  ERR_TRY(find_areas(e));
  e->report->started_s = env_realtime().s;
  purge(e);
  ERR_TRY(destroy_keys(e));
  report_keys(e);
  enum nacre_err err = erase_blocks(e);
  if (err != NACRE_OK)
    return err_prefix(err, "the keys are destroyed, the rest is not erased yet");
  ERR_TRY(finish_keys(e));
  e->report->finished_s = env_realtime().s;
  return NACRE_OK;
}

enum nacre_err erase_volume(struct store *store, const struct erase_request *request,
                            struct nacre_erase_report *report) {
  struct erase e = {.store = store, .request = request, .report = report};
  struct headers *h = malloc(sizeof *h);
  if (!h)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = headers_read(store, h);
  e.size = report->container_bytes = h->size_bytes;
  if (err == NACRE_OK)
    err = identify(&e, h);
  headers_free(h);
  free(h);
  if (err == NACRE_OK)
    err = erase_steps(&e);
  for (unsigned i = 0; i < AREAS; i++) {
    free(e.areas[i].former);
    free(e.areas[i].fresh);
  }
  free(e.piece);
  return err;
}
