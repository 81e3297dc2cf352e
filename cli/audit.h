/* What can be said of volumes without a credential: finding them, judging them, reporting. */
#ifndef NACRE_CLI_AUDIT_H
#define NACRE_CLI_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "public_view.h"

enum audit_verdict { AUDIT_GOOD, AUDIT_WEAK, AUDIT_AT_RISK };

#define AUDIT_REASONS_MAX 40
#define AUDIT_REASON_BYTES 200
/* Of a passphrase: so many bits are what it takes an attacker half of all guesses of. */
#define AUDIT_GUESSES 4
extern const int audit_guess_bits[AUDIT_GUESSES];

struct audit_volume {
  char *path;  /* or the record's file */
  bool record; /* what is seen is what a saved `nacre info --json` tells */
  char *name;  /* then the path that it tells, or NULL */
  struct public_view seen;
  /* What audit_judge makes of that. */
  bool recovery, escrow;
  bool guessable;                  /* a passphrase opens it; then what guessing one costs at its cheapest slot */
  double guess_usd[AUDIT_GUESSES]; /* US dollars */
  enum audit_verdict verdict;
  size_t reason_count;
  char reasons[AUDIT_REASONS_MAX][AUDIT_REASON_BYTES];
};

struct audit {
  struct audit_volume *list; /* sorted by path */
  size_t count, room;
  size_t unreadable; /* files and folders that could not be looked at; said on stderr */
  bool cross;        /* into other filesystems, too */
};

/* Look at a file or device, or at all in a folder. Exit code; what can't be looked at is said, and counted. */
int audit_find(struct audit *audit, const char *path);
/* Take a record. Exit code, error said. */
int audit_record(struct audit *audit, const char *path);
/* A further volume, of which all but the path is zero. NULL when out of memory. */
struct audit_volume *audit_add(struct audit *audit, const char *path);
/* Sort, and judge each. */
void audit_judge(struct audit *audit);
void audit_free(struct audit *audit);
size_t audit_total(const struct audit *audit, enum audit_verdict verdict);

/* ---- Words ---- */

const char *audit_verdict_text(enum audit_verdict verdict);
#define AUDIT_USD_BYTES 48
/* "less than $1", "$86", "$88 thousand". */
const char *audit_usd_text(double usd, char text[AUDIT_USD_BYTES]);
/* What the estimate of a guess's cost assumes. */
extern const char audit_model_text[];

/* ---- Reports ---- */

void audit_print_text(const struct audit *audit);
void audit_print_json(const struct audit *audit);
/* One page that needs nothing else. False where a write failed. */
bool audit_write_html(const struct audit *audit, FILE *out);

#endif
