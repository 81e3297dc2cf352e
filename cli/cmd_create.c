#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <blkid/blkid.h>
#include <json-c/json.h>

#include "cipher_option.h"
#include "hex.h"
#include "interrupt.h"
#include "kdf_options.h"
#include "paper.h"
#include "progress.h"
#include "report.h"
#include "size.h"
#include "terminal.h"
#include "volume.h"

struct create_options {
  uint64_t size_bytes;
  uint64_t chunk_bytes;
  const char *cipher;
  const char *label;
  const char *slot_name;
  bool portable, recovery_key, force;
  struct kdf_options kdf;
  struct credential_source source;
  struct paper paper;
};

static const struct option_spec create_specs[] = {
    {"size", 0, OPTION_SIZE, offsetof(struct create_options, size_bytes), "SIZE",
     "limit of the container (1T for a file, all of a device); it grows as it fills"},
    {"cipher", 0, OPTION_TEXT, offsetof(struct create_options, cipher), "NAME",
     "auto, aes-256-gcm, xchacha20-poly1305 or aegis-256"},
    {"portable", 0, OPTION_FLAG, offsetof(struct create_options, portable), NULL,
     "a cipher that is fast on every machine: xchacha20-poly1305"},
    {"chunk", 0, OPTION_SIZE, offsetof(struct create_options, chunk_bytes), "SIZE",
     "bytes sealed together: 4K, 16K (the default) or 64K"},
    {"label", 0, OPTION_TEXT, offsetof(struct create_options, label), "TEXT", "a name that anyone can read"},
    {"slot-name", 0, OPTION_TEXT, offsetof(struct create_options, slot_name), "TEXT",
     "a name for the credential, readable once open"},
    {"recovery-key", 0, OPTION_FLAG, offsetof(struct create_options, recovery_key), NULL,
     "make a recovery key, too, and print it"},
    {"force", 0, OPTION_FLAG, offsetof(struct create_options, force), NULL,
     "overwrite what is there; never what is in use"},
    {0}};

/* What a file or device holds, in words for a person; NULL when nothing is recognized. The caller frees it. */
static char *describe_content(const char *path) {
  blkid_probe probe = blkid_new_probe_from_filename(path);
  if (probe == NULL)
    return NULL;
  (void)blkid_probe_enable_superblocks(probe, 1);
  (void)blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_LABEL | BLKID_SUBLKS_USAGE);
  (void)blkid_probe_enable_partitions(probe, 1);
  char *text = NULL;
  const char *type = NULL, *label = NULL;
  if (blkid_do_safeprobe(probe) == 0) {
    if (blkid_probe_lookup_value(probe, "TYPE", &type, NULL) == 0) {
      const bool labelled = blkid_probe_lookup_value(probe, "LABEL", &label, NULL) == 0;
      if (asprintf(&text, "%s%s%s%s", type, labelled ? " labelled '" : "", labelled ? label : "",
                   labelled ? "'" : "") < 0)
        text = NULL;
    } else if (blkid_probe_lookup_value(probe, "PTTYPE", &type, NULL) == 0) {
      if (asprintf(&text, "a partition table (%s)", type) < 0)
        text = NULL;
    }
  }
  blkid_free_probe(probe);
  if (text != NULL)
    return text;
  const struct nacre_target target = volume_target(path);
  struct nacre_public_info info = {.struct_size = sizeof info};
  return nacre_probe(&target, &info) == NACRE_OK ? strdup("a Nacre volume") : NULL;
}

/* A device that is mounted, swapped on, or part of another (LVM, RAID) can't be opened exclusively. */
static bool device_in_use(const char *path) {
  const int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
  if (fd >= 0)
    (void)close(fd);
  return fd < 0 && errno == EBUSY;
}

/* Look at what is there before anything is asked. *fresh says that nothing is. */
static int check_target(const char *path, bool force, bool *fresh) {
  struct stat st;
  *fresh = false;
  if (stat(path, &st) != 0) {
    if (errno != ENOENT)
      return report_errno(path, "cannot look at it", errno);
    *fresh = true;
    return EXIT_DONE;
  }
  if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
    return report_error(EXIT_OTHER, path, "it is neither a file nor a block device; choose another name");
  if (S_ISBLK(st.st_mode) && device_in_use(path))
    return report_error(EXIT_IN_USE, path, "the device is in use; unmount what is on it first");
  if (S_ISREG(st.st_mode) && st.st_size == 0)
    return EXIT_DONE;
  const struct nacre_target target = volume_target(path);
  struct nacre_public_info info = {.struct_size = sizeof info};
  if (nacre_probe(&target, &info) == NACRE_OK && info.in_use)
    return volume_report_in_use(path);
  char *content = describe_content(path);
  int code = EXIT_DONE;
  if (force) {
    if (content != NULL)
      report_note(path, "overwriting %s", content);
  } else if (content != NULL) {
    code = report_error(EXIT_OTHER, path, "it holds %s; --force overwrites it", content);
  } else if (S_ISREG(st.st_mode)) {
    code = report_error(EXIT_OTHER, path, "the file exists and is not empty; --force overwrites it");
  } else {
    report_note(path, "nothing was recognized on this device");
  }
  free(content);
  return code;
}

