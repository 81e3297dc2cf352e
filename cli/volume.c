#include "volume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "anchor.h"
#include "fuse/control.h"
#include "hex.h"
#include "interrupt.h"
#include "mountpoints.h"
#include "progress.h"
#include "report.h"
#include "terminal.h"

const struct option_spec volume_specs[] = {
    {"kdf-memory-max", 0, OPTION_SIZE, offsetof(struct volume_options, kdf_memory_max_bytes), "SIZE",
     "most memory that a keyslot may ask for (4G)"},
    {"memory", 0, OPTION_SIZE, offsetof(struct volume_options, memory_bytes), "SIZE",
     "limit for caches and unwritten data (64M)"},
    {"no-anchor", 0, OPTION_FLAG, offsetof(struct volume_options, no_anchor), NULL,
     "neither look nor remember whether it is older than when it was last open here"},
    {"accept-rollback", 0, OPTION_FLAG, offsetof(struct volume_options, accept_rollback), NULL,
     "open it though it is, or though superblocks are gone, and go on from there"},
    {"expect-id", 0, OPTION_TEXT, offsetof(struct volume_options, expect_id), "FINGERPRINT",
     "refuse any other volume, whatever opens it (nacre key id says which it is)"},
    {0}};

const struct option_spec volume_slot_specs[] = {
    {"slot", 0, OPTION_NUMBER, offsetof(struct volume_options, slot), "N", "the only slot to try"}, {0}};
const struct option_spec volume_open_slot_specs[] = {
    {"open-slot", 0, OPTION_NUMBER, offsetof(struct volume_options, slot), "N", "the only slot to open it with"},
    {0}};

struct volume_header volume_header;

const struct option_spec volume_header_specs[] = {{"header", 0, OPTION_TEXT, offsetof(struct volume_header, path),
                                                   "FILE", "where its header is kept, if not in the container"},
                                                  {0}};

struct nacre_target volume_plain_target(const char *path) {
  return (struct nacre_target){.struct_size = sizeof(struct nacre_target), .path = path};
}

struct nacre_target volume_target(const char *path) {
  static struct nacre_target header;
  struct nacre_target target = volume_plain_target(path);
  if (volume_header.path != NULL) {
    header = volume_plain_target(volume_header.path);
    target.header = &header;
  }
  return target;
}

char *volume_mounted_on(const char *path) {
  struct control_mount *list = NULL;
  size_t count = 0, silent;
  char *dir = NULL;
  if (control_list(&list, &count, &silent) != NACRE_OK)
    return NULL;
  for (size_t i = 0; i < count && dir == NULL; i++)
    if (control_matches(&list[i], path))
      dir = strdup(list[i].dir);
  control_list_free(list, count);
  return dir;
}

int volume_report_in_use(const char *path) {
  char *dir = volume_mounted_on(path);
  struct mountpoint at = {0};
  int code;
  if (dir == NULL)
    code = report_error(EXIT_IN_USE, path, "another process has it open; wait for it, or end it");
  else if (mountpoint_at(dir, &at))
    code = report_error(EXIT_IN_USE, path, "it is mounted on %s; use the files there, or nacre umount it first", dir);
  else
    code = report_error(EXIT_IN_USE, path,
                        "its mount on %s lives on in another mount namespace; nacre umount ends it", dir);
  mountpoint_free(&at);
  free(dir);
  return code;
}

static int report_open(const char *path, enum nacre_err err) {
  return err == NACRE_ERR_IN_USE ? volume_report_in_use(path) : report_library(path, err);
}

int volume_check(const char *path, bool read_only, struct nacre_public_info *info) {
  const struct nacre_target target = volume_target(path);
  *info = (struct nacre_public_info){.struct_size = sizeof *info};
  const enum nacre_err err = nacre_probe(&target, info);
  if (err != NACRE_OK)
    return report_open(path, err);
  if (info->in_use && !read_only)
    return volume_report_in_use(path);
  return EXIT_DONE;
}

