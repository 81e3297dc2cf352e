#include "command.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "data_command.h"
#include "paths.h"
#include "report.h"

static int move(const char *volume, nacre_volume *vol, const char *from, const char *to) {
  const enum nacre_err err = nacre_rename(vol, from, to, 0);
  return err == NACRE_OK ? EXIT_DONE : report_library_path(volume, from, err);
}

static int move_into(const char *volume, nacre_volume *vol, const char *from, const char *folder) {
  char *base = path_base(from);
  char *to = base != NULL ? path_join(folder, base) : NULL;
  int code;
  if (to == NULL)
    code = report_no_memory();
  else if (base[0] == '\0')
    code = report_error(EXIT_USAGE, volume, "%s: this folder has no name that could be moved", from);
  else
    code = move(volume, vol, from, to);
  free(to);
  free(base);
  return code;
}

static int mv_work(const char *volume, nacre_volume *vol, int argc, char **argv, void *arg) {
  (void)arg;
  const char *dest = argv[argc - 1];
  struct nacre_attr attr = {.struct_size = sizeof attr};
  const bool into = nacre_stat(vol, dest, &attr) == NACRE_OK && S_ISDIR(attr.mode);
  if (!into && argc > 2)
    return report_error(EXIT_OTHER, volume, "%s: no folder, but several things are to be moved there", dest);
  struct tally tally = {0};
  for (int i = 0; i < argc - 1; i++)
    tally_add(&tally, into ? move_into(volume, vol, argv[i], dest) : move(volume, vol, argv[i], dest));
  return tally_code(&tally);
}

int cmd_mv(const struct command *self, int argc, char **argv) {
  const struct data_command data = {.fewest = 3, .most = -1, .work = mv_work};
  return data_command_run(self, &data, argc, argv);
}
