#include "support/faulty.h"

#include <stdlib.h>
#include <string.h>

void faulty_init(struct faulty *f, struct disk *disk) {
  memset(f, 0, sizeof *f);
  f->disk = disk;
  pthread_mutex_init(&f->lock, NULL);
}

void faulty_end(struct faulty *f) {
  free(f->unsynced.spans);
  free(f->written.spans);
  pthread_mutex_destroy(&f->lock);
}

void faulty_arm(struct faulty *f, enum fault_call call, unsigned long nth, bool lasting, int errnum) {
  pthread_mutex_lock(&f->lock);
  memset(f->counts, 0, sizeof f->counts);
  f->call = call;
  f->nth = nth;
  f->lasting = lasting;
  f->errnum = errnum;
  f->hits = 0;
  pthread_mutex_unlock(&f->lock);
}

unsigned long faulty_hits(struct faulty *f) {
  pthread_mutex_lock(&f->lock);
  unsigned long hits = f->hits;
  pthread_mutex_unlock(&f->lock);
  return hits;
}

const char *faulty_name(enum fault_call call) {
  static const char *const names[FAULT_CALLS] = {"read", "write", "sync", "resize"};
  return names[call];
}

/* The errno of this call, 0 for success. */
static int meet(struct faulty *f, enum fault_call call) {
  int errnum = 0;
  pthread_mutex_lock(&f->lock);
  unsigned long n = ++f->counts[call];
  if (call == f->call && f->note != NULL)
    f->note(n);
  if (call == f->call && f->nth > 0 && (n == f->nth || (f->lasting && n > f->nth))) {
    errnum = f->errnum;
    f->hits++;
  }
  pthread_mutex_unlock(&f->lock);
  return errnum;
}

/* ---- The cache ---- */

void faulty_cache(struct faulty *f, struct disk *medium) {
  f->medium = medium;
  f->unsynced.count = f->written.count = 0;
}

static void copy_span(struct disk *from, struct disk *to, const struct disk_span *span) {
  if (span->offset + span->len <= from->size_bytes && span->offset + span->len <= to->size_bytes)
    (void)disk_write(to, from->bytes + span->offset, span->len, span->offset);
}

void faulty_lose_cache(struct faulty *f) {
  for (size_t i = 0; i < f->written.count; i++)
    copy_span(f->medium, f->disk, &f->written.spans[i]);
}

static int cached_write(struct faulty *f, const void *buf, size_t len, uint64_t offset) {
  pthread_mutex_lock(&f->lock);
  int errnum = disk_write(f->disk, buf, len, offset);
  if (f->medium != NULL && errnum == 0) {
    disk_trace_add(&f->unsynced, offset, len);
    disk_trace_add(&f->written, offset, len);
  }
  pthread_mutex_unlock(&f->lock);
  return errnum;
}

static void cached_sync(struct faulty *f, bool reaches) {
  pthread_mutex_lock(&f->lock);
  for (size_t i = 0; i < f->unsynced.count && reaches; i++)
    copy_span(f->disk, f->medium, &f->unsynced.spans[i]);
  f->unsynced.count = 0;
  pthread_mutex_unlock(&f->lock);
}

/* The size is the host filesystem's own affair, and is in its journal. */
static int cached_resize(struct faulty *f, uint64_t size) {
  pthread_mutex_lock(&f->lock);
  int errnum = disk_resize(f->disk, size);
  if (errnum == 0 && f->medium != NULL)
    errnum = disk_resize(f->medium, size);
  pthread_mutex_unlock(&f->lock);
  return errnum;
}

/* ---- The calls ---- */

static int faulty_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  struct faulty *f = ctx;
  int errnum = meet(f, FAULT_READ);
  if (errnum == 0)
    return disk_read(f->disk, buf, len, offset);
  /* What a failed read leaves in the buffer is nobody's data. */
  memset(buf, 0xee, len);
  return errnum;
}

static int faulty_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  struct faulty *f = ctx;
  int errnum = meet(f, FAULT_WRITE);
  if (errnum == 0)
    return cached_write(f, buf, len, offset);
  /* A failed write may have come half the way. */
  (void)cached_write(f, buf, len / 2, offset);
  return errnum;
}

static int faulty_sync(void *ctx) {
  struct faulty *f = ctx;
  int errnum = meet(f, FAULT_SYNC);
  cached_sync(f, errnum == 0);
  return errnum;
}

static int faulty_size(void *ctx, uint64_t *size) {
  struct faulty *f = ctx;
  return disk_size(f->disk, size);
}

static int faulty_resize(void *ctx, uint64_t size) {
  struct faulty *f = ctx;
  int errnum = meet(f, FAULT_RESIZE);
  return errnum == 0 ? cached_resize(f, size) : errnum;
}

const struct nacre_store_ops faulty_ops = {
    .struct_size = sizeof faulty_ops,
    .read = faulty_read,
    .write = faulty_write,
    .sync = faulty_sync,
    .size = faulty_size,
    .resize = faulty_resize,
    .close = disk_close,
};
