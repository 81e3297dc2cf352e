#include "key_fresh.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <json-c/json.h>

#include "kdf_options.h"
#include "options.h"
#include "paper.h"
#include "report.h"
#include "slot_access.h"
#include "slots.h"
#include "terminal.h"
#include "volume.h"

struct key_options {
  int slot; /* -1: not given */
  const char *name;
  bool same;
  struct volume_options volume;
  struct credential_source fresh;
  struct kdf_options kdf;
  struct paper paper;
};
#define KEY_OPTIONS_NONE                                                                                             \
  { .slot = -1, .volume = VOLUME_OPTIONS_NONE, .fresh = CREDENTIAL_SOURCE_NONE }

static const struct option_spec add_specs[] = {
    {"name", 0, OPTION_TEXT, offsetof(struct key_options, name), "TEXT", "what the new slot is called in key list"},
    {0}};

static const struct option_spec change_specs[] = {
    {"slot", 0, OPTION_NUMBER, offsetof(struct key_options, slot), "N",
     "the slot; without it, the one that the credential opens"},
    {"name", 0, OPTION_TEXT, offsetof(struct key_options, name), "TEXT",
     "what the slot is called from now on; alone, nothing else changes"},
    {"same", 0, OPTION_FLAG, offsetof(struct key_options, same), NULL,
     "keep the credential, and only make guessing it dearer"},
    {0}};

/* Options, and what they cost: false with *code where the command ends with that. */
static bool begin(const struct command *self, const struct option_group *groups, struct key_options *o, int *argc,
                  char ***argv, struct nacre_kdf_cost *cost, int *code) {
  const enum options_result parsed = options_parse(self, groups, 1, 1, argc, argv);
  *code = parsed == OPTIONS_WRONG ? EXIT_USAGE : EXIT_DONE;
  if (parsed != OPTIONS_RUN)
    return false;
  const char *path = **argv;
  if (o->same && credential_new_is_given(&o->fresh))
    *code = report_error(EXIT_USAGE, path, "--same keeps the credential; leave out the new one");
  if (*code == EXIT_DONE && o->slot >= NACRE_SLOTS_MAX)
    *code = report_error(EXIT_USAGE, path, "slots are numbered 0 to %d", NACRE_SLOTS_MAX - 1);
  if (*code == EXIT_DONE)
    *code = paper_check(&o->paper, o->fresh.recovery_key, path);
  if (*code == EXIT_DONE)
    *code = kdf_options_cost(&o->kdf, cost);
  return *code == EXIT_DONE;
}

/* A new credential on a terminal without any option: a passphrase. */
static int read_new(const char *path, const struct key_options *o, const struct nacre_kdf_cost *cost,
                    struct secret *recovery, nacre_credential **cred) {
  const struct credential_policy policy = {.volume = path, .kdf = *cost, .weak_ok = o->kdf.weak_ok};
  return credential_read_new(&o->fresh, &policy, recovery, cred);
}

/* What --json prints; NULL without it. */
static struct json_object *slot_report(uint32_t index, const struct secret *recovery) {
  if (!report_is_json())
    return NULL;
  struct json_object *report = json_object_new_object();
  report_json_add(report, "slot", json_object_new_int64(index));
  report_json_add(report, "recovery_key", recovery->bytes != NULL ? json_object_new_string(recovery->bytes) : NULL);
  return report;
}

void key_print_done(const char *path, uint32_t index, const char *done) {
  const struct secret none = {0};
  if (report_is_json())
    report_print_json(slot_report(index, &none));
  else
    report_note(path, "slot %u %s", (unsigned)index, done);
}

/* ---- key add ------------------------------------------------------------------------------------ */

/* The number is known only once the slot is there. A key that nobody has seen doesn't stay. */
static int show_added(struct slot_access *access, const struct paper *paper, const struct paper_slot *slot,
                      const struct secret *recovery) {
  const int code = paper_hand_over(paper, access->container, slot, recovery, slot_report(slot->index, recovery),
                                   "its slot is removed again");
  if (code == EXIT_DONE)
    report_note(access->path, "slot %u added", (unsigned)slot->index);
  else if (slot_access_remove(access, slot->index, false) != EXIT_DONE)
    (void)report_error(code, access->path,
                       "slot %u has a recovery key that nobody knows; remove it by nacre key remove",
                       (unsigned)slot->index);
  return code;
}

