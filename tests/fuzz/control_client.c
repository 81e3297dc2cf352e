/* What whoever asks a mount's process makes of its answers: root asks every user's. */
#include "fuse/control.h"
#include "fuzz/feed.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char socket_path[64];
static int listener;
/* Set before a connection is made; the server's from its accept to the post. */
static struct feed reply;
static sem_t served;

static void *serve(void *arg) {
  (void)arg;
  for (;;) {
    char request[64];
    int fd = accept(listener, NULL, NULL);
    FUZZ_CHECK(fd >= 0 && recv(fd, request, sizeof request, 0) > 0);
    while (reply.left > 0) {
      ssize_t sent = send(fd, reply.p, reply.left, MSG_NOSIGNAL);
      if (sent <= 0)
        break; /* it has heard enough */
      reply.p += sent;
      reply.left -= (size_t)sent;
    }
    close(fd);
    FUZZ_CHECK(sem_post(&served) == 0);
  }
  return NULL;
}

static void remove_socket(void) {
  unlink(socket_path);
}

static void start(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  pthread_t thread;
  snprintf(socket_path, sizeof socket_path, "/tmp/nacre-fuzz-%ld", (long)getpid());
  snprintf(address.sun_path, sizeof address.sun_path, "%s", socket_path);
  unlink(socket_path);
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  FUZZ_CHECK(listener >= 0 && bind(listener, (const struct sockaddr *)&address, sizeof address) == 0);
  FUZZ_CHECK(sem_init(&served, 0, 0) == 0 && listen(listener, 8) == 0 &&
             pthread_create(&thread, NULL, serve, NULL) == 0);
  atexit(remove_socket);
}

static void on_problem(void *arg, const char *path, const char *problem) {
  *(size_t *)arg += strlen(problem) + (path != NULL ? strlen(path) : 0);
}

static void on_progress(void *arg, const char *what, uint64_t done, uint64_t total) {
  *(uint64_t *)arg += strlen(what) + (done < total);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start);
  struct feed f = {data, size};
  struct control_mount mount = {.socket_path = socket_path, .uid = geteuid()};
  struct nacre_verify_report report = {.struct_size = sizeof report};
  char message[80] = "";
  size_t seen = 0;
  uint8_t form = feed_u8(&f);
  reply = f;
  enum nacre_err err = NACRE_OK;
  if (form & 1)
    err = control_verify(&mount, &report, on_problem, on_progress, &seen, message, sizeof message);
  else
    err = control_call(&mount, form & 2 ? "umount" : "sync", message, sizeof message);
  FUZZ_CHECK(sem_wait(&served) == 0);
  FUZZ_CHECK(memchr(message, '\0', sizeof message) != NULL);
  FUZZ_CHECK((err == NACRE_OK) == (message[0] == '\0') || size > 1);
  FUZZ_CHECK(*nacre_strerror(err) != '\0');
  return 0;
}
