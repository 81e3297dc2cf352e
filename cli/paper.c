#include "paper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "escape.h"
#include "hex.h"
#include "qr.h"
#include "report.h"
#include "volume.h"

const struct option_spec paper_specs[] = {
    {"qr", 0, OPTION_FLAG, offsetof(struct paper, qr), NULL,
     "show the recovery key as a QR code as well, also where stdout is no terminal"},
    {"print", 0, OPTION_TEXT, offsetof(struct paper, print), "FILE",
     "make a page (HTML) with the recovery key to print; delete it then"},
    {0}};

int paper_check(const struct paper *paper, bool recovery, const char *volume) {
  if (!recovery && (paper->qr || paper->print != NULL))
    return report_error(EXIT_USAGE, volume, "%s goes with a new recovery key", paper->qr ? "--qr" : "--print");
  if (paper->print != NULL && access(paper->print, F_OK) == 0)
    return report_errno(paper->print, "cannot make it", EEXIST);
  const int flags = fcntl(STDOUT_FILENO, F_GETFL);
  if (recovery && (flags < 0 || (flags & O_ACCMODE) == O_RDONLY))
    return report_error(EXIT_OTHER, volume, "stdout is closed, where the recovery key would be shown; open it");
  return EXIT_DONE;
}

/* ---- The page ---------------------------------------------------------------------------------------- */

static const char style[] =
    "body{font:12pt/1.5 sans-serif;max-width:17cm;margin:2cm auto;padding:0 1em;color:#000;background:#fff}"
    "h1{font-size:20pt;margin:0 0 .5em}dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em 1.5em}"
    "dt{color:#444}dd{margin:0;overflow-wrap:anywhere}"
    ".key{font:bold 17pt/1.8 monospace;border:1px solid #000;padding:.5em 1em;text-align:center;margin:1em 0}"
    ".key span{white-space:nowrap}.qr{width:6cm;height:6cm;display:block;margin:1em auto}"
    "@media print{body{margin:0 auto}}";

static void put_escaped(FILE *out, const char *text) {
  char *safe = escape_text(text, false);
  for (const char *c = safe != NULL ? safe : ""; *c != '\0'; c++) {
    if (*c == '<')
      (void)fputs("&lt;", out);
    else if (*c == '&')
      (void)fputs("&amp;", out);
    else if (*c == '"')
      (void)fputs("&quot;", out);
    else
      (void)fputc(*c, out);
  }
  free(safe);
}

static void put_fact(FILE *out, const char *name, const char *value) {
  (void)fprintf(out, "<dt>%s</dt><dd>", name);
  put_escaped(out, value);
  (void)fputs("</dd>\n", out);
}

/* Four groups to a line, or fewer where there is no room. */
static void put_key(FILE *out, const char *text) {
  (void)fputs("<p class=\"key\">", out);
  unsigned groups = 0;
  for (const char *group = text; *group != '\0';) {
    const size_t len = strcspn(group, "-");
    const bool last = group[len] == '\0';
    (void)fprintf(out, "<span>%.*s%s</span>%s", (int)len, group, last ? "" : "-",
                  last                ? ""
                  : ++groups % 4 == 0 ? "<br>"
                                      : "<wbr>");
    group += len + (last ? 0 : 1);
  }
  (void)fputs("</p>\n", out);
}

/* The slot's number, by which it is removed, and its name, which key list has. */
static void put_slot(FILE *out, const struct paper_slot *slot) {
  const bool named = slot->name != NULL && slot->name[0] != '\0';
  (void)fprintf(out, "<dt>Slot</dt><dd>%u%s", (unsigned)slot->index, named ? ", " : "");
  put_escaped(out, named ? slot->name : "");
  (void)fputs("</dd>\n", out);
}