int volume_check_any(const char *path, bool read_only) {
  const struct nacre_target target = volume_target(path);
  struct nacre_public_info info = {.struct_size = sizeof info};
  const enum nacre_err err = nacre_probe(&target, &info);
  if (info.in_use && !read_only)
    return volume_report_in_use(path);
  const bool readable = err == NACRE_OK || err == NACRE_ERR_NOT_VOLUME || err == NACRE_ERR_DAMAGED;
  return readable ? EXIT_DONE : report_open(path, err);
}

bool volume_is_free(const char *path) {
  const struct nacre_target target = volume_target(path);
  struct nacre_public_info info = {.struct_size = sizeof info};
  return nacre_probe(&target, &info) != NACRE_OK || !info.in_use;
}

bool volume_wait_free(const char *path, unsigned seconds) {
  enum { POLLS_A_SECOND = 50 };
  const struct timespec pause = {0, 1000000000 / POLLS_A_SECOND};
  for (unsigned tries = 0; tries < seconds * POLLS_A_SECOND; tries++) {
    if (volume_is_free(path))
      return true;
    (void)nanosleep(&pause, NULL);
  }
  return false;
}

int volume_check_options(const char *path, const struct volume_options *options) {
  uint8_t fingerprint[32];
  if (options->expect_id != NULL && !hex_read(options->expect_id, fingerprint, sizeof fingerprint))
    return report_error(EXIT_USAGE, path, "--expect-id takes a fingerprint of 64 hexadecimal digits");
  if (options->slot >= NACRE_SLOTS_MAX)
    return report_error(EXIT_USAGE, path, "slots are numbered 0 to %d", NACRE_SLOTS_MAX - 1);
  return EXIT_DONE;
}

bool volume_is_expected(const struct volume_options *options, const uint8_t fingerprint[32]) {
  uint8_t expected[32];
  return options->expect_id == NULL || (hex_read(options->expect_id, expected, sizeof expected) &&
                                        memcmp(expected, fingerprint, sizeof expected) == 0);
}

static bool has_slot(const struct nacre_public_info *info, enum nacre_slot_kind kind) {
  for (size_t i = 0; i < NACRE_SLOTS_MAX; i++)
    if (info->slots[i].kind == kind)
      return true;
  return false;
}

/* Nobody is asked for a passphrase that can't open anything. */
static int check_askable(const struct volume_request *request, const struct nacre_public_info *info) {
  if (request->cred != NULL || credential_is_given(&request->options->credential) ||
      has_slot(info, NACRE_SLOT_PASSPHRASE) || has_slot(info, NACRE_SLOT_RECOVERY))
    return EXIT_DONE;
  return report_error(EXIT_CREDENTIAL, request->path,
                      "no passphrase opens it; give --key-file, or another credential that nacre info lists");
}

static void note_fallback(const char *path, nacre_volume *vol) {
  struct nacre_volume_info info = {.struct_size = sizeof info};
  if (nacre_volume_get_info(vol, &info) == NACRE_OK && info.fell_back)
    report_warning(path, "this is not the newest state that there was: a commit, or the log of what was fsynced "
                         "behind it, is damaged, or "
                         "superblocks were destroyed");
}

static void give_anchor(const struct volume_request *request, struct nacre_open_options *open_options) {
  const char *why = NULL;
  open_options->accept_rollback = request->options->accept_rollback;
  if (request->options->no_anchor)
    return;
  open_options->anchor = anchor_files(&why);
  if (open_options->anchor == NULL)
    report_warning(request->path, "its state can't be remembered (%s): a rollback will not be noticed", why);
}

/* As the library does it with an `ask`, but that what opened it is not lost. */
static enum nacre_err open_keeping(const struct nacre_target *target, struct nacre_open_options *open_options,
                                   struct credential_wanted *wanted, nacre_credential **kept, nacre_volume **out) {
  enum nacre_err err = NACRE_ERR_CREDENTIAL;
  open_options->ask = NULL;
  for (int attempt = 0; attempt < wanted->attempts && err == NACRE_ERR_CREDENTIAL; attempt++) {
    nacre_credential_free(*kept);
    *kept = NULL;
    if (!credential_ask(wanted, attempt, kept))
      return NACRE_ERR_CREDENTIAL;
    err = nacre_volume_open(target, open_options, *kept, out);
  }
  return err;
}