static int add_slot(struct slot_access *access, const struct key_options *o, const struct nacre_kdf_cost *cost) {
  struct secret recovery = {0};
  nacre_credential *cred = NULL;
  struct paper_slot slot = {.name = o->name};
  int code = read_new(access->path, o, cost, &recovery, &cred);
  if (slot.name == NULL && o->fresh.recovery_key)
    slot.name = PAPER_SLOT_NAME;
  if (recovery.bytes != NULL)
    paper_outlive_readers();
  if (code == EXIT_DONE)
    code = slot_access_add(access, cred, cost, slot.name, &slot.index);
  nacre_credential_free(cred);
  if (code == EXIT_DONE && recovery.bytes != NULL)
    code = show_added(access, &o->paper, &slot, &recovery);
  else if (code == EXIT_DONE)
    key_print_done(access->path, slot.index, "added");
  secret_free(&recovery);
  return code;
}

int key_add(const struct command *self, int argc, char **argv) {
  struct key_options o = KEY_OPTIONS_NONE;
  const struct option_group groups[] = {{"Options", add_specs, &o},
                                        {"New credential", credential_new_specs, &o.fresh},
                                        {"", credential_outside_specs, &o.fresh},
                                        {"", paper_specs, &o.paper},
                                        {"Its cost for whoever guesses", kdf_specs, &o.kdf},
                                        VOLUME_GROUPS_BESIDE_TOKEN(&o.volume),
                                        {0}};
  struct nacre_kdf_cost cost;
  int code;
  if (!begin(self, groups, &o, &argc, &argv, &cost, &code))
    return code;
  struct slot_access access;
  code = slot_access_open(&access, argv[0], &o.volume, SLOT_ACCESS_CHANGE);
  return code == EXIT_DONE ? slot_access_close(&access, add_slot(&access, &o, &cost)) : code;
}

/* ---- key change --------------------------------------------------------------------------------- */

static bool kind_has_cost(enum nacre_slot_kind kind) {
  return kind == NACRE_SLOT_PASSPHRASE || kind == NACRE_SLOT_KEY_FILE || kind == NACRE_SLOT_PASSPHRASE_AND_KEY_FILE;
}

/* Whether the slot is to be called otherwise, and nothing else was said. */
static bool only_renames(const struct key_options *o) {
  return o->name != NULL && !o->same && !o->kdf.weak_ok && !credential_new_is_given(&o->fresh) &&
         !kdf_options_given(&o->kdf);
}

/* Whether the credential that opened the volume is to stay, at another cost: where that was asked for, or, at a
 * terminal that was told nothing else, where the cost is low and the person agrees. */
static bool keeps_credential(const struct key_options *o, struct slot_access *access, uint32_t index) {
  struct nacre_slot_info slots[NACRE_SLOTS_MAX];
  size_t count;
  if (o->same)
    return true;
  if (credential_new_is_given(&o->fresh) || kdf_options_given(&o->kdf) || !terminal_exists() ||
      access->opened != index || slot_access_list(access, slots, &count) != EXIT_DONE)
    return false;
  for (size_t i = 0; i < count; i++)
    if (slots[i].index == index && kdf_is_low(&slots[i].kdf))
      return terminal_confirm("This slot costs a guesser less than is recommended today. Keep its passphrase, and "
                              "only raise the cost? [y/N] ",
                              false);
  return false;
}

/* The slot is the one that the credential opened, or it would be a second one with it. */
static int check_same(const struct slot_access *access, uint32_t index) {
  const enum nacre_slot_kind kind = nacre_credential_kind(access->opener);
  if (access->opened != index)
    return report_error(EXIT_CREDENTIAL, access->path,
                        "the credential given opens slot %u, not slot %u; --same needs its own",
                        (unsigned)access->opened, (unsigned)index);
  if (!kind_has_cost(kind))
    return report_error(EXIT_USAGE, access->path, "slot %u has no cost that could be changed: %s", (unsigned)index,
                        slot_kind_name(kind));
  return EXIT_DONE;
}

static int find_slot(struct slot_access *access, uint32_t index, struct nacre_slot_info *slot) {
  struct nacre_slot_info slots[NACRE_SLOTS_MAX];
  size_t count;
  *slot = (struct nacre_slot_info){.index = index};
  const int code = slot_access_list(access, slots, &count);
  for (size_t i = 0; code == EXIT_DONE && i < count; i++)
    if (slots[i].index == index)
      *slot = slots[i];
  return code;
}

