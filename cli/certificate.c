#include "certificate.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "escape.h"
#include "hex.h"
#include "report.h"
#include "size.h"
#include "volume.h"

#define TIME_TEXT_BYTES 32
#define LINE_WIDTH 78

static const char *const limits[] = {
    ("Copies are not touched: backups of the container or of its header, snapshots of the filesystem or of the disk "
     "beneath it. Each of them opens with the credentials that it had, until it is destroyed, too."),
    ("Flash media (SSD, NVMe, eMMC, SD, USB) write what is overwritten to other cells. The former ones, the spare "
     "area and blocks that were remapped stay in the medium until it erases them, out of reach of the interface "
     "through "
     "which this was read back; so do sectors that a magnetic disk has remapped."),
    ("A filesystem that copies on write (btrfs, ZFS, bcachefs, f2fs) and a volume manager with snapshots put what is "
     "overwritten elsewhere; the former blocks stay until they are used anew."),
    ("What was discarded has been given back; whether and when the medium erases it is the medium's affair. It is "
     "ciphertext under the keys that were destroyed."),
    ("Reading back went past the cache of the operating system where it lets one; a cache inside the medium may have "
     "answered."),
    "This certificate is not signed. Whoever issues it should sign it."};
#define LIMITS (sizeof limits / sizeof limits[0])

