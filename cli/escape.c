#include "escape.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Decode one UTF-8 character; its length, or 0 where the bytes are not the shortest form of a valid one. */
static int utf8_decode(const char *text, uint32_t *character) {
  static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
  const unsigned char first = (unsigned char)text[0];
  if (first < 0x80) {
    *character = first;
    return 1;
  }
  int length;
  if ((first & 0xe0) == 0xc0)
    length = 2;
  else if ((first & 0xf0) == 0xe0)
    length = 3;
  else if ((first & 0xf8) == 0xf0)
    length = 4;
  else
    return 0;
  uint32_t value = first & (0x7fu >> length);
  for (int i = 1; i < length; i++) {
    const unsigned char next = (unsigned char)text[i]; /* the closing NUL ends the loop, too */
    if ((next & 0xc0) != 0x80)
      return 0;
    value = (value << 6) | (next & 0x3f);
  }
  if (value < lowest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
    return 0;
  *character = value;
  return length;
}

int escape_utf8_length(const char *text) {
  uint32_t character;
  return utf8_decode(text, &character);
}

/* Controls of C0 and C1, and what reorders the text around it. */
static bool is_unsafe(uint32_t c) {
  return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069);
}

static char *put_byte(char *out, unsigned char byte) {
  static const char hex[] = "0123456789abcdef";
  *out++ = '\\';
  if (byte == '\n' || byte == '\t') {
    *out++ = byte == '\n' ? 'n' : 't';
    return out;
  }
  *out++ = 'x';
  *out++ = hex[byte >> 4];
  *out++ = hex[byte & 15];
  return out;
}

char *escape_text(const char *text, bool backslash) {
  char *safe = malloc(4 * strlen(text) + 1); /* \xHH at worst */
  if (safe == NULL)
    return NULL;
  char *out = safe;
  while (*text != '\0') {
    uint32_t character = 0;
    const int length = utf8_decode(text, &character);
    if (length == 0 || is_unsafe(character)) {
      for (int i = 0; i < (length == 0 ? 1 : length); i++)
        out = put_byte(out, (unsigned char)*text++);
      continue;
    }
    if (backslash && *text == '\\')
      *out++ = '\\';
    memcpy(out, text, (size_t)length);
    out += length;
    text += length;
  }
  *out = '\0';
  return safe;
}

void escape_print(FILE *out, const char *name) {
  char *safe = isatty(fileno(out)) ? escape_text(name, true) : NULL;
  (void)fputs(safe != NULL ? safe : name, out);
  free(safe);
}
