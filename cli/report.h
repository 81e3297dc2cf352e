/* Errors, notes and exit codes: what scripts and people read from this program. docs/cli.md is the contract. */
#ifndef NACRE_CLI_REPORT_H
#define NACRE_CLI_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <json-c/json_types.h>
#include <nacre.h>

enum exit_code {
  EXIT_DONE = 0,
  EXIT_OTHER = 1,
  EXIT_USAGE = 2,
  EXIT_CREDENTIAL = 3,
  EXIT_DAMAGED = 4,
  EXIT_IN_USE = 5,
  EXIT_NO_VOLUME = 6,
  EXIT_NO_SPACE = 7,
  EXIT_NOT_POSSIBLE = 8,
  EXIT_ROLLED_BACK = 9,
  EXIT_PARTLY = 10,
  EXIT_NOT_PERMITTED = 11,
  EXIT_OTHER_VOLUME = 12,
  EXIT_AT_RISK = 13
};

/* From now on errors are JSON objects. */
void report_use_json(bool on);
bool report_is_json(void);
/* The name in front of each error: "nacre" until set. */
void report_set_program(const char *name);
/* From now on errors and notes go to syslog: the terminal has been left. */
void report_use_syslog(void);
int report_exit_code(enum nacre_err err);

/* One line on stderr: "nacre: SUBJECT: message", control bytes escaped. Each returns `code` or the exit code that
 * goes with the error, so that a caller can return it. A subject of NULL is left out. */
int report_error(int code, const char *subject, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* What the library's last failed call in this thread says, with what to do about it. */
int report_library(const char *subject, enum nacre_err err);
/* The same where another process has said it; an empty text stands for the code's own. */
int report_message(const char *subject, enum nacre_err err, const char *text);
/* The same about one path inside the volume. */
int report_library_path(const char *subject, const char *path, enum nacre_err err);
/* An errno of the host: "SUBJECT: what: strerror". */
int report_errno(const char *subject, const char *what, int error);
int report_exit_code_errno(int error);
/* A remark on stderr that is no error. Left out with --json. */
void report_note(const char *subject, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* What a person should look into, though the command goes on. With --json an object on stderr. */
void report_warning(const char *subject, const char *format, ...) __attribute__((format(printf, 2, 3)));
int report_no_memory(void);

/* Whether what was printed on stdout has arrived, as far as can be known: 0 or an errno. */
int report_flush(void);
/* Print a JSON report on stdout and free it. */
void report_print_json(struct json_object *report);
/* A JSON string of any bytes: those that are not UTF-8 become U+FFFD. */
struct json_object *report_json_text(const char *text);
void report_json_add(struct json_object *object, const char *key, struct json_object *value);

#endif
