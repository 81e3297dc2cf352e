#include "command.h"

#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "escape.h"
#include "hex.h"
#include "kdf_options.h"
#include "key_escrow.h"
#include "key_fresh.h"
#include "options.h"
#include "report.h"
#include "slot_access.h"
#include "slots.h"
#include "volume.h"

struct key_options {
  int slot; /* -1: not given */
  bool force;
  struct volume_options volume;
};
#define KEY_OPTIONS_NONE                                                                                             \
  { .slot = -1, .volume = VOLUME_OPTIONS_NONE }

static const struct option_spec remove_specs[] = {{"slot", 0, OPTION_NUMBER, offsetof(struct key_options, slot), "N",
                                                   "the slot; without it, the one that the credential opens"},
                                                  {"force", 0, OPTION_FLAG, offsetof(struct key_options, force), NULL,
                                                   "remove even the last one: nobody opens the volume after that"},
                                                  {0}};

static int parse(const struct command *self, const struct option_group *groups, int *argc, char ***argv, int *code) {
  const enum options_result parsed = options_parse(self, groups, 1, 1, argc, argv);
  *code = parsed == OPTIONS_WRONG ? EXIT_USAGE : EXIT_DONE;
  return parsed == OPTIONS_RUN;
}

/* ---- key remove --------------------------------------------------------------------------------- */

static int key_remove(const struct command *self, int argc, char **argv) {
  struct key_options o = KEY_OPTIONS_NONE;
  const struct option_group groups[] = {{"Options", remove_specs, &o}, VOLUME_GROUPS_BESIDE_SLOT(&o.volume), {0}};
  int code;
  if (!parse(self, groups, &argc, &argv, &code))
    return code;
  struct slot_access access;
  code = slot_access_open(&access, argv[0], &o.volume, SLOT_ACCESS_CHANGE);
  if (code != EXIT_DONE)
    return code;
  const uint32_t index = o.slot >= 0 ? (uint32_t)o.slot : access.opened;
  code = slot_access_close(&access, slot_access_remove(&access, index, o.force));
  if (code != EXIT_DONE)
    return code;
  key_print_done(argv[0], index, "removed");
  report_note(argv[0], "older copies of the container still open with it");
  return code;
}

/* ---- key list ------------------------------------------------------------------------------------ */

static void list_json(const struct nacre_slot_info *slots, size_t count, const uint8_t fingerprint[32],
                      const struct nacre_volume_info *info) {
  struct json_object *array = json_object_new_array();
  for (size_t i = 0; i < count; i++) {
    struct json_object *slot = slot_json((int)slots[i].index, slots[i].kind, &slots[i].kdf);
    report_json_add(slot, "name", slots[i].name[0] != '\0' ? report_json_text(slots[i].name) : NULL);
    report_json_add(slot, "created_s", json_object_new_int64(slots[i].created_s));
    (void)json_object_array_add(array, slot);
  }
  struct json_object *report = json_object_new_object();
  char text[HEX_TEXT_BYTES(32)];
  (void)hex_text(fingerprint, 32, text);
  report_json_add(report, "fingerprint", json_object_new_string(text));
  report_json_add(report, "slots", array);
  report_json_add(report, "sealed_blocks", info != NULL ? json_object_new_uint64(info->sealed_blocks) : NULL);
  report_json_add(report, "sealed_bytes", info != NULL ? json_object_new_uint64(info->sealed_bytes) : NULL);
  report_print_json(report);
}

static void list_text(const struct nacre_slot_info *slots, size_t count) {
  for (size_t i = 0; i < count; i++) {
    char text[SLOT_TEXT_BYTES], date[SLOT_DATE_BYTES];
    (void)printf("%-3u %s  %s", (unsigned)slots[i].index, slot_date_text(slots[i].created_s, date),
                 slot_text(slots[i].kind, &slots[i].kdf, text));
    if (slots[i].name[0] != '\0') {
      (void)printf("  ");
      escape_print(stdout, slots[i].name);
    }
    (void)printf("\n");
  }
}

