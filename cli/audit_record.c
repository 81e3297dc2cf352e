/* Records that `nacre info --json` printed. Anybody may have written them. */
#include "audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "hex.h"
#include "json_fields.h"
#include "report.h"
#include "slots.h"

#define RECORD_MAX_BYTES (1u << 20)
#define JSON_DEPTH_MAX 8

static bool read_cost(struct json_object *slot, struct nacre_kdf_cost *cost) {
  struct json_object *kdf;
  uint64_t passes = 0, lanes = 0;
  if (!json_object_object_get_ex(slot, "kdf", &kdf) || kdf == NULL)
    return true;
  if (!json_object_is_type(kdf, json_type_object) ||
      !json_field_number(kdf, "memory_bytes", INT64_MAX, &cost->memory_bytes) ||
      !json_field_number(kdf, "passes", UINT32_MAX, &passes) || !json_field_number(kdf, "lanes", UINT32_MAX, &lanes))
    return false;
  cost->passes = (uint32_t)passes;
  cost->lanes = (uint32_t)lanes;
  return true;
}

static bool read_slot(struct json_object *slot, struct nacre_public_info *info) {
  uint64_t index = 0;
  if (!json_object_is_type(slot, json_type_object) || !json_field_number(slot, "index", NACRE_SLOTS_MAX - 1, &index))
    return false;
  struct nacre_public_slot *to = &info->slots[index];
  if (to->kind != NACRE_SLOT_EMPTY)
    return false; /* named twice */
  const char *kind = json_field_text(slot, "kind");
  for (int i = NACRE_SLOT_PASSPHRASE; i <= NACRE_SLOT_FIDO2; i++)
    if (strcmp(kind, slot_kind_name((enum nacre_slot_kind)i)) == 0)
      to->kind = (enum nacre_slot_kind)i;
  return to->kind != NACRE_SLOT_EMPTY && read_cost(slot, &to->kdf);
}

static bool read_slots(struct json_object *record, struct nacre_public_info *info) {
  struct json_object *slots;
  if (!json_object_object_get_ex(record, "slots", &slots) || !json_object_is_type(slots, json_type_array))
    return false;
  for (size_t i = 0; i < json_object_array_length(slots); i++)
    if (!read_slot(json_object_array_get_idx(slots, i), info))
      return false;
  return true;
}

static bool read_info(struct json_object *record, struct nacre_public_info *info) {
  uint64_t version = 0, copies = 0;
  struct json_object *in_use, *equal;
  if (!json_object_is_type(record, json_type_object) ||
      !hex_read(json_field_text(record, "volume_id"), info->volume_id, 16) ||
      !json_field_number(record, "format_version", UINT32_MAX, &version) ||
      !json_field_number(record, "container_bytes", INT64_MAX, &info->container_bytes) ||
      !json_field_number(record, "header_copies_valid", 2, &copies))
    return false;
  info->format_version = (uint32_t)version;
  info->header_copies_valid = (uint32_t)copies;
  const char *cipher = json_field_text(record, "cipher");
  for (int i = NACRE_CIPHER_AES_256_GCM; i <= NACRE_CIPHER_AEGIS_256; i++)
    if (strcmp(cipher, nacre_cipher_name((enum nacre_cipher)i)) == 0)
      info->cipher = (enum nacre_cipher)i;
  (void)snprintf(info->label, sizeof info->label, "%s", json_field_text(record, "label"));
  info->in_use = json_object_object_get_ex(record, "in_use", &in_use) && json_object_get_boolean(in_use);
  /* A record of before this was known tells of copies that were taken for equal. */
  const bool told = json_object_object_get_ex(record, "header_copies_equal", &equal);
  info->header_copies_equal = copies == 2 && (!told || json_object_get_boolean(equal));
  return read_slots(record, info);
}

static int take(struct audit *audit, const char *path, struct json_object *record) {
  struct nacre_public_info info = {.struct_size = sizeof info};
  if (record == NULL || !read_info(record, &info))
    return report_error(EXIT_USAGE, path, "that is no record of nacre info --json");
  struct audit_volume *volume = audit_add(audit, path);
  if (volume == NULL)
    return report_no_memory();
  volume->origin = AUDIT_RECORD;
  volume->info = info;
  volume->name = strdup(json_field_text(record, "volume"));
  const char *mounted_on = json_field_text(record, "mounted_on");
  if (*mounted_on != '\0')
    volume->mounted_on = strdup(mounted_on);
  return EXIT_DONE;
}

int audit_record(struct audit *audit, const char *path) {
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return report_errno(path, "cannot open the record", errno);
  char *text = malloc(RECORD_MAX_BYTES + 1);
  const size_t len = text != NULL ? fread(text, 1, RECORD_MAX_BYTES + 1, file) : 0;
  struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
  struct json_object *record = NULL;
  if (tokener != NULL && len > 0 && len <= RECORD_MAX_BYTES) {
    text[len] = '\0';
    record = json_tokener_parse_ex(tokener, text, (int)len + 1);
  }
  const int code = text == NULL || tokener == NULL ? report_no_memory() : take(audit, path, record);
  (void)json_object_put(record);
  if (tokener != NULL)
    json_tokener_free(tokener);
  free(text);
  (void)fclose(file);
  return code;
}
