#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "escape.h"
#include "options.h"
#include "report.h"
#include "slot_access.h"
#include "slots.h"
#include "volume.h"

struct header_options {
  bool force, dry_run;
  struct volume_options volume;
};
#define HEADER_OPTIONS_NONE                                                                                          \
  { .volume = VOLUME_OPTIONS_NONE }

/* ---- header backup ------------------------------------------------------------------------------- */

static const struct option_spec backup_specs[] = {
    {"force", 0, OPTION_FLAG, offsetof(struct header_options, force), NULL, "replace FILE if it is there"}, {0}};

static int write_all(int fd, const uint8_t *bytes, size_t len) {
  while (len > 0) {
    const ssize_t done = write(fd, bytes, len);
    if (done < 0 && errno == EINTR)
      continue;
    if (done <= 0)
      return done < 0 ? errno : EIO;
    bytes += done;
    len -= (size_t)done;
  }
  return fsync(fd) == 0 ? 0 : errno;
}

/* A name is durable when its folder is; a folder that can't be opened or synced is no reason to fail. */
static void sync_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  char *folder = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
  const int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (fd >= 0) {
    (void)fsync(fd);
    (void)close(fd);
  }
  free(folder);
}

static int write_new(const char *path, const char *name, int fd, const uint8_t *bytes) {
  int error = write_all(fd, bytes, NACRE_HEADER_BYTES);
  if (close(fd) != 0 && error == 0)
    error = errno;
  if (error == 0 && name != path && rename(name, path) != 0)
    error = errno;
  if (error != 0) {
    (void)unlink(name);
    return report_errno(path, "cannot write the backup", error);
  }
  sync_folder(path);
  return EXIT_DONE;
}

/* What is replaced keeps its name until the new one is complete. */
static int write_backup(const char *path, const uint8_t *bytes, bool force) {
  if (!force) {
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0 && errno == EEXIST)
      return report_error(EXIT_OTHER, path, "the file exists; --force replaces it");
    return fd < 0 ? report_errno(path, "cannot make the backup", errno) : write_new(path, path, fd, bytes);
  }
  char *name = NULL;
  if (asprintf(&name, "%s.XXXXXX", path) < 0)
    return report_no_memory();
  const int fd = mkostemp(name, O_CLOEXEC);
  const int code = fd < 0 ? report_errno(path, "cannot make the backup", errno) : write_new(path, name, fd, bytes);
  free(name);
  return code;
}

static int copy_checked(const char *path, const struct volume_options *o, uint8_t *bytes) {
  struct slot_access access;
  const int code = slot_access_open(&access, path, o, SLOT_ACCESS_HEADER);
  if (code != EXIT_DONE)
    return code;
  const enum nacre_err err = nacre_header_copy(access.header, bytes);
  return slot_access_close(&access, err == NACRE_OK ? EXIT_DONE : report_library(path, err));
}

static int copy_unchecked(const char *path, uint8_t *bytes) {
  struct mounts mounts;
  const char *container;
  int code = mounts_container(&mounts, path, &container);
  if (code == EXIT_DONE) {
    const struct nacre_target target = volume_target(container);
    const enum nacre_err err = nacre_header_backup(&target, NULL, NULL, bytes);
    code = err == NACRE_OK ? EXIT_DONE : report_library(path, err);
  }
  mounts_free(&mounts);
  return code;
}

/* What says how it is to be opened asks for a check, which an unchecked copy would pass over. */
static int check_asked(const char *path, const struct volume_options *o) {
  if (credential_is_given(&o->credential) || (o->slot < 0 && o->expect_id == NULL && !o->credential.recovery_key))
    return EXIT_DONE;
  return report_error(
      EXIT_USAGE, path,
      "--slot, --expect-id and --recovery-key go with a credential, which a backup takes from options "
      "alone");
}

