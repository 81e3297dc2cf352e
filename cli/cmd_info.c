#include "command.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "escape.h"
#include "hex.h"
#include "options.h"
#include "report.h"
#include "size.h"
#include "slots.h"
#include "volume.h"

static const char *cipher_text(enum nacre_cipher cipher) {
  const char *name = nacre_cipher_name(cipher);
  return name != NULL ? name : "unknown";
}

static void print_json(const char *path, const struct nacre_public_info *info, const char *mounted_on) {
  char id[HEX_TEXT_BYTES(16)];
  (void)hex_text(info->volume_id, 16, id);
  struct json_object *report = json_object_new_object();
  report_json_add(report, "volume", report_json_text(path));
  report_json_add(report, "volume_id", json_object_new_string(id));
  report_json_add(report, "format_version", json_object_new_int64(info->format_version));
  report_json_add(report, "cipher", json_object_new_string(cipher_text(info->cipher)));
  report_json_add(report, "container_bytes", json_object_new_int64((int64_t)info->container_bytes));
  report_json_add(report, "label", info->label[0] != '\0' ? report_json_text(info->label) : NULL);
  report_json_add(report, "in_use", json_object_new_boolean(info->in_use));
  report_json_add(report, "mounted_on", mounted_on != NULL ? report_json_text(mounted_on) : NULL);
  report_json_add(report, "header_copies_valid", json_object_new_int64(info->header_copies_valid));
  report_json_add(report, "header_copies_equal", json_object_new_boolean(info->header_copies_equal));
  struct json_object *slots = json_object_new_array();
  for (int i = 0; i < NACRE_SLOTS_MAX; i++)
    if (info->slots[i].kind != NACRE_SLOT_EMPTY)
      (void)json_object_array_add(slots, slot_json(i, info->slots[i].kind, &info->slots[i].kdf));
  report_json_add(report, "slots", slots);
  report_print_json(report);
}

static void print_text(const struct nacre_public_info *info, const char *mounted_on) {
  char id[HEX_TEXT_BYTES(16)], size[SIZE_TEXT_BYTES], headers[HEADERS_TEXT_BYTES];
  (void)hex_text(info->volume_id, 16, id);
  (void)printf("volume id   %s\n", id);
  if (info->label[0] != '\0') {
    (void)printf("label       ");
    escape_print(stdout, info->label);
    (void)printf("\n");
  }
  (void)printf("format      %" PRIu32 "%s\n", info->format_version,
               info->format_version == 0 ? " (experimental)" : "");
  (void)printf("cipher      %s\n", cipher_text(info->cipher));
  (void)printf("container   %s\n", size_text(info->container_bytes, size));
  (void)printf("in use      %s\n", info->in_use ? "yes" : "no");
  if (mounted_on != NULL) {
    (void)printf("mounted on  ");
    escape_print(stdout, mounted_on);
    (void)printf("\n");
  }
  (void)printf("headers     %s\n", headers_text(info, 2, headers));
  for (int i = 0; i < NACRE_SLOTS_MAX; i++) {
    if (info->slots[i].kind == NACRE_SLOT_EMPTY)
      continue;
    char text[SLOT_TEXT_BYTES];
    (void)printf("slot %-2d     %s\n", i, slot_text(info->slots[i].kind, &info->slots[i].kdf, text));
  }
}

int cmd_info(const struct command *self, int argc, char **argv) {
  const struct option_group groups[] = {{"Options", volume_header_specs, &volume_header}, {0}};
  const enum options_result parsed = options_parse(self, groups, 1, 1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  struct nacre_public_info info;
  const int code = volume_check(argv[0], true, &info);
  if (code != EXIT_DONE)
    return code;
  char *mounted_on = volume_mounted_on(argv[0]);
  if (report_is_json())
    print_json(argv[0], &info, mounted_on);
  else
    print_text(&info, mounted_on);
  free(mounted_on);
  return EXIT_DONE;
}
