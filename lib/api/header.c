/* The header alone: unlocked beside whoever has the volume open, backed up, and put back. */
#include "ops/restore.h"

#include "api/handle.h"
#include "api/slot_infos.h"
#include "api/structs.h"
#include "api/target.h"
#include "base/err.h"
#include "ops/slot_order.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static_assert(NACRE_HEADER_BYTES == FORMAT_HEADER_BYTES, "a backup is a header");

struct nacre_header {
  pid_t pid;
  struct store store; /* read only, and without the lock that says who has the volume open */
  struct headers *h;
  struct unlocked u;
};

static enum nacre_err handle_header(const struct nacre_header *header) {
  err_clear();
  if (!header)
    return err_set(NACRE_ERR_ARGUMENT, "a handle is missing");
  if (header->pid != getpid())
    return err_set(NACRE_ERR_FORKED, "the header was unlocked by another process; a fork can't use it");
  return NACRE_OK;
}

/* ---- Unlocking ---- */

static enum nacre_err take_options(const struct nacre_unlock_options *theirs, struct unlock_options *ours) {
  struct nacre_unlock_options o;
  ERR_TRY(struct_take(&o, sizeof o, theirs));
  if (o.use_slot && (o.slot < 0 || o.slot >= (int)FORMAT_SLOTS))
    return err_set(NACRE_ERR_ARGUMENT, "slots are numbered 0 to %u", FORMAT_SLOTS - 1);
  *ours = (struct unlock_options){.kdf_memory_max_bytes =
                                      o.kdf_memory_max_bytes ? o.kdf_memory_max_bytes : NACRE_KDF_MEMORY_MAX_BYTES,
                                  .use_slot = o.use_slot,
                                  .slot = o.use_slot ? (uint32_t)o.slot : 0,
                                  .cancel = o.cancel,
                                  .progress = o.progress,
                                  .progress_arg = o.progress_arg};
  return NACRE_OK;
}

/* What there is of it, with the credential's slot opened. Another process may be changing the headers meanwhile: then
 * it is the one or the other. */
static enum nacre_err read_and_unlock(struct nacre_header *header, const nacre_credential *cred,
                                      const struct unlock_options *options) {
  header->h = calloc(1, sizeof *header->h);
  if (!header->h)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  ERR_TRY(headers_read(&header->store, header->h));
  return unlock(header->h, cred, options, &header->u);
}

static void drop_headers(struct headers *h) {
  if (h)
    headers_free(h);
  free(h);
}

enum nacre_err nacre_header_unlock(const struct nacre_target *target, const nacre_credential *cred,
                                   const struct nacre_unlock_options *options, nacre_header **out) {
  struct unlock_options ours;
  enum nacre_err err;
  err_clear();
  struct nacre_header *header = calloc(1, sizeof *header);
  if (!header)
    err = err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  else if (!cred || !out)
    err = err_set(NACRE_ERR_ARGUMENT, "a credential, or room for the handle, is missing");
  else
    err = take_options(options, &ours);
  if (!header || err != NACRE_OK) {
    target_discard(target);
    free(header);
    return err;
  }
  header->pid = getpid();
  err = target_open(target, FILE_STORE_READ_ONLY | FILE_STORE_NO_LOCK, &header->store);
  if (err != NACRE_OK) {
    free(header);
    return err;
  }
  err = read_and_unlock(header, cred, &ours);
  if (err == NACRE_OK)
    *out = header;
  else
    nacre_header_free(header);
  return err;
}

void nacre_header_free(nacre_header *header) {
  if (!header)
    return;
  unlocked_free(&header->u);
  drop_headers(header->h);
  store_close(&header->store);
  free(header);
}

enum nacre_err nacre_slot_test(const struct nacre_target *target, const nacre_credential *cred,
                               const struct nacre_unlock_options *options, uint32_t *index) {
  nacre_header *header = NULL;
  err_clear();
  if (!index) {
    target_discard(target);
    return err_set(NACRE_ERR_ARGUMENT, "room for the slot is missing");
  }
  ERR_TRY(nacre_header_unlock(target, cred, options, &header));
  *index = header->u.slot;
  nacre_header_free(header);
  return NACRE_OK;
}

/* ---- What it tells ---- */

enum nacre_err nacre_header_get_info(nacre_header *header, struct nacre_header_info *info) {
  ERR_TRY(handle_header(header));
  ERR_TRY(struct_check(info));
  struct nacre_header_info ours = {.struct_size = sizeof ours, .slot = header->u.slot};
  memcpy(ours.volume_id, header->h->copy[header->u.copy].volume_id, sizeof ours.volume_id);
  header_fingerprint(header->u.sealed, ours.fingerprint);
  struct_give(info, &ours, sizeof ours);
  return NACRE_OK;
}

