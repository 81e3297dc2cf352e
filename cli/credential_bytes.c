#include "credential_bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"

extern char **environ;

static int check_read(enum secret_read result, const char *subject, const char *what) {
  switch (result) {
  case SECRET_READ_OK:
    return EXIT_DONE;
  case SECRET_READ_TOO_LONG:
    return report_error(EXIT_CREDENTIAL, subject, "%s is too long for a key; check that it is the right one", what);
  case SECRET_READ_FAILED:
    break;
  }
  return report_error(EXIT_CREDENTIAL, subject, "cannot read %s: %s", what, strerror(errno));
}

static int read_file(const char *path, const char *volume, bool whole, struct secret *secret) {
  const bool is_stdin = strcmp(path, "-") == 0;
  const int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0)
    return report_error(EXIT_CREDENTIAL, volume, "cannot open %s: %s", path, strerror(errno));
  const int code = check_read(whole ? secret_read_all(fd, secret) : secret_read_line(fd, secret), volume, path);
  if (!is_stdin)
    (void)close(fd);
  return code;
}

/* Start `sh -c command` with its stdout in a pipe; spawned, not forked, so that no copy of a secret comes along. */
static int spawn_shell(const char *command, pid_t *pid, int *output) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return errno;
  posix_spawn_file_actions_t actions;
  int error = posix_spawn_file_actions_init(&actions);
  if (error == 0) {
    error = posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    char shell[] = "sh", flag[] = "-c";
    char *copy = strdup(command);
    char *const argv[] = {shell, flag, copy, NULL};
    if (copy == NULL)
      error = ENOMEM;
    if (error == 0)
      error = posix_spawn(pid, "/bin/sh", &actions, NULL, argv, environ);
    free(copy);
    (void)posix_spawn_file_actions_destroy(&actions);
  }
  (void)close(ends[1]);
  if (error != 0)
    (void)close(ends[0]);
  else
    *output = ends[0];
  return error;
}

/* Read what is left, so that the command isn't killed by SIGPIPE. */
static void drain(int fd) {
  char rest[512];
  ssize_t got;
  do
    got = read(fd, rest, sizeof rest);
  while (got > 0 || (got < 0 && errno == EINTR));
  secret_wipe(rest, sizeof rest);
}

static int read_command(const char *command, const char *volume, struct secret *secret) {
  pid_t pid = -1;
  int output = -1;
  const int error = spawn_shell(command, &pid, &output);
  if (error != 0)
    return report_error(EXIT_CREDENTIAL, volume, "cannot run the --extpass command: %s", strerror(error));
  const enum secret_read result = secret_read_line(output, secret);
  const int saved = errno;
  drain(output);
  (void)close(output);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
    continue;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return report_error(EXIT_CREDENTIAL, volume, "the --extpass command failed (%s %d)",
                        WIFEXITED(status) ? "exit code" : "signal",
                        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  errno = saved;
  return check_read(result, volume, "the --extpass command's output");
}

static int check_filled(int code, const char *volume, const char *what, struct secret *secret) {
  if (code == EXIT_DONE && secret->len == 0)
    code = report_error(EXIT_CREDENTIAL, volume, "the %s is empty; give one with at least one byte", what);
  if (code != EXIT_DONE)
    secret_free(secret);
  return code;
}

int credential_file(const char *path, const char *volume, size_t room, bool whole, struct secret *secret) {
  if (!secret_alloc(secret, room))
    return report_no_memory();
  return check_filled(read_file(path, volume, whole, secret), volume, "key file", secret);
}

int credential_text(const struct credential_source *source, const char *volume, struct secret *secret) {
  if (!secret_alloc(secret, CREDENTIAL_TEXT_MAX_BYTES))
    return report_no_memory();
  int code;
  if (source->passfile != NULL)
    code = read_file(source->passfile, volume, false, secret);
  else if (source->extpass != NULL)
    code = read_command(source->extpass, volume, secret);
  else
    code = check_read(secret_read_line(source->passphrase_fd, secret), volume, "the passphrase's descriptor");
  return check_filled(code, volume, "passphrase", secret);
}

static const char digits_of[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool credential_slot_key_decode(const char *digits, size_t len, uint8_t key[CREDENTIAL_SLOT_KEY_BYTES]) {
  uint32_t bits = 0, held = 0;
  size_t done = 0;
  if (len != CREDENTIAL_SLOT_KEY_DIGITS)
    return false;
  for (size_t i = 0; i < len; i++) {
    const char *at = digits[i] != '\0' ? strchr(digits_of, digits[i]) : NULL;
    if (at == NULL)
      return false;
    bits = (bits << 6 | (uint32_t)(at - digits_of)) & 0x3fff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      key[done++] = (uint8_t)(bits >> held);
    }
  }
  return (bits & 3) == 0; /* 258 bits, of which the last two are none of the key's */
}

void credential_slot_key_encode(const uint8_t key[CREDENTIAL_SLOT_KEY_BYTES],
                                char digits[CREDENTIAL_SLOT_KEY_DIGITS + 1]) {
  uint32_t bits = 0, held = 0;
  size_t done = 0;
  for (size_t i = 0; i < CREDENTIAL_SLOT_KEY_BYTES; i++) {
    bits = (bits << 8 | key[i]) & 0x3fff;
    for (held += 8; held >= 6; held -= 6)
      digits[done++] = digits_of[bits >> (held - 6) & 63];
  }
  digits[done++] = digits_of[bits << (6 - held) & 63];
  digits[done] = '\0';
}
