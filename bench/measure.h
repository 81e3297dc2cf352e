/* Rounds, medians, a table for people and a line of JSON for programs. */
#ifndef NACRE_BENCH_MEASURE_H
#define NACRE_BENCH_MEASURE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MEASURE_ROUNDS_MAX 16u

void measure_begin(const char *name);
/* One line: the median of the rounds and how far they lie apart. Sorts `values`. */
void measure_add(const char *what, const char *unit, double *values, unsigned rounds);
/* The JSON. */
void measure_end(void);
double measure_now_s(void);
/* From arguments: the value of "--name=NUMBER", or what is given. */
uint64_t measure_option(int argc, char **argv, const char *name, uint64_t otherwise);

#define MEASURE_OK(call)                                                                                             \
  do {                                                                                                               \
    if ((call) != 0) {                                                                                               \
      fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #call);                                             \
      exit(1);                                                                                                       \
    }                                                                                                                \
  } while (0)

/* From here on the most memory that the process has is counted anew, where the system permits that. */
void measure_peak_forget(void);
/* MiB of memory at most since then. */
double measure_peak_mib(void);

#endif