enum nacre_err nacre_header_list(nacre_header *header, struct nacre_slot_info *infos, size_t *count) {
  struct slot_infos list;
  ERR_TRY(handle_header(header));
  ERR_TRY(slot_infos_start(&list, infos, count));
  slots_each(&header->h->copy[header->u.copy], header->u.sealed, slot_infos_add, &list);
  *count = list.count;
  return NACRE_OK;
}

/* ---- Orders ---- */

static enum nacre_err check_order(const struct nacre_slot_order *o, const void *buf, const size_t *len_bytes) {
  if (!buf || !len_bytes || o->what < NACRE_SLOT_ADD || o->what > NACRE_SLOT_RENAME)
    return err_set(NACRE_ERR_ARGUMENT, "an order, or room for it, is missing");
  if (!o->cred && (o->what == NACRE_SLOT_ADD || o->what == NACRE_SLOT_CHANGE))
    return err_set(NACRE_ERR_ARGUMENT, "a credential is missing");
  return slot_name_check(o->name);
}

/* An order is good for one sequence alone, and since it was unlocked there may have been others. */
static enum nacre_err read_again(struct nacre_header *header) {
  struct headers *now = calloc(1, sizeof *now);
  if (!now)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = headers_read(&header->store, now);
  if (err == NACRE_OK)
    err = unlock_again(header->h, now, &header->u);
  if (err == NACRE_OK) {
    struct headers *was = header->h;
    header->h = now;
    now = was;
  }
  drop_headers(now);
  return err;
}

enum nacre_err nacre_header_order(nacre_header *header, const struct nacre_slot_order *order, void *buf,
                                  size_t *len_bytes) {
  struct nacre_slot_order o;
  ERR_TRY(handle_header(header));
  ERR_TRY(struct_take(&o, sizeof o, order));
  ERR_TRY(check_order(&o, buf, len_bytes));
  ERR_TRY(read_again(header));
  const struct slot_request request = {.cred = o.cred, .cost = o.kdf, .name = o.name};
  struct slot_order *ours = calloc(1, sizeof *ours);
  if (!ours)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  ours->what = (enum slot_order_what)o.what;
  ours->index = o.slot;
  ours->force = o.force;
  enum nacre_err err = slot_order_make(header->h, &header->u, &request, ours);
  if (err == NACRE_OK) {
    slot_order_encode(ours, header->u.master_key, buf);
    *len_bytes = SLOT_ORDER_BYTES;
  }
  free(ours);
  return err;
}

/* ---- Backup and restore ---- */

enum nacre_err nacre_header_copy(nacre_header *header, uint8_t bytes[NACRE_HEADER_BYTES]) {
  ERR_TRY(handle_header(header));
  if (!bytes)
    return err_set(NACRE_ERR_ARGUMENT, "room for the header is missing");
  memcpy(bytes, header->h->raw[header->u.copy], FORMAT_HEADER_BYTES);
  return NACRE_OK;
}

static enum nacre_err backup_checked(const struct nacre_target *target, const nacre_credential *cred,
                                     const struct nacre_unlock_options *options, uint8_t *bytes) {
  nacre_header *header = NULL;
  ERR_TRY(nacre_header_unlock(target, cred, options, &header));
  enum nacre_err err = nacre_header_copy(header, bytes);
  nacre_header_free(header);
  return err;
}

enum nacre_err nacre_header_backup(const struct nacre_target *target, const nacre_credential *cred,
                                   const struct nacre_unlock_options *options, uint8_t header[NACRE_HEADER_BYTES]) {
  struct store store;
  err_clear();
  if (!header) {
    target_discard(target);
    return err_set(NACRE_ERR_ARGUMENT, "room for the header is missing");
  }
  if (cred)
    return backup_checked(target, cred, options, header);
  ERR_TRY(target_open(target, FILE_STORE_READ_ONLY | FILE_STORE_NO_LOCK, &store));
  enum nacre_err err = backup_header(&store, header);
  store_close(&store);
  return err;
}

enum nacre_err nacre_header_restore(nacre_volume *vol, bool dry_run, struct nacre_restore_report *report) {
  struct nacre_restore_report ours = {.struct_size = sizeof ours};
  ERR_TRY(handle_volume(vol));
  if (report)
    ERR_TRY(struct_check(report));
  enum nacre_err err = restore_header(vol->v, dry_run, &ours);
  if (report)
    struct_give(report, &ours, sizeof ours);
  return err;
}
