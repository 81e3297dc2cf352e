/* Backup of the header, and putting it back. */
#include "ops/restore.h"

#include "api/handle.h"
#include "api/structs.h"
#include "api/target.h"
#include "base/err.h"

#include <assert.h>

static_assert(NACRE_HEADER_BYTES == FORMAT_HEADER_BYTES, "a backup is a header");

enum nacre_err nacre_header_backup(const struct nacre_target *target, const nacre_credential *cred,
                                   uint64_t kdf_memory_max_bytes, uint8_t header[NACRE_HEADER_BYTES]) {
  struct store store;
  err_clear();
  if (!header) {
    target_discard(target);
    return err_set(NACRE_ERR_ARGUMENT, "room for the header is missing");
  }
  const struct unlock_options options = {.kdf_memory_max_bytes = kdf_memory_max_bytes ? kdf_memory_max_bytes
                                                                                      : NACRE_KDF_MEMORY_MAX_BYTES};
  ERR_TRY(target_open(target, FILE_STORE_READ_ONLY | FILE_STORE_NO_LOCK, &store));
  enum nacre_err err = backup_header(&store, cred, &options, header);
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
