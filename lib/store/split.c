/* A container of which parts lie in another store: a detached header. */
#include "store/store.h"

#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define SPLIT_PARTS_MAX 2u

/* Invariants: parts are in order and don't meet, in either store. */
struct split {
  struct store body, aside;
  struct split_part parts[SPLIT_PARTS_MAX];
  size_t count;
  atomic_bool body_written, aside_written; /* and perhaps not synced; true at first, of what others left */
};

/* The stretch that begins at offset: how much of len is in one store, and the part if it is aside. */
static const struct split_part *stretch(const struct split *s, uint64_t offset, size_t *len) {
  for (size_t i = 0; i < s->count; i++) {
    const struct split_part *part = &s->parts[i];
    if (offset < part->offset) {
      *len = (size_t)u64_min(*len, part->offset - offset);
      return NULL;
    }
    if (offset - part->offset < part->len) {
      *len = (size_t)u64_min(*len, part->offset + part->len - offset);
      return part;
    }
  }
  return NULL;
}

/* What the other store does not have, as a file that was cut or is new, reads as zeroes. */
static int read_aside(const struct split *s, uint8_t *buf, size_t len, uint64_t offset) {
  uint64_t size = 0;
  int errnum = s->aside.ops.size(s->aside.ctx, &size);
  if (errnum != 0)
    return errnum;
  size_t there = offset < size ? (size_t)u64_min(len, size - offset) : 0;
  memset(buf + there, 0, len - there);
  return there > 0 ? s->aside.ops.read(s->aside.ctx, buf, there, offset) : 0;
}

static int write_aside(const struct split *s, const uint8_t *buf, size_t len, uint64_t offset) {
  uint64_t size = 0, end = s->parts[s->count - 1].aside_offset + s->parts[s->count - 1].len;
  int errnum = s->aside.ops.size(s->aside.ctx, &size);
  if (errnum == 0 && size < end)
    errnum = s->aside.ops.resize ? s->aside.ops.resize(s->aside.ctx, end) : ENOSPC;
  return errnum == 0 ? s->aside.ops.write(s->aside.ctx, buf, len, offset) : errnum;
}

static int split_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  const struct split *s = ctx;
  uint64_t size = 0;
  int errnum = s->body.ops.size(s->body.ctx, &size);
  if (errnum == 0 && (offset > size || len > size - offset))
    errnum = EIO;
  for (uint8_t *at = buf; len > 0 && errnum == 0;) {
    size_t piece = len;
    const struct split_part *part = stretch(s, offset, &piece);
    errnum = part ? read_aside(s, at, piece, part->aside_offset + (offset - part->offset))
                  : s->body.ops.read(s->body.ctx, at, piece, offset);
    at += piece;
    offset += piece;
    len -= piece;
  }
  return errnum;
}

static int split_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  struct split *s = ctx;
  int errnum = 0;
  for (const uint8_t *at = buf; len > 0 && errnum == 0;) {
    size_t piece = len;
    const struct split_part *part = stretch(s, offset, &piece);
    errnum = part ? write_aside(s, at, piece, part->aside_offset + (offset - part->offset))
                  : s->body.ops.write(s->body.ctx, at, piece, offset);
    /* Afterwards: a sync that ran meanwhile may have missed it. */
    atomic_store(part ? &s->aside_written : &s->body_written, true);
    at += piece;
    offset += piece;
    len -= piece;
  }
  return errnum;
}

static int sync_one(struct store *store, atomic_bool *written) {
  if (!atomic_exchange(written, false))
    return 0;
  int errnum = store->ops.sync(store->ctx);
  if (errnum != 0)
    atomic_store(written, true);
  return errnum;
}

static int split_sync(void *ctx) {
  struct split *s = ctx;
  int errnum = sync_one(&s->aside, &s->aside_written);
  return errnum == 0 ? sync_one(&s->body, &s->body_written) : errnum;
}

static int split_size(void *ctx, uint64_t *size) {
  const struct split *s = ctx;
  return s->body.ops.size(s->body.ctx, size);
}

static int split_resize(void *ctx, uint64_t size) {
  struct split *s = ctx;
  int errnum = s->body.ops.resize(s->body.ctx, size);
  atomic_store(&s->body_written, true);
  return errnum;
}

/* Blocks lie in the body alone; a stretch that is aside is not given back. */
static int split_discard(void *ctx, uint64_t offset, uint64_t len) {
  struct split *s = ctx;
  int errnum = 0;
  while (len > 0 && errnum == 0) {
    size_t piece = (size_t)u64_min(len, SIZE_MAX);
    if (!stretch(s, offset, &piece))
      errnum = s->body.ops.discard(s->body.ctx, offset, piece);
    atomic_store(&s->body_written, true);
    offset += piece;
    len -= piece;
  }
  return errnum;
}

static void split_close(void *ctx) {
  struct split *s = ctx;
  store_close(&s->aside);
  store_close(&s->body);
  free(s);
}

static void split_forget(void *ctx) {
  struct split *s = ctx;
  store_forget(&s->aside);
  store_forget(&s->body);
}

/* Blocks lie in the body alone. What is aside is read, and waited for. */
static int split_read_at_once(void *ctx, void *buf, size_t len, uint64_t offset) {
  struct split *s = ctx;
  const struct store_medium_ops *medium = s->body.medium;
  size_t piece = len;
  if (medium == NULL || medium->read_at_once == NULL || stretch(s, offset, &piece) != NULL || piece < len)
    return split_read(ctx, buf, len, offset);
  return medium->read_at_once(s->body.ctx, buf, len, offset);
}

static void split_on_wait(void *ctx, void (*waiting)(void *arg), void *arg) {
  struct split *s = ctx;
  store_on_wait(&s->aside, waiting, arg);
  store_on_wait(&s->body, waiting, arg);
}

static const struct nacre_store_ops split_ops = {
    .struct_size = sizeof split_ops,
    .read = split_read,
    .write = split_write,
    .sync = split_sync,
    .size = split_size,
    .resize = split_resize,
    .discard = split_discard,
    .close = split_close,
};

/* A secure discard would have to reach both media. */
static const struct store_medium_ops split_medium_ops = {
    .forget = split_forget, .read_at_once = split_read_at_once, .on_wait = split_on_wait};

enum nacre_err split_store_new(struct store *body, struct store *aside, const struct split_part *parts, size_t count,
                               struct store *out) {
  struct split *s = calloc(1, sizeof *s);
  *out = (struct store){0};
  if (s == NULL || count == 0 || count > SPLIT_PARTS_MAX) {
    free(s);
    store_close(aside);
    store_close(body);
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a container");
  }
  s->body = *body;
  s->aside = *aside;
  memcpy(s->parts, parts, count * sizeof *parts);
  s->count = count;
  atomic_store(&s->body_written, true);
  atomic_store(&s->aside_written, true);
  *out = (struct store){
      .ops = split_ops, .ctx = s, .read_only = body->read_only || aside->read_only, .medium = &split_medium_ops};
  if (body->ops.resize == NULL)
    out->ops.resize = NULL;
  if (body->ops.discard == NULL)
    out->ops.discard = NULL;
  return NACRE_OK;
}

bool split_store_parts(const struct store *store, struct store **body, struct store **aside) {
  struct split *s = store->ctx;
  if (store->ops.read != split_read)
    return false;
  *body = &s->body;
  *aside = &s->aside;
  return true;
}
