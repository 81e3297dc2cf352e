/* Loads for a mounted folder. Each is timed by itself and checks what it reads. */
#ifndef NACRE_BENCH_LOAD_H
#define NACRE_BENCH_LOAD_H

#include <stddef.h>
#include <stdint.h>

#define LOAD_JOBS_MAX 64u

struct load {
  const char *path;
  uint64_t bytes;            /* of a large file */
  uint64_t count;            /* of files, rows, or transactions */
  uint64_t jobs;             /* threads */
  uint64_t seconds;          /* for which random access goes on */
  uint64_t buffered, synced; /* random writes that came before, for verifying */
};

/* What a load found. Fields that it does not have stay 0. */
struct load_report {
  double seconds;
  uint64_t count;       /* of what was done */
  double fsync_seconds; /* an fsync behind it */
  double p50_us, p99_us;
  uint64_t bytes, sum;
};

/* A thread each, `job` from 0 on: the seconds that all took together. */
double load_parallel(const struct load *load, void (*work)(const struct load *load, uint64_t job));
/* Prints and exits: nothing that was measured until then is of use. */
_Noreturn void load_fail(const char *what, const char *path);

void large_write(const struct load *load, struct load_report *report);
void large_read(const struct load *load, struct load_report *report);
void large_verify(const struct load *load, struct load_report *report);
void large_writers(const struct load *load, struct load_report *report);
void random_read(const struct load *load, struct load_report *report);
void random_write(const struct load *load, struct load_report *report);
void random_write_synced(const struct load *load, struct load_report *report);
void small_create(const struct load *load, struct load_report *report);
void small_stat(const struct load *load, struct load_report *report);
void small_read(const struct load *load, struct load_report *report);
void small_delete(const struct load *load, struct load_report *report);
void tree_read(const struct load *load, struct load_report *report);
void rows_each(const struct load *load, struct load_report *report);
void rows_at_once(const struct load *load, struct load_report *report);

/* Writes number i of the random writes go here; both the writer and who verifies it ask. */
uint64_t random_place(const struct load *load, uint64_t i, uint64_t version);

#define RANDOM_VERSION_BUFFERED 1u
#define RANDOM_VERSION_SYNCED 2u

#endif
