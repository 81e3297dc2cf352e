/* What can be said of volumes without a credential: finding them, judging them, reporting. */
#ifndef NACRE_CLI_AUDIT_H
#define NACRE_CLI_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <nacre.h>

/* Where what is known of a volume comes from. */
enum audit_origin {
  AUDIT_CONTAINER,
  AUDIT_BACKUP, /* of a header */
  AUDIT_RECORD, /* a saved `nacre info --json` */
  AUDIT_HEADER  /* a detached one */
};
enum audit_verdict { AUDIT_GOOD, AUDIT_WEAK, AUDIT_AT_RISK };

#define AUDIT_REASONS_MAX 40
#define AUDIT_REASON_BYTES 200
/* Of a passphrase: so many bits are what it takes an attacker half of all guesses of. */
#define AUDIT_GUESSES 4
extern const int audit_guess_bits[AUDIT_GUESSES];

struct audit_volume {
  char *path; /* or the record's file */
  char *name; /* the path that a record tells; else NULL */
  enum audit_origin origin;
  struct nacre_public_info info;
  char problem[256]; /* why its header can't be read; "" where it can */
  char *mounted_on;  /* NULL: not known to be */
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
const char *audit_origin_text(enum audit_origin origin);
#define AUDIT_USD_BYTES 48
/* "less than $1", "$86", "$88 thousand". */
const char *audit_usd_text(double usd, char text[AUDIT_USD_BYTES]);
/* What the estimate of a guess's cost assumes. */
extern const char audit_model_text[];
/* The first 32 bytes of the id as digits, or "unknown". */
const char *audit_id_text(const struct audit_volume *volume, char text[33]);

/* ---- Reports ---- */

void audit_print_text(const struct audit *audit);
void audit_print_json(const struct audit *audit);
/* One page that needs nothing else. False where a write failed. */
bool audit_write_html(const struct audit *audit, FILE *out);

#endif
