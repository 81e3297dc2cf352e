#include "stream_out.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "interrupt.h"
#include "report.h"

#define STREAM_BYTES ((size_t)1 << 20)

int write_fully(int fd, const void *bytes, size_t len) {
  const char *at = bytes;
  while (len > 0) {
    const ssize_t done = write(fd, at, len);
    if (done < 0 && errno == EINTR)
      continue;
    if (done < 0)
      return errno;
    at += done;
    len -= (size_t)done;
  }
  return 0;
}

static int copy(const char *volume, const char *path, nacre_file *file, int fd, char *piece) {
  for (uint64_t offset = 0; !interrupt_pending();) {
    size_t done = 0;
    const enum nacre_err err = nacre_read(file, piece, STREAM_BYTES, offset, &done);
    if (err != NACRE_OK)
      return report_library_path(volume, path, err);
    if (done == 0)
      return EXIT_DONE;
    const int error = write_fully(fd, piece, done);
    if (error != 0)
      return report_errno(volume, "cannot write the output", error);
    offset += done;
  }
  return EXIT_OTHER;
}

int stream_out(const char *volume, nacre_volume *vol, const char *path, int fd) {
  nacre_file *file = NULL;
  const enum nacre_err err = nacre_open(vol, path, NACRE_O_READ, 0, NULL, &file);
  if (err != NACRE_OK)
    return report_library_path(volume, path, err);
  char *piece = malloc(STREAM_BYTES);
  const int code = piece != NULL ? copy(volume, path, file, fd, piece) : report_no_memory();
  free(piece);
  nacre_close(file);
  return code;
}
