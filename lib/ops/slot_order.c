/* Encoded:
 *
 *     0  magic (16)   16  what (4)   20  index (4)   24  force (1)   25  has a name (1)   26  zero (6)
 *    32  header sequence (8)         40  volume id (16)
 *    56  kind (4)    60  lanes (4)   64  passes (4)  68  zero (4)    72  memory in bytes (8)
 *    80  the slot's area (7168)    7248  public key (32)  7280  created (8)  7288  name (64)
 *  7352  zero (10)                 7362  MAC (32): BLAKE2b-256 keyed with the master key's "slot order" subkey */
#include "ops/slot_order.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/secmem.h"
#include "ops/header_change.h"

#include <stdlib.h>

#define ORDER_MAGIC "nacre slot order"
#define ORDER_MAC_BYTES 32u
#define ORDER_MAC_OFFSET (SLOT_ORDER_BYTES - ORDER_MAC_BYTES)

static_assert(sizeof ORDER_MAGIC - 1 == 16, "the magic has 16 bytes");

static void order_mac(const uint8_t *bytes, const uint8_t master_key[32], uint8_t mac[ORDER_MAC_BYTES]) {
  uint8_t key[32];
  kdf_subkey(master_key, "slot order", NULL, 0, key);
  kdf_mac(key, bytes, ORDER_MAC_OFFSET, mac);
  secmem_wipe(key, sizeof key);
}

void slot_order_encode(const struct slot_order *order, const uint8_t master_key[32], uint8_t out[SLOT_ORDER_BYTES]) {
  uint8_t area[FORMAT_SLOT_BYTES] = {0};
  struct writer w = writer_make(out, ORDER_MAC_OFFSET);
  header_slot_encode(&order->slot, area);
  writer_copy(&w, ORDER_MAGIC, 16);
  writer_u32(&w, (uint32_t)order->what);
  writer_u32(&w, order->index);
  writer_u8(&w, order->force);
  writer_u8(&w, order->has_name);
  writer_zeroes(&w, 6);
  writer_u64(&w, order->sequence);
  writer_copy(&w, order->volume_id, sizeof order->volume_id);
  writer_u32(&w, (uint32_t)order->slot.kind);
  writer_u32(&w, order->slot.cost.lanes);
  writer_u32(&w, order->slot.cost.passes);
  writer_zeroes(&w, 4);
  writer_u64(&w, order->slot.cost.memory_bytes);
  writer_copy(&w, area, sizeof area);
  writer_copy(&w, order->meta.public_key, sizeof order->meta.public_key);
  writer_u64(&w, (uint64_t)order->meta.created_s);
  writer_copy(&w, order->meta.name, sizeof order->meta.name);
  writer_zeroes(&w, w.left);
  assert(!w.bad);
  order_mac(out, master_key, out + ORDER_MAC_OFFSET);
}

static enum nacre_err malformed(void) {
  return err_set(NACRE_ERR_ARGUMENT, "an order to change keyslots is malformed");
}

static enum nacre_err read_slot(struct reader *r, struct slot_order *out) {
  out->slot.kind = (enum nacre_slot_kind)reader_u32(r);
  out->slot.cost.lanes = reader_u32(r);
  out->slot.cost.passes = reader_u32(r);
  reader_zeroes(r, 4);
  out->slot.cost.memory_bytes = reader_u64(r);
  const uint8_t *area = reader_view(r, FORMAT_SLOT_BYTES);
  reader_copy(r, out->meta.public_key, sizeof out->meta.public_key);
  out->meta.created_s = (int64_t)reader_u64(r);
  reader_copy(r, out->meta.name, sizeof out->meta.name);
  reader_zeroes(r, r->left);
  if (r->bad || area == NULL)
    return malformed();
  bool empty = out->slot.kind == NACRE_SLOT_EMPTY;
  if (empty != (out->what == SLOT_ORDER_REMOVE || out->what == SLOT_ORDER_RENAME) ||
      out->slot.kind > NACRE_SLOT_FIDO2)
    return malformed();
  if (slot_kind_has_kdf(out->slot.kind))
    ERR_TRY(kdf_check_new(&out->slot.cost));
  size_t len = strnlen(out->meta.name, sizeof out->meta.name);
  if (len == sizeof out->meta.name ||
      !bytes_all_zero((const uint8_t *)out->meta.name + len, sizeof out->meta.name - len))
    return malformed();
  return header_slot_decode(area, &out->slot);
}

