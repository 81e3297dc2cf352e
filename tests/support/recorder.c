#include "support/recorder.h"

#include "support/report.h"

#include <stdlib.h>
#include <string.h>

#define SECTOR_BYTES 512u

/* ---- Recording ---- */

void recorder_init(struct recorder *r, struct disk *disk) {
  memset(r, 0, sizeof *r);
  r->disk = disk;
  pthread_mutex_init(&r->lock, NULL);
}

void recorder_clear(struct recorder *r) {
  for (size_t i = 0; i < r->count; i++)
    free(r->events[i].bytes);
  r->count = 0;
}

void recorder_free(struct recorder *r) {
  recorder_clear(r);
  free(r->events);
  pthread_mutex_destroy(&r->lock);
}

size_t recorder_count(struct recorder *r) {
  pthread_mutex_lock(&r->lock);
  size_t count = r->count;
  pthread_mutex_unlock(&r->lock);
  return count;
}

static void keep(struct recorder *r, enum event_kind kind, uint64_t offset, const void *bytes, size_t len) {
  struct event e = {.kind = kind, .offset = offset, .len = len};
  if (len > 0) {
    e.bytes = malloc(len);
    memcpy(e.bytes, bytes, len);
  }
  if (r->count == r->cap) {
    r->cap = r->cap * 2 + 256;
    r->events = realloc(r->events, r->cap * sizeof *r->events);
  }
  r->events[r->count++] = e;
}

static int recorder_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  struct recorder *r = ctx;
  return disk_read(r->disk, buf, len, offset);
}

static int recorder_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  struct recorder *r = ctx;
  pthread_mutex_lock(&r->lock);
  int errnum = disk_write(r->disk, buf, len, offset);
  if (errnum == 0)
    keep(r, EVENT_WRITE, offset, buf, len);
  pthread_mutex_unlock(&r->lock);
  return errnum;
}

static int recorder_sync(void *ctx) {
  struct recorder *r = ctx;
  pthread_mutex_lock(&r->lock);
  keep(r, EVENT_SYNC, 0, NULL, 0);
  pthread_mutex_unlock(&r->lock);
  return 0;
}

static int recorder_size(void *ctx, uint64_t *size) {
  struct recorder *r = ctx;
  return disk_size(r->disk, size);
}

static int recorder_resize(void *ctx, uint64_t size) {
  struct recorder *r = ctx;
  pthread_mutex_lock(&r->lock);
  int errnum = disk_resize(r->disk, size);
  if (errnum == 0)
    keep(r, EVENT_RESIZE, size, NULL, 0);
  pthread_mutex_unlock(&r->lock);
  return errnum;
}

const struct nacre_store_ops recorder_ops = {
    .struct_size = sizeof recorder_ops,
    .read = recorder_read,
    .write = recorder_write,
    .sync = recorder_sync,
    .size = recorder_size,
    .resize = recorder_resize,
    .close = disk_close,
};

/* ---- Playing ---- */

const char *cut_name(enum cut cut) {
  static const char *const names[CUTS] = {"kept", "dropped", "torn", "reordered", "scattered"};
  return names[cut];
}

/* A write that arrives where the resize before it did not makes the container longer, as it does with a file. */
static void put(struct disk *d, const uint8_t *bytes, size_t len, uint64_t offset) {
  if (offset + len > d->size_bytes)
    (void)disk_resize(d, offset + len);
  (void)disk_write(d, bytes, len, offset);
}

void event_happen_part(struct disk *d, const struct event *e, size_t from, size_t to) {
  put(d, e->bytes + from, to - from, e->offset + from);
}

void event_happen(struct disk *d, const struct event *e) {
  if (e->kind == EVENT_WRITE)
    event_happen_part(d, e, 0, e->len);
  else if (e->kind == EVENT_RESIZE)
    (void)disk_resize(d, e->offset);
}

void player_init(struct player *p, struct disk *disk, const struct event *events, size_t count) {
  *p = (struct player){.disk = disk, .events = events, .count = count};
}

bool player_step(struct player *p) {
  if (p->at == p->count)
    return false;
  if (p->events[p->at++].kind != EVENT_SYNC)
    return true;
  for (; p->synced < p->at; p->synced++)
    event_happen(p->disk, &p->events[p->synced]);
  return true;
}

bool player_tells(const struct player *p, enum cut cut) {
  size_t open = p->at - p->synced;
  bool last = p->at == p->count || p->events[p->at].kind == EVENT_SYNC;
  switch (cut) {
  case CUT_KEEP:
    return true;
  case CUT_DROP:
    return open > 0 && last;
  case CUT_TEAR:
    return open > 0 && p->events[p->at - 1].len > SECTOR_BYTES;
  case CUT_SUBSET:
    return open > 1;
  case CUT_SECTORS:
    return open > 0;
  case CUTS:
    break;
  }
  return false;
}

static void cut_keep(const struct player *p) {
  for (size_t i = p->synced; i < p->at; i++)
    event_happen(p->disk, &p->events[i]);
}

static void cut_tear(const struct player *p, struct prng *prng) {
  for (size_t i = p->synced; i + 1 < p->at; i++)
    event_happen(p->disk, &p->events[i]);
  const struct event *e = &p->events[p->at - 1];
  put(p->disk, e->bytes, (size_t)prng_below(prng, e->len / SECTOR_BYTES) * SECTOR_BYTES, e->offset);
}

static void cut_subset(const struct player *p, struct prng *prng) {
  size_t count = p->at - p->synced;
  const struct event **order = malloc(count * sizeof *order);
  for (size_t i = 0; i < count; i++) {
    size_t other = (size_t)prng_below(prng, i + 1);
    order[i] = order[other];
    order[other] = &p->events[p->synced + i];
  }
  for (size_t i = 0; i < count; i++)
    if (prng_chance(prng, 50))
      event_happen(p->disk, order[i]);
  free(order);
}

static void scatter(struct disk *d, const struct event *e, bool garbage, struct prng *prng) {
  for (size_t at = 0; at < e->len; at += SECTOR_BYTES) {
    size_t len = e->len - at < SECTOR_BYTES ? e->len - at : SECTOR_BYTES;
    uint8_t sector[SECTOR_BYTES];
    if (prng_chance(prng, 50)) {
      put(d, e->bytes + at, len, e->offset + at);
    } else if (garbage && prng_chance(prng, 20)) {
      prng_fill(prng, sector, sizeof sector);
      put(d, sector, len, e->offset + at);
    }
  }
}

static void cut_sectors(const struct player *p, struct prng *prng) {
  for (size_t i = p->synced; i < p->at; i++) {
    const struct event *e = &p->events[i];
    if (e->kind == EVENT_WRITE)
      scatter(p->disk, e, i + 1 == p->at, prng);
    else if (prng_chance(prng, 50))
      event_happen(p->disk, e);
  }
}

void player_cut(const struct player *p, enum cut cut, struct prng *prng) {
  disk_mark(p->disk);
  if (cut == CUT_KEEP)
    cut_keep(p);
  else if (cut == CUT_TEAR)
    cut_tear(p, prng);
  else if (cut == CUT_SUBSET)
    cut_subset(p, prng);
  else if (cut == CUT_SECTORS)
    cut_sectors(p, prng);
}
