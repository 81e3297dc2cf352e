#include "outside.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"

extern char **environ;

#define POLL_MS 100
#define SECOND_MS 1000

enum end { READ_END, WRITE_END };

struct pipes {
  int in[2], out[2], err[2];
};

static void close_one(int *fd) {
  if (*fd >= 0)
    (void)close(*fd);
  *fd = -1;
}

static void close_pipes(struct pipes *p) {
  for (int i = 0; i < 2; i++) {
    close_one(&p->in[i]);
    close_one(&p->out[i]);
    close_one(&p->err[i]);
  }
}

static bool open_pipes(struct pipes *p) {
  *p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
  return pipe2(p->in, O_CLOEXEC) == 0 && pipe2(p->out, O_CLOEXEC) == 0 && pipe2(p->err, O_CLOEXEC) == 0;
}

/* All of it is in the pipe before anybody reads, so that a program that reads nothing costs us no SIGPIPE. */
static bool fill_input(const struct outside *run, struct pipes *p) {
  const ssize_t done = write(p->in[WRITE_END], run->input, run->input_len);
  close_one(&p->in[WRITE_END]);
  return done == (ssize_t)run->input_len;
}

/* What is started takes its words without const, and changes none. */
static char *const *unqualified(const char *const *argv) {
  return (char *const *)(uintptr_t)argv; // NOLINT(performance-no-int-to-ptr)
}

static int start(const struct outside *run, const struct pipes *p, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int error = posix_spawn_file_actions_init(&actions);
  if (error != 0)
    return error;
  error = posix_spawnattr_init(&attributes);
  if (error == 0) {
    error = posix_spawn_file_actions_adddup2(&actions, p->in[READ_END], STDIN_FILENO);
    if (error == 0)
      error = posix_spawn_file_actions_adddup2(&actions, p->out[WRITE_END], STDOUT_FILENO);
    if (error == 0 && run->timeout_s > 0) {
      error = posix_spawn_file_actions_adddup2(&actions, p->err[WRITE_END], STDERR_FILENO);
      (void)posix_spawnattr_setpgroup(&attributes, 0);
      (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    }
    if (error == 0)
      error = posix_spawnp(pid, run->argv[0], &actions, &attributes, unqualified(run->argv), environ);
    (void)posix_spawnattr_destroy(&attributes);
  }
  (void)posix_spawn_file_actions_destroy(&actions);
  return error;
}

static int64_t now_ms(void) {
  struct timespec t;
  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * SECOND_MS + t.tv_nsec / 1000000;
}

/* Keep the last line that is not empty, without what could not be shown. */
static void take_words(struct outside *run, const char *text, size_t len, size_t *at) {
  for (size_t i = 0; i < len; i++) {
    const char c = text[i];
    if (c == '\n') {
      if (*at > 0)
        run->why[*at] = '\0';
      *at = 0;
    } else if (*at + 1 < sizeof run->why) {
      run->why[(*at)++] = (char)(c >= ' ' && c <= '~' ? c : '?');
      run->why[*at] = '\0';
    }
  }
}

/* False at its end. What is more than there is room for is read and dropped, and makes the output too long. */
static bool take_output(struct outside *run, int fd) {
  struct secret *to = run->output;
  char extra;
  const bool full = to->len == to->room;
  const ssize_t got = read(fd, full ? &extra : to->bytes + to->len, full ? 1 : to->room - to->len);
  if (got < 0)
    return errno == EINTR || errno == EAGAIN;
  if (!full)
    to->len += (size_t)got;
  return got > 0;
}

static enum outside_result collect(struct outside *run, struct pipes *p) {
  const int64_t end = now_ms() + (int64_t)run->timeout_s * SECOND_MS;
  size_t words = 0;
  bool out_open = true, err_open = run->timeout_s > 0;
  while (out_open || err_open) {
    struct pollfd fds[2] = {{.fd = out_open ? p->out[READ_END] : -1, .events = POLLIN},
                            {.fd = err_open ? p->err[READ_END] : -1, .events = POLLIN}};
    (void)poll(fds, 2, POLL_MS);
    if (interrupt_pending())
      return OUTSIDE_INTERRUPTED;
    if (run->timeout_s > 0 && now_ms() >= end)
      return OUTSIDE_SILENT;
    if (fds[0].revents != 0)
      out_open = take_output(run, p->out[READ_END]);
    if (fds[1].revents != 0) {
      char text[256];
      const ssize_t got = read(p->err[READ_END], text, sizeof text);
      if (got > 0)
        take_words(run, text, (size_t)got, &words);
      err_open = got > 0 || (got < 0 && errno == EINTR);
    }
  }
  return OUTSIDE_DONE;
}

static enum outside_result finish(struct outside *run, pid_t pid, enum outside_result result) {
  int status = 0;
  if (result != OUTSIDE_DONE)
    (void)kill(run->timeout_s > 0 ? -pid : pid, SIGKILL);
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    continue;
  if (run->timeout_s > 0)
    (void)kill(-pid, SIGKILL); /* whom it left behind */
  run->output->bytes[run->output->len] = '\0';
  if (result != OUTSIDE_DONE)
    return result;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return OUTSIDE_DONE;
  if (run->why[0] == '\0')
    (void)snprintf(run->why, sizeof run->why, "%s %d", WIFEXITED(status) ? "exit code" : "signal",
                   WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  return OUTSIDE_FAILED;
}

enum outside_result outside_run(struct outside *run) {
  struct pipes p;
  pid_t pid = -1;
  int error = 0;
  run->why[0] = '\0';
  run->output->len = 0;
  if (!open_pipes(&p) || !fill_input(run, &p))
    error = errno;
  if (error == 0)
    error = start(run, &p, &pid);
  close_one(&p.in[READ_END]);
  close_one(&p.out[WRITE_END]);
  close_one(&p.err[WRITE_END]);
  enum outside_result result = OUTSIDE_FAILED;
  if (error == 0)
    result = finish(run, pid, collect(run, &p));
  else
    (void)snprintf(run->why, sizeof run->why, "%s", strerror(error));
  close_pipes(&p);
  return error == ENOENT ? OUTSIDE_MISSING : result;
}
