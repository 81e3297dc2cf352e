#include "command.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "data_command.h"
#include "interrupt.h"
#include "listing.h"
#include "paths.h"
#include "report.h"

struct rm_options {
  bool recursive, force;
};

static const struct option_spec rm_specs[] = {
    {"recursive", 'r', OPTION_FLAG, offsetof(struct rm_options, recursive), NULL, "folders with all that is in them"},
    {"force", 'f', OPTION_FLAG, offsetof(struct rm_options, force), NULL, "what is not there is no error"},
    {0}};

static int empty_folder(const char *volume, nacre_volume *vol, const char *path, uint64_t ino, int depth);

static int remove_entry(const char *volume, nacre_volume *vol, const char *path, uint64_t dir,
                        const struct listing_entry *entry, int depth) {
  char *shown = path_join(path, entry->name);
  if (shown == NULL)
    return report_no_memory();
  int code = EXIT_DONE;
  enum nacre_err err = NACRE_OK;
  if (S_ISDIR(entry->attr.mode)) {
    code = empty_folder(volume, vol, shown, entry->attr.ino, depth + 1);
    if (code == EXIT_DONE)
      err = nacre_inode_rmdir(vol, dir, entry->name, entry->name_len);
  } else {
    err = nacre_inode_unlink(vol, dir, entry->name, entry->name_len);
  }
  if (err != NACRE_OK)
    code = report_library_path(volume, shown, err);
  free(shown);
  return code;
}

/* Remove all that is in a folder; goes on after a failure, and returns the first one's code. */
static int empty_folder(const char *volume, nacre_volume *vol, const char *path, uint64_t ino, int depth) {
  if (depth > WALK_DEPTH_MAX)
    return report_error(EXIT_DAMAGED, volume, "%s: folders nested too deep", path);
  nacre_dir *dir = NULL;
  enum nacre_err err = nacre_inode_opendir(vol, ino, &dir);
  if (err != NACRE_OK)
    return report_library_path(volume, path, err);
  int code = EXIT_DONE;
  struct listing listing = {0};
  while (!listing.at_end && !interrupt_pending()) {
    err = listing_next(vol, dir, LISTING_BATCH, &listing);
    for (size_t i = 0; i < listing.count && !interrupt_pending(); i++) {
      const int one = remove_entry(volume, vol, path, ino, &listing.entries[i], depth);
      code = code == EXIT_DONE ? one : code;
    }
    if (err != NACRE_OK && code == EXIT_DONE)
      code = report_library_path(volume, path, err);
  }
  listing_free(&listing);
  nacre_closedir(dir);
  return interrupt_pending() ? EXIT_OTHER : code;
}

static int remove_operand(const char *volume, nacre_volume *vol, const char *path, const struct rm_options *options) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  enum nacre_err err = nacre_lstat(vol, path, &attr);
  if (err == NACRE_ERR_NOT_FOUND && options->force)
    return EXIT_DONE;
  if (err != NACRE_OK)
    return report_library_path(volume, path, err);
  if (attr.ino == NACRE_ROOT_INO)
    return report_error(EXIT_USAGE, volume, "%s: the root folder can't be removed; name what is in it", path);
  if (!S_ISDIR(attr.mode)) {
    err = nacre_unlink(vol, path);
    return err == NACRE_OK ? EXIT_DONE : report_library_path(volume, path, err);
  }
  if (!options->recursive)
    return report_error(EXIT_OTHER, volume, "%s: it is a folder; -r removes it with all that is in it", path);
  const int code = empty_folder(volume, vol, path, attr.ino, 0);
  if (code != EXIT_DONE)
    return code;
  err = nacre_rmdir(vol, path);
  return err == NACRE_OK ? EXIT_DONE : report_library_path(volume, path, err);
}

static int rm_work(const char *volume, nacre_volume *vol, int argc, char **argv, void *arg) {
  struct tally tally = {0};
  for (int i = 0; i < argc && !interrupt_pending(); i++)
    tally_add(&tally, remove_operand(volume, vol, argv[i], arg));
  return tally_code(&tally);
}

int cmd_rm(const struct command *self, int argc, char **argv) {
  struct rm_options o = {0};
  const struct option_group own = {"Options", rm_specs, &o};
  const struct data_command data = {.own = &own, .fewest = 2, .most = -1, .bulk = true, .work = rm_work, .arg = &o};
  return data_command_run(self, &data, argc, argv);
}
