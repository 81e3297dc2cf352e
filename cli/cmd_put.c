#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_command.h"
#include "interrupt.h"
#include "paths.h"
#include "report.h"
#include "tree_put.h"

struct put_options {
  bool special;
};

static const struct option_spec put_specs[] = {
    {"preserve-special", 0, OPTION_FLAG, offsetof(struct put_options, special), NULL, "copy device nodes, too"}, {0}};

/* The folder and the name that PATH stands for: an existing folder takes each source under its own name. */
struct put_target {
  bool into;    /* PATH is a folder */
  uint64_t dir; /* that folder, or the one that the new name goes in */
  char *name;   /* with `into` unset */
};

static int find_target(const char *volume, nacre_volume *vol, const char *path, struct put_target *target) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  enum nacre_err err = nacre_stat(vol, path, &attr);
  *target = (struct put_target){.dir = attr.ino, .into = err == NACRE_OK && S_ISDIR(attr.mode)};
  if (target->into)
    return EXIT_DONE;
  if (err != NACRE_OK && err != NACRE_ERR_NOT_FOUND)
    return report_library_path(volume, path, err);
  target->name = path_base(path);
  char *parent = path_parent(path);
  int code = EXIT_DONE;
  if (target->name == NULL || parent == NULL) {
    code = report_no_memory();
  } else {
    err = nacre_stat(vol, parent, &attr);
    if (err == NACRE_OK && !S_ISDIR(attr.mode))
      code = report_error(EXIT_OTHER, volume, "%s: it is no folder", parent);
    else if (err != NACRE_OK)
      code = report_library_path(volume, parent, err);
    target->dir = attr.ino;
  }
  free(parent);
  return code;
}

static void put_operand(struct put *put, const char *source, const struct put_target *target) {
  const bool is_stdin = strcmp(source, "-") == 0;
  char *base = target->name != NULL ? strdup(target->name) : path_base(is_stdin ? "" : source);
  if (base == NULL) {
    tally_add(&put->tally, report_no_memory());
    return;
  }
  const struct put_place to = {.dir = target->dir, .name = base};
  if (is_stdin && target->into)
    tally_add(&put->tally, report_error(EXIT_USAGE, put->volume, "stdin has no name; name the file, not its folder"));
  else if (is_stdin)
    put_stream(put, STDIN_FILENO, &to);
  else
    put_tree(put, source, &to);
  free(base);
}

static int put_work(const char *volume, nacre_volume *vol, int argc, char **argv, void *arg) {
  const struct put_options *options = arg;
  struct put_target target;
  int code = find_target(volume, vol, argv[argc - 1], &target);
  if (code == EXIT_DONE && !target.into && argc > 2)
    code =
        report_error(EXIT_OTHER, volume, "%s: no folder, but several things are to be copied there", argv[argc - 1]);
  if (code == EXIT_DONE) {
    struct put put;
    if (put_start(&put, volume, vol, options->special)) {
      for (int i = 0; i < argc - 1 && !put.stop; i++)
        put_operand(&put, argv[i], &target);
      code = tally_code(&put.tally);
    } else {
      code = report_no_memory();
    }
    put_end(&put);
  }
  free(target.name);
  return code;
}

int cmd_put(const struct command *self, int argc, char **argv) {
  struct put_options o = {0};
  const struct option_group own = {"Options", put_specs, &o};
  const struct data_command data = {.own = &own, .fewest = 3, .most = -1, .bulk = true, .work = put_work, .arg = &o};
  return data_command_run(self, &data, argc, argv);
}
