/* The report of an audit as one page: no script, no font, no picture from elsewhere. */
#include "audit.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "escape.h"
#include "size.h"
#include "slots.h"

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
    "<title>Nacre audit</title>\n<style>\n"
    ":root{color-scheme:light dark;--bg:#fff;--fg:#1c2126;--dim:#5b6570;--line:#d9dee3;--card:#f5f7f8;"
    "--good:#19703f;--weak:#8a5a00;--risk:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#15181b;--fg:#e4e8eb;--dim:#9aa5af;--line:#343b42;--card:#1e2327;"
    "--good:#63c48d;--weak:#e3b04b;--risk:#ff8a80}}\n"
    "@media print{:root{--bg:#fff;--fg:#000;--dim:#444;--line:#999;--card:#fff;--good:#0a4d27;--weak:#5c3c00;"
    "--risk:#8c1d18}section,tr{break-inside:avoid}thead{display:table-header-group}}\n"
    "body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif;max-width:66rem;margin:2rem auto;"
    "padding:0 1rem}\n"
    "h1{font-size:1.5rem;margin:0}h2{font-size:1.05rem;margin:0 0 .5rem;overflow-wrap:anywhere}p{margin:.4rem 0}\n"
    ".dim{color:var(--dim)}.tiles{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.25rem 0}\n"
    ".tile{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.6rem "
    "1.1rem;min-width:7rem}\n"
    ".tile b{display:block;font-size:1.7rem;line-height:1.2}\n"
    ".good{color:var(--good)}.weak{color:var(--weak)}.risk{color:var(--risk)}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;margin:1rem 0}\n"
    "th,td{text-align:left;vertical-align:top;padding:.4rem .6rem;border-bottom:1px solid var(--line)}"
    "th{font-weight:600;color:var(--dim);font-size:.85em}td:nth-child(2),td:nth-child(3){overflow-wrap:anywhere}"
    "td:nth-child(2){min-width:9em}td:nth-child(3){min-width:5em}\n"
    "td:first-child{white-space:nowrap;font-weight:600}a{color:inherit}\n"
    "@media(min-width:64rem){td:last-child{white-space:nowrap}}\n"
    /* What is left out here stands below as well. */
    "@media screen and (max-width:48rem){th:nth-child(n+3),td:nth-child(n+3){display:none}}\n"
    "@media print{body{font-size:12px;margin:0;max-width:none}th,td{padding:.25rem .4rem}.scroll{overflow:visible}}\n"
    "section{border:1px solid var(--line);border-radius:.5rem;padding:.9rem 1.1rem;margin:1rem 0}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.5rem 0}dt{color:var(--dim)}"
    "dd{margin:0;overflow-wrap:anywhere}ul{margin:.4rem 0;padding-left:1.2rem}code{font:.9em "
    "ui-monospace,monospace}\n"
    "</style>\n</head>\n<body>\n";

static const char *entity_of(char c) {
  switch (c) {
  case '&':
    return "&amp;";
  case '<':
    return "&lt;";
  case '>':
    return "&gt;";
  case '"':
    return "&quot;";
  case '\'':
    return "&#39;";
  default:
    return NULL;
  }
}

/* What comes from volumes, files and records is anybody's. */
static void put(FILE *out, const char *text) {
  char *safe = escape_text(text, false);
  for (const char *at = safe != NULL ? safe : ""; *at != '\0'; at++) {
    const char *entity = entity_of(*at);
    if (entity != NULL)
      (void)fputs(entity, out);
    else
      (void)fputc(*at, out);
  }
  free(safe);
}

static void put_field(FILE *out, const char *name, const char *value) {
  (void)fprintf(out, "<dt>%s</dt><dd>", name);
  put(out, value);
  (void)fputs("</dd>\n", out);
}

static const char *verdict_class(enum audit_verdict verdict) {
  static const char *const classes[] = {"good", "weak", "risk"};
  return classes[verdict];
}

