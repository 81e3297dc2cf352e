#include "fuse/supervisor.h"

#include "fuse/aside.h"
#include "fuse/control_server.h"
#include "fuse/negotiate.h"
#include "fuse/notify.h"
#include "fuse/orders.h"
#include "fuse/place.h"
#include "fuse/task.h"
#include "fuse/unmount.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#define WAITING_MAX 16
#define KICK_INTERVAL_NS 2000000L
#define LOOP_PATIENCE_NS 1000000000L

static const int ending_signals[] = {SIGTERM, SIGINT, SIGHUP};
#define ENDING_SIGNALS (sizeof ending_signals / sizeof ending_signals[0])

struct supervisor {
  struct mount *m;
  mount_ready_fn ready;
  void *ready_arg;
  pthread_t thread;
  atomic_bool stopping;
  int wake_fd;
  int place_fd; /* or -1 */
  struct place place;
  bool ended; /* the mount has been told to go */
  struct control_server control;
  int waiting[WAITING_MAX]; /* connections that asked for the unmount */
  size_t waiting_count;
  int syncing[WAITING_MAX]; /* that asked for a commit, which has to wait for a check */
  size_t syncing_count;
  struct task *check, *rotation;
  struct sigaction before[ENDING_SIGNALS], kick_before, pipe_before;
};

/* ---- Signals. One mount in a process, so its handler may know it. ---- */

static atomic_int signal_wake_fd = -1;
static atomic_bool signal_came;

static void wake(int fd) {
  const uint64_t one = 1;
  ssize_t ignored = write(fd, &one, sizeof one);
  (void)ignored;
}

static void on_ending_signal(int number) {
  (void)number;
  int error = errno;
  atomic_store(&signal_came, true);
  wake(atomic_load(&signal_wake_fd));
  errno = error;
}

/* Only interrupts the wait of the loop's thread. */
static void on_kick(int number) {
  (void)number;
}

static void signals_take(struct supervisor *s) {
  atomic_store(&signal_came, false);
  atomic_store(&signal_wake_fd, s->wake_fd);
  struct sigaction ending = {.sa_handler = on_ending_signal, .sa_flags = SA_RESTART};
  for (size_t i = 0; i < ENDING_SIGNALS; i++) {
    sigaction(ending_signals[i], NULL, &s->before[i]);
    if (s->before[i].sa_handler != SIG_IGN) /* as nohup leaves it */
      sigaction(ending_signals[i], &ending, NULL);
  }
  sigaction(SIGUSR1, &(struct sigaction){.sa_handler = on_kick}, &s->kick_before);
  sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, &s->pipe_before);
}

static void signals_give_back(const struct supervisor *s) {
  for (size_t i = 0; i < ENDING_SIGNALS; i++)
    sigaction(ending_signals[i], &s->before[i], NULL);
  sigaction(SIGUSR1, &s->kick_before, NULL);
  sigaction(SIGPIPE, &s->pipe_before, NULL);
}

/* ---- Sync, verify and rekey ---- */

/* One commit for all of them: a loss is told once, and so to each who has asked before. */
static void answer_syncs(const struct mount *m, const int *connections, size_t count) {
  enum nacre_err err = nacre_volume_sync(m->vol);
  for (size_t i = 0; i < count; i++)
    control_server_answer(connections[i], err, err == NACRE_OK ? "" : nacre_last_error());
}

/* Whether the connection is to be kept: this thread must not wait for a check. */
static bool take_sync(struct supervisor *s, int connection) {
  if (!task_is_running(s->check)) {
    answer_syncs(s->m, &connection, 1);
    return false;
  }
  if (s->syncing_count == WAITING_MAX) {
    control_server_answer(connection, NACRE_ERR_IN_USE, "too many wait for a check of the volume to end");
    return false;
  }
  s->syncing[s->syncing_count++] = connection;
  return true;
}

static void answer_waiting_syncs(struct supervisor *s) {
  if (s->syncing_count == 0)
    return;
  answer_syncs(s->m, s->syncing, s->syncing_count);
  for (size_t i = 0; i < s->syncing_count; i++)
    close(s->syncing[i]);
  s->syncing_count = 0;
}

