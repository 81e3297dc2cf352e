/* A new recovery key for a person: as a line, as a QR code, as a page to print. */
#ifndef NACRE_CLI_PAPER_H
#define NACRE_CLI_PAPER_H

#include <stdbool.h>

#include "options.h"
#include "secret.h"

struct paper {
  bool qr;
  const char *print; /* the page's file */
};

extern const struct option_spec paper_specs[];

/* Whether the options go with what is made, before anything is: exit code. */
int paper_check(const struct paper *paper, bool recovery, const char *volume);
/* Make the page, where one is wanted; before the slot is, so that no key exists that could not be printed. It is of
 * volume `volume`, whose public part tells its id and label. Exit code. */
int paper_write(const struct paper *paper, const char *volume, const struct secret *recovery);
/* Take it away again: the slot could not be made. */
void paper_drop(const struct paper *paper);
/* The key alone on a line of stdout; below it the code, on a terminal or where it was asked for. */
void paper_show(const struct paper *paper, const char *volume, const struct secret *recovery);

#endif