static int parse_cipher(const struct create_options *o, enum nacre_cipher *cipher) {
  *cipher = o->portable ? NACRE_CIPHER_XCHACHA20_POLY1305 : NACRE_CIPHER_AUTO;
  if (o->cipher == NULL)
    return EXIT_DONE;
  if (o->portable)
    return report_error(EXIT_USAGE, NULL, "--portable chooses the cipher; leave out --cipher");
  return cipher_parse(o->cipher, cipher);
}

static int fill_create(const struct create_options *o, struct nacre_create_options *create) {
  *create = (struct nacre_create_options){.struct_size = sizeof *create,
                                          .size_bytes = o->size_bytes,
                                          .chunk_bytes = (uint32_t)o->chunk_bytes,
                                          .label = o->label,
                                          .slot_name = o->slot_name,
                                          .root_uid = geteuid(),
                                          .root_gid = getegid(),
                                          .force = o->force};
  if (o->size_bytes != 0 && o->size_bytes < NACRE_VOLUME_SIZE_MIN_BYTES)
    return report_error(EXIT_USAGE, NULL, "--size is too small; give %lluM or more",
                        (unsigned long long)(NACRE_VOLUME_SIZE_MIN_BYTES >> 20));
  if (o->chunk_bytes != 0 && o->chunk_bytes != 4096 && o->chunk_bytes != 16384 && o->chunk_bytes != 65536)
    return report_error(EXIT_USAGE, NULL, "--chunk must be 4K, 16K or 64K");
  if (o->label != NULL && strlen(o->label) > NACRE_LABEL_MAX_BYTES)
    return report_error(EXIT_USAGE, NULL, "--label is over %d bytes; give a shorter one", NACRE_LABEL_MAX_BYTES);
  const int code = parse_cipher(o, &create->cipher);
  return code != EXIT_DONE ? code : kdf_options_cost(&o->kdf, &create->kdf);
}

static void note_created(const char *path, const struct nacre_public_info *info) {
  report_note(path, "created, with %s", nacre_cipher_name(info->cipher));
}

/* What --json prints; NULL without it. */
static struct json_object *created_report(const char *path, const struct nacre_public_info *info,
                                          const struct secret *recovery) {
  if (!report_is_json())
    return NULL;
  char id[HEX_TEXT_BYTES(16)];
  (void)hex_text(info->volume_id, 16, id);
  struct json_object *report = json_object_new_object();
  report_json_add(report, "volume", report_json_text(path));
  report_json_add(report, "volume_id", json_object_new_string(id));
  report_json_add(report, "cipher", json_object_new_string(nacre_cipher_name(info->cipher)));
  report_json_add(report, "recovery_key", recovery->bytes != NULL ? json_object_new_string(recovery->bytes) : NULL);
  return report;
}

static void print_created(const char *path, const struct nacre_public_info *info) {
  const struct secret none = {0};
  if (report_is_json())
    report_print_json(created_report(path, info, &none));
  else
    note_created(path, info);
}

/* Into a slot of the new volume, and to whoever asked for it, or out of the slot again. */
static int give_recovery(const char *path, nacre_volume *vol, const struct paper *paper,
                         const struct nacre_public_info *info, bool fresh) {
  const struct credential_source source = {.passphrase_fd = -1, .recovery_key = true};
  const struct credential_policy policy = {.volume = path};
  struct secret text = {0};
  struct paper_slot slot = {.name = PAPER_SLOT_NAME};
  nacre_credential *cred = NULL;
  paper_outlive_readers();
  int code = credential_read_new(&source, &policy, &text, &cred);
  if (code == EXIT_DONE) {
    const enum nacre_err err = nacre_slot_add(vol, cred, NULL, slot.name, &slot.index);
    if (err != NACRE_OK)
      code = report_library(path, err);
  }
  nacre_credential_free(cred);
  if (code == EXIT_DONE) {
    note_created(path, info);
    code = paper_hand_over(paper, path, &slot, &text, created_report(path, info, &text),
                           fresh ? "no volume is made" : "the new volume has none");
    if (code == EXIT_DONE)
      report_note(path, "that is the recovery key: it opens the volume like a passphrase; write it down and keep it "
                        "away from the volume");
    else if (nacre_slot_remove(vol, slot.index, false) != NACRE_OK && !fresh)
      (void)report_error(code, path, "slot %u has a recovery key that nobody knows; remove it by nacre key remove",
                         (unsigned)slot.index);
  }
  secret_free(&text);
  return code;
}

