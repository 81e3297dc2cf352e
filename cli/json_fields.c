#include "json_fields.h"

bool json_field_number(struct json_object *object, const char *key, uint64_t most, uint64_t *number) {
  struct json_object *value;
  if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, json_type_int) ||
      json_object_get_int64(value) < 0 || (uint64_t)json_object_get_int64(value) > most)
    return false;
  *number = (uint64_t)json_object_get_int64(value);
  return true;
}

const char *json_field_text(struct json_object *object, const char *key) {
  struct json_object *value;
  if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, json_type_string))
    return "";
  return json_object_get_string(value);
}
