#include "progress.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "report.h"

#define PROGRESS_INTERVAL_MS 100

static int64_t now_ms(void) {
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void progress_start(struct progress *progress) {
  /* What is over before the first interval is, shows nothing. */
  *progress = (struct progress){.on = isatty(STDERR_FILENO) && !report_is_json(), .last_ms = now_ms()};
}

void progress_show(struct progress *progress, const char *format, ...) {
  if (!progress->on)
    return;
  const int64_t now = now_ms();
  if (now - progress->last_ms < PROGRESS_INTERVAL_MS)
    return;
  progress->last_ms = now;
  progress->shown = true;
  char text[80];
  va_list args;
  va_start(args, format);
  (void)vsnprintf(text, sizeof text, format, args);
  va_end(args);
  (void)fprintf(stderr, "\r%s\033[K", text);
}

void progress_library(void *arg, const char *what, uint64_t done, uint64_t total) {
  if (total > 0)
    progress_show(arg, "%.50s: %d %%", what, (int)(100.0 * (double)done / (double)total));
  else
    progress_show(arg, "%.50s: %" PRIu64, what, done);
}

void progress_keyslots(void *arg, const char *what, uint64_t done, uint64_t total) {
  struct progress *progress = arg;
  (void)what;
  progress->last_ms = now_ms() - PROGRESS_INTERVAL_MS;
  progress_show(progress, "trying keyslot %" PRIu64 " of %" PRIu64, done + 1, total);
}

void progress_clear(struct progress *progress) {
  if (progress->shown)
    (void)fputs("\r\033[K", stderr);
  progress->shown = false;
}
