/* Whether a container is still as the report of its erasing says. */
#include "base/bytes.h"
#include "base/err.h"
#include "crypto/digest.h"
#include "ops/erase.h"
#include "ops/headers.h"

#include <stdlib.h>

struct look {
  struct store *store;
  const struct erase_request *request;
  uint8_t *piece;
  uint64_t size, done, total;
};

static enum nacre_err hash_range(struct look *l, const struct nacre_erase_range *range, uint8_t hash[32]) {
  struct digest digest;
  digest_start(&digest);
  for (uint64_t at = 0; at < range->len_bytes; at += ERASE_PIECE_BYTES) {
    size_t len = (size_t)u64_min(ERASE_PIECE_BYTES, range->len_bytes - at);
    ERR_TRY(cancel_check(l->request->cancel));
    ERR_TRY(store_read(l->store, l->piece, len, range->offset_bytes + at));
    digest_add(&digest, l->piece, len);
    l->done += len;
    if (l->request->progress)
      l->request->progress(l->request->progress_arg, "compare", l->done, l->total);
  }
  digest_finish(&digest, hash);
  return NACRE_OK;
}

static enum nacre_err compare(struct look *l, const struct nacre_erase_report *report,
                              struct nacre_erase_check *check) {
  for (uint32_t i = 0; i < report->range_count; i++)
    l->total += report->ranges[i].read_back ? report->ranges[i].len_bytes : 0;
  for (uint32_t i = 0; i < report->range_count; i++) {
    const struct nacre_erase_range *range = &report->ranges[i];
    uint8_t hash[DIGEST_BYTES];
    if (!range->read_back)
      continue;
    bool inside = range->offset_bytes <= l->size && range->len_bytes <= l->size - range->offset_bytes;
    if (inside)
      ERR_TRY(hash_range(l, range, hash));
    if (inside && memcmp(hash, range->hash, sizeof hash) == 0)
      check->ranges_equal++;
    else
      check->ranges_changed++;
  }
  if (check->ranges_equal == 0)
    check->verdict = NACRE_ERASE_OTHER;
  else if (check->ranges_changed > 0 || l->size != report->container_bytes)
    check->verdict = NACRE_ERASE_CHANGED;
  return NACRE_OK;
}

static enum nacre_err look_for_volume(struct look *l, struct nacre_erase_check *check) {
  struct headers *h = malloc(sizeof *h);
  if (!h)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = headers_read(l->store, h);
  l->size = h->size_bytes;
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
  struct look l = {.store = store, .request = request};
  bool keys = false;
  if (report->range_count > NACRE_ERASE_RANGES_MAX)
    return err_set(NACRE_ERR_ARGUMENT, "a report has at most %d ranges", NACRE_ERASE_RANGES_MAX);
  for (uint32_t i = 0; i < report->range_count; i++)
    keys = keys || (report->ranges[i].keys && report->ranges[i].read_back);
  if (!keys)
    return err_set(NACRE_ERR_ARGUMENT, "the report is of no erasing that came to its end");
  l.piece = malloc(ERASE_PIECE_BYTES);
  if (!l.piece)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  store_forget(store);
  enum nacre_err err = look_for_volume(&l, check);
  if (err == NACRE_OK)
    err = compare(&l, report, check);
  free(l.piece);
  return err;
}