/* Refused before anything was written. After any other failure the change may be found done: by the mount's process
 * whose answer was lost, or by the next opening, of which one header copy had been written. */
static bool is_refusal(int code) {
  return code == EXIT_USAGE || code == EXIT_CREDENTIAL || code == EXIT_IN_USE || code == EXIT_NOT_PERMITTED;
}

/* The new key is shown before the slot's old credential is gone, so that at no time nobody has one. */
static int change_to_recovery(struct slot_access *access, const struct key_options *o, uint32_t index,
                              const nacre_credential *cred, const struct secret *recovery) {
  struct nacre_slot_info old;
  paper_outlive_readers();
  int code = find_slot(access, index, &old);
  if (code == EXIT_DONE && old.kind == NACRE_SLOT_EMPTY)
    return report_error(EXIT_OTHER, access->path, "slot %u is empty", (unsigned)index);
  const struct paper_slot slot = {.index = index, .name = o->name != NULL ? o->name : old.name};
  if (code == EXIT_DONE)
    code = paper_hand_over(&o->paper, access->container, &slot, recovery, slot_report(index, recovery),
                           "the slot is as it was");
  if (code != EXIT_DONE)
    return code;
  code = slot_access_change(access, index, cred, NULL, o->name);
  if (code == EXIT_DONE) {
    report_note(access->path, "slot %u changed", (unsigned)index);
  } else if (is_refusal(code)) {
    paper_drop(&o->paper);
    report_note(access->path, "the recovery key that was shown opens nothing: the slot is as it was");
  } else {
    report_warning(
        access->path,
        "it is not sure whether slot %u was changed: keep the recovery key that was shown, and what opened "
        "the slot before, until nacre key test tells which of them does",
        (unsigned)index);
  }
  return code;
}

static int change_credential(struct slot_access *access, const struct key_options *o,
                             const struct nacre_kdf_cost *cost, uint32_t index) {
  struct secret recovery = {0};
  nacre_credential *cred = NULL;
  int code = read_new(access->path, o, cost, &recovery, &cred);
  if (code == EXIT_DONE && recovery.bytes != NULL) {
    code = change_to_recovery(access, o, index, cred, &recovery);
  } else if (code == EXIT_DONE) {
    code = slot_access_change(access, index, cred, cost, o->name);
    if (code == EXIT_DONE)
      key_print_done(access->path, index, "changed");
  }
  nacre_credential_free(cred);
  secret_free(&recovery);
  return code;
}

static int change_slot(struct slot_access *access, const struct key_options *o, const struct nacre_kdf_cost *cost) {
  const uint32_t index = o->slot >= 0 ? (uint32_t)o->slot : access->opened;
  const bool renames = only_renames(o);
  if (!renames && !keeps_credential(o, access, index))
    return change_credential(access, o, cost, index);
  int code = renames ? slot_access_rename(access, index, o->name) : check_same(access, index);
  if (code == EXIT_DONE && !renames)
    code = slot_access_change(access, index, access->opener, cost, o->name);
  if (code == EXIT_DONE)
    key_print_done(access->path, index, renames ? "renamed; what opens it stays" : "changed");
  return code;
}

int key_change(const struct command *self, int argc, char **argv) {
  struct key_options o = KEY_OPTIONS_NONE;
  const struct option_group groups[] = {{"Options", change_specs, &o},
                                        {"New credential", credential_new_specs, &o.fresh},
                                        {"", credential_outside_specs, &o.fresh},
                                        {"", paper_specs, &o.paper},
                                        {"Its cost for whoever guesses", kdf_specs, &o.kdf},
                                        VOLUME_GROUPS_BESIDE_BOTH(&o.volume),
                                        {0}};
  struct nacre_kdf_cost cost;
  int code;
  if (!begin(self, groups, &o, &argc, &argv, &cost, &code))
    return code;
  struct slot_access access;
  code = slot_access_open(&access, argv[0], &o.volume, SLOT_ACCESS_CHANGE);
  return code == EXIT_DONE ? slot_access_close(&access, change_slot(&access, &o, &cost)) : code;
}
