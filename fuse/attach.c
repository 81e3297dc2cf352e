#include "fuse/attach.h"

#include "fuse/negotiate.h"
#include "fuse/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What libfuse says of a failed mount. */

static char log_line[ATTACH_MESSAGE_BYTES];
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((format(printf, 2, 0))) static void log_keep(enum fuse_log_level level, const char *format,
                                                           va_list args) {
  (void)level;
  pthread_mutex_lock(&log_lock);
  vsnprintf(log_line, sizeof log_line, format, args);
  log_line[strcspn(log_line, "\n")] = '\0';
  pthread_mutex_unlock(&log_lock);
}

static void log_take(char message[ATTACH_MESSAGE_BYTES], const char *otherwise) {
  pthread_mutex_lock(&log_lock);
  snprintf(message, ATTACH_MESSAGE_BYTES, "%s", log_line[0] != '\0' ? log_line : otherwise);
  pthread_mutex_unlock(&log_lock);
}

static enum nacre_err make_session(struct mount *m, struct fuse_args *args, char message[ATTACH_MESSAGE_BYTES]) {
  m->session = fuse_session_new(args, &session_operations, sizeof session_operations, m);
  if (m->session == NULL) {
    log_take(message, "libfuse refuses the options");
    return NACRE_ERR_ARGUMENT;
  }
  if (fuse_session_mount(m->session, m->mountpoint) != 0) {
    log_take(message, "fusermount3 could not mount");
    fuse_session_destroy(m->session);
    return NACRE_ERR_PERMISSION;
  }
  if (negotiate_complete_reply(m) == 0)
    return NACRE_OK;
  snprintf(message, ATTACH_MESSAGE_BYTES, "out of memory");
  fuse_session_unmount(m->session);
  fuse_session_destroy(m->session);
  return NACRE_ERR_NO_MEMORY;
}

enum nacre_err attach(struct mount *m, char message[ATTACH_MESSAGE_BYTES]) {
  struct fuse_args args;
  if (options_to_args(m->options, m->read_only, &args) != 0) {
    snprintf(message, ATTACH_MESSAGE_BYTES, "out of memory");
    return NACRE_ERR_NO_MEMORY;
  }
  log_line[0] = '\0';
  fuse_set_log_func(log_keep);
  enum nacre_err err = make_session(m, &args, message);
  fuse_set_log_func(NULL);
  fuse_opt_free_args(&args);
  return err;
}
