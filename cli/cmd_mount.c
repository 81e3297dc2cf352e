#include "command.h"

#include <stdlib.h>

#include "mounting.h"
#include "options.h"
#include "report.h"

struct mount_command_options {
  char *list;
  bool read_only, foreground;
  uint64_t idle_s;
};

static const struct option_spec mount_specs[] = {
    {"options", 'o', OPTION_LIST, offsetof(struct mount_command_options, list), "OPT,...",
     "mount options: owner=me, nonempty, allow_other, ... (see nacre-mount(1))"},
    {"read-only", 'r', OPTION_FLAG, offsetof(struct mount_command_options, read_only), NULL, "change nothing"},
    {"foreground", 'f', OPTION_FLAG, offsetof(struct mount_command_options, foreground), NULL,
     "stay in the foreground until it is unmounted"},
    {"idle", 0, OPTION_DURATION, offsetof(struct mount_command_options, idle_s), "TIME",
     "unmount after that long without use: 90, 20m, 2h"},
    {0}};

int cmd_mount(const struct command *self, int argc, char **argv) {
  struct mount_command_options o = {0};
  struct mounting mounting = {.open = VOLUME_OPTIONS_NONE};
  const struct option_group groups[] = {{"Options", mount_specs, &o}, VOLUME_GROUPS(&mounting.open), {0}};
  const enum options_result parsed = options_parse(self, groups, 2, 2, &argc, &argv);
  if (parsed != OPTIONS_RUN) {
    free(o.list);
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  }
  mounting.volume = argv[0];
  mounting.dir = argv[1];
  mounting.foreground = o.foreground;
  mounting.mount.read_only = o.read_only;
  int code = EXIT_DONE;
  if (o.idle_s > UINT32_MAX)
    code = report_error(EXIT_USAGE, mounting.volume, "--idle is too long");
  else
    mounting.mount.idle_s = (unsigned)o.idle_s;
  if (code == EXIT_DONE && o.list != NULL)
    code = mounting_take_options(&mounting, o.list, false);
  if (code == EXIT_DONE)
    code = mounting_run(&mounting);
  free(o.list);
  return code;
}
