#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data_command.h"
#include "report.h"

struct mkdir_options {
  bool parents;
};

static const struct option_spec mkdir_specs[] = {{"parents", 'p', OPTION_FLAG,
                                                  offsetof(struct mkdir_options, parents), NULL,
                                                  "make the folders above, too; one that exists is no error"},
                                                 {0}};

static bool is_folder(nacre_volume *vol, const char *path) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  return nacre_stat(vol, path, &attr) == NACRE_OK && S_ISDIR(attr.mode);
}

/* Make each leading part of `path` in turn, the whole of it last. */
static int make_all(const char *volume, nacre_volume *vol, char *path, const struct nacre_caller *caller) {
  char *at = path + strspn(path, "/");
  while (*at != '\0') {
    char *end = at + strcspn(at, "/");
    const char kept = *end;
    *end = '\0';
    const enum nacre_err err = nacre_mkdir(vol, path, 0777, caller);
    int code = EXIT_DONE;
    if (err != NACRE_OK && !(err == NACRE_ERR_EXISTS && is_folder(vol, path)))
      code = err == NACRE_ERR_EXISTS ? report_error(EXIT_OTHER, volume, "%s: exists, and is no folder", path)
                                     : report_library_path(volume, path, err);
    *end = kept;
    if (code != EXIT_DONE)
      return code;
    at = end + strspn(end, "/");
  }
  return EXIT_DONE;
}

static int make_one(const char *volume, nacre_volume *vol, const char *path, const struct nacre_caller *caller) {
  const enum nacre_err err = nacre_mkdir(vol, path, 0777, caller);
  return err == NACRE_OK ? EXIT_DONE : report_library_path(volume, path, err);
}

static int mkdir_work(const char *volume, nacre_volume *vol, int argc, char **argv, void *arg) {
  const struct mkdir_options *options = arg;
  const struct nacre_caller caller = caller_self();
  struct tally tally = {0};
  for (int i = 0; i < argc; i++)
    tally_add(&tally,
              options->parents ? make_all(volume, vol, argv[i], &caller) : make_one(volume, vol, argv[i], &caller));
  return tally_code(&tally);
}

int cmd_mkdir(const struct command *self, int argc, char **argv) {
  struct mkdir_options o = {0};
  const struct option_group own = {"Options", mkdir_specs, &o};
  const struct data_command data = {.own = &own, .fewest = 2, .most = -1, .work = mkdir_work, .arg = &o};
  return data_command_run(self, &data, argc, argv);
}
