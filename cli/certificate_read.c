/* A certificate is a file that anybody may have written. */
#include "certificate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "hex.h"
#include "json_fields.h"
#include "report.h"

#define CERTIFICATE_MAX_BYTES (1u << 20)
#define JSON_DEPTH_MAX 8

static int not_one(const char *path) {
  return report_error(EXIT_USAGE, path, "that is no certificate of nacre erase");
}

static bool get_flag(struct json_object *object, const char *key, bool *flag) {
  struct json_object *value;
  if (!json_object_object_get_ex(object, key, &value) || !json_object_is_type(value, json_type_boolean))
    return false;
  *flag = json_object_get_boolean(value);
  return true;
}

static bool read_range(struct json_object *object, struct nacre_erase_range *range) {
  if (!json_object_is_type(object, json_type_object) ||
      !json_field_number(object, "offset_bytes", INT64_MAX, &range->offset_bytes) ||
      !json_field_number(object, "len_bytes", INT64_MAX, &range->len_bytes) ||
      !get_flag(object, "read_back", &range->read_back))
    return false;
  range->keys = strcmp(json_field_text(object, "content"), "keys") == 0;
  return !range->read_back || hex_read(json_field_text(object, "blake2b_256"), range->hash, sizeof range->hash);
}

static bool read_record(struct json_object *record, struct nacre_erase_report *report) {
  uint64_t version = 0;
  struct json_object *ranges;
  if (!json_object_is_type(record, json_type_object) ||
      strcmp(json_field_text(record, "certificate"), CERTIFICATE_KIND) != 0 ||
      !json_field_number(record, "version", INT64_MAX, &version) || version != CERTIFICATE_VERSION ||
      !json_field_number(record, "container_bytes", INT64_MAX, &report->container_bytes) ||
      !json_object_object_get_ex(record, "ranges", &ranges) || !json_object_is_type(ranges, json_type_array))
    return false;
  report->identified = hex_read(json_field_text(record, "volume_id"), report->volume_id, sizeof report->volume_id);
  const size_t count = json_object_array_length(ranges);
  if (count > NACRE_ERASE_RANGES_MAX)
    return false;
  for (size_t i = 0; i < count; i++)
    if (!read_range(json_object_array_get_idx(ranges, i), &report->ranges[i]))
      return false;
  report->range_count = (uint32_t)count;
  return true;
}

/* The record in the text, which it cuts off; or all of it, where there is no mark. A mark is a whole line: no label
 * is one, in the text or in the record. */
static char *find_record(char *text) {
  char *begin = strstr(text, "\n" CERTIFICATE_BEGIN "\n");
  if (begin == NULL)
    return text;
  begin += strlen("\n" CERTIFICATE_BEGIN);
  char *end = strstr(begin, "\n" CERTIFICATE_END "\n");
  if (end == NULL)
    return NULL;
  *end = '\0';
  return begin;
}

static int parse(const char *path, char *text, struct nacre_erase_report *report) {
  const char *json = find_record(text);
  struct json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
  struct json_object *record =
      json != NULL && tokener != NULL ? json_tokener_parse_ex(tokener, json, (int)strlen(json) + 1) : NULL;
  *report = (struct nacre_erase_report){.struct_size = sizeof *report};
  const int code = record != NULL && read_record(record, report) ? EXIT_DONE : not_one(path);
  (void)json_object_put(record);
  if (tokener != NULL)
    json_tokener_free(tokener);
  return code;
}

int certificate_read(const char *path, struct nacre_erase_report *report) {
  FILE *file = fopen(path, "re");
  if (file == NULL)
    return report_errno(path, "cannot open", errno);
  char *text = malloc(CERTIFICATE_MAX_BYTES + 1);
  int code = text != NULL ? EXIT_DONE : report_no_memory();
  if (code == EXIT_DONE) {
    const size_t len = fread(text, 1, CERTIFICATE_MAX_BYTES + 1, file);
    if (ferror(file))
      code = report_errno(path, "cannot read", errno);
    else if (len > CERTIFICATE_MAX_BYTES || memchr(text, '\0', len) != NULL)
      code = not_one(path);
    else
      text[len] = '\0';
  }
  if (code == EXIT_DONE)
    code = parse(path, text, report);
  free(text);
  (void)fclose(file);
  return code;
}
