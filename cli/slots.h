/* Keyslots as text and as JSON. */
#ifndef NACRE_CLI_SLOTS_H
#define NACRE_CLI_SLOTS_H

#include <json-c/json_types.h>
#include <nacre.h>

/* "passphrase", "key-file", "recovery-key", "raw-key". */
const char *slot_kind_name(enum nacre_slot_kind kind);

#define SLOT_TEXT_BYTES 128
/* "passphrase, Argon2id 256 MiB, 3 passes, 4 lanes" into text, with a word where that is little; returns text. */
const char *slot_text(enum nacre_slot_kind kind, const struct nacre_kdf_cost *kdf, char text[SLOT_TEXT_BYTES]);
#define SLOT_DATE_BYTES 32
/* When a slot was made, as local time, or "-", into text; returns text. */
const char *slot_date_text(int64_t created_s, char text[SLOT_DATE_BYTES]);
/* {"index", "kind", "kdf": {"memory_bytes", "passes", "lanes", "low"} or null} */
struct json_object *slot_json(int index, enum nacre_slot_kind kind, const struct nacre_kdf_cost *kdf);

#endif