static int key_list(const struct command *self, int argc, char **argv) {
  struct key_options o = KEY_OPTIONS_NONE;
  const struct option_group groups[] = {VOLUME_GROUPS(&o.volume), {0}};
  int code;
  if (!parse(self, groups, &argc, &argv, &code))
    return code;
  struct slot_access access;
  code = slot_access_open(&access, argv[0], &o.volume, SLOT_ACCESS_READ);
  if (code != EXIT_DONE)
    return code;
  struct nacre_slot_info slots[NACRE_SLOTS_MAX];
  size_t count;
  struct nacre_volume_info info = {.struct_size = sizeof info};
  /* Where it is mounted, its process alone knows how much was sealed. */
  const bool counted = access.vol != NULL && nacre_volume_get_info(access.vol, &info) == NACRE_OK;
  code = slot_access_list(&access, slots, &count);
  if (code != EXIT_DONE)
    return slot_access_close(&access, code);
  if (report_is_json())
    list_json(slots, count, access.fingerprint, counted ? &info : NULL);
  else
    list_text(slots, count);
  for (size_t i = 0; i < count; i++)
    if (kdf_is_low(&slots[i].kdf))
      report_note(argv[0],
                  "slot %u costs a guesser less than is recommended today; nacre key change --same raises it",
                  (unsigned)slots[i].index);
  if (counted && info.sealed_blocks >= NACRE_SEALED_BLOCKS_ADVISED)
    report_note(argv[0], "the volume key has sealed %" PRIu64 " blocks: more than one key should; see nacre rekey",
                info.sealed_blocks);
  return slot_access_close(&access, code);
}

/* ---- key test ------------------------------------------------------------------------------------- */

static int key_test(const struct command *self, int argc, char **argv) {
  struct key_options o = KEY_OPTIONS_NONE;
  const struct option_group groups[] = {VOLUME_GROUPS(&o.volume), {0}};
  int code;
  if (!parse(self, groups, &argc, &argv, &code))
    return code;
  struct slot_access access;
  code = slot_access_open(&access, argv[0], &o.volume, SLOT_ACCESS_HEADER);
  if (code != EXIT_DONE)
    return code;
  const char *kind = slot_kind_name(nacre_credential_kind(access.opener));
  if (report_is_json()) {
    struct json_object *report = json_object_new_object();
    report_json_add(report, "slot", json_object_new_int64(access.opened));
    report_json_add(report, "kind", json_object_new_string(kind));
    report_print_json(report);
  } else {
    (void)printf("slot %u (%s)\n", (unsigned)access.opened, kind);
  }
  return slot_access_close(&access, EXIT_DONE);
}

/* ---- key id --------------------------------------------------------------------------------------- */

static int key_id(const struct command *self, int argc, char **argv) {
  struct key_options o = KEY_OPTIONS_NONE;
  const struct option_group groups[] = {VOLUME_GROUPS(&o.volume), {0}};
  int code;
  if (!parse(self, groups, &argc, &argv, &code))
    return code;
  struct slot_access access;
  code = slot_access_open(&access, argv[0], &o.volume, SLOT_ACCESS_READ);
  if (code != EXIT_DONE)
    return code;
  char text[HEX_TEXT_BYTES(32)];
  (void)hex_text(access.fingerprint, sizeof access.fingerprint, text);
  if (report_is_json()) {
    struct json_object *report = json_object_new_object();
    report_json_add(report, "fingerprint", json_object_new_string(text));
    report_print_json(report);
  } else {
    (void)printf("%s\n", text);
  }
  return slot_access_close(&access, EXIT_DONE);
}

static const struct command key_commands[] = {
    {"key add", "VOLUME", "Add a credential, beside those that the volume has", key_add},
    {"key remove", "VOLUME", "Remove a credential", key_remove},
    {"key change", "VOLUME", "Replace a credential by another, in the same slot, or rename it", key_change},
    {"key list", "VOLUME", "List the credentials with their names and dates", key_list},
    {"key escrow", "VOLUME", "Write out what an escrow slot holds, for age -d", key_escrow},
    {"key id", "VOLUME", "Print the volume's fingerprint, for --expect-id", key_id},
    {"key test", "VOLUME", "Say which slot a credential opens; the volume may be in use", key_test},
};

int cmd_key(const struct command *self, int argc, char **argv) {
  const size_t count = sizeof key_commands / sizeof key_commands[0];
  const char *verb = argc > 1 ? argv[1] : "";
  for (size_t i = 0; i < count; i++)
    if (strcmp(verb, key_commands[i].name + strlen("key ")) == 0)
      return key_commands[i].run(&key_commands[i], argc - 1, argv + 1);
  if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0) {
    (void)printf("usage: nacre key COMMAND [options] VOLUME\n%s.\n\n", self->summary);
    for (size_t i = 0; i < count; i++)
      (void)printf("  %-12s  %s\n", key_commands[i].name, key_commands[i].summary);
    return EXIT_DONE;
  }
  return report_error(EXIT_USAGE, "key", "say add, remove, change, list, escrow, id or test; see nacre key --help");
}
