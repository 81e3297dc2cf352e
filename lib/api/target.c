#include "api/target.h"

#include "api/structs.h"
#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "format/format.h"

static void close_app_store(const struct nacre_store_ops *ops, void *ctx) {
  if (ops->close)
    ops->close(ctx);
}

static void discard_one(const struct nacre_target *t) {
  struct nacre_store_ops ops;
  if (t->ops && struct_take(&ops, sizeof ops, t->ops) == NACRE_OK)
    close_app_store(&ops, t->ctx);
}

void target_discard(const struct nacre_target *target) {
  struct nacre_target t, header;
  if (!target || struct_take(&t, sizeof t, target) != NACRE_OK)
    return;
  if (t.header && struct_take(&header, sizeof header, t.header) == NACRE_OK)
    discard_one(&header);
  discard_one(&t);
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

static bool is_one(const struct nacre_target *t) {
  return (t->path != NULL) + t->use_fd + (t->ops != NULL) == 1;
}

static enum nacre_err open_one(const struct nacre_target *t, unsigned flags, struct store *out) {
  if (t->ops)
    return open_app_store(t, flags, out);
  ERR_TRY(env_start());
  if (t->use_fd)
    return file_store_from_fd(t->fd, flags & ~(unsigned)FILE_STORE_CREATE, out);
  return file_store_open(t->path, flags, out);
}

static const struct split_part header_parts[] = {
    {.offset = FORMAT_GROUP_0_OFFSET, .len = FORMAT_HEADER_BYTES, .aside_offset = 0},
    {.offset = FORMAT_GROUP_1_OFFSET, .len = FORMAT_HEADER_BYTES, .aside_offset = FORMAT_HEADER_BYTES},
};

static enum nacre_err open_with_header(const struct nacre_target *t, const struct nacre_target *header,
                                       unsigned flags, struct store *out) {
  struct store body, aside;
  enum nacre_err err = open_one(header, flags, &aside);
  if (err != NACRE_OK) {
    discard_one(t);
    return err_prefix(err, "the header's file");
  }
  err = open_one(t, flags, &body);
  if (err != NACRE_OK) {
    store_close(&aside);
    return err;
  }
  return split_store_new(&body, &aside, header_parts, sizeof header_parts / sizeof header_parts[0], out);
}

enum nacre_err target_open(const struct nacre_target *target, unsigned flags, struct store *out) {
  struct nacre_target t, header = {0};
  if (!target)
    return err_set(NACRE_ERR_ARGUMENT, "a target is missing");
  ERR_TRY(struct_take(&t, sizeof t, target));
  if (t.header)
    ERR_TRY(struct_take(&header, sizeof header, t.header));
  if (!is_one(&t) || (t.header && !is_one(&header)))
    return err_set(NACRE_ERR_ARGUMENT, "a target is one of a path, a descriptor and a store");
  if (header.header)
    return err_set(NACRE_ERR_ARGUMENT, "a detached header has no header of its own");
  return t.header ? open_with_header(&t, &header, flags, out) : open_one(&t, flags, out);
}

bool target_is_host_file(const struct nacre_target *target) {
  struct nacre_target t;
  return struct_take(&t, sizeof t, target) == NACRE_OK && t.ops == NULL;
}

enum nacre_err target_in_use(const struct nacre_target *target, bool *in_use) {
  struct nacre_target t, header = {0};
  *in_use = false;
  ERR_TRY(struct_take(&t, sizeof t, target));
  if (t.header)
    ERR_TRY(struct_take(&header, sizeof header, t.header));
  if (t.path)
    ERR_TRY(file_store_in_use(t.path, in_use));
  return header.path && !*in_use ? file_store_in_use(header.path, in_use) : NACRE_OK;
}
