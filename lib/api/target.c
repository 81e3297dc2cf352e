#include "api/target.h"

#include "api/structs.h"
#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"

static void close_app_store(const struct nacre_store_ops *ops, void *ctx) {
  if (ops->close)
    ops->close(ctx);
}

void target_discard(const struct nacre_target *target) {
  struct nacre_target t;
  struct nacre_store_ops ops;
  if (target && struct_take(&t, sizeof t, target) == NACRE_OK && t.ops &&
      struct_take(&ops, sizeof ops, t.ops) == NACRE_OK)
    close_app_store(&ops, t.ctx);
}

static enum nacre_err open_app_store(const struct nacre_target *t, unsigned flags, struct store *out) {
  struct nacre_store_ops ops;
  ERR_TRY(struct_take(&ops, sizeof ops, t->ops));
  enum nacre_err err = env_start();
  if (err == NACRE_OK)
    err = store_from_ops(&ops, t->ctx, out);
  if (err != NACRE_OK)
    close_app_store(&ops, t->ctx);
  else
    out->read_only = (flags & FILE_STORE_READ_ONLY) != 0;
  return err;
}

enum nacre_err target_open(const struct nacre_target *target, unsigned flags, struct store *out) {
  struct nacre_target t;
  if (!target)
    return err_set(NACRE_ERR_ARGUMENT, "a target is missing");
  ERR_TRY(struct_take(&t, sizeof t, target));
  if ((t.path != NULL) + t.use_fd + (t.ops != NULL) != 1)
    return err_set(NACRE_ERR_ARGUMENT, "a target is one of a path, a descriptor and a store");
  if (t.ops)
    return open_app_store(&t, flags, out);
  ERR_TRY(env_start());
  if (t.use_fd)
    return file_store_from_fd(t.fd, flags & ~(unsigned)FILE_STORE_CREATE, out);
  return file_store_open(t.path, flags, out);
}

bool target_is_host_file(const struct nacre_target *target) {
  struct nacre_target t;
  return struct_take(&t, sizeof t, target) == NACRE_OK && t.ops == NULL;
}

enum nacre_err target_in_use(const struct nacre_target *target, bool *in_use) {
  struct nacre_target t;
  *in_use = false;
  ERR_TRY(struct_take(&t, sizeof t, target));
  if (!t.path)
    return NACRE_OK;
  return file_store_in_use(t.path, in_use);
}
