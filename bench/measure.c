#include "measure.h"

#include <string.h>
#include <time.h>

#define LINES_MAX 128u

struct line {
  char what[96];
  const char *unit;
  double median, least, most;
  unsigned rounds;
};

static struct {
  const char *name;
  struct line lines[LINES_MAX];
  unsigned count;
} results;

void measure_begin(const char *name) {
  results.name = name;
  results.count = 0;
  printf("%-56s %12s %12s %12s\n", name, "median", "least", "most");
}

static int ascending(const void *a, const void *b) {
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

void measure_add(const char *what, const char *unit, double *values, unsigned rounds) {
  struct line *l = &results.lines[results.count];
  if (results.count == LINES_MAX || rounds == 0)
    return;
  results.count++;
  qsort(values, rounds, sizeof *values, ascending);
  snprintf(l->what, sizeof l->what, "%s", what);
  l->unit = unit;
  l->least = values[0];
  l->most = values[rounds - 1];
  l->median = rounds % 2 == 1 ? values[rounds / 2] : (values[rounds / 2 - 1] + values[rounds / 2]) / 2;
  l->rounds = rounds;
  printf("  %-54s %12.1f %12.1f %12.1f %s\n", l->what, l->median, l->least, l->most, unit);
  fflush(stdout);
}

void measure_end(void) {
  printf("{\"bench\": \"%s\", \"results\": [", results.name);
  for (unsigned i = 0; i < results.count; i++) {
    const struct line *l = &results.lines[i];
    printf(
        "%s{\"what\": \"%s\", \"unit\": \"%s\", \"median\": %.3f, \"least\": %.3f, \"most\": %.3f, \"rounds\": %u}",
        i > 0 ? ", " : "", l->what, l->unit, l->median, l->least, l->most, l->rounds);
  }
  printf("]}\n");
}

double measure_now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

uint64_t measure_option(int argc, char **argv, const char *name, uint64_t otherwise) {
  size_t len = strlen(name);
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "--", 2) == 0 && strncmp(argv[i] + 2, name, len) == 0 && argv[i][2 + len] == '=')
      return strtoull(argv[i] + 2 + len + 1, NULL, 0);
  }
  return otherwise;
}
