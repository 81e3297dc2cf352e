#include "command.h"

#include "mounts.h"
#include "options.h"
#include "report.h"

#define MESSAGE_BYTES 256

int cmd_sync(const struct command *self, int argc, char **argv) {
  const struct option_group groups[] = {{0}};
  const enum options_result parsed = options_parse(self, groups, 1, -1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  struct mounts mounts;
  int code = mounts_load(&mounts);
  for (int i = 0; i < argc && code == EXIT_DONE; i++) {
    char message[MESSAGE_BYTES] = "";
    const struct control_mount *mount = mounts_find(&mounts, argv[i]);
    if (mount == NULL) {
      code = report_error(EXIT_NO_VOLUME, argv[i], "it is not mounted here");
      continue;
    }
    const enum nacre_err err = control_call(mount, "sync", message, sizeof message);
    if (err != NACRE_OK)
      code = report_error(report_exit_code(err), argv[i], "%s", message[0] != '\0' ? message : nacre_strerror(err));
  }
  mounts_free(&mounts);
  return code;
}
