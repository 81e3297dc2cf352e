/* mount.nacre and mount.fuse.nacre: what mount(8) starts for a line of fstab. */
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mounting.h"
#include "report.h"

/* mount(8)'s exit codes. */
#define MOUNT_DONE 0
#define MOUNT_USAGE 1 /* incorrect invocation or permissions */
#define MOUNT_FAILED 32

static int mount_exit_code(int code) {
  switch (code) {
  case EXIT_DONE:
    return MOUNT_DONE;
  case EXIT_USAGE:
  case EXIT_NOT_PERMITTED:
    return MOUNT_USAGE;
  default:
    return MOUNT_FAILED;
  }
}

struct helper_flags {
  bool fake;
  char *list; /* of -o */
};

/* Operands first, as mount(8) calls its helpers: SPEC DIR [-sfnv] [-N namespace] [-o options] [-t type]. */
static int parse_flags(int argc, char **argv, struct helper_flags *flags) {
  optind = 3;
  opterr = 0;
  for (;;) {
    const int letter = getopt(argc, argv, "sfnvrwN:o:t:");
    if (letter == -1)
      return optind == argc ? EXIT_DONE : EXIT_USAGE;
    if (letter == '?')
      return EXIT_USAGE;
    if (letter == 'f')
      flags->fake = true;
    if (letter != 'o' && letter != 'r')
      continue;
    const char *word = letter == 'r' ? "ro" : optarg;
    char *longer = NULL;
    if (asprintf(&longer, "%s%s%s", flags->list != NULL ? flags->list : "", flags->list != NULL ? "," : "", word) < 0)
      return EXIT_OTHER;
    free(flags->list);
    flags->list = longer;
  }
}

int mount_helper_run(int argc, char **argv) {
  struct helper_flags flags = {0};
  struct mounting mounting = {.open = VOLUME_OPTIONS_NONE};
  if (argc < 3 || argv[1][0] == '-' || parse_flags(argc, argv, &flags) != EXIT_DONE) {
    free(flags.list);
    (void)report_error(EXIT_USAGE, NULL, "usage: mount.nacre VOLUME DIR [-sfnv] [-o options]");
    return MOUNT_USAGE;
  }
  mounting.volume = argv[1];
  mounting.dir = argv[2];
  int code = flags.list != NULL ? mounting_take_options(&mounting, flags.list, true) : EXIT_DONE;
  if (code == EXIT_DONE && !flags.fake)
    code = mounting_run(&mounting);
  free(flags.list);
  return mount_exit_code(code);
}
