/* Lines of the control socket: what one side wrote the other reads as it was, and any line at all is read. */
#include "fuse/control_text.h"
#include "fuzz/feed.h"

static const char *const keys[] = {"volume", "dir", "pid", "failure", "text", "path", "done", "total"};
#define KEYS (sizeof keys / sizeof keys[0])

static char *text_of(struct feed *f, size_t len) {
  char *text = calloc(1, len + 1);
  FUZZ_CHECK(text != NULL);
  feed_copy(f, text, len);
  text[strlen(text)] = '\0';
  return text;
}

static void try_foreign(struct feed *f) {
  char *line = text_of(f, f->left);
  for (size_t i = 0; i < KEYS; i++) {
    char *value = control_field(line, keys[i]);
    FUZZ_CHECK(value == NULL || strlen(value) <= strlen(line));
    free(value);
    (void)control_field_number(line, keys[i]);
  }
  free(line);
}

/* Each key once; where a line is cut, the last of them may be cut too, but none is malformed. */
static void try_own(struct feed *f, bool long_ones) {
  struct control_line *line = calloc(1, sizeof *line);
  char *values[KEYS] = {NULL};
  size_t used = 0;
  FUZZ_CHECK(line != NULL);
  control_add_text(line, "ok");
  for (; used < KEYS && f->left > 0; used++) {
    size_t len = feed_u8(f);
    values[used] = text_of(f, long_ones ? len * 64 : len);
    if (long_ones)
      memset(values[used], feed_u8(f), len * 64);
    control_add_bytes(line, keys[used], values[used]);
  }
  control_end_line(line);
  FUZZ_CHECK(line->len < sizeof line->text && line->text[line->len] == '\0');
  FUZZ_CHECK(strchr(line->text, '\n') == line->text + line->len - 1);
  for (size_t i = 0; i < used; i++) {
    char *value = control_field(line->text, keys[i]);
    if (line->full)
      FUZZ_CHECK(value == NULL || strncmp(value, values[i], strlen(value)) == 0);
    else
      FUZZ_CHECK(value != NULL && strcmp(value, values[i]) == 0);
    free(value);
    free(values[i]);
  }
  free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  uint8_t form = feed_u8(&f);
  if (form & 1)
    try_own(&f, (form & 2) != 0);
  else
    try_foreign(&f);
  return 0;
}
