/* A container in anonymous memory: pages that were never written cost nothing. */
#include "store/store.h"

#include "base/bytes.h"
#include "base/err.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Invariant: bytes of the mapping at and past `size` are zero, so that growing shows zeroes. */
struct memory_store {
  pthread_rwlock_t lock; /* held exclusively where the mapping may move */
  uint8_t *bytes;
  size_t mapped; /* a multiple of the page size */
  uint64_t size;
  uint64_t limit;
};

static size_t memory_page_bytes(void) {
  return (size_t)sysconf(_SC_PAGESIZE);
}

static bool memory_in_range(const struct memory_store *m, size_t len, uint64_t offset) {
  return offset <= m->size && len <= m->size - offset;
}

static int memory_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  struct memory_store *m = ctx;
  pthread_rwlock_rdlock(&m->lock);
  bool ok = memory_in_range(m, len, offset);
  if (ok && len > 0)
    memcpy(buf, m->bytes + offset, len);
  pthread_rwlock_unlock(&m->lock);
  return ok ? 0 : EIO;
}

/* Exclusive, since two writers of the same bytes are allowed and must not race. */
static int memory_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  struct memory_store *m = ctx;
  pthread_rwlock_wrlock(&m->lock);
  bool ok = memory_in_range(m, len, offset);
  if (ok && len > 0)
    memcpy(m->bytes + offset, buf, len);
  pthread_rwlock_unlock(&m->lock);
  return ok ? 0 : EIO;
}

static int memory_sync(void *ctx) {
  (void)ctx;
  return 0;
}

static int memory_size(void *ctx, uint64_t *size) {
  struct memory_store *m = ctx;
  pthread_rwlock_rdlock(&m->lock);
  *size = m->size;
  pthread_rwlock_unlock(&m->lock);
  return 0;
}

static bool memory_map(struct memory_store *m, size_t mapped) {
  void *p = m->bytes;
  if (mapped == m->mapped)
    return true;
  if (m->mapped == 0)
    p = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  else if (mapped == 0)
    (void)munmap(m->bytes, m->mapped);
  else
    p = mremap(m->bytes, m->mapped, mapped, MREMAP_MAYMOVE);
  if (p == MAP_FAILED)
    return false;
  m->bytes = mapped == 0 ? NULL : p;
  m->mapped = mapped;
  return true;
}

/* Under the lock. */
static int memory_set_size(struct memory_store *m, uint64_t size) {
  size_t page = memory_page_bytes();
  if (size > m->limit)
    return ENOSPC;
  if (size > SIZE_MAX - page)
    return ENOMEM;
  size_t mapped = ((size_t)size + page - 1) / page * page;
  if (!memory_map(m, mapped))
    return ENOMEM;
  if (size < m->size && mapped > 0) {
    size_t stale = (size_t)u64_min(m->size, mapped) - (size_t)size;
    memset(m->bytes + size, 0, stale);
  }
  m->size = size;
  return 0;
}

static int memory_resize(void *ctx, uint64_t size) {
  struct memory_store *m = ctx;
  pthread_rwlock_wrlock(&m->lock);
  int errnum = memory_set_size(m, size);
  pthread_rwlock_unlock(&m->lock);
  return errnum;
}

/* Gives whole pages back; what is discarded reads as zeroes afterwards. */
static int memory_discard(void *ctx, uint64_t offset, uint64_t len) {
  struct memory_store *m = ctx;
  size_t page = memory_page_bytes();
  pthread_rwlock_wrlock(&m->lock);
  if (offset < m->size) {
    uint64_t end = offset + u64_min(len, m->size - offset);
    uint64_t first = u64_ceil_div(offset, page) * page;
    uint64_t last = end / page * page;
    if (first < last)
      (void)madvise(m->bytes + first, (size_t)(last - first), MADV_DONTNEED);
  }
  pthread_rwlock_unlock(&m->lock);
  return 0;
}

static void memory_close(void *ctx) {
  struct memory_store *m = ctx;
  if (m->mapped > 0)
    (void)munmap(m->bytes, m->mapped);
  pthread_rwlock_destroy(&m->lock);
  free(m);
}

enum nacre_err memory_store_new(uint64_t size, uint64_t limit, struct store *out) {
  *out = (struct store){0};
  struct memory_store *m = calloc(1, sizeof *m);
  if (m == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "no memory for a container");
  pthread_rwlock_init(&m->lock, NULL);
  m->limit = limit;
  int errnum = memory_set_size(m, size);
  if (errnum != 0) {
    memory_close(m);
    return err_set_errno(errnum == ENOSPC ? NACRE_ERR_NO_SPACE : NACRE_ERR_NO_MEMORY, errnum,
                         "making a container of %llu bytes in memory", (unsigned long long)size);
  }
  static const struct nacre_store_ops ops = {
      .struct_size = sizeof ops,
      .read = memory_read,
      .write = memory_write,
      .sync = memory_sync,
      .size = memory_size,
      .resize = memory_resize,
      .discard = memory_discard,
      .close = memory_close,
  };
  *out = (struct store){.ops = ops, .ctx = m};
  return NACRE_OK;
}