/* Whether the connection was taken over. */
static bool take_task(struct task *task, int connection, const char *request, const char *busy) {
  enum nacre_err err = task_start(task, connection, request);
  if (err == NACRE_OK)
    return true;
  control_server_answer(connection, err, err == NACRE_ERR_IN_USE ? busy : nacre_strerror(err));
  return false;
}

static void look_after_tasks(struct supervisor *s) {
  task_reap(s->rotation);
  task_reap(s->check);
  if (!task_is_running(s->check))
    answer_waiting_syncs(s);
}

/* What keeps changes waiting would keep the unmount waiting. */
static void break_off_check(struct supervisor *s) {
  task_stop(s->check);
  answer_waiting_syncs(s);
}

/* ---- Ending ---- */

/* Unmounted, the loop ends by itself, unless a copy of the mount is left in some other place or namespace. */
static bool loop_ends(const struct mount *m) {
  const struct timespec pause = {.tv_nsec = KICK_INTERVAL_NS};
  for (long waited_ns = 0; waited_ns < LOOP_PATIENCE_NS && !atomic_load(&m->loop_done); waited_ns += pause.tv_nsec)
    nanosleep(&pause, NULL);
  return atomic_load(&m->loop_done);
}

/* The loop waits for its end on a semaphore that only a receiver posts or a signal interrupts. */
static void end_loop(struct mount *m) {
  notify_drain(m->notifier);
  atomic_store(&m->ending, true);
  const struct timespec pause = {.tv_nsec = KICK_INTERVAL_NS};
  while (!atomic_load(&m->loop_done)) {
    pthread_kill(m->loop_thread, SIGUSR1);
    nanosleep(&pause, NULL);
  }
}

/* With `anyway` a busy mount ends too, and its users find it dead. */
static enum nacre_err end_mount(struct supervisor *s, bool anyway) {
  if (s->ended)
    return NACRE_OK;
  break_off_check(s);
  unmount_flush(s->m);
  enum nacre_err err = unmount_try(s->m);
  if (err != NACRE_OK && !anyway)
    return err;
  s->ended = true;
  if (err != NACRE_OK || !loop_ends(s->m))
    end_loop(s->m);
  return NACRE_OK;
}

/* ---- Control ---- */

static void add_rotation(struct control_line *line, nacre_volume *vol) {
  struct nacre_rekey_status status = {.struct_size = sizeof status};
  if (nacre_rekey_get_status(vol, &status) != NACRE_OK || !status.under_way)
    return;
  control_add_number(line, "rekey", status.running ? 2 : 1);
  control_add_number(line, "rekey_done", status.done_bytes);
  control_add_number(line, "rekey_total", status.total_bytes);
  if (!status.running)
    control_add_bytes(line, "rekey_why", status.why);
}

static void answer_status(const struct mount *m, int connection) {
  struct nacre_volume_info info = {.struct_size = sizeof info};
  enum nacre_err err = nacre_volume_get_info(m->vol, &info);
  struct control_line *line = calloc(1, sizeof *line);
  if (err != NACRE_OK || line == NULL) {
    control_server_answer(connection, err != NACRE_OK ? err : NACRE_ERR_NO_MEMORY, nacre_strerror(err));
    free(line);
    return;
  }
  control_add_text(line, "ok");
  control_add_bytes(line, "volume", m->options->volume_path != NULL ? m->options->volume_path : "");
  control_add_bytes(line, "dir", m->mountpoint);
  control_add_number(line, "pid", (uint64_t)getpid());
  control_add_number(line, "since", (uint64_t)m->since_s);
  control_add_number(line, "generation", info.generation);
  control_add_number(line, "dirty", info.dirty_bytes);
  control_add_number(line, "used", info.used_bytes);
  control_add_number(line, "free", info.free_bytes);
  control_add_number(line, "read_only", info.read_only || m->read_only);
  control_add_number(line, "volume_read_only", m->volume_read_only);
  control_add_number(line, "failed", info.failed);
  control_add_bytes(line, "failure", info.failure);
  add_rotation(line, m->vol);
  if (m->device != 0) {
    char device[32];
    snprintf(device, sizeof device, "%u:%u", major(m->device), minor(m->device));
    control_add_bytes(line, "device", device);
  }
  control_end_line(line);
  (void)control_server_send(connection, line); /* whoever asked may have gone */
  free(line);
}

