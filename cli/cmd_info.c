#include "command.h"

#include <inttypes.h>

#include <json-c/json.h>

#include "escape.h"
#include "options.h"
#include "public_view.h"
#include "report.h"
#include "size.h"
#include "slots.h"
#include "volume.h"

static void print_json(const char *path, const struct public_view *view) {
  struct json_object *report = json_object_new_object();
  report_json_add(report, "volume", report_json_text(path));
  public_view_add_json(view, report);
  report_print_json(report);
}

static void print_text(const struct public_view *view) {
  const struct nacre_public_info *info = &view->info;
  char id[PUBLIC_ID_BYTES], size[SIZE_TEXT_BYTES], headers[PUBLIC_HEADERS_BYTES];
  (void)printf("what        %s\n", public_origin_text(view->origin));
  (void)printf("volume id   %s\n", public_id_text(view, id));
  if (info->label[0] != '\0') {
    (void)printf("label       ");
    escape_print(stdout, info->label);
    (void)printf("\n");
  }
  (void)printf("format      %" PRIu32 "%s\n", info->format_version,
               info->format_version == 0 ? " (experimental)" : "");
  (void)printf("cipher      %s\n", public_cipher_text(info->cipher));
  (void)printf("container   %s\n", size_text(info->container_bytes, size));
  (void)printf("in use      %s\n", info->in_use ? "yes" : "no");
  if (view->mounted_on != NULL) {
    (void)printf("mounted on  ");
    escape_print(stdout, view->mounted_on);
    (void)printf("\n");
  }
  (void)printf("headers     %s\n", public_headers_text(view, headers));
  for (int i = 0; i < NACRE_SLOTS_MAX; i++) {
    if (info->slots[i].kind == NACRE_SLOT_EMPTY)
      continue;
    char text[SLOT_TEXT_BYTES];
    (void)printf("slot %-2d     %s\n", i, slot_text(info->slots[i].kind, &info->slots[i].kdf, text));
  }
}

/* Of a volume whose header can't be used there is a record as well: what an audit finds. */
static bool is_volume(const char *path) {
  bool marked;
  return public_view_is_marked(volume_header.path != NULL ? volume_header.path : path, &marked) == 0 && marked;
}

int cmd_info(const struct command *self, int argc, char **argv) {
  const struct option_group groups[] = {{"Options", volume_header_specs, &volume_header}, {0}};
  const enum options_result parsed = options_parse(self, groups, 1, 1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  const struct nacre_target target = volume_target(argv[0]);
  struct public_view view;
  const enum nacre_err err = public_view_take(&view, argv[0], &target);
  const int code = err == NACRE_OK ? EXIT_DONE : report_message(argv[0], err, view.problem);
  if (view.mounted_on == NULL)
    view.mounted_on = volume_mounted_on(argv[0]);
  if (report_is_json() && (err == NACRE_OK || is_volume(argv[0])))
    print_json(argv[0], &view);
  else if (err == NACRE_OK)
    print_text(&view);
  public_view_free(&view);
  return code;
}
