/* Keyslots of open volumes, and the test of a credential against a closed one. */
#include "ops/slots.h"

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

enum nacre_err nacre_slot_list(nacre_volume *vol, struct nacre_slot_info *infos, size_t *count) {
  ERR_TRY(handle_volume(vol));
  if (!count || (!infos && *count > 0))
    return err_set(NACRE_ERR_ARGUMENT, "room for the slots is missing");
  struct listing l = {.to = (uint8_t *)infos, .room = *count};
  if (*count > 0) {
    /* The caller's array has the caller's idea of the struct. */
    ERR_TRY(struct_check(infos));
    l.stride = infos[0].struct_size;
  }
  slots_each(vol->v, list_slot, &l);
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

enum nacre_err nacre_slot_test(const struct nacre_target *target, const nacre_credential *cred,
                               uint64_t kdf_memory_max_bytes, uint32_t *index) {
  struct store store;
  err_clear();
  if (!cred || !index) {
    target_discard(target);
    return err_set(NACRE_ERR_ARGUMENT, "a credential, or room for the slot, is missing");
  }
  const struct unlock_options options = {.kdf_memory_max_bytes = kdf_memory_max_bytes ? kdf_memory_max_bytes
                                                                                      : NACRE_KDF_MEMORY_MAX_BYTES};
  ERR_TRY(target_open(target, FILE_STORE_READ_ONLY | FILE_STORE_NO_LOCK, &store));
  struct headers *h = malloc(sizeof *h);
  struct unlocked u = {0};
  enum nacre_err err = h ? headers_read(&store, h) : err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  if (err == NACRE_OK)
    err = unlock(h, cred, &options, &u);
  if (err == NACRE_OK)
    *index = u.slot;
  unlocked_free(&u);
  if (h)
    headers_free(h);
  free(h);
  store_close(&store);
  return err;
}
