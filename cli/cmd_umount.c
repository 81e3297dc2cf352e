#include "command.h"

#include <stdbool.h>

#include "options.h"
#include "report.h"
#include "umounting.h"

struct umount_options {
  bool all, lazy;
};

static const struct option_spec umount_specs[] = {
    {"all", 'a', OPTION_FLAG, offsetof(struct umount_options, all), NULL, "every volume that you have mounted"},
    {"lazy", 'l', OPTION_FLAG, offsetof(struct umount_options, lazy), NULL,
     "also where it is busy: what is open there fails from then on"},
    {0}};

int cmd_umount(const struct command *self, int argc, char **argv) {
  struct umount_options o = {0};
  const struct option_group groups[] = {{"Options", umount_specs, &o}, {0}};
  const enum options_result parsed = options_parse(self, groups, 0, -1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  if (o.all == (argc > 0))
    return report_error(EXIT_USAGE, self->name, "give folders or volumes, or --all");
  if (o.all)
    return umounting_end_all(o.lazy);
  int code = EXIT_DONE;
  for (int i = 0; i < argc; i++) {
    const int one = umounting_end(argv[i], o.lazy);
    if (code == EXIT_DONE)
      code = one;
  }
  return code;
}
