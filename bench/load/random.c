/* Blocks of 4 KiB at random places of a large file. */
#include "load/load.h"
#include "load/pattern.h"
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#define LATENCIES_MAX (1u << 20)
#define CLOCK_EVERY 16u /* operations between two looks at the clock */

static _Atomic uint64_t reads_done;

static uint64_t blocks_of(const struct load *load) {
  return load->bytes / PATTERN_BLOCK_BYTES;
}

uint64_t random_place(const struct load *load, uint64_t i, uint64_t version) {
  return pattern_scatter(i % blocks_of(load), blocks_of(load), version);
}

static int open_random(const struct load *load, int flags) {
  int fd = open(load->path, flags | O_CLOEXEC);
  if (fd < 0)
    load_fail("open", load->path);
  posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM);
  return fd;
}

static void read_own(const struct load *load, uint64_t job) {
  uint8_t block[PATTERN_BLOCK_BYTES];
  int fd = open_random(load, O_RDONLY);
  double end = measure_now_s() + (double)load->seconds;
  uint64_t done = 0;
  for (uint64_t i = job; i < blocks_of(load); i += load->jobs) {
    uint64_t number = pattern_scatter(i, blocks_of(load), 0);
    errno = 0;
    if (pread(fd, block, sizeof block, (off_t)(number * PATTERN_BLOCK_BYTES)) != sizeof block ||
        !pattern_holds(block, 0, number, 0))
      load_fail("random read", load->path);
    if (++done % CLOCK_EVERY == 0 && measure_now_s() >= end)
      break;
  }
  atomic_fetch_add(&reads_done, done);
  close(fd);
}

void random_read(const struct load *load, struct load_report *report) {
  report->seconds = load_parallel(load, read_own);
  report->count = atomic_load(&reads_done);
}

static void write_one(const struct load *load, int fd, uint64_t i, uint64_t version) {
  uint8_t block[PATTERN_BLOCK_BYTES];
  uint64_t number = random_place(load, i, version);
  pattern_fill(block, 0, number, 1, version);
  errno = 0;
  if (pwrite(fd, block, sizeof block, (off_t)(number * PATTERN_BLOCK_BYTES)) != sizeof block)
    load_fail("random write", load->path);
}

void random_write(const struct load *load, struct load_report *report) {
  int fd = open_random(load, O_RDWR);
  double begin = measure_now_s();
  do {
    for (unsigned i = 0; i < CLOCK_EVERY; i++)
      write_one(load, fd, report->count++, RANDOM_VERSION_BUFFERED);
    report->seconds = measure_now_s() - begin;
  } while (report->seconds < (double)load->seconds);
  if (fsync(fd) != 0)
    load_fail("fsync", load->path);
  report->fsync_seconds = measure_now_s() - begin - report->seconds;
  close(fd);
}

static int ascending(const void *a, const void *b) {
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

void random_write_synced(const struct load *load, struct load_report *report) {
  double *latencies = malloc(LATENCIES_MAX * sizeof *latencies);
  int fd = open_random(load, O_RDWR);
  double begin = measure_now_s(), before = begin, after = begin;
  if (latencies == NULL)
    load_fail("memory", "");
  while (after - begin < (double)load->seconds && report->count < LATENCIES_MAX) {
    write_one(load, fd, report->count, RANDOM_VERSION_SYNCED);
    if (fsync(fd) != 0)
      load_fail("fsync", load->path);
    after = measure_now_s();
    latencies[report->count++] = (after - before) * 1e6;
    before = after;
  }
  report->seconds = after - begin;
  qsort(latencies, report->count, sizeof *latencies, ascending);
  report->p50_us = latencies[report->count / 2];
  report->p99_us = latencies[report->count - 1 - report->count / 100];
  free(latencies);
  close(fd);
}
