/* Whether a container is still as the report of its erasing says. */
#include "base/bytes.h"
#include "base/err.h"
#include "crypto/digest.h"
#include "ops/erase.h"
#include "ops/headers.h"

#include <stdlib.h>

enum nacre_err erase_hash_range(struct erase_reading *r, const struct nacre_erase_range *range, uint8_t hash[32]) {
  struct digest digest;
  digest_start(&digest);
  for (uint64_t at = 0; at < range->len_bytes; at += ERASE_PIECE_BYTES) {
    size_t len = (size_t)u64_min(ERASE_PIECE_BYTES, range->len_bytes - at);
    ERR_TRY(cancel_check(r->request->cancel));
    ERR_TRY(store_read(r->store, r->piece, len, range->offset_bytes + at));
    digest_add(&digest, r->piece, len);
    r->done += len;
    if (r->request->progress)
      r->request->progress(r->request->progress_arg, r->what, r->done, r->total);
  }
  digest_finish(&digest, hash);
  return NACRE_OK;
}

static enum nacre_err compare(struct erase_reading *r, uint64_t size, const struct nacre_erase_report *report,
                              struct nacre_erase_check *check) {
  for (uint32_t i = 0; i < report->range_count; i++)
    r->total += report->ranges[i].read_back ? report->ranges[i].len_bytes : 0;
  for (uint32_t i = 0; i < report->range_count; i++) {
    const struct nacre_erase_range *range = &report->ranges[i];
    uint8_t hash[DIGEST_BYTES];
    if (!range->read_back)
      continue;
    bool inside = range->offset_bytes <= size && range->len_bytes <= size - range->offset_bytes;
    if (inside)
      ERR_TRY(erase_hash_range(r, range, hash));
    if (inside && memcmp(hash, range->hash, sizeof hash) == 0)
      check->ranges_equal++;
    else
      check->ranges_changed++;
  }
  if (check->ranges_equal == 0)
    check->verdict = NACRE_ERASE_OTHER;
  else if (check->ranges_changed > 0 || size != report->container_bytes)
    check->verdict = NACRE_ERASE_CHANGED;
  return NACRE_OK;
}

static enum nacre_err look_for_volume(struct store *store, struct nacre_erase_check *check, uint64_t *size) {
  struct headers *h = malloc(sizeof *h);
  if (!h)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = headers_read(store, h);
  *size = h->size_bytes;
  for (unsigned copy = 0; copy < HEADERS_COPIES && err == NACRE_OK; copy++) {
    if (h->state[copy] != NACRE_OK)
      continue;
    check->volume_there = true;
    memcpy(check->volume_id, h->copy[copy].volume_id, sizeof check->volume_id);
  }
  headers_free(h);
  free(h);
  return err;
}

enum nacre_err erase_verify(struct store *store, const struct nacre_erase_report *report,
                            const struct erase_request *request, struct nacre_erase_check *check) {
  struct erase_reading r = {.store = store, .request = request, .what = "compare"};
  uint64_t size = 0;
  bool keys = false;
  if (report->range_count > NACRE_ERASE_RANGES_MAX)
    return err_set(NACRE_ERR_ARGUMENT, "a report has at most %d ranges", NACRE_ERASE_RANGES_MAX);
  for (uint32_t i = 0; i < report->range_count; i++)
    keys = keys || (report->ranges[i].keys && report->ranges[i].read_back);
  if (!keys)
    return err_set(NACRE_ERR_ARGUMENT, "the report is of no erasing that came to its end");
  r.piece = malloc(ERASE_PIECE_BYTES);
  if (!r.piece)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  store_forget(store);
  enum nacre_err err = look_for_volume(store, check, &size);
  if (err == NACRE_OK)
    err = compare(&r, size, report, check);
  free(r.piece);
  return err;
}
