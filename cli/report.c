#include "report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <json-c/json.h>

#include "escape.h"

static bool use_json;
static bool use_syslog;
static const char *program = "nacre";

void report_use_json(bool on) {
  use_json = on;
}

bool report_is_json(void) {
  return use_json;
}

void report_use_syslog(void) {
  openlog(program, LOG_PID, LOG_DAEMON);
  use_syslog = true;
}

void report_set_program(const char *name) {
  program = name;
}

int report_exit_code(enum nacre_err err) {
  switch (err) {
  case NACRE_OK:
    return EXIT_DONE;
  case NACRE_ERR_ARGUMENT:
    return EXIT_USAGE;
  case NACRE_ERR_CREDENTIAL:
    return EXIT_CREDENTIAL;
  case NACRE_ERR_DAMAGED:
    return EXIT_DAMAGED;
  case NACRE_ERR_IN_USE:
    return EXIT_IN_USE;
  case NACRE_ERR_NOT_VOLUME:
    return EXIT_NO_VOLUME;
  case NACRE_ERR_NO_SPACE:
    return EXIT_NO_SPACE;
  case NACRE_ERR_UNSUPPORTED:
  case NACRE_ERR_LIMIT:
    return EXIT_NOT_POSSIBLE;
  case NACRE_ERR_ROLLED_BACK:
    return EXIT_ROLLED_BACK;
  case NACRE_ERR_OTHER_VOLUME:
    return EXIT_OTHER_VOLUME;
  case NACRE_ERR_READ_ONLY:
  case NACRE_ERR_PERMISSION:
    return EXIT_NOT_PERMITTED;
  case NACRE_ERR_NO_MEMORY:
  case NACRE_ERR_IO:
  case NACRE_ERR_NOT_FOUND:
  case NACRE_ERR_EXISTS:
  case NACRE_ERR_NOT_DIRECTORY:
  case NACRE_ERR_IS_DIRECTORY:
  case NACRE_ERR_NOT_EMPTY:
  case NACRE_ERR_NAME_TOO_LONG:
  case NACRE_ERR_TOO_LARGE:
  case NACRE_ERR_NO_ATTRIBUTE:
  case NACRE_ERR_RANGE:
  case NACRE_ERR_CANCELLED:
  case NACRE_ERR_WEAK:
  case NACRE_ERR_FORKED:
  case NACRE_ERR_LOOP:
    break;
  }
  return EXIT_OTHER;
}

int report_exit_code_errno(int error) {
  switch (error) {
  case ENOSPC:
  case EDQUOT:
    return EXIT_NO_SPACE;
  case EACCES:
  case EPERM:
  case EROFS:
    return EXIT_NOT_PERMITTED;
  default:
    return EXIT_OTHER;
  }
}

/* What a person can do about an error, where that is the same whenever it comes up. */
static const char *advice(enum nacre_err err) {
  static const struct {
    enum nacre_err err;
    const char *text;
  } table[] = {
      {NACRE_ERR_CREDENTIAL, "check it (a passphrase: the keyboard layout, too), or give another credential"},
      {NACRE_ERR_DAMAGED, "try nacre verify, and restore what is lost from a backup"},
      {NACRE_ERR_IN_USE, "close the program that uses it, or unmount it"},
      {NACRE_ERR_NOT_VOLUME, "check the name, or make a volume with nacre create"},
      {NACRE_ERR_NO_SPACE, "make room and try again"},
      {NACRE_ERR_UNSUPPORTED, "use a newer nacre, or the machine that it was made on"},
      {NACRE_ERR_ROLLED_BACK, "compare it with your backups; --accept-rollback takes it as it is"},
      {NACRE_ERR_OTHER_VOLUME, "find out who put it there; nacre key id says whose fingerprint is whose"},
      {NACRE_ERR_LIMIT, "if you trust this volume, raise --kdf-memory-max"},
      {NACRE_ERR_IO, "check the storage under it"},
      {NACRE_ERR_READ_ONLY, "open it for writing, on storage that can be written"},
  };
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (table[i].err == err)
      return table[i].text;
  return NULL;
}

static const char *const code_names[] = {
    "done",     "other",        "usage",       "credential",  "damaged",       "in-use",       "no-volume",
    "no-space", "not-possible", "rolled-back", "partly-done", "not-permitted", "other-volume", "at-risk"};

static const char *code_name(int code) {
  const size_t count = sizeof code_names / sizeof code_names[0];
  return code >= 0 && (size_t)code < count ? code_names[code] : "other";
}

static void print_json_object(const char *name, struct json_object *inner) {
  struct json_object *whole = json_object_new_object();
  report_json_add(whole, name, inner);
  (void)fprintf(stderr, "%s\n", json_object_to_json_string_ext(whole, JSON_C_TO_STRING_NOSLASHESCAPE));
  (void)json_object_put(whole);
}

