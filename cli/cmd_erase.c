#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <json-c/json.h>

#include "certificate.h"
#include "escape.h"
#include "hex.h"
#include "interrupt.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "size.h"
#include "terminal.h"
#include "volume.h"

struct erase_options {
  bool yes, force, overwrite, keys_only;
  const char *certificate, *verify;
};

static const struct option_spec erase_specs[] = {
    {"yes", 'y', OPTION_FLAG, offsetof(struct erase_options, yes), NULL, "do not ask for the volume's name"},
    {"certificate", 0, OPTION_TEXT, offsetof(struct erase_options, certificate), "FILE",
     "write a certificate, as text with a JSON record in it, to a new file"},
    {"overwrite", 0, OPTION_FLAG, offsetof(struct erase_options, overwrite), NULL,
     "overwrite all of it, also where it could be discarded"},
    {"keys-only", 0, OPTION_FLAG, offsetof(struct erase_options, keys_only), NULL,
     "destroy the keys and leave the rest, which nobody can read then"},
    {"force", 0, OPTION_FLAG, offsetof(struct erase_options, force), NULL,
     "erase also what is not recognized as a volume of a known version"},
    {"verify", 0, OPTION_TEXT, offsetof(struct erase_options, verify), "CERT",
     "erase nothing: compare the volume with a certificate of its erasing"},
    {0}};

/* ---- Comparing with a certificate ---- */

static const char *verdict_name(enum nacre_erase_verdict verdict) {
  static const char *const names[] = {"matches", "changed", "other"};
  return names[verdict];
}

static void print_check_json(const struct nacre_erase_check *check) {
  char id[HEX_TEXT_BYTES(16)];
  (void)hex_text(check->volume_id, 16, id);
  struct json_object *object = json_object_new_object();
  report_json_add(object, "verdict", json_object_new_string(verdict_name(check->verdict)));
  report_json_add(object, "ranges_equal", json_object_new_int64(check->ranges_equal));
  report_json_add(object, "ranges_changed", json_object_new_int64(check->ranges_changed));
  report_json_add(object, "volume_id", check->volume_there ? json_object_new_string(id) : NULL);
  report_print_json(object);
}

static int say_verdict(const char *path, const struct nacre_erase_report *report,
                       const struct nacre_erase_check *check) {
  char id[HEX_TEXT_BYTES(16)];
  (void)hex_text(check->volume_id, 16, id);
  if (report_is_json())
    print_check_json(check);
  if (check->volume_there && report->identified && memcmp(check->volume_id, report->volume_id, 16) == 0)
    return report_error(EXIT_DAMAGED, path, "the very volume that was erased is there again (%s)", id);
  if (check->verdict == NACRE_ERASE_OTHER && check->volume_there)
    return report_error(EXIT_NO_VOLUME, path, "the certificate is of another volume; here is %s, not erased", id);
  if (check->verdict == NACRE_ERASE_OTHER)
    return report_error(EXIT_NO_VOLUME, path,
                        "the certificate is of another container, or all of this one was written since");
  if (check->verdict == NACRE_ERASE_CHANGED)
    return report_error(EXIT_DAMAGED, path, "what was overwritten has been written since, or the size has changed");
  if (!report_is_json())
    (void)printf("all that the certificate says was overwritten is as it says\n");
  return EXIT_DONE;
}

static int verify(const char *path, const char *certificate) {
  struct nacre_erase_report report;
  int code = certificate_read(certificate, &report);
  if (code != EXIT_DONE)
    return code;
  const struct nacre_target target = volume_target(path);
  struct nacre_erase_check check = {.struct_size = sizeof check};
  struct progress progress;
  progress_start(&progress);
  const enum nacre_err err =
      nacre_erase_verify(&target, &report, progress_library, &progress, interrupt_catch(), &check);
  progress_clear(&progress);
  code = err == NACRE_ERR_ARGUMENT ? report_error(EXIT_USAGE, certificate, "%s", nacre_last_error())
         : err != NACRE_OK         ? report_library(path, err)
                                   : say_verdict(path, &report, &check);
  interrupt_deliver();
  return code;
}

/* ---- Erasing ---- */

/* What a person has to type: the label, or the file's own name. */
static const char *name_of(const char *path, const struct nacre_public_info *info) {
  const char *slash = strrchr(path, '/');
  if (info->label[0] != '\0')
    return info->label;
  return slash != NULL && slash[1] != '\0' ? slash + 1 : path;
}

static int confirm(const char *path, const struct nacre_public_info *info) {
  if (!terminal_exists())
    return report_error(EXIT_USAGE, path, "no terminal to ask for the volume's name; --yes erases without asking");
  const char *name = name_of(path, info);
  char size[SIZE_TEXT_BYTES], typed[TERMINAL_LINE_MAX + 1];
  char *safe_name = escape_text(name, false), *safe_path = escape_text(path, false), *question = NULL;
  if (safe_name == NULL || safe_path == NULL ||
      asprintf(&question,
               "This destroys %s (%s) for good: no credential opens it afterwards.\nType its name, %s, to go on: ",
               safe_path, size_text(info->container_bytes, size), safe_name) < 0)
    question = NULL;
  int code = EXIT_DONE;
  if (question == NULL)
    code = report_no_memory();
  else if (!terminal_ask_line(question, typed, sizeof typed) ||
           (strcmp(typed, name) != 0 && strcmp(typed, safe_name) != 0))
    code = report_error(EXIT_OTHER, path, "that is not its name: nothing was erased");
  free(question);
  free(safe_name);
  free(safe_path);
  return code;
}