static const char *name_of(const struct audit_volume *volume) {
  return volume->name != NULL && *volume->name != '\0' ? volume->name : volume->path;
}

static void put_tile(FILE *out, const char *class, size_t number, const char *name) {
  (void)fprintf(out, "<div class=\"tile %s\"><b>%zu</b>%s</div>\n", class, number, name);
}

static void put_summary(FILE *out, const struct audit *audit) {
  char date[32] = "", host[256] = "";
  const time_t now = time(NULL);
  struct tm utc;
  if (gmtime_r(&now, &utc) != NULL)
    (void)strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &utc);
  (void)gethostname(host, sizeof host - 1);
  (void)fprintf(out, "<h1>Encrypted volumes</h1>\n<p class=\"dim\">%s, on ", date);
  put(out, host);
  (void)fprintf(out, ", by Nacre %s. Nothing was opened: this is what anybody can tell who has them.</p>\n",
                nacre_version());
  (void)fputs("<div class=\"tiles\">\n", out);
  put_tile(out, "", audit->count, audit->count == 1 ? "volume" : "volumes");
  put_tile(out, "risk", audit_total(audit, AUDIT_AT_RISK), "at risk");
  put_tile(out, "weak", audit_total(audit, AUDIT_WEAK), "weak");
  put_tile(out, "good", audit_total(audit, AUDIT_GOOD), "good");
  if (audit->unreadable > 0)
    put_tile(out, "dim", audit->unreadable, "not looked at");
  (void)fputs("</div>\n", out);
}

static void put_kinds(FILE *out, const struct audit_volume *volume) {
  const char *between = "";
  for (int kind = NACRE_SLOT_PASSPHRASE; kind <= NACRE_SLOT_FIDO2; kind++) {
    int count = 0;
    for (int i = 0; i < NACRE_SLOTS_MAX; i++)
      count += (int)volume->seen.info.slots[i].kind == kind;
    if (count == 0)
      continue;
    (void)fprintf(out, "%s%d&nbsp;%s", between, count, slot_kind_name((enum nacre_slot_kind)kind));
    between = ", ";
  }
}

static const char *way_back(const struct audit_volume *volume) {
  if (volume->recovery && volume->escrow)
    return "both";
  return volume->recovery ? "recovery key" : volume->escrow ? "escrow" : "none";
}

/* What its header says. */
static void put_cells(FILE *out, const struct audit_volume *volume) {
  const struct nacre_public_info *info = &volume->seen.info;
  char usd[AUDIT_USD_BYTES];
  (void)fputs("<td>", out);
  put_kinds(out, volume);
  (void)fprintf(out, "</td><td>%s</td><td>%" PRIu32 " of %d%s</td><td>%s</td>", way_back(volume),
                info->header_copies_valid, volume->seen.origin == PUBLIC_BACKUP ? 1 : 2,
                info->header_copies_valid == 2 && !info->header_copies_equal ? ", which differ" : "",
                volume->guessable ? audit_usd_text(volume->guess_usd[1], usd) : "no passphrase");
}

static void put_row(FILE *out, const struct audit_volume *volume, size_t number) {
  (void)fprintf(out, "<tr><td class=\"%s\">%s</td><td><a href=\"#v%zu\">", verdict_class(volume->verdict),
                audit_verdict_text(volume->verdict), number);
  put(out, name_of(volume));
  (void)fputs("</a></td><td>", out);
  put(out, volume->seen.info.label);
  (void)fputs("</td>", out);
  if (volume->seen.problem[0] == '\0')
    put_cells(out, volume);
  else
    (void)fputs("<td class=\"dim\" colspan=\"4\">its header can't be used</td>", out);
  (void)fputs("</tr>\n", out);
}