static void print_json_error(int code, const char *subject, const char *message) {
  struct json_object *error = json_object_new_object();
  report_json_add(error, "code", json_object_new_int(code));
  report_json_add(error, "name", json_object_new_string(code_name(code)));
  report_json_add(error, "subject", subject != NULL ? report_json_text(subject) : NULL);
  report_json_add(error, "message", report_json_text(message));
  print_json_object("error", error);
}

static void print_json_warning(const char *subject, const char *message) {
  struct json_object *warning = json_object_new_object();
  report_json_add(warning, "subject", subject != NULL ? report_json_text(subject) : NULL);
  report_json_add(warning, "message", report_json_text(message));
  print_json_object("warning", warning);
}

static void print_line(int priority, const char *subject, const char *message) {
  char *safe_subject = subject != NULL ? escape_text(subject, false) : NULL;
  char *safe_message = escape_text(message, false);
  const char *first = safe_subject != NULL ? safe_subject : "";
  const char *colon = safe_subject != NULL ? ": " : "";
  const char *second = safe_message != NULL ? safe_message : "out of memory";
  if (use_syslog)
    syslog(priority, "%s%s%s", first, colon, second);
  else
    (void)fprintf(stderr, "%s: %s%s%s\n", program, first, colon, second);
  free(safe_subject);
  free(safe_message);
}

int report_error(int code, const char *subject, const char *format, ...) {
  char *message = NULL;
  va_list args;
  va_start(args, format);
  if (vasprintf(&message, format, args) < 0)
    message = NULL;
  va_end(args);
  (void)fflush(stdout);
  if (use_json && !use_syslog)
    print_json_error(code, subject, message != NULL ? message : "out of memory");
  else
    print_line(LOG_ERR, subject, message != NULL ? message : "out of memory");
  free(message);
  return code;
}

void report_note(const char *subject, const char *format, ...) {
  if (use_json)
    return;
  char *message = NULL;
  va_list args;
  va_start(args, format);
  if (vasprintf(&message, format, args) < 0)
    message = NULL;
  va_end(args);
  (void)fflush(stdout);
  if (message != NULL)
    print_line(LOG_NOTICE, subject, message);
  free(message);
}

void report_warning(const char *subject, const char *format, ...) {
  char *message = NULL, *marked = NULL;
  va_list args;
  va_start(args, format);
  if (vasprintf(&message, format, args) < 0)
    message = NULL;
  va_end(args);
  (void)fflush(stdout);
  if (message != NULL && use_json && !use_syslog)
    print_json_warning(subject, message);
  else if (message != NULL && asprintf(&marked, "warning: %s", message) >= 0)
    print_line(LOG_WARNING, subject, marked);
  free(marked);
  free(message);
}

int report_message(const char *subject, enum nacre_err err, const char *text) {
  if (text == NULL || *text == '\0')
    text = nacre_strerror(err);
  const char *what_to_do = strchr(text, ';') == NULL ? advice(err) : NULL;
  return report_error(report_exit_code(err), subject, "%s%s%s", text, what_to_do != NULL ? "; " : "",
                      what_to_do != NULL ? what_to_do : "");
}

int report_library(const char *subject, enum nacre_err err) {
  return report_message(subject, err, nacre_last_error());
}

int report_library_path(const char *subject, const char *path, enum nacre_err err) {
  const char *text = nacre_last_error();
  if (text == NULL || *text == '\0')
    text = nacre_strerror(err);
  return report_error(report_exit_code(err), subject, "%s: %s", path, text);
}

int report_errno(const char *subject, const char *what, int error) {
  return report_error(report_exit_code_errno(error), subject, "%s: %s", what, strerror(error));
}

int report_no_memory(void) {
  return report_error(EXIT_OTHER, NULL, "out of memory");
}

void report_json_add(struct json_object *object, const char *key, struct json_object *value) {
  (void)json_object_object_add(object, key, value);
}

struct json_object *report_json_text(const char *text) {
  char *valid = malloc(3 * strlen(text) + 1);
  if (valid == NULL)
    return NULL;
  char *out = valid;
  while (*text != '\0') {
    const int length = escape_utf8_length(text);
    const char *from = length == 0 ? "\xef\xbf\xbd" : text;
    const size_t bytes = length == 0 ? 3 : (size_t)length;
    memcpy(out, from, bytes);
    out += bytes;
    text += length == 0 ? 1 : length;
  }
  *out = '\0';
  struct json_object *string = json_object_new_string(valid);
  free(valid);
  return string;
}

int report_flush(void) {
  errno = 0;
  if (fflush(stdout) != 0 || ferror(stdout))
    return errno != 0 ? errno : EIO;
  /* A terminal and a pipe have nothing to sync. */
  return fsync(STDOUT_FILENO) == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP ? 0 : errno;
}

void report_print_json(struct json_object *report) {
  (void)printf("%s\n",
               json_object_to_json_string_ext(report, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
  (void)json_object_put(report);
}