static const char *time_text(int64_t seconds, char text[TIME_TEXT_BYTES]) {
  const time_t when = (time_t)seconds;
  struct tm utc;
  if (gmtime_r(&when, &utc) == NULL || strftime(text, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
    (void)snprintf(text, TIME_TEXT_BYTES, "unknown");
  return text;
}

static const char *how_text(enum nacre_erased how) {
  switch (how) {
  case NACRE_ERASED_OVERWRITTEN:
    return "overwritten";
  case NACRE_ERASED_DISCARDED:
    return "discarded";
  case NACRE_ERASED_LEFT:
    break;
  }
  return "left";
}

/* What it amounts to in the words of NIST SP 800-88 Rev. 1. */
#define METHODS_MAX 3
static const char *const method_texts[METHODS_MAX] = {
    ("Cryptographic Erase: everything in a volume was encrypted before it was stored; all keys that the container "
     "had "
     "(both headers with their keyslots, all superblocks) were destroyed."),
    "Clear: the places of the keys were overwritten with random bytes in one pass, which was read back.",
    "Purge: the medium was told to erase every copy that it has (secure discard), and reported success."};

static size_t methods_of(const struct certificate *c, const char *methods[METHODS_MAX]) {
  size_t count = 0;
  methods[count++] = method_texts[0];
  if (!c->medium->writes_elsewhere)
    methods[count++] = method_texts[1];
  if (c->report->purged)
    methods[count++] = method_texts[2];
  return count;
}

static struct json_object *optional_text(const char *text) {
  return text[0] != '\0' ? report_json_text(text) : NULL;
}

static struct json_object *medium_json(const struct medium *medium) {
  struct json_object *object = json_object_new_object();
  report_json_add(object, "kind", json_object_new_string(medium->device ? "block device" : "file"));
  report_json_add(object, "filesystem", optional_text(medium->filesystem));
  report_json_add(object, "disk", optional_text(medium->disk));
  report_json_add(object, "model", optional_text(medium->model));
  report_json_add(object, "serial", optional_text(medium->serial));
  report_json_add(object, "rotational", medium->rotational >= 0 ? json_object_new_boolean(medium->rotational) : NULL);
  return object;
}

static struct json_object *range_json(const struct nacre_erase_range *range) {
  struct json_object *object = json_object_new_object();
  report_json_add(object, "offset_bytes", json_object_new_int64((int64_t)range->offset_bytes));
  report_json_add(object, "len_bytes", json_object_new_int64((int64_t)range->len_bytes));
  report_json_add(object, "content", json_object_new_string(range->keys ? "keys" : "blocks"));
  report_json_add(object, "how", json_object_new_string(how_text(range->how)));
  report_json_add(object, "read_back", json_object_new_boolean(range->read_back));
  char hash[HEX_TEXT_BYTES(32)];
  (void)hex_text(range->hash, sizeof range->hash, hash);
  report_json_add(object, "blake2b_256", range->read_back ? json_object_new_string(hash) : NULL);
  return object;
}

static void add_texts(struct json_object *object, const char *key, const char *const *texts, size_t count) {
  struct json_object *list = json_object_new_array();
  for (size_t i = 0; i < count; i++)
    (void)json_object_array_add(list, json_object_new_string(texts[i]));
  report_json_add(object, key, list);
}

struct json_object *certificate_json(const struct certificate *c) {
  const struct nacre_erase_report *report = c->report;
  char id[HEX_TEXT_BYTES(16)], time[TIME_TEXT_BYTES], host[256] = "";
  (void)hex_text(report->volume_id, 16, id);
  (void)gethostname(host, sizeof host - 1);
  struct json_object *record = json_object_new_object();
  report_json_add(record, "certificate", json_object_new_string(CERTIFICATE_KIND));
  report_json_add(record, "version", json_object_new_int(CERTIFICATE_VERSION));
  report_json_add(record, "program", json_object_new_string(nacre_version()));
  report_json_add(record, "volume", report_json_text(c->path));
  report_json_add(record, "header", c->header != NULL ? report_json_text(c->header) : NULL);
  report_json_add(record, "volume_id", report->identified ? json_object_new_string(id) : NULL);
  report_json_add(record, "label", optional_text(report->label));
  report_json_add(record, "container_bytes", json_object_new_int64((int64_t)report->container_bytes));
  report_json_add(record, "started", json_object_new_string(time_text(report->started_s, time)));
  report_json_add(record, "finished", json_object_new_string(time_text(report->finished_s, time)));
  report_json_add(record, "finished_s", json_object_new_int64(report->finished_s));
  report_json_add(record, "host", optional_text(host));
  report_json_add(record, "medium", medium_json(c->medium));
  report_json_add(record, "purged", json_object_new_boolean(report->purged));
  struct json_object *ranges = json_object_new_array();
  for (uint32_t i = 0; i < report->range_count; i++)
    (void)json_object_array_add(ranges, range_json(&report->ranges[i]));
  report_json_add(record, "ranges", ranges);
  const char *methods[METHODS_MAX];
  add_texts(record, "methods", methods, methods_of(c, methods));
  add_texts(record, "limits", limits, LIMITS);
  return record;
}

/* ---- Text ---- */

static void print_wrapped(FILE *out, const char *mark, const char *text) {
  size_t column = strlen(mark);
  (void)fprintf(out, "%s", mark);
  while (*text != '\0') {
    const size_t word = strcspn(text, " ");
    if (column + word > LINE_WIDTH) {
      (void)fprintf(out, "\n%*s", (int)strlen(mark), "");
      column = strlen(mark);
    }
    (void)fprintf(out, "%.*s", (int)word, text);
    text += word;
    column += word;
    if (*text == ' ') {
      text++;
      if (column + 1 + strcspn(text, " ") <= LINE_WIDTH)
        (void)fputc(' ', out);
      column++;
    }
  }
  (void)fputc('\n', out);
}

static void print_field(FILE *out, const char *name, const char *value) {
  char *safe = escape_text(value, false);
  (void)fprintf(out, "%-18s%s\n", name, safe != NULL && *safe != '\0' ? safe : "unknown");
  free(safe);
}

void certificate_print_ranges(const struct nacre_erase_report *report, FILE *out) {
  for (uint32_t i = 0; i < report->range_count; i++) {
    const struct nacre_erase_range *range = &report->ranges[i];
    char size[SIZE_TEXT_BYTES], hash[HEX_TEXT_BYTES(32)];
    (void)hex_text(range->hash, sizeof range->hash, hash);
    (void)fprintf(out, "%s at %" PRIu64 ", %s: %s%s\n", range->keys ? "keys" : "blocks", range->offset_bytes,
                  size_text(range->len_bytes, size), how_text(range->how), range->read_back ? ", read back" : "");
    if (range->read_back)
      (void)fprintf(out, "    BLAKE2b-256 %s\n", hash);
  }
}

static void print_medium(FILE *out, const struct medium *medium) {
  print_field(out, "medium", medium->device ? "block device" : "file");
  if (!medium->device)
    print_field(out, "filesystem", medium->filesystem);
  print_field(out, "disk", medium->disk);
  print_field(out, "model", medium->model);
  print_field(out, "serial number", medium->serial);
  print_field(out, "magnetic", medium->rotational == 1 ? "yes" : medium->rotational == 0 ? "no" : "");
}

bool certificate_write(const struct certificate *c, FILE *out) {
  const struct nacre_erase_report *report = c->report;
  char id[HEX_TEXT_BYTES(16)], time[TIME_TEXT_BYTES], size[SIZE_TEXT_BYTES], host[256] = "";
  (void)hex_text(report->volume_id, 16, id);
  (void)gethostname(host, sizeof host - 1);
  (void)fprintf(out, "CERTIFICATE OF ERASURE OF A NACRE VOLUME\n\n");
  print_field(out, "volume", c->path);
  if (c->header != NULL)
    print_field(out, "detached header", c->header);
  print_field(out, "volume id", report->identified ? id : "");
  print_field(out, "label", report->label[0] != '\0' ? report->label : "none");
  print_field(out, "size", size_text(report->container_bytes, size));
  print_field(out, "started", time_text(report->started_s, time));
  print_field(out, "finished", time_text(report->finished_s, time));
  print_field(out, "host", host);
  print_medium(out, c->medium);
  print_field(out, "program", nacre_version());
  (void)fprintf(out, "\nWhat was done, in the terms of NIST SP 800-88 Rev. 1:\n\n");
  const char *methods[METHODS_MAX];
  const size_t method_count = methods_of(c, methods);
  for (size_t i = 0; i < method_count; i++)
    print_wrapped(out, "  * ", methods[i]);
  (void)fprintf(out, "\nPlaces, in bytes of the container:\n\n");
  certificate_print_ranges(report, out);
  (void)fprintf(out, "\nThe places of the keys were read back: they hold what was written, and nowhere in\n"
                     "them 16 bytes that had been there before. What this does not show:\n\n");
  if (c->medium->writes_elsewhere)
    print_wrapped(
        out, "  ! ",
        "The container lies in a filesystem that writes elsewhere what is overwritten: the former blocks of "
        "the keys are still on the disk beneath. Destroy or erase that disk.");
  for (size_t i = 0; i < LIMITS; i++)
    print_wrapped(out, "  * ", limits[i]);
  (void)fprintf(out, "\nnacre erase --verify THIS_FILE VOLUME compares a medium with what follows.\n\n");
  struct json_object *record = certificate_json(c);
  (void)fprintf(out, "%s\n%s\n%s\n", CERTIFICATE_BEGIN,
                json_object_to_json_string_ext(record, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE),
                CERTIFICATE_END);
  (void)json_object_put(record);
  return fflush(out) == 0 && !ferror(out);
}
