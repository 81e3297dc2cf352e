#include "size.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char size_letters[] = "KMGTPE";

/* The power of 1024 that a suffix stands for, or -1. "K", "KiB" and "k" are the same; "B" is none. */
static int size_suffix_power(const char *suffix) {
  if (*suffix == '\0' || strcmp(suffix, "B") == 0)
    return 0;
  char letter = suffix[0];
  if (letter >= 'a' && letter <= 'z')
    letter = (char)(letter - 'a' + 'A');
  const char *found = strchr(size_letters, letter);
  if (found == NULL)
    return -1;
  if (suffix[1] != '\0' && strcmp(suffix + 1, "iB") != 0)
    return -1;
  return (int)(found - size_letters) + 1;
}

bool size_parse(const char *text, uint64_t *bytes) {
  if (*text < '0' || *text > '9')
    return false;
  char *end;
  errno = 0;
  uint64_t whole = strtoull(text, &end, 10);
  if (errno != 0)
    return false;
  double fraction = 0;
  if (*end == '.') {
    double scale = 1;
    for (end++; *end >= '0' && *end <= '9'; end++) {
      scale /= 10;
      fraction += (*end - '0') * scale;
    }
  }
  int power = size_suffix_power(end);
  if (power < 0 || (fraction > 0 && power == 0))
    return false;
  uint64_t unit = 1ull << (10 * power);
  if (whole > UINT64_MAX / unit - 1)
    return false;
  *bytes = whole * unit + (uint64_t)(fraction * (double)unit);
  return true;
}

bool duration_parse(const char *text, uint64_t *seconds) {
  if (*text < '0' || *text > '9')
    return false;
  char *end;
  errno = 0;
  uint64_t count = strtoull(text, &end, 10);
  if (errno != 0 || (*end != '\0' && end[1] != '\0'))
    return false;
  uint64_t unit = 1;
  switch (*end) {
  case '\0':
  case 's':
    break;
  case 'm':
    unit = 60;
    break;
  case 'h':
    unit = 3600;
    break;
  case 'd':
    unit = 86400;
    break;
  default:
    return false;
  }
  if (count > UINT32_MAX)
    return false;
  *seconds = count * unit;
  return true;
}

bool number_parse(const char *text, int *number) {
  if (*text < '0' || *text > '9')
    return false;
  char *end;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (errno != 0 || *end != '\0' || value > INT_MAX)
    return false;
  *number = (int)value;
  return true;
}

const char *size_text(uint64_t bytes, char text[SIZE_TEXT_BYTES]) {
  if (bytes < 1024) {
    (void)snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64 " B", bytes);
    return text;
  }
  double value = (double)bytes / 1024;
  int power = 1;
  while (value >= 1024 && size_letters[power] != '\0') {
    value /= 1024;
    power++;
  }
  const double rest = value - (double)(uint64_t)value;
  const int digits = rest < 0.05 || rest >= 0.95 ? 0 : 1;
  (void)snprintf(text, SIZE_TEXT_BYTES, "%.*f %ciB", digits, value, size_letters[power - 1]);
  return text;
}
