#include "support/report.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char within[256], where[512];

void report_ok(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  printf("ok - ");
  vprintf(fmt, args);
  printf("\n");
  fflush(stdout);
  va_end(args);
}

void report_fail(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  printf("not ok - %s%s%s: ", within, within[0] ? ": " : "", where);
  vprintf(fmt, args);
  printf("\n");
  fflush(stdout);
  va_end(args);
  exit(1);
}

void report_at(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(where, sizeof where, fmt, args);
  va_end(args);
}

void report_within(const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  vsnprintf(within, sizeof within, fmt, args);
  va_end(args);
}

void report_must(enum nacre_err err, const char *what) {
  if (err != NACRE_OK)
    report_fail("%s: %s (%s)", what, nacre_last_error(), nacre_strerror(err));
}

double report_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void on_alarm(int signal_number) {
  static const char text[] = "not ok - hangs: ";
  (void)signal_number;
  ssize_t ignored = write(STDOUT_FILENO, text, sizeof text - 1);
  ignored = write(STDOUT_FILENO, where, strlen(where));
  ignored = write(STDOUT_FILENO, "\n", 1);
  (void)ignored;
  abort();
}

void report_watchdog(unsigned seconds) {
  signal(SIGALRM, on_alarm);
  alarm(seconds * REPORT_SLOWNESS);
}
