#include "slot_access.h"

#include <string.h>
#include <sys/stat.h>

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

/* ---- Mounted ---- */

static enum nacre_err look(const struct slot_access *a, const nacre_credential *cred, struct nacre_slot_info *infos,
                           size_t *count, uint32_t *opened, uint8_t fingerprint[32]) {
  const struct nacre_target target = volume_target(a->container);
  infos_start(infos, count);
  return nacre_slot_look(&target, cred, a->options->kdf_memory_max_bytes, infos, count, opened, fingerprint);
}

static int find_opener(struct slot_access *a, struct credential_wanted *wanted) {
  struct nacre_slot_info infos[NACRE_SLOTS_MAX];
  size_t count;
  enum nacre_err err = NACRE_ERR_CREDENTIAL;
  for (int attempt = 0; attempt < wanted->attempts && err == NACRE_ERR_CREDENTIAL; attempt++) {
    nacre_credential_free(a->opener);
    a->opener = NULL;
    if (!credential_ask(wanted, attempt, &a->opener))
      return wanted->code;
    err = look(a, a->opener, infos, &count, &a->opened, a->fingerprint);
  }
  return err == NACRE_OK ? EXIT_DONE : report_library(a->path, err);
}

static int open_mounted(struct slot_access *a) {
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

int slot_access_open(struct slot_access *a, const char *path, const struct volume_options *options, bool read_only) {
  *a = (struct slot_access){.path = path, .options = options};
  int code = mounts_load(&a->mounts);
  if (code == EXIT_DONE)
    a->mount = mounts_find(&a->mounts, path);
  if (code == EXIT_DONE && a->mount != NULL) {
    struct stat st;
    a->container = stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? a->mount->volume : path;
    code = open_mounted(a);
  } else if (code == EXIT_DONE) {
    code = open_here(a, read_only);
  }
  return code == EXIT_DONE ? code : slot_access_close(a, code);
}

int slot_access_close(struct slot_access *a, int code) {
  if (a->vol != NULL)
    code = volume_close(a->path, a->vol, code);
  nacre_credential_free(a->opener);
  mounts_free(&a->mounts);
  *a = (struct slot_access){.path = a->path};
  return code;
}

/* ---- What is done with them ---- */

int slot_access_list(struct slot_access *a, struct nacre_slot_info *infos, size_t *count) {
  enum nacre_err err;
  infos_start(infos, count);
  if (a->vol != NULL)
    err = nacre_slot_list(a->vol, infos, count);
  else
    err = look(a, a->opener, infos, count, NULL, NULL);
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
  const struct nacre_target target = volume_target(a->container);
  order->struct_size = sizeof *order;
  order->kdf_memory_max_bytes = a->options->kdf_memory_max_bytes;
  enum nacre_err err = nacre_slot_order_make(&target, a->opener, order, bytes, &len);
  if (err != NACRE_OK)
    return report_library(a->path, err);
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
                       const struct nacre_kdf_cost *cost) {
  if (a->vol != NULL)
    return report_change(a->path, nacre_slot_change(a->vol, slot, cred, cost), NULL);
  struct nacre_slot_order order = {.what = NACRE_SLOT_CHANGE, .slot = slot, .cred = cred, .kdf = cost};
  return send_order(a, &order, &slot);
}

int slot_access_remove(struct slot_access *a, uint32_t slot, bool force) {
  if (a->vol != NULL)
    return report_change(a->path, nacre_slot_remove(a->vol, slot, force), NULL);
  struct nacre_slot_order order = {.what = NACRE_SLOT_REMOVE, .slot = slot, .force = force};
  return send_order(a, &order, &slot);
}
