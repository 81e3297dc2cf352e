#include "slot_access.h"

#include <string.h>
#include <sys/stat.h>

#include "interrupt.h"
#include "progress.h"
#include "report.h"
#include "secret.h"

#define MESSAGE_BYTES 256

static void infos_start(struct nacre_slot_info *infos, size_t *count) {
  for (size_t i = 0; i < NACRE_SLOTS_MAX; i++)
    infos[i] = (struct nacre_slot_info){.struct_size = sizeof infos[i]};
  *count = NACRE_SLOTS_MAX;
}

/* ---- Opened here ---- */

static int open_here(struct slot_access *a, bool read_only) {
  const struct volume_request request = {
      .path = a->path, .options = a->options, .read_only = read_only, .kept = &a->opener};
  int code = volume_open(&request, &a->vol);
  if (code != EXIT_DONE)
    return code;
  struct nacre_volume_info info = {.struct_size = sizeof info};
  const enum nacre_err err = nacre_volume_get_info(a->vol, &info);
  if (err != NACRE_OK)
    return report_library(a->path, err);
  a->opened = info.slot;
  memcpy(a->fingerprint, info.fingerprint, sizeof a->fingerprint);
  return EXIT_DONE;
}

/* ---- The header alone ---- */

static int find_opener(struct slot_access *a, struct credential_wanted *wanted) {
  const struct nacre_target target = volume_target(a->container);
  const struct nacre_unlock_options unlock = {.struct_size = sizeof unlock,
                                              .kdf_memory_max_bytes = a->options->kdf_memory_max_bytes,
                                              .use_slot = a->options->slot >= 0,
                                              .slot = a->options->slot >= 0 ? a->options->slot : 0,
                                              .progress = progress_keyslots,
                                              .progress_arg = wanted->progress,
                                              .cancel = interrupt_catch()};
  enum nacre_err err = NACRE_ERR_CREDENTIAL;
  for (int attempt = 0; attempt < wanted->attempts && err == NACRE_ERR_CREDENTIAL; attempt++) {
    nacre_credential_free(a->opener);
    a->opener = NULL;
    if (!credential_ask(wanted, attempt, &a->opener)) {
      /* Where there is nothing more to ask, what was asked before has the last word. */
      progress_clear(wanted->progress);
      return wanted->code != EXIT_DONE ? wanted->code : report_library(a->path, err);
    }
    err = nacre_header_unlock(&target, a->opener, &unlock, &a->header);
  }
  progress_clear(wanted->progress);
  struct nacre_header_info info = {.struct_size = sizeof info};
  if (err == NACRE_OK)
    err = nacre_header_get_info(a->header, &info);
  if (err != NACRE_OK)
    return report_library(a->path, err);
  a->opened = info.slot;
  memcpy(a->fingerprint, info.fingerprint, sizeof a->fingerprint);
  return EXIT_DONE;
}

static int unlock_header(struct slot_access *a) {
  struct nacre_public_info info;
  secret_harden_process();
  int code = volume_check_options(a->path, a->options);
  if (code == EXIT_DONE)
    code = volume_check(a->container, true, &info);
  if (code != EXIT_DONE)
    return code;
  struct progress progress;
  progress_start(&progress);
  struct credential_wanted wanted = {.volume = a->path,
                                     .container = a->container,
                                     .source = &a->options->credential,
                                     .progress = &progress,
                                     .info = &info,
                                     .slot = a->options->slot};
  code = credential_prepare(&wanted);
  if (code == EXIT_DONE)
    code = find_opener(a, &wanted);
  progress_clear(&progress);
  credential_done(&wanted);
  if (code == EXIT_DONE && !volume_is_expected(a->options, a->fingerprint))
    return report_error(EXIT_OTHER_VOLUME, a->path, "it is another volume than --expect-id names");
  return code;
}

static int find_mount(struct slot_access *a) {
  struct stat st;
  const int code = mounts_load(&a->mounts);
  if (code == EXIT_DONE)
    a->mount = mounts_find(&a->mounts, a->path);
  a->container = a->mount != NULL && stat(a->path, &st) == 0 && S_ISDIR(st.st_mode) ? a->mount->volume : a->path;
  return code;
}

