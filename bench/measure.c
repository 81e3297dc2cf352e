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

void measure_peak_forget(void) {
  FILE *refs = fopen("/proc/self/clear_refs", "we");
  if (refs == NULL)
    return;
  fputs("5", refs);
  fclose(refs);
}

double measure_peak_mib(void) {
  char line[256];
  unsigned long long kib = 0;
  FILE *status = fopen("/proc/self/status", "re");
  MEASURE_OK(status == NULL);
  while (fgets(line, sizeof line, status) != NULL) {
    if (strncmp(line, "VmHWM:", 6) == 0)
      kib = strtoull(line + 6, NULL, 10);
  }
  fclose(status);
  return (double)kib / 1024;
}
