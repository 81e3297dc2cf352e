#include "fuse/mount.h"

#include "fuse/attach.h"
#include "fuse/notify.h"
#include "fuse/opened.h"
#include "fuse/receive.h"
#include "fuse/supervisor.h"
#include "fuse/told.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Enough that receivers waiting for a commit leave one for the rest. */
static unsigned receivers(const struct mount_options *o) {
  if (o->max_threads != 0)
    return o->max_threads;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  if (cores < 1)
    cores = 1;
  return cores > 7 ? 16 : (unsigned)cores * 2 + 2;
}

/* Everything that lives while the mount is served, in the order in which it depends on the other. */
static enum nacre_err run_session(struct mount *m, mount_ready_fn ready, void *arg,
                                  char message[ATTACH_MESSAGE_BYTES], bool *reported) {
  m->notifier = notify_start(m);
  struct supervisor *supervisor = m->notifier == NULL ? NULL : supervisor_start(m, ready, arg);
  if (supervisor == NULL) {
    snprintf(message, ATTACH_MESSAGE_BYTES, "no memory for another thread");
    fuse_session_unmount(m->session);
    fuse_session_destroy(m->session);
    if (m->notifier != NULL)
      notify_stop(m->notifier);
    return NACRE_ERR_NO_MEMORY;
  }
  *reported = true;
  int served = receive_loop(m->session, receivers(m->options), &m->ending);
  atomic_store(&m->loop_done, true);
  notify_drain(m->notifier);
  /* Closes the connection, without which the supervisor might wait for an answer of ours for ever. */
  fuse_session_unmount(m->session);
  supervisor_stop(supervisor);
  notify_stop(m->notifier);
  opened_table_free(m->opened);
  m->opened = NULL;
  fuse_session_destroy(m->session);

  enum nacre_err err = nacre_volume_sync(m->vol);
  snprintf(message, ATTACH_MESSAGE_BYTES, "%s", err == NACRE_OK ? "" : nacre_last_error());
  if (err == NACRE_OK && served < 0) {
    snprintf(message, ATTACH_MESSAGE_BYTES, "the mount ended early: %s", strerror(-served));
    err = NACRE_ERR_IO;
  }
  supervisor_finish(supervisor, err, message);
  return err;
}

static enum nacre_err run(struct mount *m, mount_ready_fn ready, void *arg) {
  char message[ATTACH_MESSAGE_BYTES] = "out of memory";
  bool reported = false;
  enum nacre_err err = NACRE_ERR_NO_MEMORY;
  m->opened = opened_table_new();
  m->told = told_new();
  if (m->opened != NULL && m->told != NULL) {
    err = attach(m, message);
    if (err == NACRE_OK)
      err = run_session(m, ready, arg, message, &reported);
  }
  opened_table_free(m->opened);
  told_free(m->told);
  if (!reported)
    ready(arg, err, message);
  return err;
}

void mount_waiting(void *unused) {
  (void)unused;
  receive_waiting();
}

enum nacre_err mount_run(nacre_volume *vol, const char *mountpoint, const struct mount_options *o,
                         mount_ready_fn ready, void *arg) {
  char *absolute = realpath(mountpoint, NULL);
  if (absolute == NULL) {
    char message[ATTACH_MESSAGE_BYTES];
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
      .volume_read_only = volume_read_only,
      .atime = o->atime,
      .no_folder_atime = o->no_folder_atime,
      .since_s = (int64_t)time(NULL),
  };
  enum nacre_err err = run(&m, ready, arg);
  free(absolute);
  return err;
}
