/* A container in memory as an app's own store. It outlives the volumes that are opened on it, and what is done to it
 * can be taken back. */
#ifndef NACRE_TESTS_SUPPORT_DISK_H
#define NACRE_TESTS_SUPPORT_DISK_H

#include <nacre.h>
#include <pthread.h>

#define DISK_UNIT_BYTES 4096u

struct disk_undo;

struct disk_span {
  uint64_t offset;
  size_t len;
};

struct disk_trace {
  struct disk_span *spans;
  size_t count, cap;
};

/* Invariant: bytes past `size_bytes` are zero. */
struct disk {
  uint8_t *bytes;
  uint64_t size_bytes, limit_bytes;
  pthread_mutex_t lock;
  bool marked;
  struct disk_undo *undo;
  size_t undo_count, undo_cap;
  struct disk_trace *trace; /* of reads, where asked for */
};

void disk_init(struct disk *d, uint64_t limit_bytes);
void disk_free(struct disk *d);
/* Make `to`, which is initialised with the same limit, equal to `from`. */
void disk_copy(const struct disk *from, struct disk *to);
/* From here on every change is remembered; disk_rewind takes them back and forgets the mark. */
void disk_mark(struct disk *d);
void disk_rewind(struct disk *d);
/* How many changes are remembered; and back to that many, with the mark left. */
size_t disk_level(const struct disk *d);
void disk_rewind_to(struct disk *d, size_t level);
/* Keep what is read from now on in `trace`; NULL: no longer. The caller frees the spans. */
void disk_trace_add(struct disk_trace *t, uint64_t offset, size_t len);
void disk_watch_reads(struct disk *d, struct disk_trace *trace);

/* The store's calls; ctx is the disk. Close does nothing. */
int disk_read(void *ctx, void *buf, size_t len, uint64_t offset);
int disk_write(void *ctx, const void *buf, size_t len, uint64_t offset);
int disk_sync(void *ctx);
int disk_size(void *ctx, uint64_t *size);
int disk_resize(void *ctx, uint64_t size);
void disk_close(void *ctx);
extern const struct nacre_store_ops disk_ops;

#endif
