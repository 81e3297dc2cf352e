#include "fuse/mount.h"

#include "fuse/negotiate.h"
#include "fuse/notify.h"
#include "fuse/opened.h"
#include "fuse/options.h"
#include "fuse/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_MAX_BYTES 256

/* ---- What libfuse says of a failed mount ---- */

static char log_line[MESSAGE_MAX_BYTES];
static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((format(printf, 2, 0))) static void log_keep(enum fuse_log_level level, const char *format,
                                                           va_list args) {
  (void)level;
  pthread_mutex_lock(&log_lock);
  vsnprintf(log_line, sizeof log_line, format, args);
  log_line[strcspn(log_line, "\n")] = '\0';
  pthread_mutex_unlock(&log_lock);
}

static void log_take(char message[MESSAGE_MAX_BYTES], const char *otherwise) {
  pthread_mutex_lock(&log_lock);
  snprintf(message, MESSAGE_MAX_BYTES, "%s", log_line[0] != '\0' ? log_line : otherwise);
  pthread_mutex_unlock(&log_lock);
}

/* ---- Setting up ---- */

static enum nacre_err mount_session(struct mount *m, char message[MESSAGE_MAX_BYTES]) {
  struct fuse_args args;
  if (options_to_args(m->options, m->read_only, &args) != 0) {
    snprintf(message, MESSAGE_MAX_BYTES, "out of memory");
    return NACRE_ERR_NO_MEMORY;
  }
  log_line[0] = '\0';
  fuse_set_log_func(log_keep);
  m->session = fuse_session_new(&args, &session_operations, sizeof session_operations, m);
  fuse_opt_free_args(&args);
  enum nacre_err err = NACRE_OK;
  if (m->session == NULL) {
    log_take(message, "libfuse refuses the options");
    err = NACRE_ERR_ARGUMENT;
  } else if (fuse_session_mount(m->session, m->mountpoint) != 0) {
    log_take(message, "fusermount3 could not mount");
    err = NACRE_ERR_PERMISSION;
  } else if (negotiate_complete_reply(m) != 0) {
    snprintf(message, MESSAGE_MAX_BYTES, "out of memory");
    err = NACRE_ERR_NO_MEMORY;
  }
  fuse_set_log_func(NULL);
  return err;
}

static void unmount_session(struct mount *m) {
  if (m->session == NULL)
    return;
  fuse_session_unmount(m->session);
  fuse_session_destroy(m->session);
}

/* ---- Serving ---- */

/* Enough that receivers waiting for a commit leave one for the rest. */
static unsigned receivers(const struct mount_options *o) {
  if (o->max_threads != 0)
    return o->max_threads;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  if (cores < 1)
    cores = 1;
  return cores > 7 ? 16 : (unsigned)cores * 2 + 2;
}

/* A user mounts through fusermount3 and may not open the device themselves; libfuse would complain of each thread. */
static bool device_can_be_opened(void) {
  int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fd < 0)
    return false;
  close(fd);
  return true;
}

static int serve(struct mount *m) {
  struct fuse_loop_config *config = fuse_loop_cfg_create();
  if (config == NULL)
    return -ENOMEM;
  fuse_loop_cfg_set_max_threads(config, receivers(m->options));
  fuse_loop_cfg_set_clone_fd(config, device_can_be_opened());
  int result = fuse_session_loop_mt(m->session, config);
  fuse_loop_cfg_destroy(config);
  return result;
}

/* Everything that lives while the mount is served, in the order in which it depends on the other. */
static enum nacre_err run_session(struct mount *m, mount_ready_fn ready, void *arg, char message[MESSAGE_MAX_BYTES],
                                  bool *told) {
  m->notifier = notify_start(m);
  struct supervisor *supervisor = m->notifier == NULL ? NULL : supervisor_start(m, ready, arg);
  if (supervisor == NULL) {
    snprintf(message, MESSAGE_MAX_BYTES, "no memory for another thread");
    unmount_session(m);
    if (m->notifier != NULL)
      notify_stop(m->notifier);
    return NACRE_ERR_NO_MEMORY;
  }
  *told = true;
  int served = serve(m);
  atomic_store(&m->loop_done, true);
  /* Closes the connection, without which the supervisor might wait for an answer of ours for ever. */
  fuse_session_unmount(m->session);
  supervisor_stop(supervisor);
  notify_stop(m->notifier);
  opened_table_free(m->opened);
  m->opened = NULL;
  fuse_session_destroy(m->session);

  enum nacre_err err = nacre_volume_sync(m->vol);
  snprintf(message, MESSAGE_MAX_BYTES, "%s", err == NACRE_OK ? "" : nacre_last_error());
  if (err == NACRE_OK && served < 0) {
    snprintf(message, MESSAGE_MAX_BYTES, "the mount ended early: %s", strerror(-served));
    err = NACRE_ERR_IO;
  }
  supervisor_finish(supervisor, err, message);
  return err;
}

static enum nacre_err run(struct mount *m, mount_ready_fn ready, void *arg) {
  char message[MESSAGE_MAX_BYTES] = "out of memory";
  bool told = false;
  enum nacre_err err = NACRE_ERR_NO_MEMORY;
  m->opened = opened_table_new();
  if (m->opened != NULL) {
    err = mount_session(m, message);
    if (err == NACRE_OK)
      err = run_session(m, ready, arg, message, &told);
    else
      unmount_session(m);
  }
  opened_table_free(m->opened);
  if (!told)
    ready(arg, err, message);
  return err;
}

enum nacre_err mount_run(nacre_volume *vol, const char *mountpoint, const struct mount_options *o,
                         mount_ready_fn ready, void *arg) {
  char *absolute = realpath(mountpoint, NULL);
  if (absolute == NULL) {
    char message[MESSAGE_MAX_BYTES];
    enum nacre_err err = errno == ENOENT ? NACRE_ERR_NOT_FOUND : NACRE_ERR_PERMISSION;
    snprintf(message, sizeof message, "%.200s: %s", mountpoint, strerror(errno));
    ready(arg, err, message);
    return err;
  }
  struct nacre_volume_info info = {.struct_size = sizeof info};
  bool volume_read_only = nacre_volume_get_info(vol, &info) == NACRE_OK && info.read_only;
  struct mount m = {
      .vol = vol,
      .options = o,
      .mountpoint = absolute,
      .loop_thread = pthread_self(),
      .uid = getuid(),
      .gid = getgid(),
      .read_only = o->read_only || volume_read_only,
      .since_s = (int64_t)time(NULL),
  };
  enum nacre_err err = run(&m, ready, arg);
  free(absolute);
  return err;
}
