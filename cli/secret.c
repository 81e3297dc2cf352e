#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* What a core dump has of memory, where one is forced all the same: nothing. Before this process is not dumpable, as
 * its files in /proc are root's from then on. */
static void empty_core(void) {
  const int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
  if (fd < 0)
    return;
  ssize_t ignored = write(fd, "0", 1);
  (void)ignored;
  (void)close(fd);
}

void secret_harden_process(void) {
  const struct rlimit none = {0, 0};
  (void)setrlimit(RLIMIT_CORE, &none);
  empty_core();
#ifndef __SANITIZE_ADDRESS__ /* whose leak check looks into the process as a debugger does */
  (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

static size_t page_round(size_t len) {
  const size_t page = (size_t)sysconf(_SC_PAGESIZE);
  return (len + page - 1) / page * page;
}

bool secret_alloc(struct secret *secret, size_t room) {
  *secret = (struct secret){0};
  const size_t mapped = page_round(room + 1);
  void *bytes = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (bytes == MAP_FAILED)
    return false;
  (void)mlock(bytes, mapped); /* refused under a small RLIMIT_MEMLOCK: swap is then the user's to encrypt */
  (void)madvise(bytes, mapped, MADV_DONTDUMP);
  *secret = (struct secret){.bytes = bytes, .room = room};
  return true;
}

void secret_wipe(void *bytes, size_t len) {
  explicit_bzero(bytes, len);
}

void secret_free(struct secret *secret) {
  if (secret->bytes == NULL)
    return;
  const size_t mapped = page_round(secret->room + 1);
  secret_wipe(secret->bytes, mapped);
  (void)munmap(secret->bytes, mapped);
  *secret = (struct secret){0};
}

bool secret_equal(const struct secret *a, const struct secret *b) {
  return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

enum secret_read secret_read_line(int fd, struct secret *secret) {
  secret->len = 0;
  for (;;) {
    char byte = 0;
    const ssize_t got = read(fd, &byte, 1); /* one at a time, so that what follows stays for the next reader */
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return SECRET_READ_FAILED;
    if (got == 0)
      break;
    if (byte == '\n') {
      if (secret->len > 0 && secret->bytes[secret->len - 1] == '\r')
        secret->len--;
      break;
    }
    if (secret->len == secret->room)
      return SECRET_READ_TOO_LONG;
    secret->bytes[secret->len++] = byte;
  }
  secret->bytes[secret->len] = '\0';
  return SECRET_READ_OK;
}

enum secret_read secret_read_all(int fd, struct secret *secret) {
  secret->len = 0;
  for (;;) {
    char extra;
    const bool full = secret->len == secret->room;
    const ssize_t got = read(fd, full ? &extra : secret->bytes + secret->len, full ? 1 : secret->room - secret->len);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return SECRET_READ_FAILED;
    if (got == 0)
      break;
    if (full)
      return SECRET_READ_TOO_LONG;
    secret->len += (size_t)got;
  }
  secret->bytes[secret->len] = '\0';
  return SECRET_READ_OK;
}
