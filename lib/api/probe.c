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

/* The newer of the copies that decode; else one of another version, of which little is known. */
static enum nacre_err describe(const struct headers *h, struct nacre_public_info *info) {
  const struct header *best = NULL;
  info->container_bytes = h->size_bytes;
  for (unsigned i = 0; i < HEADERS_COPIES; i++) {
    if (h->state[i] == NACRE_ERR_UNSUPPORTED && !best)
      give_header(&h->copy[i], info);
    if (h->state[i] != NACRE_OK)
      continue;
    info->header_copies_valid++;
    if (!best || h->copy[i].sequence > best->sequence)
      best = &h->copy[i];
  }
  if (!best)
    return headers_usable(h);
  give_header(best, info);
  memcpy(info->label, best->label, sizeof info->label);
  for (unsigned i = 0; i < FORMAT_SLOTS; i++) {
    info->slots[i].kind = best->slots[i].kind;
    if (best->slots[i].kind == NACRE_SLOT_PASSPHRASE || best->slots[i].kind == NACRE_SLOT_KEY_FILE)
      info->slots[i].kdf = best->slots[i].cost;
  }
  return NACRE_OK;
}

enum nacre_err nacre_probe(const struct nacre_target *target, struct nacre_public_info *info) {
  struct nacre_public_info ours = {.struct_size = sizeof ours};
  struct store store;
  err_clear();
  enum nacre_err err = struct_check(info);
  if (err != NACRE_OK) {
    target_discard(target);
    return err;
  }
  ERR_TRY(target_open(target, FILE_STORE_READ_ONLY | FILE_STORE_NO_LOCK, &store));
  struct headers *h = malloc(sizeof *h);
  if (!h) {
    store_close(&store);
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  }
  err = headers_read(&store, h);
  store_close(&store);
  if (err == NACRE_OK)
    err = target_in_use(target, &ours.in_use);
  if (err == NACRE_OK)
    err = describe(h, &ours);
  if (err == NACRE_OK || err == NACRE_ERR_UNSUPPORTED)
    struct_give(info, &ours, sizeof ours);
  headers_free(h);
  free(h);
  return err;
}
