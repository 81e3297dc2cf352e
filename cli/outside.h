/* Running another program (clevis, age): bytes in, bytes out, in bounded time, and nothing of it left behind. */
#ifndef NACRE_CLI_OUTSIDE_H
#define NACRE_CLI_OUTSIDE_H

#include <stdbool.h>
#include <stddef.h>

#include "secret.h"

#define OUTSIDE_WHY_BYTES 160
/* What fits into a pipe at once, so that nobody has to write while reading. */
#define OUTSIDE_INPUT_MAX 16384u

struct outside {
  const char *const *argv;     /* argv[0] is looked for in PATH; NULL at the end */
  const void *input;           /* its stdin */
  size_t input_len;            /* at most OUTSIDE_INPUT_MAX */
  unsigned timeout_s;          /* 0: as long as it takes, and it may talk to the terminal */
  struct secret *output;       /* its stdout, at most the room that there is */
  char why[OUTSIDE_WHY_BYTES]; /* out: what it said on stderr last, on one line; or why it did not start */
};

enum outside_result {
  OUTSIDE_DONE,    /* exit code 0 */
  OUTSIDE_MISSING, /* there is no such program */
  OUTSIDE_FAILED,
  OUTSIDE_SILENT,      /* it was not done in time, and was killed with all that it had started */
  OUTSIDE_INTERRUPTED, /* a signal for us; killed as well */
};

/* With a timeout it runs in a process group of its own, whose rest is killed at the end. */
enum outside_result outside_run(struct outside *run);

#endif
