/* Records that `nacre info --json` printed. Anybody may have written them. */
#include "audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "json_fields.h"
#include "report.h"

#define RECORD_MAX_BYTES (1u << 20)
#define JSON_DEPTH_MAX 8

static int take(struct audit *audit, const char *path, struct json_object *record) {
  struct public_view seen;
  if (record == NULL || !public_view_read_json(&seen, record))
    return report_error(EXIT_USAGE, path, "that is no record of nacre info --json");
  struct audit_volume *volume = audit_add(audit, path);
  if (volume == NULL) {
    public_view_free(&seen);
    return report_no_memory();
  }
  volume->seen = seen;
  volume->record = true;
  volume->name = strdup(json_field_text(record, "volume"));
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
