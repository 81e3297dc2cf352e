#include "ops/create.h"

#include "api/structs.h"
#include "api/target.h"
#include "base/bytes.h"
#include "base/err.h"
#include "crypto/aead.h"

#define CHUNK_DEFAULT_BYTES 16384u
#define ROOT_MODE_DEFAULT 0700u

static enum nacre_err check_names(const struct nacre_create_options *o) {
  if (o->label && strlen(o->label) > NACRE_LABEL_MAX_BYTES)
    return err_set(NACRE_ERR_NAME_TOO_LONG, "a label has at most %d bytes", NACRE_LABEL_MAX_BYTES);
  if (o->slot_name && strlen(o->slot_name) >= FORMAT_SLOT_NAME_BYTES)
    return err_set(NACRE_ERR_NAME_TOO_LONG, "a slot's name has at most %u bytes", FORMAT_SLOT_NAME_BYTES - 1);
  return NACRE_OK;
}

static enum nacre_err options_take(const struct nacre_create_options *theirs, struct create_request *out) {
  struct nacre_create_options o;
  ERR_TRY(struct_take(&o, sizeof o, theirs));
  ERR_TRY(check_names(&o));
  uint32_t chunk_bytes = o.chunk_bytes ? o.chunk_bytes : CHUNK_DEFAULT_BYTES;
  if (chunk_bytes != 4096 && chunk_bytes != 16384 && chunk_bytes != 65536)
    return err_set(NACRE_ERR_ARGUMENT, "chunks have 4096, 16384 or 65536 bytes");
  enum nacre_cipher cipher = o.cipher == NACRE_CIPHER_AUTO ? aead_preferred() : o.cipher;
  if (!nacre_cipher_name(cipher))
    return err_set(NACRE_ERR_ARGUMENT, "no such cipher");
  if (!aead_available(cipher))
    return err_set(NACRE_ERR_UNSUPPORTED, "%s is not available in this build or on this machine",
                   nacre_cipher_name(cipher));
  *out = (struct create_request){
      .size_limit_bytes = o.size_bytes,
      .cipher = cipher,
      .chunk_bytes = chunk_bytes,
      .kdf = o.kdf,
      .label = o.label,
      .slot_name = o.slot_name,
      .root_uid = o.root_uid,
      .root_gid = o.root_gid,
      .root_mode = o.root_mode ? o.root_mode & 07777u : ROOT_MODE_DEFAULT,
      .force = o.force,
      .progress = o.progress,
      .progress_arg = o.progress_arg,
      .cancel = o.cancel,
  };
  return NACRE_OK;
}

enum nacre_err nacre_create(const struct nacre_target *target, const struct nacre_create_options *options,
                            const nacre_credential *cred) {
  struct create_request request;
  struct store store;
  err_clear();
  enum nacre_err err =
      cred ? options_take(options, &request) : err_set(NACRE_ERR_ARGUMENT, "a credential is missing");
  if (err != NACRE_OK) {
    target_discard(target);
    return err;
  }
  ERR_TRY(target_open(target, FILE_STORE_CREATE, &store));
  request.host_file = target_is_host_file(target);
  err = create_volume(&store, &request, cred);
  store_close(&store);
  return err;
}
