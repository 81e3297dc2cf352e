#include "command.h"

#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "data_command.h"
#include "escape.h"
#include "listing.h"
#include "paths.h"
#include "report.h"

#define TARGET_BYTES 4096

struct ls_options {
  bool details, recursive, folder_itself;
};

static const struct option_spec ls_specs[] = {
    {"long", 'l', OPTION_FLAG, offsetof(struct ls_options, details), NULL, "modes, owners, sizes and times, too"},
    {"recursive", 'R', OPTION_FLAG, offsetof(struct ls_options, recursive), NULL, "and all below"},
    {"directory", 'd', OPTION_FLAG, offsetof(struct ls_options, folder_itself), NULL,
     "a folder itself, not what is in it"},
    {0}};

struct ls {
  const char *volume;
  nacre_volume *vol;
  struct ls_options options;
  struct tally tally;
  bool headings; /* more than one folder is listed */
  bool started;  /* something was printed: a heading wants an empty line before it */
};

static void mode_text(uint32_t mode, char text[11]) {
  static const struct {
    uint32_t type;
    char letter;
  } types[] = {{S_IFDIR, 'd'}, {S_IFLNK, 'l'}, {S_IFCHR, 'c'}, {S_IFBLK, 'b'}, {S_IFIFO, 'p'}, {S_IFSOCK, 's'}};
  memcpy(text, "-rwxrwxrwx", 11);
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    if ((mode & S_IFMT) == types[i].type)
      text[0] = types[i].letter;
  for (int bit = 0; bit < 9; bit++)
    if ((mode & (0400u >> bit)) == 0)
      text[1 + bit] = '-';
  if ((mode & S_ISUID) != 0)
    text[3] = text[3] == 'x' ? 's' : 'S';
  if ((mode & S_ISGID) != 0)
    text[6] = text[6] == 'x' ? 's' : 'S';
  if ((mode & S_ISVTX) != 0)
    text[9] = text[9] == 'x' ? 't' : 'T';
}

/* Name services may be slow: the last answer is kept, as most of a folder has one owner. */
static const char *user_text(uint32_t uid) {
  static uint32_t last = UINT32_MAX;
  static char text[64];
  if (uid != last || text[0] == '\0') {
    const struct passwd *found = getpwuid(uid);
    if (found != NULL)
      (void)snprintf(text, sizeof text, "%s", found->pw_name);
    else
      (void)snprintf(text, sizeof text, "%" PRIu32, uid);
    last = uid;
  }
  return text;
}

static const char *group_text(uint32_t gid) {
  static uint32_t last = UINT32_MAX;
  static char text[64];
  if (gid != last || text[0] == '\0') {
    const struct group *found = getgrgid(gid);
    if (found != NULL)
      (void)snprintf(text, sizeof text, "%s", found->gr_name);
    else
      (void)snprintf(text, sizeof text, "%" PRIu32, gid);
    last = gid;
  }
  return text;
}

static void print_details(const struct nacre_attr *attr) {
  char mode[11], when[32], size[32];
  const time_t seconds = (time_t)attr->mtime.s;
  struct tm tm;
  mode_text(attr->mode, mode);
  if (localtime_r(&seconds, &tm) == NULL || strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm) == 0)
    (void)snprintf(when, sizeof when, "%" PRId64, attr->mtime.s);
  if (S_ISCHR(attr->mode) || S_ISBLK(attr->mode))
    (void)snprintf(size, sizeof size, "%u, %u", major(attr->rdev), minor(attr->rdev));
  else
    (void)snprintf(size, sizeof size, "%" PRIu64, attr->size_bytes);
  (void)printf("%s %3" PRIu32 " %-8s %-8s %12s %s ", mode, attr->nlink, user_text(attr->uid), group_text(attr->gid),
               size, when);
}

