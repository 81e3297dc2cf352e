#include "ops/header_change.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/secmem.h"

#include <stdlib.h>

void header_change_free(struct header_change *c) {
  free(c->header);
  secmem_free(c->sealed);
  secmem_free(c->master_key);
  free(c->raw);
}

enum nacre_err header_change_begin(struct volume *v, struct header_change *c) {
  *c = (struct header_change){0};
  ERR_TRY(engine_check_writable(v->engine));
  if (v->header_borrowed)
    return err_set(NACRE_ERR_READ_ONLY, "the volume is open by a backup of its header, which was not restored");
  if (v->header_failed)
    return err_set(NACRE_ERR_READ_ONLY, "an earlier change of the header failed; open the volume again first");
  c->header = malloc(sizeof *c->header);
  c->sealed = secmem_alloc(sizeof *c->sealed);
  c->master_key = secmem_alloc(32);
  c->raw = malloc(FORMAT_HEADER_BYTES);
  if (!c->header || !c->sealed || !c->master_key || !c->raw)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  memcpy(c->header, v->header, sizeof *c->header);
  memcpy(c->sealed, v->sealed, sizeof *c->sealed);
  memcpy(c->master_key, v->master_key, 32);
  return NACRE_OK;
}

/* The engine seals under a new epoch only when both copies that hold its key are durable, and forgets an old one only
 * when neither copy holds it any more. */
static enum nacre_err write_all(struct volume *v, struct header_change *c, struct engine_keys *keys) {
  ERR_TRY(headers_write(&v->store, c->raw));
  if (c->new_epochs)
    ERR_TRY(engine_replace_keys(v->engine, keys));
  uint8_t mac[32];
  header_mac(c->raw, mac);
  return engine_commit_header(v->engine, c->header->sequence, mac);
}

static void swap(struct volume *v, struct header_change *c) {
  struct header_change old = {.header = v->header, .sealed = v->sealed, .master_key = v->master_key};
  /* Another key pair in the slot that opened the volume is one that was drawn here. */
  if (memcmp(v->sealed->slots[v->slot].public_key, c->sealed->slots[v->slot].public_key, 32) != 0)
    v->slot_forged = false;
  v->header = c->header;
  v->sealed = c->sealed;
  v->master_key = c->master_key;
  c->header = old.header;
  c->sealed = old.sealed;
  c->master_key = old.master_key;
}

enum nacre_err header_change_commit(struct volume *v, struct header_change *c) {
  struct engine_keys keys = {0};
  /* Only somebody who made up a header can have come so far. */
  if (c->header->sequence == UINT64_MAX)
    return err_set(NACRE_ERR_TOO_LARGE, "the header was changed as often as it can be");
  c->header->sequence++;
  enum nacre_err err = header_encode(c->header, c->sealed, c->master_key, c->raw);
  if (err == NACRE_OK && c->new_epochs)
    err = volume_keys(c->sealed, &keys);
  if (err == NACRE_OK) {
    v->header_failed = true;
    err = write_all(v, c, &keys);
  }
  engine_keys_free(&keys);
  if (err != NACRE_OK)
    return err;
  v->header_failed = false;
  pthread_mutex_lock(&v->header_lock);
  swap(v, c);
  pthread_mutex_unlock(&v->header_lock);
  return NACRE_OK;
}
