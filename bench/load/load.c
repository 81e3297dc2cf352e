#include "load/load.h"
#include "load/pattern.h"
#include "measure.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

struct job {
  const struct load *load;
  void (*work)(const struct load *load, uint64_t job);
  uint64_t number;
};

_Noreturn void load_fail(const char *what, const char *path) {
  fprintf(stderr, "load: %s: %s: %s\n", path, what, errno != 0 ? strerror(errno) : "not what it should be");
  exit(1);
}

static void *run_job(void *arg) {
  const struct job *job = arg;
  job->work(job->load, job->number);
  return NULL;
}

double load_parallel(const struct load *load, void (*work)(const struct load *load, uint64_t job)) {
  pthread_t threads[LOAD_JOBS_MAX];
  struct job jobs[LOAD_JOBS_MAX];
  double begin = measure_now_s();
  for (uint64_t i = 0; i < load->jobs; i++) {
    jobs[i] = (struct job){.load = load, .work = work, .number = i};
    MEASURE_OK(pthread_create(&threads[i], NULL, run_job, &jobs[i]));
  }
  for (uint64_t i = 0; i < load->jobs; i++)
    pthread_join(threads[i], NULL);
  return measure_now_s() - begin;
}

static const struct {
  const char *name;
  void (*run)(const struct load *load, struct load_report *report);
} loads[] = {
    {"write", large_write},
    {"read", large_read},
    {"verify", large_verify},
    {"writers", large_writers},
    {"random-read", random_read},
    {"random-write", random_write},
    {"random-write-synced", random_write_synced},
    {"create", small_create},
    {"stat", small_stat},
    {"read-small", small_read},
    {"delete", small_delete},
    {"read-tree", tree_read},
    {"rows-each", rows_each},
    {"rows-at-once", rows_at_once},
};

static void print_report(const struct load_report *r) {
  printf("{\"seconds\": %.6f, \"count\": %llu, \"fsync_seconds\": %.6f, \"p50_us\": %.3f, \"p99_us\": %.3f, "
         "\"bytes\": %llu, \"sum\": \"%016llx\"}\n",
         r->seconds, (unsigned long long)r->count, r->fsync_seconds, r->p50_us, r->p99_us,
         (unsigned long long)r->bytes, (unsigned long long)r->sum);
}

int main(int argc, char **argv) {
  struct load_report report = {0};
  struct load load = {
      .path = argc > 2 ? argv[2] : "",
      .bytes = measure_option(argc, argv, "bytes", 1 << 20),
      .count = measure_option(argc, argv, "count", 1000),
      .jobs = measure_option(argc, argv, "jobs", 1),
      .seconds = measure_option(argc, argv, "seconds", 1),
      .buffered = measure_option(argc, argv, "buffered", 0),
      .synced = measure_option(argc, argv, "synced", 0),
  };
  if (load.jobs == 0 || load.jobs > LOAD_JOBS_MAX || load.bytes % (1 << 20) != 0 || load.bytes == 0)
    return fprintf(stderr, "load: 1 to %u jobs, whole MiB\n", LOAD_JOBS_MAX), 2;
  pattern_start();
  for (size_t i = 0; argc > 2 && i < sizeof loads / sizeof loads[0]; i++) {
    if (strcmp(argv[1], loads[i].name) == 0) {
      loads[i].run(&load, &report);
      print_report(&report);
      return 0;
    }
  }
  fprintf(stderr, "load WORK PATH [--bytes=N] [--count=N] [--jobs=N] [--seconds=N]; WORK is one of:\n");
  for (size_t i = 0; i < sizeof loads / sizeof loads[0]; i++)
    fprintf(stderr, "  %s\n", loads[i].name);
  return 2;
}
