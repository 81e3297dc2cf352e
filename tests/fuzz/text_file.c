#include "fuzz/text_file.h"

#include <sys/mman.h>
#include <unistd.h>

static FILE *sink, *former_stdout, *former_stderr;

/* In memory. */
const char *text_file(const uint8_t *data, size_t size) {
  static char path[64];
  static int fd = -1;
  if (fd < 0)
    fd = memfd_create("input", MFD_CLOEXEC);
  FUZZ_CHECK(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
  (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return path;
}

void text_hide(void) {
  if (sink == NULL)
    sink = fopen("/dev/null", "w");
  FUZZ_CHECK(sink != NULL);
  former_stdout = stdout;
  former_stderr = stderr;
  stdout = stderr = sink;
}

void text_show(void) {
  stdout = former_stdout;
  stderr = former_stderr;
}
