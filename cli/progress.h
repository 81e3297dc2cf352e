/* One line on the terminal about long work, rewritten now and then; nothing where stderr is no terminal. */
#ifndef NACRE_CLI_PROGRESS_H
#define NACRE_CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
  bool on;
  bool shown;
  int64_t last_ms;
};

void progress_start(struct progress *progress);
/* Show this text, unless another was shown a moment ago. */
void progress_show(struct progress *progress, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A nacre_progress_fn whose arg is a struct progress. */
void progress_library(void *arg, const char *what, uint64_t done, uint64_t total);
/* The same for the unlocking of a header, each step of which takes a second or more: shown when it begins. */
void progress_keyslots(void *arg, const char *what, uint64_t done, uint64_t total);
/* Take the line away, before something else is printed and at the end. */
void progress_clear(struct progress *progress);

#endif
