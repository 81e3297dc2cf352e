/* GNU long options from tables, which also make --help. */
#ifndef NACRE_CLI_OPTIONS_H
#define NACRE_CLI_OPTIONS_H

#include <stddef.h>

#include "command.h"

enum option_kind {
  OPTION_FLAG,    /* bool: true when given */
  OPTION_TEXT,    /* const char *: the last one given wins */
  OPTION_LIST,    /* char *: all given, joined by commas; the caller frees it */
  OPTION_SIZE,    /* uint64_t, bytes: 64K, 10G */
  OPTION_NUMBER,  /* int, 0 or more */
  OPTION_DURATION /* uint64_t, seconds: 90, 20m, 2h */
};

struct option_spec {
  const char *name; /* NULL ends a table */
  char letter;      /* 0: none */
  enum option_kind kind;
  size_t offset; /* of the value inside the group's values */
  const char *argument;
  const char *help;
};

/* A table and the struct that its offsets point into. A group without a title is accepted but not listed;
 * with an empty one it goes on where the one before ended. */
struct option_group {
  const char *title;
  const struct option_spec *specs;
  void *values;
};

#define OPTIONS_MAX 64

enum options_result {
  OPTIONS_RUN,  /* go on: *argv and *argc are now the operands */
  OPTIONS_HELP, /* --help was printed: exit 0 */
  OPTIONS_WRONG /* said what is wrong: exit 2 */
};

/* Parse argv, whose first word is the command's name. Every command also knows --help and --json. Operands are
 * checked against the two bounds (most < 0: any number). `groups` ends with an entry whose specs are NULL. */
enum options_result options_parse(const struct command *command, const struct option_group *groups, int fewest,
                                  int most, int *argc, char ***argv);

#endif