static int header_backup(const struct command *self, int argc, char **argv) {
  struct header_options o = HEADER_OPTIONS_NONE;
  const struct option_group groups[] = {{"Options", backup_specs, &o}, VOLUME_GROUPS(&o.volume), {0}};
  const enum options_result parsed = options_parse(self, groups, 2, 2, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  const bool checked = credential_is_given(&o.volume.credential);
  int code = check_asked(argv[0], &o.volume);
  if (code != EXIT_DONE)
    return code;
  uint8_t *bytes = malloc(NACRE_HEADER_BYTES);
  code = bytes == NULL ? report_no_memory()
         : checked     ? copy_checked(argv[0], &o.volume, bytes)
                       : copy_unchecked(argv[0], bytes);
  if (code == EXIT_DONE)
    code = write_backup(argv[1], bytes, o.force);
  free(bytes);
  if (code != EXIT_DONE)
    return code;
  if (report_is_json()) {
    struct json_object *report = json_object_new_object();
    report_json_add(report, "backup", report_json_text(argv[1]));
    report_json_add(report, "checked", json_object_new_boolean(checked));
    report_print_json(report);
  }
  if (!checked)
    report_note(argv[1], "not checked: that takes a credential (--passfile, ...)");
  report_note(argv[1], "it opens the volume with the credentials of now, also when they are removed later; keep it "
                       "like the volume itself");
  return EXIT_DONE;
}

/* ---- header restore ------------------------------------------------------------------------------ */

static const struct option_spec restore_specs[] = {{"dry-run", 'n', OPTION_FLAG,
                                                    offsetof(struct header_options, dry_run), NULL,
                                                    "only say which slots would come back and which would go"},
                                                   {"force", 0, OPTION_FLAG, offsetof(struct header_options, force),
                                                    NULL, "though the volume has a header that may be of later keys"},
                                                   {0}};

static int read_backup(const char *path, struct volume_backup *backup) {
  const struct nacre_target target = volume_plain_target(path);
  struct stat st;
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return report_errno(path, "cannot open the backup", errno);
  backup->bytes = malloc(NACRE_HEADER_BYTES);
  int code = backup->bytes != NULL ? EXIT_DONE : report_no_memory();
  if (code == EXIT_DONE &&
      (fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != NACRE_HEADER_BYTES ||
       fread(backup->bytes, 1, NACRE_HEADER_BYTES, file) != NACRE_HEADER_BYTES))
    code = report_error(EXIT_NO_VOLUME, path, "that is no backup of a header: those are files of %u bytes",
                        NACRE_HEADER_BYTES);
  (void)fclose(file);
  if (code != EXIT_DONE)
    return code;
  backup->info = (struct nacre_public_info){.struct_size = sizeof backup->info};
  const enum nacre_err err = nacre_probe(&target, &backup->info);
  return err == NACRE_OK ? EXIT_DONE : report_library(path, err);
}

static const char *fate(const struct nacre_restore_report *report, unsigned slot) {
  const uint32_t bit = 1u << slot;
  if (report->returning & bit)
    return report->vanishing & bit ? "replaces" : "returns";
  return report->slots & bit ? "stays" : "goes";
}

static void print_slots_json(const struct nacre_restore_report *report, const struct nacre_slot_info *slots,
                             size_t count, bool restored) {
  struct json_object *array = json_object_new_array();
  for (size_t i = 0; i < count; i++) {
    struct json_object *slot = slot_json((int)slots[i].index, slots[i].kind, &slots[i].kdf);
    report_json_add(slot, "name", slots[i].name[0] != '\0' ? report_json_text(slots[i].name) : NULL);
    report_json_add(slot, "created_s", json_object_new_int64(slots[i].created_s));
    report_json_add(slot, "fate", json_object_new_string(fate(report, slots[i].index)));
    (void)json_object_array_add(array, slot);
  }
  struct json_object *gone = json_object_new_array();
  for (unsigned i = 0; i < NACRE_SLOTS_MAX; i++)
    if (report->vanishing & ~report->slots & 1u << i)
      (void)json_object_array_add(gone, json_object_new_int64(i));
  struct json_object *object = json_object_new_object();
  report_json_add(object, "restored", json_object_new_boolean(restored));
  report_json_add(object, "backup_sequence", json_object_new_uint64(report->backup_sequence));
  report_json_add(object, "demanded_sequence", json_object_new_uint64(report->demanded_sequence));
  report_json_add(object, "new_sequence", json_object_new_uint64(report->new_sequence));
  report_json_add(object, "header_there", json_object_new_boolean(report->header_there));
  report_json_add(object, "older_key", json_object_new_boolean(report->older_key));
  report_json_add(object, "slots", array);
  report_json_add(object, "slots_gone", gone);
  report_print_json(object);
}

static void print_slots(const struct nacre_restore_report *report, const struct nacre_slot_info *slots, size_t count,
                        const struct nacre_public_info *before) {
  char text[SLOT_TEXT_BYTES], date[SLOT_DATE_BYTES];
  for (size_t i = 0; i < count; i++) {
    (void)printf("slot %-2u  %-8s  %s  %s", (unsigned)slots[i].index,
                 report->header_there ? fate(report, slots[i].index) : "returns",
                 slot_date_text(slots[i].created_s, date), slot_text(slots[i].kind, &slots[i].kdf, text));
    if (slots[i].name[0] != '\0') {
      (void)printf("  ");
      escape_print(stdout, slots[i].name);
    }
    (void)printf("\n");
  }
  for (unsigned i = 0; i < NACRE_SLOTS_MAX; i++)
    if (report->vanishing & ~report->slots & 1u << i)
      (void)printf("slot %-2u  %-8s  %s\n", i, "goes", slot_text(before->slots[i].kind, &before->slots[i].kdf, text));
}

static int restore(const char *path, nacre_volume *vol, bool dry_run) {
  struct nacre_restore_report report = {.struct_size = sizeof report};
  struct nacre_slot_info slots[NACRE_SLOTS_MAX];
  size_t count = NACRE_SLOTS_MAX;
  for (size_t i = 0; i < NACRE_SLOTS_MAX; i++)
    slots[i] = (struct nacre_slot_info){.struct_size = sizeof slots[i]};
  /* What goes, as far as it is public: its names and dates are sealed under what opens that header. */
  const struct nacre_target target = volume_target(path);
  struct nacre_public_info before = {.struct_size = sizeof before};
  enum nacre_err err = nacre_probe(&target, &before);
  if (err != NACRE_OK) /* then there is nothing that could go */
    before = (struct nacre_public_info){0};
  err = nacre_header_restore(vol, dry_run, &report);
  if (err == NACRE_OK)
    err = nacre_slot_list(vol, slots, &count);
  if (err != NACRE_OK)
    return report_library(path, err);
  if (report_is_json())
    print_slots_json(&report, slots, count, !dry_run);
  else
    print_slots(&report, slots, count, &before);
  if (report.backup_sequence < report.demanded_sequence)
    report_note(path,
                "the backup is older than the volume's last header: what it brings back may have been removed on "
                "purpose");
  if (report.older_key)
    report_warning(
        path,
        "the backup is from the midst of a rotation: with it the key before is in the header%s until nacre "
        "rekey, or a mount, has brought the rotation to its end",
        dry_run ? ", were it restored," : "");
  report_note(path, dry_run ? "nothing was changed" : "restored");
  return EXIT_DONE;
}

static int header_restore(const struct command *self, int argc, char **argv) {
  struct header_options o = HEADER_OPTIONS_NONE;
  const struct option_group groups[] = {{"Options", restore_specs, &o}, VOLUME_GROUPS(&o.volume), {0}};
  const enum options_result parsed = options_parse(self, groups, 2, 2, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  struct volume_backup backup = {.path = argv[1], .force = o.force};
  const struct volume_request request = {
      .path = argv[0], .options = &o.volume, .read_only = o.dry_run, .backup = &backup};
  nacre_volume *vol = NULL;
  int code = read_backup(argv[1], &backup);
  if (code == EXIT_DONE)
    code = volume_open(&request, &vol);
  if (code == EXIT_DONE)
    code = volume_close(argv[0], vol, restore(argv[0], vol, o.dry_run));
  free(backup.bytes);
  return code;
}

static const struct command header_commands[] = {
    {"header backup", "VOLUME FILE", "Copy a volume's header to a file", header_backup},
    {"header restore", "VOLUME FILE", "Put a backup of a volume's header back", header_restore},
};

int cmd_header(const struct command *self, int argc, char **argv) {
  const size_t count = sizeof header_commands / sizeof header_commands[0];
  const char *verb = argc > 1 ? argv[1] : "";
  for (size_t i = 0; i < count; i++)
    if (strcmp(verb, header_commands[i].name + strlen("header ")) == 0)
      return header_commands[i].run(&header_commands[i], argc - 1, argv + 1);
  if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0) {
    (void)printf("usage: nacre header COMMAND [options] VOLUME FILE\n%s.\n\n", self->summary);
    for (size_t i = 0; i < count; i++)
      (void)printf("  %-14s  %s\n", header_commands[i].name, header_commands[i].summary);
    return EXIT_DONE;
  }
  return report_error(EXIT_USAGE, "header", "say backup or restore; see nacre header --help");
}