/* A check keeps the commit waiting that this ends with, and this thread must not wait. */
static void answer_key(const struct supervisor *s, int connection, const char *request) {
  if (task_is_running(s->check))
    control_server_answer(connection, NACRE_ERR_IN_USE, "it is being checked; try again later");
  else
    orders_answer(s->m, connection, request);
}

static bool has_room(const struct supervisor *s, int connection) {
  if (s->waiting_count < WAITING_MAX)
    return true;
  control_server_answer(connection, NACRE_ERR_LIMIT, "too many are unmounting it");
  return false;
}

/* Whether the connection is to be kept for the end. */
static bool answer_umount(struct supervisor *s, int connection, bool lazy) {
  if (!has_room(s, connection))
    return false;
  enum nacre_err err = end_mount(s, lazy);
  if (err == NACRE_OK) {
    s->waiting[s->waiting_count++] = connection;
    return true;
  }
  control_server_answer(connection, err, err == NACRE_ERR_IN_USE ? "the mount is busy" : nacre_strerror(err));
  return false;
}

/* The same where the caller has unmounted it already. */
static bool answer_gone(struct supervisor *s, int connection) {
  if (!s->ended && !unmount_is_done(s->m)) {
    control_server_answer(connection, NACRE_ERR_IN_USE, "it is still mounted");
    return false;
  }
  if (!has_room(s, connection))
    return false;
  break_off_check(s);
  s->waiting[s->waiting_count++] = connection;
  return true;
}

static void serve_connection(struct supervisor *s) {
  char request[CONTROL_REQUEST_MAX_BYTES];
  int connection = control_server_accept(&s->control, request);
  if (connection < 0)
    return;
  bool keep = false;
  if (strcmp(request, "status") == 0)
    answer_status(s->m, connection);
  else if (strcmp(request, "sync") == 0)
    keep = take_sync(s, connection);
  else if (strcmp(request, "verify") == 0)
    keep = take_task(s->check, connection, request, "it is being checked already; try again later");
  else if (strncmp(request, "rekey ", 6) == 0)
    keep = take_task(s->rotation, connection, request, "its keys are being rotated already");
  else if (strncmp(request, "key ", 4) == 0)
    answer_key(s, connection, request);
  else if (strcmp(request, "umount") == 0 || strcmp(request, "umount lazy") == 0)
    keep = answer_umount(s, connection, request[6] != '\0');
  else if (strcmp(request, "gone") == 0)
    keep = answer_gone(s, connection);
  else
    control_server_answer(connection, NACRE_ERR_ARGUMENT, "unknown request");
  if (!keep)
    close(connection);
}

/* ---- The thread ---- */

static long long now_s(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return (long long)now.tv_sec;
}

/* Milliseconds until the mount may be idle, for poll; -1: never. */
static int idle_wait_ms(const struct supervisor *s) {
  if (s->m->options->idle_s == 0 || s->ended)
    return -1;
  long long left_s = atomic_load(&s->m->last_request_s) + (long long)s->m->options->idle_s - now_s();
  if (left_s <= 0)
    return 0;
  return left_s > 3600 ? 3600 * 1000 : (int)left_s * 1000;
}

static void end_if_idle(struct supervisor *s) {
  if (idle_wait_ms(s) != 0)
    return;
  /* Busy is not idle: somebody works in a folder or has a file open and waits another turn. */
  if (opened_count(s->m->opened) != 0 || task_is_running(s->check) || task_is_running(s->rotation) ||
      end_mount(s, false) != NACRE_OK)
    atomic_store(&s->m->last_request_s, now_s());
}

/* Asking for the root's attributes shows that the kernel and the receivers have found each other. */
static void report_ready(struct supervisor *s) {
  const int error = aside_stat(s->m->mountpoint, &s->m->device);
  if (error != 0) {
    char message[256];
    snprintf(message, sizeof message, "the mount does not answer: %s", strerror(error));
    s->ready(s->ready_arg, NACRE_ERR_IO, message);
    return;
  }
  if (geteuid() == 0)
    negotiate_raise_readahead(s->m);
  s->place_fd = place_watch();
  if (!place_find(s->m, &s->place) && s->place_fd >= 0) {
    close(s->place_fd);
    s->place_fd = -1;
  }
  s->ready(s->ready_arg, NACRE_OK,
           s->control.fd >= 0 ? "" : "there is no control socket: status cannot see this mount");
}