int slot_access_open(struct slot_access *a, const char *path, const struct volume_options *options,
                     enum slot_access_use use) {
  *a = (struct slot_access){.path = path, .options = options};
  int code = use == SLOT_ACCESS_HEADER ? mounts_container(&a->mounts, path, &a->container) : find_mount(a);
  if (code == EXIT_DONE && (a->mount != NULL || use == SLOT_ACCESS_HEADER))
    code = unlock_header(a);
  else if (code == EXIT_DONE)
    code = open_here(a, use == SLOT_ACCESS_READ);
  return code == EXIT_DONE ? code : slot_access_close(a, code);
}

int slot_access_close(struct slot_access *a, int code) {
  if (a->vol != NULL)
    code = volume_close(a->path, a->vol, code);
  nacre_header_free(a->header);
  nacre_credential_free(a->opener);
  mounts_free(&a->mounts);
  *a = (struct slot_access){.path = a->path};
  interrupt_deliver();
  return code;
}

/* ---- What is done with them ---- */

int slot_access_list(struct slot_access *a, struct nacre_slot_info *infos, size_t *count) {
  enum nacre_err err;
  infos_start(infos, count);
  if (a->vol != NULL)
    err = nacre_slot_list(a->vol, infos, count);
  else
    err = nacre_header_list(a->header, infos, count);
  return err == NACRE_OK ? EXIT_DONE : report_library(a->path, err);
}

/* message NULL: the library's own. */
static int report_change(const char *path, enum nacre_err err, const char *message) {
  if (err == NACRE_ERR_WEAK)
    return report_error(EXIT_OTHER, path, "that is the last credential; add another first, or give --force");
  if (err == NACRE_OK)
    return EXIT_DONE;
  return message == NULL ? report_library(path, err) : report_message(path, err, message);
}

static int send_order(struct slot_access *a, struct nacre_slot_order *order, uint32_t *index) {
  uint8_t bytes[NACRE_SLOT_ORDER_MAX_BYTES];
  char message[MESSAGE_BYTES] = "";
  size_t len = 0;
  order->struct_size = sizeof *order;
  enum nacre_err err = nacre_header_order(a->header, order, bytes, &len);
  if (err != NACRE_OK)
    return report_library(a->path, err);
  interrupt_release(); /* from here on it waits for another process, which a signal may break off */
  err = control_key(a->mount, bytes, len, index, message, sizeof message);
  return report_change(a->path, err, message);
}

int slot_access_add(struct slot_access *a, const nacre_credential *cred, const struct nacre_kdf_cost *cost,
                    const char *name, uint32_t *index) {
  if (a->vol != NULL)
    return report_change(a->path, nacre_slot_add(a->vol, cred, cost, name, index), NULL);
  struct nacre_slot_order order = {.what = NACRE_SLOT_ADD, .cred = cred, .kdf = cost, .name = name};
  return send_order(a, &order, index);
}

int slot_access_change(struct slot_access *a, uint32_t slot, const nacre_credential *cred,
                       const struct nacre_kdf_cost *cost, const char *name) {
  if (a->vol != NULL)
    return report_change(a->path, nacre_slot_change(a->vol, slot, cred, cost, name), NULL);
  struct nacre_slot_order order = {.what = NACRE_SLOT_CHANGE, .slot = slot, .cred = cred, .kdf = cost, .name = name};
  return send_order(a, &order, &slot);
}

int slot_access_rename(struct slot_access *a, uint32_t slot, const char *name) {
  if (a->vol != NULL)
    return report_change(a->path, nacre_slot_rename(a->vol, slot, name), NULL);
  struct nacre_slot_order order = {.what = NACRE_SLOT_RENAME, .slot = slot, .name = name};
  return send_order(a, &order, &slot);
}

int slot_access_remove(struct slot_access *a, uint32_t slot, bool force) {
  if (a->vol != NULL)
    return report_change(a->path, nacre_slot_remove(a->vol, slot, force), NULL);
  struct nacre_slot_order order = {.what = NACRE_SLOT_REMOVE, .slot = slot, .force = force};
  return send_order(a, &order, &slot);
}