/* Nothing is asked about what can't be erased. */
static int look(const char *path, const struct erase_options *o, struct nacre_public_info *info) {
  const struct nacre_target target = volume_target(path);
  struct stat st;
  *info = (struct nacre_public_info){.struct_size = sizeof *info};
  const enum nacre_err err = nacre_probe(&target, info);
  if (info->in_use)
    return volume_report_in_use(path);
  /* A container cut short, or with a broken header, has keys all the same. */
  if (err == NACRE_OK || err == NACRE_ERR_DAMAGED || (o->force && stat(path, &st) == 0))
    return EXIT_DONE;
  if (err == NACRE_ERR_NOT_VOLUME && stat(path, &st) == 0)
    return report_error(EXIT_NO_VOLUME, path,
                        "%s; check the name, or, if it was one whose header is destroyed, give --force",
                        nacre_last_error());
  return report_library(path, err);
}

/* Made before anything is erased: that it can't be written must not be found out afterwards. */
static int open_certificate(const struct erase_options *o, FILE **out) {
  *out = NULL;
  if (o->certificate == NULL)
    return EXIT_DONE;
  const int fd = open(o->certificate, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0)
    return report_errno(o->certificate, "cannot make the certificate's file", errno);
  *out = fdopen(fd, "w");
  return *out != NULL ? EXIT_DONE : report_no_memory();
}

static int write_certificate(const char *path, const struct certificate *certificate, FILE *out) {
  const bool written = certificate_write(certificate, out);
  return written && fsync(fileno(out)) == 0 ? EXIT_DONE : report_errno(path, "cannot write the certificate", errno);
}

static void print_done(const struct certificate *certificate) {
  if (report_is_json()) {
    report_print_json(certificate_json(certificate));
    return;
  }
  certificate_print_ranges(certificate->report, stdout);
  if (certificate->medium->writes_elsewhere)
    report_warning(certificate->path,
                   "it lies in %s, which writes elsewhere what is overwritten: the former keys are still on the disk",
                   certificate->medium->filesystem);
  report_note(certificate->path, "erased; copies, snapshots and header backups are not");
}

static int erase(const char *path, const struct erase_options *o, FILE *out) {
  struct medium medium;
  struct progress progress;
  struct nacre_erase_report report = {.struct_size = sizeof report};
  medium_look(path, &medium);
  progress_start(&progress);
  const struct nacre_erase_options options = {.struct_size = sizeof options,
                                              .rest = o->keys_only   ? NACRE_ERASE_REST_LEAVE
                                                      : o->overwrite ? NACRE_ERASE_REST_OVERWRITE
                                                                     : NACRE_ERASE_REST_AUTO,
                                              .force = o->force,
                                              .progress = progress_library,
                                              .progress_arg = &progress,
                                              .cancel = interrupt_catch()};
  const struct nacre_target target = volume_target(path);
  const enum nacre_err err = nacre_erase(&target, &options, &report);
  progress_clear(&progress);
  if (err == NACRE_ERR_IN_USE)
    return volume_report_in_use(path);
  if (err == NACRE_ERR_CANCELLED)
    return report_error(EXIT_OTHER, path, "%s; run it again", nacre_last_error());
  if (err != NACRE_OK)
    return report_library(path, err);
  const struct certificate certificate = {
      .path = path, .header = volume_header.path, .report = &report, .medium = &medium};
  const int code = out != NULL ? write_certificate(o->certificate, &certificate, out) : EXIT_DONE;
  print_done(&certificate);
  return code;
}

static int check_options(const struct erase_options *o) {
  if (o->overwrite && o->keys_only)
    return report_error(EXIT_USAGE, NULL, "--overwrite and --keys-only contradict each other; leave one out");
  if (o->verify != NULL && (o->yes || o->force || o->overwrite || o->keys_only || o->certificate != NULL))
    return report_error(EXIT_USAGE, NULL, "--verify erases nothing; leave the other options out");
  return EXIT_DONE;
}

int cmd_erase(const struct command *self, int argc, char **argv) {
  struct erase_options o = {0};
  const struct option_group groups[] = {{"Options", erase_specs, &o}, {"", volume_header_specs, &volume_header}, {0}};
  const enum options_result parsed = options_parse(self, groups, 1, 1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  int code = check_options(&o);
  if (code != EXIT_DONE || o.verify != NULL)
    return code != EXIT_DONE ? code : verify(argv[0], o.verify);
  struct nacre_public_info info;
  FILE *out = NULL;
  code = look(argv[0], &o, &info);
  if (code == EXIT_DONE && !o.yes)
    code = confirm(argv[0], &info);
  if (code == EXIT_DONE)
    code = open_certificate(&o, &out);
  if (code != EXIT_DONE)
    return code;
  code = erase(argv[0], &o, out);
  if (out != NULL) {
    if (ftell(out) == 0) /* nothing was certified */
      (void)unlink(o.certificate);
    (void)fclose(out);
  }
  interrupt_deliver();
  return code;
}
