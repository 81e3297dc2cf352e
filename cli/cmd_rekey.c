#include "command.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <json-c/json.h>

#include "cipher_option.h"
#include "interrupt.h"
#include "mounts.h"
#include "options.h"
#include "progress.h"
#include "report.h"
#include "size.h"
#include "volume.h"

#define MESSAGE_BYTES 256
#define JSON_INTERVAL_S 1

struct rekey_command {
  bool slots_only;
  char *drop; /* numbers, joined by commas */
  const char *cipher;
  uint64_t rate_bytes;
  struct volume_options volume;
};

static const struct option_spec rekey_specs[] = {
    {"rate", 0, OPTION_SIZE, offsetof(struct rekey_command, rate_bytes), "SIZE",
     "rewrite at most so much a second, so that others have their share of the machine"},
    {"cipher", 0, OPTION_TEXT, offsetof(struct rekey_command, cipher), "NAME",
     "change to aes-256-gcm, xchacha20-poly1305 or aegis-256 on the way"},
    {"drop", 0, OPTION_LIST, offsetof(struct rekey_command, drop), "SLOT,...",
     "leave these slots behind: their credentials open nothing any more"},
    {"slots-only", 0, OPTION_FLAG, offsetof(struct rekey_command, slots_only), NULL,
     "only a new master key: quick, and the content stays under the key that it has"},
    {0}};

/* ---- Progress and report ---- */

struct rekeying {
  struct progress progress;
  time_t told_s; /* with --json: of the last line */
};

static void on_progress(void *arg, const char *what, uint64_t done, uint64_t total) {
  struct rekeying *rekeying = arg;
  if (!report_is_json()) {
    progress_library(&rekeying->progress, what, done, total);
    return;
  }
  struct timespec now;
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  if (now.tv_sec - rekeying->told_s < JSON_INTERVAL_S)
    return;
  rekeying->told_s = now.tv_sec;
  struct json_object *line = json_object_new_object();
  report_json_add(line, "phase", report_json_text(what));
  report_json_add(line, "done_bytes", json_object_new_uint64(done));
  report_json_add(line, "total_bytes", json_object_new_uint64(total));
  (void)printf("%s\n", json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN));
  (void)fflush(stdout);
  (void)json_object_put(line);
}

static void print_done(const char *path, const struct nacre_rekey_options *options,
                       const struct nacre_rekey_report *report) {
  if (report_is_json()) {
    struct json_object *object = json_object_new_object();
    report_json_add(object, "volume", report_json_text(path));
    report_json_add(object, "epoch", json_object_new_int64(report->epoch));
    report_json_add(object, "resumed", json_object_new_boolean(report->resumed));
    report_json_add(object, "rewritten_bytes", json_object_new_uint64(report->rewritten_bytes));
    report_json_add(object, "wiped_bytes", json_object_new_uint64(report->wiped_bytes));
    (void)printf("%s\n",
                 json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    (void)json_object_put(object);
    return;
  }
  char size[SIZE_TEXT_BYTES];
  if (options->slots_only)
    report_note(path, "a new master key; the content is under the key that it had");
  else
    report_note(path, "%s; %s rewritten under key %u",
                report->resumed ? "the rotation that was under way has come to its end" : "the keys were rotated",
                size_text(report->rewritten_bytes, size), (unsigned)report->epoch);
  report_note(path, "copies that were made of it before still open with what opened it then");
}

static int rekeying_end(struct rekeying *rekeying, const char *path, const struct nacre_rekey_options *options,
                        const struct nacre_rekey_report *report, enum nacre_err err, const char *message) {
  progress_clear(&rekeying->progress);
  if (err == NACRE_OK) {
    print_done(path, options, report);
    return EXIT_DONE;
  }
  if (err == NACRE_ERR_DAMAGED || err == NACRE_ERR_IO)
    return report_error(report_exit_code(err), path,
                        "%s; remove or restore what nacre verify names, or copy all to a new volume if the medium "
                        "fails, then run rekey again",
                        message);
  return report_message(path, err, message);
}

/* ---- Here, or in the process of a mount ---- */

static int rekey_mounted(void *arg, const char *path, const struct control_mount *mount) {
  const struct nacre_rekey_options *options = arg;
  struct rekeying rekeying = {0};
  struct nacre_rekey_report report = {.struct_size = sizeof report};
  char message[MESSAGE_BYTES] = "";
  progress_start(&rekeying.progress);
  const enum nacre_err err = control_rekey(mount, options, &report, on_progress, &rekeying, message, sizeof message);
  return rekeying_end(&rekeying, path, options, &report, err, message);
}

static int rekey_here(const char *path, nacre_volume *vol, struct nacre_rekey_options *options) {
  struct rekeying rekeying = {0};
  struct nacre_rekey_report report = {.struct_size = sizeof report};
  progress_start(&rekeying.progress);
  options->progress = on_progress;
  options->progress_arg = &rekeying;
  options->cancel = interrupt_catch();
  const enum nacre_err err = nacre_rekey(vol, options, &report);
  const int code = rekeying_end(&rekeying, path, options, &report, err, nacre_last_error());
  if (err == NACRE_ERR_CANCELLED)
    report_note(path, "what is left is rewritten when the volume is next mounted, or by nacre rekey");
  return code;
}

/* ---- Options ---- */

static int parse_drop(const char *text, uint32_t *slots) {
  while (text != NULL && *text != '\0') {
    char *end;
    const unsigned long slot = strtoul(text, &end, 10);
    if (end == text || slot >= NACRE_SLOTS_MAX || (*end != ',' && *end != '\0'))
      return report_error(EXIT_USAGE, "rekey", "'%s' is no list of slots, which are numbered 0 to %d", text,
                          NACRE_SLOTS_MAX - 1);
    *slots |= 1u << slot;
    text = *end == ',' ? end + 1 : end;
  }
  return EXIT_DONE;
}

static int fill_options(const struct rekey_command *o, struct nacre_rekey_options *options) {
  *options = (struct nacre_rekey_options){
      .struct_size = sizeof *options, .slots_only = o->slots_only, .rate_bytes = o->rate_bytes};
  int code = parse_drop(o->drop, &options->drop_slots);
  if (code == EXIT_DONE && o->cipher != NULL)
    code = cipher_parse(o->cipher, &options->cipher);
  if (code == EXIT_DONE && o->slots_only && options->cipher != NACRE_CIPHER_AUTO)
    code =
        report_error(EXIT_USAGE, "rekey", "--slots-only leaves the content as it is, so there is no --cipher to it");
  return code;
}

int cmd_rekey(const struct command *self, int argc, char **argv) {
  struct rekey_command o = {.volume = VOLUME_OPTIONS_NONE};
  const struct option_group groups[] = {{"Options", rekey_specs, &o}, VOLUME_GROUPS(&o.volume), {0}};
  const enum options_result parsed = options_parse(self, groups, 1, 1, &argc, &argv);
  if (parsed != OPTIONS_RUN) {
    free(o.drop);
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  }
  struct nacre_rekey_options options;
  int code = fill_options(&o, &options);
  free(o.drop);
  if (code != EXIT_DONE || mounts_do(argv[0], rekey_mounted, &options, &code))
    return code;
  const struct volume_request request = {.path = argv[0], .options = &o.volume, .threads = -1};
  nacre_volume *vol = NULL;
  code = volume_open(&request, &vol);
  if (code != EXIT_DONE)
    return code;
  code = volume_close(argv[0], vol, rekey_here(argv[0], vol, &options));
  interrupt_deliver();
  return code;
}
