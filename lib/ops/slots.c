#include "ops/slots.h"

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"

enum nacre_err slot_cost(const struct nacre_credential *cred, const struct nacre_kdf_cost *wanted,
                         struct nacre_kdf_cost *cost) {
  memset(cost, 0, sizeof *cost);
  if (!slot_kind_has_kdf(cred->kind))
    return NACRE_OK;
  if (wanted)
    *cost = *wanted;
  if (cost->memory_bytes == 0 || cost->passes == 0 || cost->lanes == 0)
    ERR_TRY(kdf_calibrate(cost));
  return kdf_check_new(cost);
}

void slots_name(struct header_slot_meta *meta, const char *name) {
  memset(meta->name, 0, sizeof meta->name);
  if (name)
    memcpy(meta->name, name, strnlen(name, sizeof meta->name - 1));
}

enum nacre_err slot_make(const uint8_t master_key[32], const struct slot_request *request,
                         const struct nacre_kdf_cost *cost, struct keyslot *slot, struct header_slot_meta *meta) {
  ERR_TRY(keyslot_make(request->cred, cost, master_key, slot, meta->public_key));
  meta->created_s = env_realtime().s;
  if (request->name)
    slots_name(meta, request->name);
  return NACRE_OK;
}

void slots_each(const struct header *h, const struct header_sealed *sealed,
                void (*fn)(void *arg, const struct nacre_slot_info *info), void *arg) {
  for (uint32_t i = 0; i < FORMAT_SLOTS; i++) {
    const struct keyslot *slot = &h->slots[i];
    const struct header_slot_meta *meta = &sealed->slots[i];
    if (slot->kind == NACRE_SLOT_EMPTY)
      continue;
    struct nacre_slot_info info = {.struct_size = sizeof info, .index = i, .kind = slot->kind, .kdf = slot->cost};
    info.created_s = meta->created_s;
    memcpy(info.name, meta->name, sizeof info.name);
    fn(arg, &info);
  }
}

enum nacre_err slots_check(const struct header *h, uint32_t index) {
  if (index >= FORMAT_SLOTS)
    return err_set(NACRE_ERR_ARGUMENT, "slots are numbered 0 to %u", FORMAT_SLOTS - 1);
  if (h->slots[index].kind == NACRE_SLOT_EMPTY)
    return err_set(NACRE_ERR_NOT_FOUND, "slot %u is empty", index);
  return NACRE_OK;
}

static uint32_t slots_used(const struct header *h) {
  uint32_t used = 0;
  for (uint32_t i = 0; i < FORMAT_SLOTS; i++)
    used += h->slots[i].kind != NACRE_SLOT_EMPTY;
  return used;
}

enum nacre_err slots_find_free(const struct header *h, uint32_t *index) {
  for (*index = 0; *index < FORMAT_SLOTS; ++*index) {
    if (h->slots[*index].kind == NACRE_SLOT_EMPTY)
      return NACRE_OK;
  }
  return err_set(NACRE_ERR_TOO_LARGE, "all %u slots are in use", FORMAT_SLOTS);
}

static enum nacre_err add_locked(struct volume *v, const struct slot_request *request,
                                 const struct nacre_kdf_cost *cost, struct header_change *c, uint32_t *index) {
  uint32_t i;
  ERR_TRY(header_change_begin(v, c));
  ERR_TRY(slots_find_free(c->header, &i));
  memset(&c->sealed->slots[i], 0, sizeof c->sealed->slots[i]);
  ERR_TRY(slot_make(v->master_key, request, cost, &c->header->slots[i], &c->sealed->slots[i]));
  ERR_TRY(header_change_commit(v, c));
  *index = i;
  return NACRE_OK;
}

enum nacre_err slots_add(struct volume *v, const struct slot_request *request, uint32_t *index) {
  struct nacre_kdf_cost cost;
  ERR_TRY(slot_cost(request->cred, request->cost, &cost));
  struct header_change c;
  pthread_mutex_lock(&v->change_lock);
  enum nacre_err err = add_locked(v, request, &cost, &c, index);
  pthread_mutex_unlock(&v->change_lock);
  header_change_free(&c);
  return err;
}

enum nacre_err slots_take_out(struct header_change *c, uint32_t index, bool force) {
  ERR_TRY(slots_check(c->header, index));
  if (slots_used(c->header) == 1 && !force)
    return err_set(NACRE_ERR_WEAK, "slot %u is the last one: without it nothing opens the volume ever again", index);
  /* header_encode fills the place of an empty slot with fresh random bytes. */
  memset(&c->header->slots[index], 0, sizeof c->header->slots[index]);
  memset(&c->sealed->slots[index], 0, sizeof c->sealed->slots[index]);
  return NACRE_OK;
}

static enum nacre_err remove_locked(struct volume *v, uint32_t index, bool force, struct header_change *c) {
  ERR_TRY(header_change_begin(v, c));
  ERR_TRY(slots_take_out(c, index, force));
  return header_change_commit(v, c);
}

enum nacre_err slots_remove(struct volume *v, uint32_t index, bool force) {
  struct header_change c;
  pthread_mutex_lock(&v->change_lock);
  enum nacre_err err = remove_locked(v, index, force, &c);
  pthread_mutex_unlock(&v->change_lock);
  header_change_free(&c);
  return err;
}

static enum nacre_err change_locked(struct volume *v, uint32_t index, const struct slot_request *request,
                                    const struct nacre_kdf_cost *cost, struct header_change *c) {
  ERR_TRY(header_change_begin(v, c));
  ERR_TRY(slots_check(c->header, index));
  ERR_TRY(slot_make(v->master_key, request, cost, &c->header->slots[index], &c->sealed->slots[index]));
  return header_change_commit(v, c);
}

enum nacre_err slots_change(struct volume *v, uint32_t index, const struct slot_request *request) {
  struct nacre_kdf_cost cost;
  ERR_TRY(slot_cost(request->cred, request->cost, &cost));
  struct header_change c;
  pthread_mutex_lock(&v->change_lock);
  enum nacre_err err = change_locked(v, index, request, &cost, &c);
  pthread_mutex_unlock(&v->change_lock);
  header_change_free(&c);
  return err;
}

static enum nacre_err rename_locked(struct volume *v, uint32_t index, const char *name, struct header_change *c) {
  ERR_TRY(header_change_begin(v, c));
  ERR_TRY(slots_check(c->header, index));
  slots_name(&c->sealed->slots[index], name);
  return header_change_commit(v, c);
}

enum nacre_err slots_rename(struct volume *v, uint32_t index, const char *name) {
  struct header_change c;
  pthread_mutex_lock(&v->change_lock);
  enum nacre_err err = rename_locked(v, index, name, &c);
  pthread_mutex_unlock(&v->change_lock);
  header_change_free(&c);
  return err;
}
