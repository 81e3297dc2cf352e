/* Keyslots of open volumes, and the test of a credential against a closed one. */
#include "ops/slot_order.h"

#include "api/handle.h"
#include "api/structs.h"
#include "api/target.h"
#include "base/bytes.h"
#include "base/err.h"

#include <stdlib.h>

struct listing {
  uint8_t *to;
  size_t stride, room, count;
};

static void list_slot(void *arg, const struct nacre_slot_info *info) {
  struct listing *l = arg;
  if (l->count < l->room) {
    uint8_t *to = l->to + l->count * l->stride;
    memcpy(to, &l->stride, sizeof l->stride);
    struct_give(to, info, sizeof *info);
  }
  l->count++;
}

/* The caller's array has the caller's idea of the struct. */
static enum nacre_err listing_start(struct listing *l, struct nacre_slot_info *infos, const size_t *count) {
  if (!count || (!infos && *count > 0))
    return err_set(NACRE_ERR_ARGUMENT, "room for the slots is missing");
  *l = (struct listing){.to = (uint8_t *)infos, .room = *count};
  if (*count > 0) {
    ERR_TRY(struct_check(infos));
    l->stride = infos[0].struct_size;
  }
  return NACRE_OK;
}

enum nacre_err nacre_slot_list(nacre_volume *vol, struct nacre_slot_info *infos, size_t *count) {
  struct listing l;
  ERR_TRY(handle_volume(vol));
  ERR_TRY(listing_start(&l, infos, count));
  pthread_mutex_lock(&vol->v->header_lock);
  slots_each(vol->v->header, vol->v->sealed, list_slot, &l);
  pthread_mutex_unlock(&vol->v->header_lock);
  *count = l.count;
  return NACRE_OK;
}

static enum nacre_err check_slot_name(const char *name) {
  if (name && strlen(name) >= FORMAT_SLOT_NAME_BYTES)
    return err_set(NACRE_ERR_NAME_TOO_LONG, "a slot's name has at most %u bytes", FORMAT_SLOT_NAME_BYTES - 1);
  return NACRE_OK;
}

enum nacre_err nacre_slot_add(nacre_volume *vol, const nacre_credential *cred, const struct nacre_kdf_cost *kdf,
                              const char *name, uint32_t *index) {
  ERR_TRY(handle_volume(vol));
  if (!cred)
    return err_set(NACRE_ERR_ARGUMENT, "a credential is missing");
  ERR_TRY(check_slot_name(name));
  const struct slot_request request = {.cred = cred, .cost = kdf, .name = name};
  uint32_t slot = 0;
  ERR_TRY(slots_add(vol->v, &request, &slot));
  if (index)
    *index = slot;
  return NACRE_OK;
}

enum nacre_err nacre_slot_remove(nacre_volume *vol, uint32_t index, bool force) {
  ERR_TRY(handle_volume(vol));
  return slots_remove(vol->v, index, force);
}

enum nacre_err nacre_slot_change(nacre_volume *vol, uint32_t index, const nacre_credential *cred,
                                 const struct nacre_kdf_cost *kdf) {
  ERR_TRY(handle_volume(vol));
  if (!cred)
    return err_set(NACRE_ERR_ARGUMENT, "a credential is missing");
  const struct slot_request request = {.cred = cred, .cost = kdf};
  return slots_change(vol->v, index, &request);
}

/* ---- Without opening the volume ---- */

/* What a credential opens of the headers, which another process may be changing: then it is the one or the other. */
struct looked {
  struct headers *h;
  struct unlocked u;
};

static void looked_free(struct looked *l) {
  unlocked_free(&l->u);
  if (l->h)
    headers_free(l->h);
  free(l->h);
}

static enum nacre_err look(const struct nacre_target *target, const nacre_credential *cred, uint64_t memory_max_bytes,
                           struct looked *l) {
  const struct unlock_options options = {.kdf_memory_max_bytes =
                                             memory_max_bytes ? memory_max_bytes : NACRE_KDF_MEMORY_MAX_BYTES};
  struct store store;
  *l = (struct looked){0};
  ERR_TRY(target_open(target, FILE_STORE_READ_ONLY | FILE_STORE_NO_LOCK, &store));
  l->h = malloc(sizeof *l->h);
  enum nacre_err err = l->h ? headers_read(&store, l->h) : err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  if (err == NACRE_OK)
    err = unlock(l->h, cred, &options, &l->u);
  store_close(&store);
  return err;
}

