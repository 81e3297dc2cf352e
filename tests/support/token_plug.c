/* Plugs tokens made of software into libfido2, in whatever program this is preloaded into: a token is a socket of
 * packets in the folder NACRE_TOKENS, to which libfido2's own code talks as it would to a device. What libfido2 waits
 * at most is divided by NACRE_TOKEN_HURRY. */
#include <dirent.h>
#include <dlfcn.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <fido.h>

#define EXPORT __attribute__((visibility("default")))
#define REPORT_BYTES 64

/* Not what libfido2 asks for by that name, but what comes after this module. */
static void *next_of(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found == NULL)
    abort();
  return found;
}

static void *plug_open(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int *fd = malloc(sizeof *fd);
  if (fd == NULL || strlen(path) >= sizeof address.sun_path) {
    free(fd);
    return NULL;
  }
  memcpy(address.sun_path, path, strlen(path));
  *fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (*fd >= 0 && connect(*fd, (const struct sockaddr *)&address, sizeof address) == 0)
    return fd;
  if (*fd >= 0)
    (void)close(*fd);
  free(fd);
  return NULL;
}

static void plug_close(void *handle) {
  (void)close(*(int *)handle);
  free(handle);
}

/* As a device does: -1 where nothing comes in time; without a time it is waited for however long that takes. */
static int plug_read(void *handle, unsigned char *bytes, size_t len, int ms) {
  struct pollfd wait = {.fd = *(int *)handle, .events = POLLIN};
  if (len != REPORT_BYTES || poll(&wait, 1, ms) != 1)
    return -1;
  return recv(wait.fd, bytes, len, 0) == (ssize_t)len ? (int)len : -1;
}

/* The first byte is the report's number, which no token gets. */
static int plug_write(void *handle, const unsigned char *bytes, size_t len) {
  if (len != REPORT_BYTES + 1)
    return -1;
  return send(*(int *)handle, bytes + 1, len - 1, MSG_NOSIGNAL) == REPORT_BYTES ? (int)len : -1;
}

static const fido_dev_io_t plug = {plug_open, plug_close, plug_read, plug_write};

static int is_token(const struct dirent *entry) {
  const char *dot = strrchr(entry->d_name, '.');
  return dot != NULL && strcmp(dot, ".token") == 0;
}

EXPORT int fido_dev_info_manifest(fido_dev_info_t *list, size_t room, size_t *count) {
  const char *folder = getenv("NACRE_TOKENS");
  struct dirent **found = NULL;
  const int all = folder == NULL ? 0 : scandir(folder, &found, is_token, alphasort);
  int error = FIDO_OK;
  *count = 0;
  for (int i = 0; i < all; i++) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", folder, found[i]->d_name);
    if (error == FIDO_OK && *count < room)
      error = fido_dev_info_set(list, (*count)++, path, "Nacre's tests", "a token of software", &plug, NULL);
    free(found[i]);
  }
  free(found);
  return error;
}

EXPORT int fido_dev_open(fido_dev_t *dev, const char *path) {
  int (*real)(fido_dev_t *, const char *);
  void *next = next_of("fido_dev_open");
  memcpy(&real, &next, sizeof real);
  const int error = fido_dev_set_io_functions(dev, &plug);
  return error == FIDO_OK ? real(dev, path) : error;
}

EXPORT int fido_dev_set_timeout(fido_dev_t *dev, int ms) {
  int (*real)(fido_dev_t *, int);
  void *next = next_of("fido_dev_set_timeout");
  memcpy(&real, &next, sizeof real);
  const char *hurry = getenv("NACRE_TOKEN_HURRY");
  const long times = hurry == NULL ? 1 : strtol(hurry, NULL, 10);
  return real(dev, ms < 0 || times < 1 ? ms : (int)(ms / times));
}
