#include "command.h"

#include <unistd.h>

#include "data_command.h"
#include "stream_out.h"

static int cat_work(const char *volume, nacre_volume *vol, int argc, char **argv, void *arg) {
  (void)arg;
  struct tally tally = {0};
  for (int i = 0; i < argc; i++)
    tally_add(&tally, stream_out(volume, vol, argv[i], STDOUT_FILENO));
  return tally_code(&tally);
}

int cmd_cat(const struct command *self, int argc, char **argv) {
  const struct data_command data = {.fewest = 2, .most = -1, .read_only = true, .bulk = true, .work = cat_work};
  return data_command_run(self, &data, argc, argv);
}
