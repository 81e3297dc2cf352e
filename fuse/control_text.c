#include "fuse/control_text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void add_char(struct control_line *line, char c) {
  if (line->len + 1 < sizeof line->text) {
    line->text[line->len++] = c;
    line->text[line->len] = '\0';
  } else {
    line->full = true;
  }
}

void control_add_text(struct control_line *line, const char *text) {
  for (; *text != '\0'; text++)
    add_char(line, *text);
}

static bool is_plain(unsigned char c) {
  return c > ' ' && c < 0x7f && c != '%' && c != '=';
}

void control_add_bytes(struct control_line *line, const char *key, const char *value) {
  static const char digits[] = "0123456789abcdef";
  add_char(line, ' ');
  control_add_text(line, key);
  add_char(line, '=');
  for (; *value != '\0'; value++) {
    unsigned char c = (unsigned char)*value;
    if (is_plain(c)) {
      add_char(line, *value);
      continue;
    }
    add_char(line, '%');
    add_char(line, digits[c >> 4]);
    add_char(line, digits[c & 15]);
  }
}

void control_add_number(struct control_line *line, const char *key, uint64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, value);
  control_add_bytes(line, key, text);
}

void control_end_line(struct control_line *line) {
  if (line->full || line->len + 1 == sizeof line->text) {
    line->len = sizeof line->text - 2;
    for (size_t i = 1; i <= 2; i++) /* half of an escaped byte would make the field malformed */
      if (line->text[line->len - i] == '%')
        line->len -= i;
  }
  add_char(line, '\n');
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return -1;
}

/* One byte of a value: how many characters it takes, or 0 where it is malformed. */
static size_t decode_byte(const char *from, size_t len, char *out) {
  if (from[0] != '%') {
    *out = from[0];
    return 1;
  }
  if (len < 3)
    return 0;
  int high = hex_value(from[1]);
  int low = hex_value(from[2]);
  if (high < 0 || low < 0 || high + low == 0)
    return 0;
  *out = (char)(high * 16 + low);
  return 3;
}

char *control_field(const char *line, const char *key) {
  size_t key_len = strlen(key);
  const char *at = line;
  while (at != NULL && !(strncmp(at, key, key_len) == 0 && at[key_len] == '=')) {
    at = strchr(at, ' ');
    if (at != NULL)
      at++;
  }
  if (at == NULL)
    return NULL;
  at += key_len + 1;
  size_t len = strcspn(at, " \n");
  char *out = malloc(len + 1);
  size_t used = 0;
  while (out != NULL && len > 0) {
    size_t step = decode_byte(at, len, &out[used]);
    if (step == 0) {
      free(out);
      return NULL;
    }
    used++;
    at += step;
    len -= step;
  }
  if (out != NULL)
    out[used] = '\0';
  return out;
}

uint64_t control_field_number(const char *line, const char *key) {
  char *text = control_field(line, key);
  uint64_t value = text == NULL ? 0 : strtoull(text, NULL, 10);
  free(text);
  return value;
}

bool control_folder_is_safe(const char *path, uid_t uid) {
  struct stat st;
  return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == uid && (st.st_mode & 077) == 0;
}

/* $XDG_RUNTIME_DIR may be another user's, as it is after su. */
static const char *runtime_folder(void) {
  const char *path = getenv("XDG_RUNTIME_DIR"); /* NOLINT(concurrency-mt-unsafe): nothing here sets variables */
  return path != NULL && path[0] == '/' && control_folder_is_safe(path, geteuid()) ? path : NULL;
}

int control_own_path(char *path, size_t size) {
  uid_t uid = geteuid();
  const char *runtime = runtime_folder();
  int len = 0;
  if (uid == 0)
    len = snprintf(path, size, "/run/nacre");
  else if (runtime != NULL)
    len = snprintf(path, size, "%s/nacre", runtime);
  else
    len = snprintf(path, size, "/tmp/nacre-%u", (unsigned)uid);
  if (len >= 0 && (size_t)len < size)
    return 0;
  errno = ENAMETOOLONG;
  return -1;
}

int control_own_folder(char *path, size_t size) {
  if (control_own_path(path, size) != 0)
    return -1;
  if (mkdir(path, 0700) != 0 && errno != EEXIST)
    return -1;
  if (control_folder_is_safe(path, geteuid()))
    return 0;
  errno = EPERM; /* somebody else made it, or opened it to others */
  return -1;
}
