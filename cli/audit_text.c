/* The report of an audit for a terminal, and as JSON. */
#include "audit.h"

#include <inttypes.h>
#include <stdlib.h>

#include <json-c/json.h>

#include "escape.h"
#include "report.h"
#include "size.h"
#include "slots.h"

/* What comes from a volume is anybody's, and the output may be shown later: always escaped. */
static void print_field(const char *name, const char *value) {
  char *safe = escape_text(value, false);
  (void)printf("  %-12s%s\n", name, safe != NULL ? safe : "");
  free(safe);
}

static void print_slots(const struct audit_volume *volume) {
  for (int i = 0; i < NACRE_SLOTS_MAX; i++) {
    const struct nacre_public_slot *slot = &volume->seen.info.slots[i];
    char text[SLOT_TEXT_BYTES], name[16];
    if (slot->kind == NACRE_SLOT_EMPTY)
      continue;
    (void)snprintf(name, sizeof name, "slot %d", i);
    print_field(name, slot_text(slot->kind, &slot->kdf, text));
  }
}

static void print_guessing(const struct audit_volume *volume) {
  if (!volume->guessable)
    return;
  (void)printf("  %-12s", "guessing");
  for (int i = 0; i < AUDIT_GUESSES; i++) {
    char usd[AUDIT_USD_BYTES];
    (void)printf("%s%d bits: %s", i > 0 ? ", " : "", audit_guess_bits[i], audit_usd_text(volume->guess_usd[i], usd));
  }
  (void)printf("\n");
}

static void print_volume(const struct audit_volume *volume) {
  char *path = escape_text(volume->path, false);
  (void)printf("%s: %s\n", path != NULL ? path : "", audit_verdict_text(volume->verdict));
  free(path);
  char id[PUBLIC_ID_BYTES], size[SIZE_TEXT_BYTES], copies[PUBLIC_HEADERS_BYTES];
  if (volume->record)
    print_field("record of", volume->name != NULL ? volume->name : "");
  print_field("what", public_origin_text(volume->seen.origin));
  print_field("volume id", public_id_text(&volume->seen, id));
  if (volume->seen.info.label[0] != '\0')
    print_field("label", volume->seen.info.label);
  if (volume->seen.problem[0] == '\0') {
    print_field("cipher", public_cipher_text(volume->seen.info.cipher));
    print_field("size", size_text(volume->seen.info.container_bytes, size));
    print_field("headers", public_headers_text(&volume->seen, copies));
    print_slots(volume);
  }
  if (volume->seen.info.in_use)
    print_field("in use", volume->seen.mounted_on != NULL ? volume->seen.mounted_on : "yes");
  print_guessing(volume);
  for (size_t i = 0; i < volume->reason_count; i++)
    print_field(i == 0 ? "why" : "", volume->reasons[i]);
  (void)printf("\n");
}

void audit_print_text(const struct audit *audit) {
  for (size_t i = 0; i < audit->count; i++)
    print_volume(&audit->list[i]);
  (void)printf("%zu volume%s: %zu at risk, %zu weak, %zu good\n", audit->count, audit->count == 1 ? "" : "s",
               audit_total(audit, AUDIT_AT_RISK), audit_total(audit, AUDIT_WEAK), audit_total(audit, AUDIT_GOOD));
  if (audit->unreadable > 0)
    (void)printf("%zu could not be looked at\n", audit->unreadable);
}

/* ---- JSON ---- */

static struct json_object *guessing_json(const struct audit_volume *volume) {
  if (!volume->guessable)
    return NULL;
  struct json_object *list = json_object_new_array();
  for (int i = 0; i < AUDIT_GUESSES; i++) {
    struct json_object *guess = json_object_new_object();
    report_json_add(guess, "bits", json_object_new_int(audit_guess_bits[i]));
    report_json_add(guess, "usd", json_object_new_double(volume->guess_usd[i]));
    (void)json_object_array_add(list, guess);
  }
  return list;
}

static struct json_object *volume_json(const struct audit_volume *volume) {
  static const char *const verdicts[] = {"good", "weak", "at-risk"};
  struct json_object *object = json_object_new_object(), *reasons = json_object_new_array();
  for (size_t i = 0; i < volume->reason_count; i++)
    (void)json_object_array_add(reasons, report_json_text(volume->reasons[i]));
  report_json_add(object, "path", report_json_text(volume->path));
  report_json_add(object, "volume", volume->name != NULL ? report_json_text(volume->name) : NULL);
  report_json_add(object, "record", json_object_new_boolean(volume->record));
  public_view_add_json(&volume->seen, object);
  report_json_add(object, "recovery", json_object_new_boolean(volume->recovery));
  report_json_add(object, "escrow", json_object_new_boolean(volume->escrow));
  report_json_add(object, "guessing", guessing_json(volume));
  report_json_add(object, "verdict", json_object_new_string(verdicts[volume->verdict]));
  report_json_add(object, "reasons", reasons);
  return object;
}

void audit_print_json(const struct audit *audit) {
  struct json_object *report = json_object_new_object(), *volumes = json_object_new_array(),
                     *totals = json_object_new_object();
  for (size_t i = 0; i < audit->count; i++)
    (void)json_object_array_add(volumes, volume_json(&audit->list[i]));
  report_json_add(totals, "volumes", json_object_new_int64((int64_t)audit->count));
  report_json_add(totals, "good", json_object_new_int64((int64_t)audit_total(audit, AUDIT_GOOD)));
  report_json_add(totals, "weak", json_object_new_int64((int64_t)audit_total(audit, AUDIT_WEAK)));
  report_json_add(totals, "at_risk", json_object_new_int64((int64_t)audit_total(audit, AUDIT_AT_RISK)));
  report_json_add(totals, "unreadable", json_object_new_int64((int64_t)audit->unreadable));
  report_json_add(report, "totals", totals);
  report_json_add(report, "volumes", volumes);
  report_json_add(report, "model", json_object_new_string(audit_model_text));
  report_print_json(report);
}
