#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data_command.h"
#include "paths.h"
#include "report.h"
#include "stream_out.h"
#include "tree_get.h"

struct get_options {
  bool special;
};

static const struct option_spec get_specs[] = {{"preserve-special", 0, OPTION_FLAG,
                                                offsetof(struct get_options, special), NULL,
                                                "keep setuid and setgid bits and capabilities, make device nodes"},
                                               {0}};

static int open_dir(const char *volume, const char *path, int *fd) {
  *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return *fd >= 0 ? EXIT_DONE : report_error(report_exit_code_errno(errno), volume, "%s: %s", path, strerror(errno));
}

/* Make DEST for the contents of a folder that has no name of its own. */
static int make_dest(const char *volume, const char *dest) {
  if (mkdir(dest, 0700) == 0 || errno == EEXIST)
    return EXIT_DONE;
  return report_error(report_exit_code_errno(errno), volume, "%s: %s", dest, strerror(errno));
}

/* The folder above DEST, which a single object is copied into under DEST's last component. */
static int open_above(const char *volume, const char *dest, char **name, int *fd) {
  char *above = path_parent(dest);
  *name = path_base(dest);
  int code;
  if (above == NULL || *name == NULL)
    code = report_no_memory();
  else if ((*name)[0] == '\0')
    code = report_error(EXIT_OTHER, volume, "%s: there is no such folder", dest);
  else
    code = open_dir(volume, above[0] != '\0' ? above : ".", fd);
  free(above);
  return code;
}

/* A fifo or a device that the user names as DEST is written to, as cp does. */
static bool is_stream(const char *dest) {
  struct stat st;
  return stat(dest, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode));
}

static int get_stream(struct get *get, const char *path, const char *dest) {
  const int fd = open(dest, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0)
    return report_error(report_exit_code_errno(errno), get->volume, "%s: %s", dest, strerror(errno));
  const int code = stream_out(get->volume, get->vol, path, fd);
  (void)close(fd);
  return code;
}

static bool is_folder(const char *path) {
  struct stat st;
  return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* Copy one PATH; get->root is open if DEST is a folder. */
static int get_operand(struct get *get, const char *path, const char *dest) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  const enum nacre_err err = nacre_lstat(get->vol, path, &attr);
  if (err != NACRE_OK)
    return report_library_path(get->volume, path, err);
  char *name = path_base(path);
  if (name == NULL)
    return report_no_memory();
  int code = EXIT_DONE;
  const bool contents = name[0] == '\0' && S_ISDIR(attr.mode);
  if (contents && get->root < 0)
    code = make_dest(get->volume, dest);
  if (contents && get->root < 0 && code == EXIT_DONE) {
    code = open_dir(get->volume, dest, &get->root);
  } else if (get->root < 0 && code == EXIT_DONE) {
    free(name);
    name = NULL;
    code = open_above(get->volume, dest, &name, &get->root);
  }
  if (code == EXIT_DONE)
    get_tree(get, path, &attr, name);
  free(name);
  return code;
}

static void get_all(struct get *get, int argc, char **argv) {
  const char *dest = argv[argc - 1];
  int code = EXIT_DONE;
  if (argc == 2 && is_stream(dest)) {
    tally_add(&get->tally, get_stream(get, argv[0], dest));
    return;
  }
  if (is_folder(dest))
    code = open_dir(get->volume, dest, &get->root);
  else if (argc > 2)
    code = report_error(EXIT_OTHER, get->volume, "%s: no folder, but several things are to be copied there", dest);
  if (code != EXIT_DONE)
    tally_add(&get->tally, code);
  for (int i = 0; i < argc - 1 && code == EXIT_DONE && !get->stop; i++) {
    const int one = get_operand(get, argv[i], dest);
    if (one != EXIT_DONE)
      tally_add(&get->tally, one);
  }
  if (get->root >= 0)
    (void)close(get->root);
}

static int get_work(const char *volume, nacre_volume *vol, int argc, char **argv, void *arg) {
  const struct get_options *options = arg;
  if (strcmp(argv[argc - 1], "-") == 0) {
    struct tally tally = {0};
    for (int i = 0; i < argc - 1; i++)
      tally_add(&tally, stream_out(volume, vol, argv[i], STDOUT_FILENO));
    return tally_code(&tally);
  }
  struct get get;
  int code;
  if (get_start(&get, volume, vol, options->special)) {
    get_all(&get, argc, argv);
    code = tally_code(&get.tally);
  } else {
    code = report_no_memory();
  }
  get_end(&get);
  return code;
}

int cmd_get(const struct command *self, int argc, char **argv) {
  struct get_options o = {0};
  const struct option_group own = {"Options", get_specs, &o};
  const struct data_command data = {
      .own = &own, .fewest = 3, .most = -1, .read_only = true, .bulk = true, .work = get_work, .arg = &o};
  return data_command_run(self, &data, argc, argv);
}
