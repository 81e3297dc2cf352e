/* Keyslots of open volumes. */
#include "api/slot_infos.h"

#include "api/handle.h"
#include "base/err.h"
#include "ops/slot_order.h"

enum nacre_err nacre_slot_list(nacre_volume *vol, struct nacre_slot_info *infos, size_t *count) {
  struct slot_infos l;
  ERR_TRY(handle_volume(vol));
  ERR_TRY(slot_infos_start(&l, infos, count));
  pthread_mutex_lock(&vol->v->header_lock);
  slots_each(vol->v->header, vol->v->sealed, slot_infos_add, &l);
  pthread_mutex_unlock(&vol->v->header_lock);
  *count = l.count;
  return NACRE_OK;
}

enum nacre_err nacre_slot_add(nacre_volume *vol, const nacre_credential *cred, const struct nacre_kdf_cost *kdf,
                              const char *name, uint32_t *index) {
  ERR_TRY(handle_volume(vol));
  if (!cred)
    return err_set(NACRE_ERR_ARGUMENT, "a credential is missing");
  ERR_TRY(slot_name_check(name));
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
                                 const struct nacre_kdf_cost *kdf, const char *name) {
  ERR_TRY(handle_volume(vol));
  if (!cred)
    return err_set(NACRE_ERR_ARGUMENT, "a credential is missing");
  ERR_TRY(slot_name_check(name));
  const struct slot_request request = {.cred = cred, .cost = kdf, .name = name};
  return slots_change(vol->v, index, &request);
}

enum nacre_err nacre_slot_rename(nacre_volume *vol, uint32_t index, const char *name) {
  ERR_TRY(handle_volume(vol));
  ERR_TRY(slot_name_check(name));
  return slots_rename(vol->v, index, name);
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
