#include "command.h"

#include <errno.h>
#include <stdlib.h>

#include "audit.h"
#include "options.h"
#include "report.h"

struct audit_options {
  const char *html;
  bool cross, info;
};

static const struct option_spec audit_specs[] = {
    {"html", 0, OPTION_TEXT, offsetof(struct audit_options, html), "FILE", "write the report as a page to FILE"},
    {"cross-filesystems", 0, OPTION_FLAG, offsetof(struct audit_options, cross), NULL,
     "go into other filesystems that are mounted in a folder"},
    {"info", 0, OPTION_FLAG, offsetof(struct audit_options, info), NULL,
     "PATHs are records that nacre info --json printed"},
    {0}};

static int write_html(const struct audit *audit, const char *path) {
  FILE *out = fopen(path, "we");
  if (out == NULL)
    return report_errno(path, "cannot write the report", errno);
  const bool written = audit_write_html(audit, out);
  const int error = errno;
  if (fclose(out) != 0 || !written)
    return report_errno(path, "cannot write the report", written ? errno : error);
  return EXIT_DONE;
}

static int print(const struct audit *audit, const struct audit_options *o) {
  if (report_is_json())
    audit_print_json(audit);
  else if (o->html == NULL)
    audit_print_text(audit);
  return o->html != NULL ? write_html(audit, o->html) : EXIT_DONE;
}

int cmd_audit(const struct command *self, int argc, char **argv) {
  struct audit_options o = {0};
  const struct option_group groups[] = {{"Options", audit_specs, &o}, {0}};
  const enum options_result parsed = options_parse(self, groups, 1, -1, &argc, &argv);
  if (parsed != OPTIONS_RUN)
    return parsed == OPTIONS_HELP ? EXIT_DONE : EXIT_USAGE;
  struct audit audit = {.cross = o.cross};
  int failed = 0, code = EXIT_DONE;
  for (int i = 0; i < argc; i++) {
    const int seen = o.info ? audit_record(&audit, argv[i]) : audit_find(&audit, argv[i]);
    if (seen != EXIT_DONE && failed++ == 0)
      code = seen;
  }
  audit_judge(&audit);
  if (failed > 0 && (failed < argc || audit.count > 0))
    code = EXIT_PARTLY;
  const int printed = print(&audit, &o);
  if (printed != EXIT_DONE)
    code = printed;
  else if (audit_total(&audit, AUDIT_AT_RISK) > 0)
    code = EXIT_AT_RISK;
  audit_free(&audit);
  return code;
}