enum nacre_err nacre_slot_test(const struct nacre_target *target, const nacre_credential *cred,
                               uint64_t kdf_memory_max_bytes, uint32_t *index) {
  struct looked l;
  err_clear();
  if (!cred || !index) {
    target_discard(target);
    return err_set(NACRE_ERR_ARGUMENT, "a credential, or room for the slot, is missing");
  }
  enum nacre_err err = look(target, cred, kdf_memory_max_bytes, &l);
  if (err == NACRE_OK)
    *index = l.u.slot;
  looked_free(&l);
  return err;
}

enum nacre_err nacre_slot_look(const struct nacre_target *target, const nacre_credential *cred,
                               uint64_t kdf_memory_max_bytes, struct nacre_slot_info *infos, size_t *count,
                               uint32_t *opened, uint8_t fingerprint[32]) {
  struct listing list;
  struct looked l;
  err_clear();
  enum nacre_err err = cred ? NACRE_OK : err_set(NACRE_ERR_ARGUMENT, "a credential is missing");
  if (err == NACRE_OK)
    err = listing_start(&list, infos, count);
  if (err != NACRE_OK) {
    target_discard(target);
    return err;
  }
  err = look(target, cred, kdf_memory_max_bytes, &l);
  if (err == NACRE_OK) {
    slots_each(&l.h->copy[l.u.copy], l.u.sealed, list_slot, &list);
    *count = list.count;
    if (opened)
      *opened = l.u.slot;
    if (fingerprint)
      header_fingerprint(l.u.sealed, fingerprint);
  }
  looked_free(&l);
  return err;
}

/* ---- Orders ---- */

static enum nacre_err check_order(const nacre_credential *opener, const struct nacre_slot_order *o, const void *buf,
                                  const size_t *len_bytes) {
  if (!opener || !buf || !len_bytes || o->what < NACRE_SLOT_ADD || o->what > NACRE_SLOT_REMOVE)
    return err_set(NACRE_ERR_ARGUMENT, "an order, or room for it, is missing");
  if (!o->cred && o->what != NACRE_SLOT_REMOVE)
    return err_set(NACRE_ERR_ARGUMENT, "a credential is missing");
  return check_slot_name(o->name);
}

static enum nacre_err make_order(const struct looked *l, const struct nacre_slot_order *o, uint8_t *buf) {
  const struct slot_request request = {.cred = o->cred, .cost = o->kdf, .name = o->name};
  struct slot_order *order = calloc(1, sizeof *order);
  if (!order)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  order->what = (enum slot_order_what)o->what;
  order->index = o->slot;
  order->force = o->force;
  enum nacre_err err = slot_order_make(l->h, &l->u, &request, order);
  if (err == NACRE_OK)
    slot_order_encode(order, l->u.master_key, buf);
  free(order);
  return err;
}

enum nacre_err nacre_slot_order_make(const struct nacre_target *target, const nacre_credential *opener,
                                     const struct nacre_slot_order *order, void *buf, size_t *len_bytes) {
  struct nacre_slot_order o;
  struct looked l;
  err_clear();
  enum nacre_err err = struct_take(&o, sizeof o, order);
  if (err == NACRE_OK)
    err = check_order(opener, &o, buf, len_bytes);
  if (err != NACRE_OK) {
    target_discard(target);
    return err;
  }
  err = look(target, opener, o.kdf_memory_max_bytes, &l);
  if (err == NACRE_OK)
    err = make_order(&l, &o, buf);
  if (err == NACRE_OK)
    *len_bytes = SLOT_ORDER_BYTES;
  looked_free(&l);
  return err;
}

enum nacre_err nacre_slot_order_apply(nacre_volume *vol, const void *buf, size_t len_bytes, uint32_t *index) {
  uint32_t slot = 0;
  ERR_TRY(handle_volume(vol));
  if (!buf)
    return err_set(NACRE_ERR_ARGUMENT, "an order is missing");
  ERR_TRY(slot_order_apply(vol->v, buf, len_bytes, &slot));
  if (index)
    *index = slot;
  return NACRE_OK;
}
