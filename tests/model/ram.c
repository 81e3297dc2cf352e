#include "model/ram.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void ram_init(struct ram *ram, uint64_t limit_bytes) {
  ram->limit_bytes = limit_bytes;
  atomic_init(&ram->size_bytes, 0);
  ram->bytes =
      mmap(NULL, (size_t)limit_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (ram->bytes == MAP_FAILED) {
    perror("mmap");
    exit(2);
  }
}

void ram_free(struct ram *ram) {
  munmap(ram->bytes, (size_t)ram->limit_bytes);
}

static int within(const struct ram *ram, size_t len, uint64_t offset) {
  uint64_t size = atomic_load(&ram->size_bytes);
  return offset <= size && len <= size - offset;
}

static int ram_read(void *ctx, void *buf, size_t len, uint64_t offset) {
  struct ram *ram = ctx;
  if (!within(ram, len, offset))
    return EIO;
  memcpy(buf, ram->bytes + offset, len);
  return 0;
}

static int ram_write(void *ctx, const void *buf, size_t len, uint64_t offset) {
  struct ram *ram = ctx;
  if (!within(ram, len, offset))
    return EIO;
  memcpy(ram->bytes + offset, buf, len);
  return 0;
}

static int ram_sync(void *ctx) {
  (void)ctx;
  return 0;
}

static int ram_size(void *ctx, uint64_t *size) {
  struct ram *ram = ctx;
  *size = atomic_load(&ram->size_bytes);
  return 0;
}

static int ram_resize(void *ctx, uint64_t size) {
  struct ram *ram = ctx;
  if (size > ram->limit_bytes)
    return ENOSPC;
  uint64_t old = atomic_exchange(&ram->size_bytes, size);
  if (size < old)
    memset(ram->bytes + size, 0, (size_t)(old - size));
  return 0;
}

static void ram_close(void *ctx) {
  (void)ctx;
}

const struct nacre_store_ops ram_ops = {
    .struct_size = sizeof ram_ops,
    .read = ram_read,
    .write = ram_write,
    .sync = ram_sync,
    .size = ram_size,
    .resize = ram_resize,
    .close = ram_close,
};
