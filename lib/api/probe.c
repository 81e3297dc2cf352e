/* What can be known of a container without a credential. */
#include "api/structs.h"
#include "api/target.h"
#include "base/bytes.h"
#include "base/err.h"
#include "ops/headers.h"

#include <stdlib.h>

static void give_header(const struct header *h, struct nacre_public_info *info) {
  memcpy(info->volume_id, h->volume_id, sizeof info->volume_id);
  info->format_version = h->version;
  info->cipher = h->cipher;
}

/* The newer of the copies that decode, or NULL. */
static const struct header *newest(const struct headers *h) {
  const struct header *best = NULL;
  for (unsigned i = 0; i < HEADERS_COPIES; i++)
    if (h->state[i] == NACRE_OK && (!best || h->copy[i].sequence > best->sequence))
      best = &h->copy[i];
  return best;
}

/* Of a header of another version little is known. */
static enum nacre_err describe(const struct headers *h, struct nacre_public_info *info) {
  const struct header *best = newest(h);
  info->container_bytes = h->size_bytes;
  for (unsigned i = HEADERS_COPIES; i-- > 0;) {
    if (h->state[i] == NACRE_ERR_UNSUPPORTED && !best)
      give_header(&h->copy[i], info);
    info->header_copies_valid += h->state[i] == NACRE_OK;
  }
  info->header_copies_equal =
      info->header_copies_valid == HEADERS_COPIES && memcmp(h->raw[0], h->raw[1], FORMAT_HEADER_BYTES) == 0;
  if (!best)
    return headers_usable(h);
  give_header(best, info);
  memcpy(info->label, best->label, sizeof info->label);
  for (unsigned i = 0; i < FORMAT_SLOTS; i++) {
    info->slots[i].kind = best->slots[i].kind;
    if (slot_kind_has_kdf(best->slots[i].kind))
      info->slots[i].kdf = best->slots[i].cost;
  }
  return NACRE_OK;
}

static void discard_headers(struct headers *h) {
  headers_free(h);
  free(h);
}

static enum nacre_err read_headers(const struct nacre_target *target, struct headers **out) {
  struct store store;
  ERR_TRY(target_open(target, FILE_STORE_READ_ONLY | FILE_STORE_NO_LOCK, &store));
  struct headers *h = malloc(sizeof *h);
  enum nacre_err err = h ? headers_read(&store, h) : err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  store_close(&store);
  if (err != NACRE_OK && h)
    discard_headers(h);
  else
    *out = h;
  return err;
}

enum nacre_err nacre_probe(const struct nacre_target *target, struct nacre_public_info *info) {
  struct nacre_public_info ours = {.struct_size = sizeof ours};
  err_clear();
  enum nacre_err err = struct_check(info);
  if (err != NACRE_OK) {
    target_discard(target);
    return err;
  }
  struct headers *h = NULL;
  ERR_TRY(read_headers(target, &h));
  err = target_in_use(target, &ours.in_use);
  if (err == NACRE_OK)
    err = describe(h, &ours);
  if (err == NACRE_OK || err == NACRE_ERR_UNSUPPORTED || err == NACRE_ERR_DAMAGED || err == NACRE_ERR_NOT_VOLUME)
    struct_give(info, &ours, sizeof ours);
  discard_headers(h);
  return err;
}

static enum nacre_err copy_body(const struct header *h, uint32_t slot, void *buf, size_t cap_bytes,
                                size_t *len_bytes) {
  const struct keyslot *from = &h->slots[slot];
  if (from->kind == NACRE_SLOT_EMPTY)
    return err_set(NACRE_ERR_NOT_FOUND, "slot %u is empty", slot);
  if (from->body_len == 0)
    return err_set(NACRE_ERR_NOT_FOUND, "slot %u is of a kind that keeps nothing but the key", slot);
  *len_bytes = from->body_len;
  if (from->body_len > cap_bytes)
    return err_set(NACRE_ERR_RANGE, "slot %u has %u bytes", slot, from->body_len);
  memcpy(buf, from->body, from->body_len);
  return NACRE_OK;
}

enum nacre_err nacre_slot_body(const struct nacre_target *target, uint32_t slot, void *buf, size_t cap_bytes,
                               size_t *len_bytes) {
  err_clear();
  if (!len_bytes || (!buf && cap_bytes > 0) || slot >= FORMAT_SLOTS) {
    target_discard(target);
    return err_set(NACRE_ERR_ARGUMENT, "room for a slot's body is missing, or there is no such slot");
  }
  struct headers *h = NULL;
  ERR_TRY(read_headers(target, &h));
  const struct header *best = newest(h);
  enum nacre_err err = best ? copy_body(best, slot, buf, cap_bytes, len_bytes) : headers_usable(h);
  discard_headers(h);
  return err;
}
