#include "hex.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *hex_text(const uint8_t *bytes, size_t count, char *text) {
  for (size_t i = 0; i < count; i++)
    (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
  return text;
}

bool hex_read(const char *text, uint8_t *bytes, size_t count) {
  if (strlen(text) != 2 * count || strspn(text, "0123456789abcdefABCDEF") != 2 * count)
    return false;
  for (size_t i = 0; i < count; i++) {
    const char digits[] = {text[2 * i], text[2 * i + 1], '\0'};
    bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
  }
  return true;
}
