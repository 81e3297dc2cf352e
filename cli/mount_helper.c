/* mount.nacre and mount.fuse.nacre: what mount(8) starts for a line of fstab. */
#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper_codes.h"
#include "mounting.h"
#include "remounting.h"
#include "report.h"

struct helper_flags {
  bool fake;
  char *list; /* of -o */
  const char *mount_namespace;
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
    if (letter == 'N')
      flags->mount_namespace = optarg;
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

static int run(struct mounting *mounting, const struct helper_flags *flags) {
  if (flags->mount_namespace != NULL)
    return report_error(EXIT_NOT_POSSIBLE, mounting->dir, "-N has no meaning here; use nsenter(1)");
  const char *list = flags->list != NULL ? flags->list : "";
  char *words = strdup(list); /* cut up, and kept by what is taken from it */
  if (words == NULL)
    return report_no_memory();
  int code = mounting_take_options(mounting, words, true);
  if (code == EXIT_DONE && !flags->fake)
    code = remounting_is_asked(list) ? remounting_run(mounting, list) : mounting_run(mounting);
  free(words);
  return code;
}

int mount_helper_run(int argc, char **argv) {
  struct helper_flags flags = {0};
  struct mounting mounting = {.open = VOLUME_OPTIONS_NONE};
  if (argc < 3 || argv[1][0] == '-' || parse_flags(argc, argv, &flags) != EXIT_DONE) {
    free(flags.list);
    (void)report_error(EXIT_USAGE, NULL, "usage: mount.nacre VOLUME DIR [-sfnv] [-o options]");
    return helper_exit_code(EXIT_USAGE);
  }
  /* mount(8) keeps `suid` and `dev` for itself: to its helper they are the absence of `nosuid` and `nodev`. Whoever
   * may not have them is told by mount(8) to have those, or is not root. */
  mounting.mount.suid = mounting.mount.dev = getuid() == 0 && geteuid() == 0;
  mounting.volume = argv[1];
  mounting.dir = argv[2];
  const int code = run(&mounting, &flags);
  free(flags.list);
  return helper_exit_code(code);
}