/* Only a terminal is asked again after a wrong answer; what options name is tried once. */
static int open_asking(const struct nacre_target *target, const struct volume_request *request,
                       struct nacre_open_options *open_options, struct credential_wanted *wanted,
                       nacre_volume **out) {
  if (request->cred == NULL) {
    const int code = credential_prepare(wanted);
    if (code != EXIT_DONE)
      return code;
    open_options->ask = credential_ask;
    open_options->ask_arg = wanted;
    open_options->ask_attempts = wanted->attempts;
  }
  const enum nacre_err err = request->kept != NULL ? open_keeping(target, open_options, wanted, request->kept, out)
                                                   : nacre_volume_open(target, open_options, request->cred, out);
  if (err == NACRE_OK)
    return EXIT_DONE;
  progress_clear(wanted->progress);
  return wanted->code != EXIT_DONE ? wanted->code : report_open(request->path, err);
}

/* Which slot, and whose volume. */
static void take_choice(const struct volume_options *options, struct nacre_open_options *open_options) {
  open_options->use_slot = options->slot >= 0;
  open_options->slot = options->slot >= 0 ? options->slot : 0;
  open_options->use_expect_fingerprint =
      options->expect_id != NULL &&
      hex_read(options->expect_id, open_options->expect_fingerprint, sizeof open_options->expect_fingerprint);
}

int volume_open(const struct volume_request *request, nacre_volume **out) {
  secret_harden_process();
  struct nacre_public_info info;
  int code = volume_check_options(request->path, request->options);
  if (code == EXIT_DONE && request->backup == NULL)
    code = volume_check(request->path, request->read_only, &info);
  else if (code == EXIT_DONE)
    code = volume_check_any(request->path, request->read_only);
  if (request->backup != NULL)
    info = request->backup->info;
  if (code == EXIT_DONE)
    code = check_askable(request, &info);
  if (code != EXIT_DONE)
    return code;
  const struct nacre_target target = volume_target(request->path);
  struct nacre_open_options open_options = {.struct_size = sizeof open_options,
                                            .read_only = request->read_only,
                                            .memory_bytes = request->options->memory_bytes,
                                            .threads = request->threads,
                                            .commit_interval_ms = request->commit_interval_ms,
                                            .kdf_memory_max_bytes = request->options->kdf_memory_max_bytes,
                                            .waiting = request->waiting,
                                            .cancel = interrupt_catch()};
  if (request->backup != NULL) {
    open_options.header_backup = request->backup->bytes;
    open_options.header_backup_bytes = NACRE_HEADER_BYTES;
    open_options.header_backup_force = request->backup->force;
  }
  give_anchor(request, &open_options);
  take_choice(request->options, &open_options);
  struct progress progress;
  progress_start(&progress);
  open_options.progress = progress_keyslots;
  open_options.progress_arg = &progress;
  struct credential_wanted wanted = {.volume = request->backup == NULL ? request->path : request->backup->path,
                                     .source = &request->options->credential,
                                     .progress = &progress,
                                     .info = &info,
                                     .slot = request->options->slot};
  code = open_asking(&target, request, &open_options, &wanted, out);
  progress_clear(&progress);
  credential_done(&wanted);
  if (code == EXIT_DONE) {
    note_fallback(request->path, *out);
    anchor_note(request->path, *out);
  } else {
    interrupt_deliver();
  }
  return code;
}

int volume_close(const char *path, nacre_volume *vol, int code) {
  const enum nacre_err err = nacre_volume_close(vol);
  if (err != NACRE_OK) {
    const int close_code = report_library(path, err);
    if (code == EXIT_DONE)
      code = close_code;
  }
  interrupt_deliver();
  return code;
}
