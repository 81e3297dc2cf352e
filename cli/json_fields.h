/* Fields of a JSON object that somebody else may have written. */
#ifndef NACRE_CLI_JSON_FIELDS_H
#define NACRE_CLI_JSON_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include <json-c/json.h>

/* False where it is not there, no whole number, or above `most`. */
bool json_field_number(struct json_object *object, const char *key, uint64_t most, uint64_t *number);
/* "" where it is not there, or null. */
const char *json_field_text(struct json_object *object, const char *key);

#endif
