/* The record of a volume that anybody wrote: it is judged, and what is reported of it has no byte that a terminal or
 * a browser would take for more than text. */
#include "cli/audit.h"
#include "cli/report.h"
#include "fuzz/text_file.h"

static char *page_of(const struct audit *audit, size_t *len) {
  char *page = NULL;
  FILE *out = open_memstream(&page, len);
  FUZZ_CHECK(out != NULL && audit_write_html(audit, out) && fclose(out) == 0);
  return page;
}

static size_t count_of(const char *text, size_t len, char c) {
  size_t count = 0;
  for (size_t i = 0; i < len; i++)
    count += text[i] == c;
  return count;
}

/* With other letters in its texts a volume has a page with the same marks. */
static void check_page(struct audit *audit) {
  size_t len, plain_len;
  char *page = page_of(audit, &len);
  for (size_t i = 0; i < len; i++)
    FUZZ_CHECK((unsigned char)page[i] >= ' ' || page[i] == '\n');
  struct audit_volume *volume = &audit->list[0];
  char *texts[] = {volume->name, volume->seen.mounted_on, volume->seen.info.label};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    if (texts[i] != NULL)
      memset(texts[i], 'x', strlen(texts[i]));
  for (size_t i = 0; i < volume->reason_count; i++)
    memset(volume->reasons[i], 'x', strlen(volume->reasons[i]));
  char *plain = page_of(audit, &plain_len);
  static const char marks[] = "<>\"";
  for (size_t i = 0; marks[i] != '\0'; i++)
    FUZZ_CHECK(count_of(page, len, marks[i]) == count_of(plain, plain_len, marks[i]));
  free(page);
  free(plain);
}

static void check_judgement(const struct audit_volume *volume) {
  FUZZ_CHECK(volume->reason_count <= AUDIT_REASONS_MAX && volume->seen.info.header_copies_valid <= 2);
  FUZZ_CHECK(volume->verdict == AUDIT_GOOD || volume->reason_count > 0);
  for (int i = 0; i < AUDIT_GUESSES && volume->guessable; i++)
    FUZZ_CHECK(volume->guess_usd[i] >= 0);
  for (size_t i = 0; i < volume->reason_count; i++)
    FUZZ_CHECK(memchr(volume->reasons[i], '\0', AUDIT_REASON_BYTES) != NULL);
}

/* Takes stdout's place while it prints. */
static void check_text(const struct audit *audit) {
  char *printed = NULL;
  size_t len = 0;
  FILE *former = stdout, *out = open_memstream(&printed, &len);
  FUZZ_CHECK(out != NULL);
  stdout = out;
  audit_print_text(audit);
  stdout = former;
  FUZZ_CHECK(fclose(out) == 0);
  for (size_t i = 0; i < len; i++)
    FUZZ_CHECK((unsigned char)printed[i] >= ' ' || printed[i] == '\n');
  free(printed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct audit audit = {0};
  text_hide();
  const int code = audit_record(&audit, text_file(data, size));
  FUZZ_CHECK(code == EXIT_DONE || code == EXIT_USAGE);
  FUZZ_CHECK(audit.count == (code == EXIT_DONE));
  audit_judge(&audit);
  audit_print_json(&audit);
  text_show();
  if (audit.count > 0) {
    check_judgement(&audit.list[0]);
    check_text(&audit);
    check_page(&audit);
  }
  audit_free(&audit);
  return 0;
}