enum nacre_err slot_order_decode(const uint8_t *bytes, size_t len, const uint8_t master_key[32],
                                 struct slot_order *out) {
  uint8_t mac[ORDER_MAC_BYTES];
  *out = (struct slot_order){0};
  if (len != SLOT_ORDER_BYTES || memcmp(bytes, ORDER_MAGIC, 16) != 0)
    return malformed();
  order_mac(bytes, master_key, mac);
  if (secmem_compare(mac, bytes + ORDER_MAC_OFFSET, sizeof mac) != 0)
    return err_set(NACRE_ERR_CREDENTIAL, "the order to change keyslots was not made with this volume's keys");
  struct reader r = reader_make(bytes + 16, ORDER_MAC_OFFSET - 16);
  uint32_t what = reader_u32(&r);
  out->what = (enum slot_order_what)what;
  out->index = reader_u32(&r);
  out->force = reader_u8(&r) != 0;
  out->has_name = reader_u8(&r) != 0;
  reader_zeroes(&r, 6);
  out->sequence = reader_u64(&r);
  reader_copy(&r, out->volume_id, sizeof out->volume_id);
  if (what < SLOT_ORDER_ADD || what > SLOT_ORDER_RENAME)
    return malformed();
  return read_slot(&r, out);
}

/* ---- Making ---- */

enum nacre_err slot_order_make(const struct headers *h, const struct unlocked *u, const struct slot_request *request,
                               struct slot_order *order) {
  const struct header *header = &h->copy[u->copy];
  order->sequence = header->sequence;
  memcpy(order->volume_id, header->volume_id, sizeof order->volume_id);
  if (order->what == SLOT_ORDER_RENAME)
    slots_name(&order->meta, request->name);
  if (order->what == SLOT_ORDER_REMOVE || order->what == SLOT_ORDER_RENAME)
    return NACRE_OK;
  struct nacre_kdf_cost cost;
  ERR_TRY(slot_cost(request->cred, request->cost, &cost));
  order->has_name = request->name != NULL;
  return slot_make(u->master_key, request, &cost, &order->slot, &order->meta);
}

/* ---- Carrying out ---- */

static enum nacre_err apply_to(struct header_change *c, const struct slot_order *order, uint32_t *index) {
  if (order->sequence != c->header->sequence ||
      memcmp(order->volume_id, c->header->volume_id, sizeof order->volume_id) != 0)
    return err_set(NACRE_ERR_IN_USE, "the keyslots were changed meanwhile; try again");
  *index = order->index;
  if (order->what == SLOT_ORDER_REMOVE)
    return slots_take_out(c, order->index, order->force);
  if (order->what == SLOT_ORDER_ADD)
    ERR_TRY(slots_find_free(c->header, index));
  else
    ERR_TRY(slots_check(c->header, order->index));
  if (order->what == SLOT_ORDER_RENAME) {
    slots_name(&c->sealed->slots[*index], order->meta.name);
    return NACRE_OK;
  }
  struct header_slot_meta meta = order->meta;
  if (order->what == SLOT_ORDER_CHANGE && !order->has_name)
    memcpy(meta.name, c->sealed->slots[*index].name, sizeof meta.name);
  c->header->slots[*index] = order->slot;
  c->sealed->slots[*index] = meta;
  return NACRE_OK;
}

static enum nacre_err apply_locked(struct volume *v, const uint8_t *bytes, size_t len, struct header_change *c,
                                   struct slot_order *order, uint32_t *index) {
  ERR_TRY(header_change_begin(v, c));
  ERR_TRY(slot_order_decode(bytes, len, v->master_key, order));
  ERR_TRY(apply_to(c, order, index));
  return header_change_commit(v, c);
}

enum nacre_err slot_order_apply(struct volume *v, const uint8_t *bytes, size_t len, uint32_t *index) {
  struct header_change c = {0};
  struct slot_order *order = malloc(sizeof *order);
  if (order == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  pthread_mutex_lock(&v->change_lock);
  enum nacre_err err = apply_locked(v, bytes, len, &c, order, index);
  pthread_mutex_unlock(&v->change_lock);
  header_change_free(&c);
  free(order);
  return err;
}
