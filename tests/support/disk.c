#include "support/disk.h"

#include "support/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* What a change replaced: bytes at an offset, and the size before it. */
struct disk_undo {
  uint64_t offset, size_bytes;
  size_t len;
  uint8_t *old;
};

void disk_init(struct disk *d, uint64_t limit_bytes) {
  memset(d, 0, sizeof *d);
  if (limit_bytes > SIZE_MAX / 2)
    report_fail("a container of %llu bytes in memory", (unsigned long long)limit_bytes);
  void *p =
      mmap(NULL, (size_t)limit_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    report_fail("no memory for a container");
  d->bytes = p;
  d->limit_bytes = limit_bytes;
  pthread_mutex_init(&d->lock, NULL);
}

void disk_free(struct disk *d) {
  if (d->marked)
    disk_rewind(d);
  munmap(d->bytes, d->limit_bytes);
  pthread_mutex_destroy(&d->lock);
  free(d->undo);
}

void disk_copy(const struct disk *from, struct disk *to) {
  uint64_t larger = from->size_bytes > to->size_bytes ? from->size_bytes : to->size_bytes;
  memcpy(to->bytes, from->bytes, larger);
  to->size_bytes = from->size_bytes;
}

void disk_mark(struct disk *d) {
  d->marked = true;
}

void disk_rewind_to(struct disk *d, size_t level) {
  while (d->undo_count > level) {
    struct disk_undo *u = &d->undo[--d->undo_count];
    memcpy(d->bytes + u->offset, u->old, u->len);
    d->size_bytes = u->size_bytes;
    free(u->old);
  }
}

void disk_rewind(struct disk *d) {
  disk_rewind_to(d, 0);
  d->marked = false;
}

size_t disk_level(const struct disk *d) {
  return d->undo_count;
}

void disk_watch_reads(struct disk *d, struct disk_trace *trace) {
  d->trace = trace;
}

void disk_trace_add(struct disk_trace *t, uint64_t offset, size_t len) {
  if (t->count == t->cap) {
    t->cap = t->cap * 2 + 64;
    t->spans = realloc(t->spans, t->cap * sizeof *t->spans);
  }
  t->spans[t->count++] = (struct disk_span){.offset = offset, .len = len};
}

/* Under the lock, before bytes change. */
static void remember(struct disk *d, uint64_t offset, uint64_t len) {
  if (!d->marked)
    return;
  if (d->undo_count == d->undo_cap) {
    d->undo_cap = d->undo_cap * 2 + 64;
    d->undo = realloc(d->undo, d->undo_cap * sizeof *d->undo);
  }
  struct disk_undo *u = &d->undo[d->undo_count++];
  *u = (struct disk_undo){.offset = offset, .size_bytes = d->size_bytes, .len = (size_t)len, .old = malloc(len + 1)};
  memcpy(u->old, d->bytes + offset, u->len);
}

static bool in_range(const struct disk *d, size_t len, uint64_t offset) {
  return offset <= d->size_bytes && len <= d->size_bytes - offset;
}

int disk_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  struct disk *d = ctx;
  pthread_mutex_lock(&d->lock);
  bool ok = in_range(d, len, offset);
  if (ok && len > 0)
    memcpy(buf, d->bytes + offset, len);
  if (ok && len > 0 && d->trace != NULL)
    disk_trace_add(d->trace, offset, len);
  pthread_mutex_unlock(&d->lock);
  return ok ? 0 : EIO;
}

int disk_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  struct disk *d = ctx;
  pthread_mutex_lock(&d->lock);
  bool ok = in_range(d, len, offset);
  if (ok && len > 0) {
    remember(d, offset, len);
    memcpy(d->bytes + offset, buf, len);
  }
  pthread_mutex_unlock(&d->lock);
  return ok ? 0 : EIO;
}

int disk_sync(void *ctx) {
  (void)ctx;
  return 0;
}

int disk_size(void *ctx, uint64_t *size) {
  struct disk *d = ctx;
  pthread_mutex_lock(&d->lock);
  *size = d->size_bytes;
  pthread_mutex_unlock(&d->lock);
  return 0;
}

int disk_resize(void *ctx, uint64_t size) {
  struct disk *d = ctx;
  int errnum = 0;
  pthread_mutex_lock(&d->lock);
  if (size > d->limit_bytes) {
    errnum = ENOSPC;
  } else {
    uint64_t cut = size < d->size_bytes ? d->size_bytes - size : 0;
    remember(d, size < d->size_bytes ? size : d->size_bytes, cut);
    if (cut > 0)
      memset(d->bytes + size, 0, (size_t)cut);
    d->size_bytes = size;
  }
  pthread_mutex_unlock(&d->lock);
  return errnum;
}

void disk_close(void *ctx) {
  (void)ctx;
}

const struct nacre_store_ops disk_ops = {
    .struct_size = sizeof disk_ops,
    .read = disk_read,
    .write = disk_write,
    .sync = disk_sync,
    .size = disk_size,
    .resize = disk_resize,
    .close = disk_close,
};
