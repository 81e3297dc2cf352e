/* What the program reads from its arguments: sizes, durations, numbers. And names that it shows, made harmless. */
#include "cli/escape.h"
#include "cli/size.h"
#include "fuzz/feed.h"

#include <limits.h>

static void try_size(const char *text) {
  uint64_t bytes, again;
  char shown[SIZE_TEXT_BYTES];
  if (!size_parse(text, &bytes))
    return;
  FUZZ_CHECK(text[0] >= '0' && text[0] <= '9');
  FUZZ_CHECK(strlen(size_text(bytes, shown)) < sizeof shown);
  snprintf(shown, sizeof shown, "%llu", (unsigned long long)bytes);
  FUZZ_CHECK(bytes == UINT64_MAX || (size_parse(shown, &again) && again == bytes));
}

static void try_duration(const char *text) {
  uint64_t seconds;
  if (duration_parse(text, &seconds))
    FUZZ_CHECK(seconds <= 86400ull * UINT32_MAX);
}

static void try_number(const char *text) {
  int number, again;
  char shown[16];
  if (!number_parse(text, &number))
    return;
  FUZZ_CHECK(number >= 0);
  snprintf(shown, sizeof shown, "%d", number);
  FUZZ_CHECK(number_parse(shown, &again) && again == number);
}

/* Only printable characters, in valid UTF-8, and what was harmless as it was. */
static void try_escape(const char *text, bool backslash) {
  char *safe = escape_text(text, backslash);
  FUZZ_CHECK(safe != NULL && strlen(safe) <= 4 * strlen(text));
  for (const char *at = safe; *at != '\0';) {
    int length = escape_utf8_length(at);
    FUZZ_CHECK(length > 0 && (unsigned char)*at >= 0x20 && *at != 0x7f);
    FUZZ_CHECK(!(length == 2 && (unsigned char)at[0] == 0xc2 && (unsigned char)at[1] < 0xa0));
    at += length;
  }
  char *twice = escape_text(safe, false);
  FUZZ_CHECK(twice != NULL && strcmp(safe, twice) == 0);
  free(twice);
  free(safe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  char *text = calloc(1, size);
  FUZZ_CHECK(text != NULL);
  memcpy(text, data + 1, size - 1);
  try_size(text);
  try_duration(text);
  try_number(text);
  try_escape(text, (data[0] & 1) != 0);
  free(text);
  return 0;
}