static void put_table(FILE *out, const struct audit *audit) {
  if (audit->count == 0) {
    (void)fputs("<p>No volume was found.</p>\n", out);
    return;
  }
  (void)fprintf(
      out,
      "<div class=\"scroll\"><table>\n<thead><tr><th>Verdict</th><th>Volume</th><th>Label</th>"
      "<th>Credentials</th><th>Way back in</th><th>Header copies</th><th>Guessing %d bits</th></tr></thead>\n"
      "<tbody>\n",
      audit_guess_bits[1]);
  for (size_t i = 0; i < audit->count; i++)
    put_row(out, &audit->list[i], i);
  (void)fputs("</tbody>\n</table></div>\n", out);
}

static void put_facts(FILE *out, const struct audit_volume *volume) {
  char id[PUBLIC_ID_BYTES], text[SLOT_TEXT_BYTES], name[24], size[SIZE_TEXT_BYTES], copies[PUBLIC_HEADERS_BYTES];
  (void)fputs("<dl>\n", out);
  if (volume->record)
    put_field(out, "Record", volume->path);
  put_field(out, "What", public_origin_text(volume->seen.origin));
  put_field(out, "Volume id", public_id_text(&volume->seen, id));
  if (volume->seen.info.label[0] != '\0')
    put_field(out, "Label", volume->seen.info.label);
  put_field(out, "Cipher", public_cipher_text(volume->seen.info.cipher));
  put_field(out, "Size", size_text(volume->seen.info.container_bytes, size));
  if (volume->seen.problem[0] == '\0')
    put_field(out, "Header copies", public_headers_text(&volume->seen, copies));
  put_field(out, "In use",
            !volume->seen.info.in_use         ? "no"
            : volume->seen.mounted_on != NULL ? volume->seen.mounted_on
                                              : "yes");
  for (int i = 0; i < NACRE_SLOTS_MAX; i++) {
    if (volume->seen.info.slots[i].kind == NACRE_SLOT_EMPTY)
      continue;
    (void)snprintf(name, sizeof name, "Slot %d", i);
    put_field(out, name, slot_text(volume->seen.info.slots[i].kind, &volume->seen.info.slots[i].kdf, text));
  }
  for (int i = 0; i < AUDIT_GUESSES && volume->guessable; i++) {
    char usd[AUDIT_USD_BYTES];
    (void)snprintf(name, sizeof name, "Guessing %d bits", audit_guess_bits[i]);
    put_field(out, name, audit_usd_text(volume->guess_usd[i], usd));
  }
  (void)fputs("</dl>\n", out);
}

static void put_volume(FILE *out, const struct audit_volume *volume, size_t number) {
  (void)fprintf(out, "<section id=\"v%zu\">\n<h2><span class=\"%s\">%s</span> · ", number,
                verdict_class(volume->verdict), audit_verdict_text(volume->verdict));
  put(out, name_of(volume));
  (void)fputs("</h2>\n", out);
  if (volume->reason_count > 0)
    (void)fputs("<ul>\n", out);
  for (size_t i = 0; i < volume->reason_count; i++) {
    (void)fputs("<li>", out);
    put(out, volume->reasons[i]);
    (void)fputs("</li>\n", out);
  }
  if (volume->reason_count > 0)
    (void)fputs("</ul>\n", out);
  put_facts(out, volume);
  (void)fputs("</section>\n", out);
}

bool audit_write_html(const struct audit *audit, FILE *out) {
  (void)fputs(head, out);
  put_summary(out, audit);
  put_table(out, audit);
  for (size_t i = 0; i < audit->count; i++)
    put_volume(out, &audit->list[i], i);
  (void)fputs("<p class=\"dim\"><b>At risk</b>: something has to be done soon, or it may be lost or read by others. "
              "<b>Weak</b>: less than what is recommended today. Volumes with a detached header can't be found.</p>\n"
              "<p class=\"dim\">",
              out);
  put(out, audit_model_text);
  (void)fputs("</p>\n</body>\n</html>\n", out);
  return fflush(out) == 0 && !ferror(out);
}