static void *supervisor_main(void *arg) {
  struct supervisor *s = arg;
  report_ready(s);
  while (!atomic_load(&s->stopping)) {
    struct pollfd fds[5] = {{.fd = s->wake_fd, .events = POLLIN},
                            {.fd = s->control.fd, .events = POLLIN},
                            {.fd = task_watched_fd(s->check)},
                            {.fd = s->place_fd, .events = POLLPRI},
                            {.fd = task_watched_fd(s->rotation)}};
    if (poll(fds, 5, idle_wait_ms(s)) < 0 && errno != EINTR)
      break;
    if (fds[2].revents != 0)
      task_hung_up(s->check);
    if (fds[4].revents != 0)
      task_hung_up(s->rotation);
    look_after_tasks(s);
    if ((fds[0].revents & POLLIN) != 0) {
      uint64_t count = 0;
      ssize_t ignored = read(s->wake_fd, &count, sizeof count);
      (void)ignored;
    }
    if (atomic_exchange(&signal_came, false)) {
      enum nacre_err ended = end_mount(s, true);
      (void)ended;
    }
    /* Before any answer: a sync that follows a remount comes after it. */
    if ((fds[3].revents & POLLPRI) != 0)
      place_follow(s->m, &s->place);
    if ((fds[1].revents & POLLIN) != 0)
      serve_connection(s);
    end_if_idle(s);
  }
  break_off_check(s);
  task_stop(s->rotation);
  return NULL;
}

static void release(struct supervisor *s) {
  if (s->check != NULL)
    task_free(s->check);
  if (s->rotation != NULL)
    task_free(s->rotation);
  if (s->wake_fd >= 0)
    close(s->wake_fd);
  if (s->place_fd >= 0)
    close(s->place_fd);
  free(s);
}

struct supervisor *supervisor_start(struct mount *m, mount_ready_fn ready, void *arg) {
  struct supervisor *s = calloc(1, sizeof *s);
  if (s == NULL)
    return NULL;
  s->m = m;
  s->ready = ready;
  s->ready_arg = arg;
  s->place_fd = -1;
  s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (s->wake_fd >= 0) {
    s->check = task_new(m, s->wake_fd, task_verify);
    s->rotation = task_new(m, s->wake_fd, task_rekey);
  }
  if (s->check == NULL || s->rotation == NULL) {
    release(s);
    return NULL;
  }
  int without_control = control_server_open(&s->control); /* worth a word, not a failure */
  (void)without_control;
  atomic_store(&m->last_request_s, now_s());
  signals_take(s);
  if (pthread_create(&s->thread, NULL, supervisor_main, s) == 0)
    return s;
  signals_give_back(s);
  control_server_close(&s->control);
  release(s);
  return NULL;
}

void supervisor_stop(struct supervisor *s) {
  atomic_store(&s->stopping, true);
  wake(s->wake_fd);
  pthread_join(s->thread, NULL);
}

/* Whoever asked for the end while the last commit was being written learns of it, too. */
static void take_latecomers(struct supervisor *s) {
  struct pollfd next = {.fd = s->control.fd, .events = POLLIN};
  while (s->waiting_count < WAITING_MAX && poll(&next, 1, 0) == 1 && next.revents == POLLIN) {
    char request[CONTROL_REQUEST_MAX_BYTES];
    int connection = control_server_accept(&s->control, request);
    if (connection < 0)
      return;
    if (strcmp(request, "gone") == 0 || strncmp(request, "umount", 6) == 0)
      s->waiting[s->waiting_count++] = connection;
    else
      close(connection);
  }
}

void supervisor_finish(struct supervisor *s, enum nacre_err result, const char *message) {
  take_latecomers(s);
  for (size_t i = 0; i < s->waiting_count; i++)
    control_server_answer(s->waiting[i], result, message);
  control_server_close(&s->control);
  signals_give_back(s);
  atomic_store(&signal_wake_fd, -1);
  release(s);
}
