#include "command.h"

#include "data_command.h"
#include "mounts.h"
#include "options.h"
#include "report.h"

#define MESSAGE_BYTES 256

static int sync_one(const struct mounts *mounts, const char *name) {
  char message[MESSAGE_BYTES] = "";
  const struct control_mount *mount = mounts_find(mounts, name);
  if (mount == NULL)
    return report_error(EXIT_NO_VOLUME, name, "it is not mounted here");
  const enum nacre_err err = control_call(mount, "sync", message, sizeof message);
  return err == NACRE_OK ? EXIT_DONE : report_message(name, err, message);
}

int cmd_sync(const struct command *self, int argc, char **argv) {
  const struct option_group groups[] = {{0}};
  const enum options_result parsed = options_parse(self, groups, 1, -1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  struct mounts mounts;
  int code = mounts_load(&mounts);
  if (code == EXIT_DONE) {
    struct tally tally = {0};
    for (int i = 0; i < argc; i++)
      tally_add(&tally, sync_one(&mounts, argv[i]));
    code = tally_code(&tally);
  }
  mounts_free(&mounts);
  return code;
}
