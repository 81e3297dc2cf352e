/* The exit codes that mount(8) and umount(8) know, of their helpers too. */
#ifndef NACRE_CLI_HELPER_CODES_H
#define NACRE_CLI_HELPER_CODES_H

#include "report.h"

static inline int helper_exit_code(int code) {
  enum { SUCCESS = 0, USAGE_OR_PERMISSION = 1, FAILURE = 32 };
  if (code == EXIT_DONE)
    return SUCCESS;
  return code == EXIT_USAGE || code == EXIT_NOT_PERMITTED ? USAGE_OR_PERMISSION : FAILURE;
}

#endif