static void print_entry(struct ls *ls, const char *name, const struct nacre_attr *attr) {
  if (ls->options.details)
    print_details(attr);
  escape_print(stdout, name);
  if (ls->options.details && S_ISLNK(attr->mode)) {
    char target[TARGET_BYTES];
    (void)printf(" -> ");
    if (nacre_inode_readlink(ls->vol, attr->ino, target, sizeof target) == NACRE_OK)
      escape_print(stdout, target);
    else
      (void)printf("?");
  }
  (void)printf("\n");
  ls->started = true;
}

static void print_heading(struct ls *ls, const char *path) {
  if (!ls->headings)
    return;
  if (ls->started)
    (void)printf("\n");
  escape_print(stdout, path);
  (void)printf(":\n");
  ls->started = true;
}

static int list_folder(struct ls *ls, const char *path, uint64_t ino, int depth);

static void list_below(struct ls *ls, const char *path, const struct listing *listing, int depth) {
  for (size_t i = 0; i < listing->count; i++) {
    const struct listing_entry *entry = &listing->entries[i];
    if (!S_ISDIR(entry->attr.mode))
      continue;
    char *below = path_join(path, entry->name);
    tally_add(&ls->tally, below != NULL ? list_folder(ls, below, entry->attr.ino, depth + 1) : report_no_memory());
    free(below);
  }
}

static int list_folder(struct ls *ls, const char *path, uint64_t ino, int depth) {
  if (depth > WALK_DEPTH_MAX)
    return report_error(EXIT_DAMAGED, ls->volume, "%s: folders nested too deep", path);
  nacre_dir *dir = NULL;
  enum nacre_err err = nacre_inode_opendir(ls->vol, ino, &dir);
  if (err != NACRE_OK)
    return report_library_path(ls->volume, path, err);
  print_heading(ls, path);
  struct listing listing = {0};
  err = listing_next(ls->vol, dir, SIZE_MAX, &listing);
  nacre_closedir(dir);
  int code = err == NACRE_OK ? EXIT_DONE : report_library_path(ls->volume, path, err);
  listing_sort(&listing);
  for (size_t i = 0; i < listing.count; i++)
    print_entry(ls, listing.entries[i].name, &listing.entries[i].attr);
  if (ls->options.recursive)
    list_below(ls, path, &listing, depth);
  listing_free(&listing);
  return code;
}

/* A symbolic link to a folder lists the folder, unless details are wanted: those are the link's. */
static int list_operand(struct ls *ls, const char *path) {
  struct nacre_attr attr = {.struct_size = sizeof attr};
  enum nacre_err err = NACRE_ERR_NOT_FOUND;
  if (!ls->options.details && !ls->options.folder_itself)
    err = nacre_stat(ls->vol, path, &attr);
  if (err != NACRE_OK)
    err = nacre_lstat(ls->vol, path, &attr);
  if (err != NACRE_OK)
    return report_library_path(ls->volume, path, err);
  if (S_ISDIR(attr.mode) && !ls->options.folder_itself)
    return list_folder(ls, path, attr.ino, 0);
  print_entry(ls, path, &attr);
  return EXIT_DONE;
}

static int ls_work(const char *volume, nacre_volume *vol, int argc, char **argv, void *arg) {
  const struct ls_options *options = arg;
  struct ls ls = {.volume = volume, .vol = vol, .options = *options, .headings = argc > 1 || options->recursive};
  if (argc == 0)
    tally_add(&ls.tally, list_operand(&ls, "/"));
  for (int i = 0; i < argc; i++)
    tally_add(&ls.tally, list_operand(&ls, argv[i]));
  return tally_code(&ls.tally);
}

int cmd_ls(const struct command *self, int argc, char **argv) {
  struct ls_options o = {0};
  const struct option_group own = {"Options", ls_specs, &o};
  const struct data_command data = {
      .own = &own, .fewest = 1, .most = -1, .read_only = true, .work = ls_work, .arg = &o};
  return data_command_run(self, &data, argc, argv);
}
