/* One large file, or one for each thread: written in order, read in order, and compared with all that was written. */
#include "load/load.h"
#include "load/pattern.h"
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES (1u << 20)
#define PIECE_BLOCKS (PIECE_BYTES / PATTERN_BLOCK_BYTES)

static uint8_t *piece_new(void) {
  uint8_t *piece = aligned_alloc(PATTERN_BLOCK_BYTES, PIECE_BYTES);
  if (piece == NULL)
    load_fail("memory", "");
  return piece;
}

static void write_file(const char *path, uint64_t id, uint64_t bytes) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0)
    load_fail("create", path);
  uint8_t *piece = piece_new();
  pattern_fill(piece, id, 0, PIECE_BLOCKS, 0);
  for (uint64_t at = 0; at < bytes; at += PIECE_BYTES) {
    pattern_stamp(piece, id, at / PATTERN_BLOCK_BYTES, PIECE_BLOCKS, 0);
    for (size_t done = 0; done < PIECE_BYTES;) {
      ssize_t n = write(fd, piece + done, PIECE_BYTES - done);
      if (n <= 0)
        load_fail("write", path);
      done += (size_t)n;
    }
  }
  if (fsync(fd) != 0 || close(fd) != 0)
    load_fail("fsync", path);
  free(piece);
}

static void read_piece(int fd, uint8_t *piece, uint64_t at, const char *path) {
  for (size_t done = 0; done < PIECE_BYTES;) {
    ssize_t n = pread(fd, piece + done, PIECE_BYTES - done, (off_t)(at + done));
    if (n <= 0)
      load_fail("read", path);
    done += (size_t)n;
  }
}

static int open_whole(const char *path, uint64_t bytes) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  errno = 0;
  if (fd < 0 || lseek(fd, 0, SEEK_END) != (off_t)bytes)
    load_fail("open, size", path);
  return fd;
}

/* Each byte if there are versions (or NULL: all 0), the stamps alone if `fast`. */
static void read_file(const char *path, uint64_t id, uint64_t bytes, const uint8_t *versions, bool fast) {
  int fd = open_whole(path, bytes);
  uint8_t *piece = piece_new();
  for (uint64_t at = 0; at < bytes; at += PIECE_BYTES) {
    read_piece(fd, piece, at, path);
    for (uint64_t i = 0; i < PIECE_BLOCKS; i++) {
      const uint8_t *block = piece + i * PATTERN_BLOCK_BYTES;
      uint64_t number = at / PATTERN_BLOCK_BYTES + i, version = versions != NULL ? versions[number] : 0;
      if (fast ? !pattern_stamped(block, id, number, version) : !pattern_holds(block, id, number, version))
        load_fail("contents", path);
    }
  }
  close(fd);
  free(piece);
}

void large_write(const struct load *load, struct load_report *report) {
  double begin = measure_now_s();
  write_file(load->path, 0, load->bytes);
  report->seconds = measure_now_s() - begin;
  report->bytes = load->bytes;
}

void large_read(const struct load *load, struct load_report *report) {
  double begin = measure_now_s();
  read_file(load->path, 0, load->bytes, NULL, true);
  report->seconds = measure_now_s() - begin;
  report->bytes = load->bytes;
}

static void mark(const struct load *load, uint8_t *versions, uint64_t writes, uint64_t version) {
  for (uint64_t i = 0; i < writes; i++)
    versions[random_place(load, i, version)] = (uint8_t)version;
}

void large_verify(const struct load *load, struct load_report *report) {
  uint8_t *versions = calloc(load->bytes / PATTERN_BLOCK_BYTES, 1);
  if (versions == NULL)
    load_fail("memory", "");
  double begin = measure_now_s();
  mark(load, versions, load->buffered, RANDOM_VERSION_BUFFERED);
  mark(load, versions, load->synced, RANDOM_VERSION_SYNCED);
  read_file(load->path, 0, load->bytes, versions, false);
  report->seconds = measure_now_s() - begin;
  report->bytes = load->bytes;
  free(versions);
}

static void own_path(const struct load *load, uint64_t job, char *path, size_t size) {
  snprintf(path, size, "%s.%u", load->path, (unsigned)job);
}

static void write_own(const struct load *load, uint64_t job) {
  char path[4096];
  own_path(load, job, path, sizeof path);
  write_file(path, job + 1, load->bytes);
}

void large_writers(const struct load *load, struct load_report *report) {
  report->seconds = load_parallel(load, write_own);
  report->bytes = load->bytes * load->jobs;
  for (uint64_t job = 0; job < load->jobs; job++) {
    char path[4096];
    own_path(load, job, path, sizeof path);
    read_file(path, job + 1, load->bytes, NULL, false);
  }
}