/* A recovery key of the new volume, or an error, said, and no page. */
static int add_recovery(const char *path, const struct paper *paper, const struct nacre_public_info *info, bool fresh,
                        const nacre_credential *cred) {
  const struct nacre_target target = volume_target(path);
  struct progress progress;
  const struct nacre_open_options options = {.struct_size = sizeof options,
                                             .cancel = interrupt_catch(),
                                             .progress = progress_keyslots,
                                             .progress_arg = &progress};
  nacre_volume *vol = NULL;
  progress_start(&progress);
  enum nacre_err err = nacre_volume_open(&target, &options, cred, &vol);
  progress_clear(&progress);
  if (err != NACRE_OK)
    return report_library(path, err);
  int code = give_recovery(path, vol, paper, info, fresh);
  err = nacre_volume_close(vol);
  if (err != NACRE_OK && code == EXIT_DONE) {
    paper_drop(paper);
    code = report_library(path, err);
  }
  return code;
}

static void remove_made(const char *path, const char *header) {
  if (path != NULL)
    (void)unlink(path);
  if (header != NULL)
    (void)unlink(header);
}

static int finish(const char *path, const struct create_options *o, bool fresh, const nacre_credential *cred) {
  const struct nacre_target target = volume_target(path);
  struct nacre_public_info info = {.struct_size = sizeof info};
  const enum nacre_err err = nacre_probe(&target, &info);
  if (err != NACRE_OK)
    return report_library(path, err);
  if (o->recovery_key)
    return add_recovery(path, &o->paper, &info, fresh, cred);
  print_created(path, &info);
  return EXIT_DONE;
}

/* Make the volume, then its recovery key if one is wanted; what is half made is removed. */
static int create(const char *path, const struct create_options *o, struct nacre_create_options *options, bool fresh,
                  const nacre_credential *cred) {
  struct progress progress;
  progress_start(&progress);
  options->progress = progress_library;
  options->progress_arg = &progress;
  options->cancel = interrupt_catch();
  const struct nacre_target target = volume_target(path);
  const bool fresh_header = volume_header.path != NULL && access(volume_header.path, F_OK) != 0;
  const enum nacre_err err = nacre_create(&target, options, cred);
  progress_clear(&progress);
  int code = EXIT_DONE;
  if (err != NACRE_OK)
    code = err == NACRE_ERR_IN_USE ? volume_report_in_use(path) : report_library(path, err);
  else
    code = finish(path, o, fresh, cred);
  if (code != EXIT_DONE && err != NACRE_ERR_IN_USE && err != NACRE_ERR_EXISTS)
    remove_made(fresh ? path : NULL, fresh_header && (fresh || err != NACRE_OK) ? volume_header.path : NULL);
  interrupt_deliver();
  return code;
}

int cmd_create(const struct command *self, int argc, char **argv) {
  struct create_options o = {.source = CREDENTIAL_SOURCE_NONE};
  const struct option_group groups[] = {{"Options", create_specs, &o},
                                        {"", paper_specs, &o.paper},
                                        {"", volume_header_specs, &volume_header},
                                        {"Credential", credential_create_specs, &o.source},
                                        {"Its cost for whoever guesses", kdf_specs, &o.kdf},
                                        {NULL, credential_new_specs, &o.source},
                                        {0}};
  const enum options_result parsed = options_parse(self, groups, 1, 1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  const char *path = argv[0];
  /* Given as --new-recovery-key it is the same wish: one beside the credential, not in its place. */
  o.recovery_key = o.recovery_key || o.source.recovery_key;
  o.source.recovery_key = false;

  struct nacre_create_options options;
  bool fresh = false;
  int code = paper_check(&o.paper, o.recovery_key, path);
  if (code == EXIT_DONE)
    code = fill_create(&o, &options);
  if (code == EXIT_DONE)
    code = check_target(path, o.force, &fresh);
  if (code != EXIT_DONE)
    return code;

  secret_harden_process();
  const struct credential_policy policy = {
      .volume = path, .label = o.label, .kdf = options.kdf, .weak_ok = o.kdf.weak_ok};
  nacre_credential *cred = NULL;
  code = credential_read_new(&o.source, &policy, NULL, &cred);
  if (code != EXIT_DONE)
    return code;
  if (!o.recovery_key && !credential_is_given(&o.source))
    o.recovery_key =
        terminal_confirm("Make a recovery key, too, for the day the passphrase is forgotten? [y/N] ", false);
  code = paper_check(&o.paper, o.recovery_key, path);
  if (code == EXIT_DONE)
    code = create(path, &o, &options, fresh, cred);
  nacre_credential_free(cred);
  return code;
}
