#include "slots.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include <json-c/json.h>

#include "kdf_options.h"
#include "report.h"
#include "size.h"

const char *slot_kind_name(enum nacre_slot_kind kind) {
  switch (kind) {
  case NACRE_SLOT_PASSPHRASE:
    return "passphrase";
  case NACRE_SLOT_KEY_FILE:
    return "key-file";
  case NACRE_SLOT_RECOVERY:
    return "recovery-key";
  case NACRE_SLOT_RAW_KEY:
    return "raw-key";
  case NACRE_SLOT_PASSPHRASE_AND_KEY_FILE:
    return "passphrase+key-file";
  case NACRE_SLOT_ESCROW:
    return "escrow";
  case NACRE_SLOT_UNATTENDED:
    return "unattended";
  case NACRE_SLOT_FIDO2:
    return "fido2";
  case NACRE_SLOT_EMPTY:
    return "empty";
  }
  return "unknown";
}

const char *slot_text(enum nacre_slot_kind kind, const struct nacre_kdf_cost *kdf, char text[SLOT_TEXT_BYTES]) {
  char memory[SIZE_TEXT_BYTES];
  if (kdf->memory_bytes == 0)
    (void)snprintf(text, SLOT_TEXT_BYTES, "%s", slot_kind_name(kind));
  else
    (void)snprintf(text, SLOT_TEXT_BYTES, "%s, Argon2id %s, %" PRIu32 " pass%s, %" PRIu32 " lane%s%s",
                   slot_kind_name(kind), size_text(kdf->memory_bytes, memory), kdf->passes,
                   kdf->passes == 1 ? "" : "es", kdf->lanes, kdf->lanes == 1 ? "" : "s",
                   kdf_is_low(kdf) ? " (low)" : "");
  return text;
}

const char *slot_date_text(int64_t created_s, char text[SLOT_DATE_BYTES]) {
  const time_t when = (time_t)created_s;
  struct tm tm;
  if (localtime_r(&when, &tm) == NULL || strftime(text, SLOT_DATE_BYTES, "%Y-%m-%d %H:%M", &tm) == 0)
    (void)snprintf(text, SLOT_DATE_BYTES, "-");
  return text;
}

struct json_object *slot_json(int index, enum nacre_slot_kind kind, const struct nacre_kdf_cost *kdf) {
  struct json_object *slot = json_object_new_object();
  report_json_add(slot, "index", json_object_new_int(index));
  report_json_add(slot, "kind", json_object_new_string(slot_kind_name(kind)));
  struct json_object *cost = NULL;
  if (kdf->memory_bytes != 0) {
    cost = json_object_new_object();
    report_json_add(cost, "memory_bytes", json_object_new_int64((int64_t)kdf->memory_bytes));
    report_json_add(cost, "passes", json_object_new_int64(kdf->passes));
    report_json_add(cost, "lanes", json_object_new_int64(kdf->lanes));
    report_json_add(cost, "low", json_object_new_boolean(kdf_is_low(kdf)));
  }
  report_json_add(slot, "kdf", cost);
  return slot;
}
