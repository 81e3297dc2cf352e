#include "base/err.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ERR_MESSAGE_BYTES 256

static _Thread_local char err_text[ERR_MESSAGE_BYTES];

/* A message is one line, whatever a file name in it contains. */
static void err_store(const char *text) {
  size_t i = 0;
  for (; i < ERR_MESSAGE_BYTES - 1 && text[i] != '\0'; i++) {
    unsigned char c = (unsigned char)text[i];
    err_text[i] = text[i];
    if (c < 0x20 || c == 0x7f)
      err_text[i] = '?';
  }
  err_text[i] = '\0';
}

/* Formats apart from the stored text, which may be among the arguments. */
enum nacre_err(err_set)(enum nacre_err code, const char *fmt, ...) {
  assert(code != NACRE_OK);
  char text[ERR_MESSAGE_BYTES];
  va_list args;
  va_start(args, fmt);
  (void)vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  err_store(text);
  return code;
}

/* "text: tail", cut where the room ends. */
static void err_join(char text[ERR_MESSAGE_BYTES], const char *tail) {
  size_t used = strlen(text);
  for (const char *part = ": "; *part != '\0' && used < ERR_MESSAGE_BYTES - 1; part++)
    text[used++] = *part;
  for (; *tail != '\0' && used < ERR_MESSAGE_BYTES - 1; tail++)
    text[used++] = *tail;
  text[used] = '\0';
}

enum nacre_err err_set_errno(enum nacre_err code, int errnum, const char *fmt, ...) {
  assert(code != NACRE_OK);
  char text[ERR_MESSAGE_BYTES];
  va_list args;
  va_start(args, fmt);
  (void)vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  char buf[128];
  err_join(text, strerror_r(errnum, buf, sizeof buf));
  err_store(text);
  return code;
}

enum nacre_err err_prefix(enum nacre_err code, const char *fmt, ...) {
  assert(code != NACRE_OK);
  char text[ERR_MESSAGE_BYTES];
  va_list args;
  va_start(args, fmt);
  (void)vsnprintf(text, sizeof text, fmt, args);
  va_end(args);
  err_join(text, err_text);
  err_store(text);
  return code;
}

void err_clear(void) {
  err_text[0] = '\0';
}

const char *err_message(void) {
  return err_text;
}
