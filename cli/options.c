#include "options.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "size.h"

/* What getopt_long returns for the n-th long option, clear of any letter. */
#define OPTIONS_FIRST_CODE 256

struct common_values {
  bool help, json;
};

static const struct option_spec common_specs[] = {
    {"json", 0, OPTION_FLAG, offsetof(struct common_values, json), NULL,
     "report as JSON, where there is a report; errors are one JSON object on stderr"},
    {"help", 'h', OPTION_FLAG, offsetof(struct common_values, help), NULL, "print this help"},
    {0}};

/* All groups laid out as getopt_long wants them. */
struct flat {
  struct option longs[OPTIONS_MAX + 1];
  const struct option_spec *specs[OPTIONS_MAX];
  void *values[OPTIONS_MAX];
  char letters[2 * OPTIONS_MAX + 2];
  int count;
};

static void flat_add(struct flat *flat, const struct option_group *group) {
  size_t used = strlen(flat->letters);
  for (const struct option_spec *spec = group->specs; spec->name != NULL && flat->count < OPTIONS_MAX; spec++) {
    const int n = flat->count++;
    flat->longs[n] = (struct option){.name = spec->name,
                                     .has_arg = spec->kind == OPTION_FLAG ? no_argument : required_argument,
                                     .val = OPTIONS_FIRST_CODE + n};
    flat->specs[n] = spec;
    flat->values[n] = group->values;
    if (spec->letter != 0) {
      flat->letters[used++] = spec->letter;
      if (spec->kind != OPTION_FLAG)
        flat->letters[used++] = ':';
    }
  }
}

static int flat_find(const struct flat *flat, int code) {
  if (code >= OPTIONS_FIRST_CODE && code < OPTIONS_FIRST_CODE + flat->count)
    return code - OPTIONS_FIRST_CODE;
  for (int i = 0; i < flat->count; i++)
    if (flat->specs[i]->letter != 0 && flat->specs[i]->letter == code)
      return i;
  return -1;
}

static bool list_append(char *slot, const char *text) {
  char *old;
  memcpy(&old, slot, sizeof old);
  char *joined = NULL;
  if (asprintf(&joined, "%s%s%s", old != NULL ? old : "", old != NULL ? "," : "", text) < 0)
    return false;
  free(old);
  memcpy(slot, &joined, sizeof joined);
  return true;
}

/* Store an option's argument where its spec says; false if it does not parse. */
static bool value_store(const struct option_spec *spec, void *values, const char *text) {
  char *slot = (char *)values + spec->offset;
  const bool yes = true;
  uint64_t wide = 0;
  int number = 0;
  switch (spec->kind) {
  case OPTION_FLAG:
    memcpy(slot, &yes, sizeof yes);
    return true;
  case OPTION_TEXT:
    memcpy(slot, &text, sizeof text);
    return true;
  case OPTION_LIST:
    return list_append(slot, text);
  case OPTION_SIZE:
    if (!size_parse(text, &wide))
      return false;
    memcpy(slot, &wide, sizeof wide);
    return true;
  case OPTION_DURATION:
    if (!duration_parse(text, &wide))
      return false;
    memcpy(slot, &wide, sizeof wide);
    return true;
  case OPTION_NUMBER:
    if (!number_parse(text, &number))
      return false;
    memcpy(slot, &number, sizeof number);
    return true;
  }
  return false;
}

static void help_group(const struct option_group *group) {
  if (group->title == NULL)
    return;
  if (group->title[0] != '\0')
    printf("\n%s:\n", group->title);
  for (const struct option_spec *spec = group->specs; spec->name != NULL; spec++) {
    char left[64];
    const char letter[] = {'-', spec->letter, ',', ' ', '\0'};
    (void)snprintf(left, sizeof left, "%s--%s%s%s", spec->letter != 0 ? letter : "    ", spec->name,
                   spec->argument != NULL ? " " : "", spec->argument != NULL ? spec->argument : "");
    if (strlen(left) > 28)
      printf("  %s\n  %-28s  %s\n", left, "", spec->help);
    else
      printf("  %-28s  %s\n", left, spec->help);
  }
}

static void help_print(const struct command *command, const struct option_group *groups,
                       const struct option_group *common) {
  printf("usage: nacre %s [options] %s\n%s.\n", command->name, command->operands, command->summary);
  for (; groups->specs != NULL; groups++)
    help_group(groups);
  help_group(common);
}

static enum options_result wrong(const struct command *command, const char *what, const char *word) {
  (void)report_error(EXIT_USAGE, command->name, "%s '%s'; see nacre %s --help", what, word, command->name);
  return OPTIONS_WRONG;
}

static enum options_result check_operands(const struct command *command, int count, int fewest, int most) {
  if (count >= fewest && (most < 0 || count <= most))
    return OPTIONS_RUN;
  (void)report_error(EXIT_USAGE, command->name, "%s operands; usage: nacre %s [options] %s",
                     count < fewest ? "too few" : "too many", command->name, command->operands);
  return OPTIONS_WRONG;
}

/* The name that an error calls the option by, as typed. */
static const char *flat_word(const struct flat *flat, int code, char word[3]) {
  if (code >= OPTIONS_FIRST_CODE)
    return flat->longs[code - OPTIONS_FIRST_CODE].name;
  word[0] = '-';
  word[1] = (char)code;
  word[2] = '\0';
  return word;
}

static enum options_result flat_parse(const struct command *command, const struct flat *flat, int argc, char **argv) {
  char word[3];
  opterr = 0;
  optind = 0; /* glibc: start anew, also for a second table of commands */
  for (;;) {
    const int code = getopt_long(argc, argv, flat->letters, flat->longs, NULL);
    if (code == -1)
      return OPTIONS_RUN;
    if (code == ':')
      return wrong(command, "missing argument of", flat_word(flat, optopt, word));
    if (code == '?')
      return wrong(command, "unknown option", optopt != 0 ? flat_word(flat, optopt, word) : argv[optind - 1]);
    const int n = flat_find(flat, code);
    if (n < 0)
      return wrong(command, "unknown option", argv[optind - 1]);
    if (!value_store(flat->specs[n], flat->values[n], optarg != NULL ? optarg : "")) {
      (void)report_error(EXIT_USAGE, command->name, "'%s' is no %s for --%s; see nacre %s --help", optarg,
                         flat->specs[n]->argument, flat->specs[n]->name, command->name);
      return OPTIONS_WRONG;
    }
  }
}

enum options_result options_parse(const struct command *command, const struct option_group *groups, int fewest,
                                  int most, int *argc, char ***argv) {
  struct common_values values = {0};
  const struct option_group common = {"Common options", common_specs, &values};
  struct flat flat = {.letters = ":"};
  for (const struct option_group *group = groups; group->specs != NULL; group++)
    flat_add(&flat, group);
  flat_add(&flat, &common);

  enum options_result result = flat_parse(command, &flat, *argc, *argv);
  if (result != OPTIONS_RUN)
    return result;
  if (values.help) {
    help_print(command, groups, &common);
    return OPTIONS_HELP;
  }
  if (values.json)
    report_use_json(true);
  *argc -= optind;
  *argv += optind;
  return check_operands(command, *argc, fewest, most);
}
