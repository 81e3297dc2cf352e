/* The words of a command line, with options of every kind. */
#include "cli/options.h"

#include "fuzz/feed.h"

#include <unistd.h>

#define WORDS_MAX 16u

struct values {
  bool flag;
  const char *text;
  char *list;
  uint64_t size, duration;
  int number;
};

static const struct option_spec specs[] = {
    {"flag", 'f', OPTION_FLAG, offsetof(struct values, flag), NULL, "a flag"},
    {"text", 't', OPTION_TEXT, offsetof(struct values, text), "TEXT", "a text"},
    {"list", 'o', OPTION_LIST, offsetof(struct values, list), "LIST", "a list"},
    {"size", 's', OPTION_SIZE, offsetof(struct values, size), "SIZE", "a size"},
    {"time", 0, OPTION_DURATION, offsetof(struct values, duration), "TIME", "a duration"},
    {"times", 0, OPTION_NUMBER, offsetof(struct values, number), "N", "a number"},
    {0}};

static int nothing(const struct command *self, int argc, char **argv) {
  (void)self;
  (void)argc;
  (void)argv;
  return 0;
}

/* What it says is of no interest, and much. */
static enum options_result parse(const struct option_group *groups, int fewest, int most, int *argc, char ***argv) {
  static const struct command command = {"command", "A B...", "Does nothing", nothing};
  static FILE *sink;
  FILE *out = stdout, *err = stderr;
  if (sink == NULL)
    sink = fopen("/dev/null", "w");
  FUZZ_CHECK(sink != NULL);
  stdout = stderr = sink;
  enum options_result result = options_parse(&command, groups, fewest, most, argc, argv);
  stdout = out;
  stderr = err;
  return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  struct values values = {0};
  const struct option_group groups[] = {{"Options", specs, &values}, {0}};
  uint8_t bounds = feed_u8(&f);
  int fewest = bounds & 3, most = bounds & 4 ? fewest + (bounds >> 3 & 3) : -1, argc = 1;
  char name[] = "command", *argv[WORDS_MAX + 2] = {name}, *text = calloc(1, size + 1);
  FUZZ_CHECK(text != NULL);
  feed_copy(&f, text, f.left);
  char *word = text;
  for (char *save = NULL; argc <= (int)WORDS_MAX && (word = strtok_r(argc == 1 ? text : NULL, "\n", &save)) != NULL;)
    argv[argc++] = word;
  const int given = argc;
  char **operands = argv;
  if (parse(groups, fewest, most, &argc, &operands) == OPTIONS_RUN) {
    FUZZ_CHECK(argc >= fewest && (most < 0 || argc <= most) && argc < given);
    FUZZ_CHECK(operands[argc] == NULL && values.number >= 0);
  }
  free(values.list);
  free(text);
  return 0;
}
