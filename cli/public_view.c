#include "public_view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "hex.h"
#include "json_fields.h"
#include "report.h"
#include "slots.h"

static const char *const origin_names[] = {"container", "header-backup", "detached-header"};
#define ORIGINS (sizeof origin_names / sizeof origin_names[0])

void public_view_free(struct public_view *view) {
  free(view->mounted_on);
  view->mounted_on = NULL;
}

/* ---- As text ---- */

const char *public_origin_text(enum public_origin origin) {
  static const char *const texts[] = {"container", "header backup", "detached header"};
  return texts[origin];
}

const char *public_cipher_text(enum nacre_cipher cipher) {
  const char *name = nacre_cipher_name(cipher);
  return name != NULL ? name : "unknown";
}

bool public_view_has_id(const struct public_view *view) {
  static const uint8_t none[16];
  return memcmp(view->info.volume_id, none, sizeof none) != 0;
}

const char *public_id_text(const struct public_view *view, char text[PUBLIC_ID_BYTES]) {
  if (public_view_has_id(view))
    return hex_text(view->info.volume_id, sizeof view->info.volume_id, text);
  (void)snprintf(text, PUBLIC_ID_BYTES, "unknown");
  return text;
}

const char *public_headers_text(const struct public_view *view, char text[PUBLIC_HEADERS_BYTES]) {
  const bool differ = view->info.header_copies_valid == 2 && !view->info.header_copies_equal;
  (void)snprintf(text, PUBLIC_HEADERS_BYTES, "%" PRIu32 " of %d readable%s", view->info.header_copies_valid,
                 view->origin == PUBLIC_BACKUP ? 1 : 2, differ ? ", and they differ" : "");
  return text;
}

/* ---- As JSON ---- */

void public_view_add_json(const struct public_view *view, struct json_object *object) {
  const struct nacre_public_info *info = &view->info;
  char id[PUBLIC_ID_BYTES];
  struct json_object *slots = json_object_new_array();
  for (int i = 0; i < NACRE_SLOTS_MAX; i++)
    if (info->slots[i].kind != NACRE_SLOT_EMPTY)
      (void)json_object_array_add(slots, slot_json(i, info->slots[i].kind, &info->slots[i].kdf));
  report_json_add(object, "origin", json_object_new_string(origin_names[view->origin]));
  report_json_add(object, "problem", view->problem[0] != '\0' ? report_json_text(view->problem) : NULL);
  report_json_add(object, "volume_id",
                  public_view_has_id(view) ? json_object_new_string(public_id_text(view, id)) : NULL);
  report_json_add(object, "format_version", json_object_new_int64(info->format_version));
  report_json_add(object, "cipher", json_object_new_string(public_cipher_text(info->cipher)));
  report_json_add(object, "container_bytes", json_object_new_int64((int64_t)info->container_bytes));
  report_json_add(object, "label", info->label[0] != '\0' ? report_json_text(info->label) : NULL);
  report_json_add(object, "in_use", json_object_new_boolean(info->in_use));
  report_json_add(object, "mounted_on", view->mounted_on != NULL ? report_json_text(view->mounted_on) : NULL);
  report_json_add(object, "header_copies_valid", json_object_new_int64(info->header_copies_valid));
  report_json_add(object, "header_copies_equal", json_object_new_boolean(info->header_copies_equal));
  report_json_add(object, "slots", slots);
}

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

static bool read_origin(struct json_object *object, struct public_view *view) {
  const char *name = json_field_text(object, "origin");
  for (size_t i = 0; i < ORIGINS; i++) {
    if (strcmp(name, origin_names[i]) == 0) {
      view->origin = (enum public_origin)i;
      return true;
    }
  }
  return *name == '\0';
}

static bool read_flag(struct json_object *object, const char *key, bool otherwise) {
  struct json_object *value;
  return json_object_object_get_ex(object, key, &value) ? json_object_get_boolean(value) : otherwise;
}

static bool read_id(struct json_object *object, struct nacre_public_info *info) {
  struct json_object *value;
  if (json_object_object_get_ex(object, "volume_id", &value) && value == NULL)
    return true;
  return hex_read(json_field_text(object, "volume_id"), info->volume_id, sizeof info->volume_id);
}

bool public_view_read_json(struct public_view *view, struct json_object *object) {
  uint64_t version = 0, copies = 0;
  struct nacre_public_info *info = &view->info;
  *view = (struct public_view){.info = {.struct_size = sizeof view->info}};
  if (!json_object_is_type(object, json_type_object) || !read_origin(object, view) || !read_id(object, info) ||
      !json_field_number(object, "format_version", UINT32_MAX, &version) ||
      !json_field_number(object, "container_bytes", INT64_MAX, &info->container_bytes) ||
      !json_field_number(object, "header_copies_valid", 2, &copies))
    return false;
  info->format_version = (uint32_t)version;
  info->header_copies_valid = (uint32_t)copies;
  info->header_copies_equal = copies == 2 && read_flag(object, "header_copies_equal", true);
  info->in_use = read_flag(object, "in_use", false);
  const char *cipher = json_field_text(object, "cipher");
  for (int i = NACRE_CIPHER_AES_256_GCM; i <= NACRE_CIPHER_AEGIS_256; i++)
    if (strcmp(cipher, nacre_cipher_name((enum nacre_cipher)i)) == 0)
      info->cipher = (enum nacre_cipher)i;
  (void)snprintf(info->label, sizeof info->label, "%s", json_field_text(object, "label"));
  (void)snprintf(view->problem, sizeof view->problem, "%s", json_field_text(object, "problem"));
  if (!read_slots(object, info))
    return false;
  const char *mounted_on = json_field_text(object, "mounted_on");
  if (*mounted_on != '\0')
    view->mounted_on = strdup(mounted_on);
  return true;
}