static void put_page(FILE *out, const char *volume, const struct nacre_public_info *info,
                     const struct paper_slot *slot, const char *key, const struct qr *qr) {
  char id[HEX_TEXT_BYTES(16)], date[32] = "-";
  const time_t now = time(NULL);
  struct tm tm;
  (void)hex_text(info->volume_id, 16, id);
  if (localtime_r(&now, &tm) != NULL)
    (void)strftime(date, sizeof date, "%Y-%m-%d", &tm);
  (void)fprintf(
      out,
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>Recovery key</title>\n<style>%s</style></head><body>\n"
      "<h1>Recovery key</h1>\n<p>Whoever has this page opens the volume. Keep it where the volume is not.</p>\n",
      style);
  put_key(out, key);
  qr_svg(out, qr);
  (void)fputs("<dl>\n", out);
  put_fact(out, "Volume", info->label[0] != '\0' ? info->label : "(without a label)");
  put_fact(out, "File", volume);
  put_fact(out, "Volume id", id);
  put_slot(out, slot);
  put_fact(out, "Made on", date);
  (void)fprintf(
      out,
      "</dl>\n<p>It is typed, or scanned, where the passphrase is asked for; small letters will do, and a group "
      "that is mistyped is named. <code>nacre key remove --slot %u</code> withdraws it, as long as "
      "<code>nacre key list</code> has it there",
      (unsigned)slot->index);
  if (slot->name != NULL && slot->name[0] != '\0') {
    (void)fputs(" as \xe2\x80\x9c", out);
    put_escaped(out, slot->name);
    (void)fputs("\xe2\x80\x9d", out);
  }
  (void)fputs(".</p>\n</body></html>\n", out);
}

static int write_page(const struct paper *paper, const char *container, const struct paper_slot *slot,
                      const struct secret *recovery) {
  const struct nacre_target target = volume_target(container);
  struct nacre_public_info info = {.struct_size = sizeof info};
  struct qr qr;
  const enum nacre_err err = nacre_probe(&target, &info);
  if (err != NACRE_OK)
    return report_library(container, err);
  if (!qr_make(recovery->bytes, &qr))
    return report_no_memory();
  const int fd = open(paper->print, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
  int code = EXIT_DONE;
  if (out == NULL) {
    code = report_errno(paper->print, "cannot make it", errno);
    if (fd >= 0)
      (void)close(fd);
  } else {
    (void)setvbuf(out, NULL, _IONBF, 0); /* no copy of the key stays in a buffer */
    put_page(out, container, &info, slot, recovery->bytes, &qr);
    bool failed = ferror(out) != 0 || fsync(fd) != 0;
    failed = fclose(out) != 0 || failed;
    if (failed) {
      code = report_errno(paper->print, "cannot write", errno);
      paper_drop(paper);
    }
  }
  qr_free(&qr);
  return code;
}

void paper_drop(const struct paper *paper) {
  if (paper->print != NULL)
    (void)unlink(paper->print);
}

void paper_outlive_readers(void) {
  const struct sigaction ignored = {.sa_handler = SIG_IGN};
  (void)sigaction(SIGPIPE, &ignored, NULL);
}

/* ---- The key ----------------------------------------------------------------------------------------- */

static void print_key(const struct paper *paper, const struct secret *recovery) {
  const bool terminal = isatty(STDOUT_FILENO) != 0;
  struct qr qr;
  (void)printf("%s\n", recovery->bytes);
  if ((terminal || paper->qr) && qr_make(recovery->bytes, &qr)) {
    (void)printf("\n");
    qr_print(stdout, &qr, terminal);
    qr_free(&qr);
  }
}

/* 0 or an errno. */
static int show(const struct paper *paper, const struct secret *recovery, struct json_object *report) {
  if (report_is_json())
    report_print_json(report);
  else
    print_key(paper, recovery);
  return report_flush();
}

int paper_hand_over(const struct paper *paper, const char *container, const struct paper_slot *slot,
                    const struct secret *recovery, struct json_object *report, const char *undone) {
  const int code = paper->print != NULL ? write_page(paper, container, slot, recovery) : EXIT_DONE;
  if (code != EXIT_DONE) {
    (void)json_object_put(report);
    return code;
  }
  const int error = show(paper, recovery, report);
  if (error != 0) {
    paper_drop(paper);
    return report_error(report_exit_code_errno(error), container, "cannot show the recovery key: %s; %s",
                        strerror(error), undone);
  }
  if (paper->print != NULL)
    report_note(container, "%s is to be printed, then deleted: whoever reads it opens the volume", paper->print);
  return EXIT_DONE;
}
