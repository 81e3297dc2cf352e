#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static int terminal_open(void) {
  int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (fd < 0 && isatty(STDIN_FILENO)) /* a terminal that controls no session, as in some containers */
    fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
  return fd;
}

static void write_all(int fd, const char *text) {
  size_t len = strlen(text);
  while (len > 0) {
    const ssize_t done = write(fd, text, len);
    if (done < 0 && errno == EINTR)
      continue;
    if (done <= 0)
      return;
    text += done;
    len -= (size_t)done;
  }
}

bool terminal_exists(void) {
  const int fd = terminal_open();
  if (fd >= 0)
    (void)close(fd);
  return fd >= 0;
}

void terminal_say(const char *text) {
  const int fd = terminal_open();
  if (fd < 0)
    return;
  write_all(fd, text);
  (void)close(fd);
}

/* Signals that end or stop the program while echo is off. */
static const int caught_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define CAUGHT_SIGNALS (sizeof caught_signals / sizeof caught_signals[0])

static volatile sig_atomic_t caught;

static void on_signal(int number) {
  caught = number;
}

struct echo_off {
  struct sigaction old[CAUGHT_SIGNALS];
  struct termios termios;
  bool changed;
};

static void echo_switch_off(int fd, struct echo_off *state) {
  const struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: the read must end */
  caught = 0;
  for (size_t i = 0; i < CAUGHT_SIGNALS; i++)
    (void)sigaction(caught_signals[i], &action, &state->old[i]);
  state->changed = tcgetattr(fd, &state->termios) == 0;
  if (state->changed) {
    struct termios quiet = state->termios;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK);
    quiet.c_lflag |= (tcflag_t)(ICANON | ISIG | ECHONL);
    state->changed = tcsetattr(fd, TCSAFLUSH, &quiet) == 0;
  }
}

/* Put everything back, then let the signal do what it would have done. */
static void echo_restore(int fd, struct echo_off *state) {
  if (state->changed)
    (void)tcsetattr(fd, TCSADRAIN, &state->termios);
  for (size_t i = 0; i < CAUGHT_SIGNALS; i++)
    (void)sigaction(caught_signals[i], &state->old[i], NULL);
  if (caught != 0)
    (void)raise(caught);
}

/* One line; false at the end of input or on a signal. */
static bool read_line(int fd, char *bytes, size_t room, size_t *len) {
  *len = 0;
  for (;;) {
    char byte = 0;
    const ssize_t got = read(fd, &byte, 1);
    if (got <= 0)
      return false;
    if (byte == '\n')
      return true;
    if (*len == room)
      return false;
    bytes[(*len)++] = byte;
  }
}

bool terminal_ask_secret(const char *prompt, struct secret *secret) {
  const int fd = terminal_open();
  if (fd < 0)
    return false;
  struct echo_off state;
  echo_switch_off(fd, &state);
  write_all(fd, prompt);
  const bool got = read_line(fd, secret->bytes, secret->room, &secret->len) && caught == 0;
  if (!got)
    write_all(fd, "\n");
  secret->bytes[got ? secret->len : 0] = '\0';
  const bool again = caught == SIGTSTP;
  echo_restore(fd, &state);
  (void)close(fd);
  if (again) /* stopped and continued: the question is put once more */
    return terminal_ask_secret(prompt, secret);
  return got;
}

bool terminal_ask_line(const char *prompt, char *line, size_t size) {
  const int fd = terminal_open();
  if (fd < 0)
    return false;
  size_t len = 0;
  write_all(fd, prompt);
  const bool got = read_line(fd, line, size - 1, &len);
  line[got ? len : 0] = '\0';
  (void)close(fd);
  return got;
}

bool terminal_confirm(const char *question, bool otherwise) {
  const int fd = terminal_open();
  if (fd < 0)
    return otherwise;
  char answer[64];
  size_t len = 0;
  write_all(fd, question);
  const bool got = read_line(fd, answer, sizeof answer, &len);
  (void)close(fd);
  if (!got || len == 0)
    return otherwise;
  return answer[0] == 'y' || answer[0] == 'Y';
}
