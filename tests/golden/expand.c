#include "golden/golden.h"

#include "support/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "nacre golden 1\n"
#define GROUP_BYTES (512u << 10)
#define GROUP_1_OFFSET (16u << 20)
/* What stands where the format says "random": it means nothing. */
#define FILLER 0xa5
#define NOT_COPIED UINT64_MAX

static uint64_t le64(const uint8_t *p) {
  uint64_t n = 0;
  for (unsigned i = 8; i-- > 0;)
    n = n << 8 | p[i];
  return n;
}

/* A piece: offset, length, where to copy it from; without that, its bytes follow. */
static bool expand_piece(FILE *file, struct disk *disk, const uint8_t head[24]) {
  uint64_t offset = le64(head), len = le64(head + 8), from = le64(head + 16);
  if (len > disk->limit_bytes || offset > disk->limit_bytes - len)
    return false;
  if (from == NOT_COPIED)
    return fread(disk->bytes + offset, 1, len, file) == len;
  if (from > disk->limit_bytes - len)
    return false;
  memmove(disk->bytes + offset, disk->bytes + from, len);
  return true;
}

static bool expand_pieces(FILE *file, struct disk *disk) {
  uint8_t head[24];
  while (fread(head, 1, sizeof head, file) == sizeof head) {
    if (le64(head + 8) == 0) /* the end: the container's size */
      return disk_resize(disk, le64(head)) == 0;
    if (!expand_piece(file, disk, head))
      return false;
  }
  return false;
}

bool golden_expand(const char *path, struct disk *disk) {
  FILE *file = fopen(path, "rb");
  if (file == NULL)
    return false;
  char magic[sizeof MAGIC - 1];
  bool good = fread(magic, 1, sizeof magic, file) == sizeof magic && memcmp(magic, MAGIC, sizeof magic) == 0 &&
              disk_resize(disk, disk->limit_bytes) == 0;
  if (good) {
    memset(disk->bytes, FILLER, GROUP_BYTES);
    memset(disk->bytes + GROUP_1_OFFSET, FILLER, GROUP_BYTES);
    good = expand_pieces(file, disk);
  }
  (void)fclose(file);
  return good;
}
