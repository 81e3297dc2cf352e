#include "store/store.h"

#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>

static enum nacre_err store_code(int errnum) {
  switch (errnum) {
  case ENOSPC:
  case EDQUOT:
  case EFBIG:
    return NACRE_ERR_NO_SPACE;
  case EROFS:
    return NACRE_ERR_READ_ONLY;
  case ENOMEM:
    return NACRE_ERR_NO_MEMORY;
  default:
    return NACRE_ERR_IO;
  }
}

static enum nacre_err store_failed(int errnum, const char *doing, uint64_t offset) {
  if (errnum == EFBIG)
    return err_set(NACRE_ERR_NO_SPACE, "the filesystem under the container allows no larger file");
  return err_set_errno(store_code(errnum), errnum, "%s the container at %llu", doing, (unsigned long long)offset);
}

static int read_any(struct store *s, void *buf, size_t len, uint64_t offset, bool at_once) {
  if (at_once && s->medium != NULL && s->medium->read_at_once != NULL)
    return s->medium->read_at_once(s->ctx, buf, len, offset);
  return s->ops.read(s->ctx, buf, len, offset);
}

static enum nacre_err read_whole(struct store *s, void *buf, size_t len, uint64_t offset, bool *there) {
  uint64_t end;
  if (!u64_add(offset, len, &end))
    return err_set(NACRE_ERR_IO, "read at %llu, past any container's end", (unsigned long long)offset);
  if (len == 0)
    return NACRE_OK;
  int errnum = read_any(s, buf, len, offset, there != NULL);
  if (errnum == 0)
    return NACRE_OK;
  if (errnum == EAGAIN && there != NULL) {
    *there = false;
    return NACRE_OK;
  }
  uint64_t size;
  if (errnum == EIO && s->ops.size(s->ctx, &size) == 0 && end > size)
    return err_set(NACRE_ERR_IO, "the container ends at %llu, before %llu", (unsigned long long)size,
                   (unsigned long long)end);
  return store_failed(errnum, "reading", offset);
}

enum nacre_err store_read(struct store *s, void *buf, size_t len, uint64_t offset) {
  return read_whole(s, buf, len, offset, NULL);
}

enum nacre_err store_read_at_once(struct store *s, void *buf, size_t len, uint64_t offset, bool *there) {
  *there = true;
  return read_whole(s, buf, len, offset, there);
}

enum nacre_err store_write(struct store *s, const void *buf, size_t len, uint64_t offset) {
  uint64_t end;
  if (s->read_only)
    return err_set(NACRE_ERR_READ_ONLY, "the container is open read-only");
  if (!u64_add(offset, len, &end))
    return err_set(NACRE_ERR_IO, "write at %llu, past any container's end", (unsigned long long)offset);
  if (len == 0)
    return NACRE_OK;
  int errnum = s->ops.write(s->ctx, buf, len, offset);
  return errnum == 0 ? NACRE_OK : store_failed(errnum, "writing", offset);
}

enum nacre_err store_sync(struct store *s) {
  return s->read_only ? NACRE_OK : store_sync_others(s);
}

enum nacre_err store_sync_others(struct store *s) {
  int errnum = s->ops.sync(s->ctx);
  return errnum == 0 ? NACRE_OK : err_set_errno(store_code(errnum), errnum, "syncing the container");
}

enum nacre_err store_size(struct store *s, uint64_t *size) {
  *size = 0;
  int errnum = s->ops.size(s->ctx, size);
  return errnum == 0 ? NACRE_OK : err_set_errno(store_code(errnum), errnum, "asking for the container's size");
}

enum nacre_err store_resize(struct store *s, uint64_t size) {
  if (s->read_only)
    return err_set(NACRE_ERR_READ_ONLY, "the container is open read-only");
  if (!store_can_resize(s))
    return err_set(NACRE_ERR_NO_SPACE, "the container's size is fixed");
  int errnum = s->ops.resize(s->ctx, size);
  return errnum == 0 ? NACRE_OK : store_failed(errnum, "resizing", size);
}

static enum nacre_err store_discarded(int errnum, uint64_t offset) {
  if (errnum == EOPNOTSUPP || errnum == ENOSYS || errnum == ENOTTY || errnum == EINVAL)
    return err_set_errno(NACRE_ERR_UNSUPPORTED, errnum, "discarding in the container at %llu",
                         (unsigned long long)offset);
  return errnum == 0 ? NACRE_OK : store_failed(errnum, "discarding in", offset);
}

enum nacre_err store_discard(struct store *s, uint64_t offset, uint64_t len) {
  if (s->read_only)
    return err_set(NACRE_ERR_READ_ONLY, "the container is open read-only");
  return store_discarded(s->ops.discard ? s->ops.discard(s->ctx, offset, len) : EOPNOTSUPP, offset);
}

enum nacre_err store_purge(struct store *s, uint64_t offset, uint64_t len) {
  if (s->read_only)
    return err_set(NACRE_ERR_READ_ONLY, "the container is open read-only");
  return store_discarded(s->medium && s->medium->purge ? s->medium->purge(s->ctx, offset, len) : EOPNOTSUPP, offset);
}

void store_forget(struct store *s) {
  if (s->medium && s->medium->forget)
    s->medium->forget(s->ctx);
}

void store_on_wait(struct store *s, void (*waiting)(void *arg), void *arg) {
  if (s->medium && s->medium->on_wait)
    s->medium->on_wait(s->ctx, waiting, arg);
}

void store_close(struct store *s) {
  if (s->ops.close != NULL)
    s->ops.close(s->ctx);
  *s = (struct store){0};
}

bool store_can_resize(const struct store *s) {
  return s->ops.resize != NULL && !s->read_only;
}

enum nacre_err store_from_ops(const struct nacre_store_ops *ops, void *ctx, struct store *out) {
  *out = (struct store){.ctx = ctx};
  if (ops->struct_size < offsetof(struct nacre_store_ops, close) + sizeof ops->close)
    return err_set(NACRE_ERR_ARGUMENT, "a store's struct_size is not set");
  out->ops = *ops;
  if (ops->read == NULL || ops->write == NULL || ops->sync == NULL || ops->size == NULL || ops->close == NULL)
    return err_set(NACRE_ERR_ARGUMENT, "a store must have read, write, sync, size and close");
  return NACRE_OK;
}
