/* A file of a volume, written to a descriptor from its first byte to its last. */
#ifndef NACRE_CLI_STREAM_OUT_H
#define NACRE_CLI_STREAM_OUT_H

#include <nacre.h>

/* Follows symbolic links. Exit code, error said. */
int stream_out(const char *volume, nacre_volume *vol, const char *path, int fd);
/* write(2) until all is written: 0 or an errno. */
int write_fully(int fd, const void *bytes, size_t len);

#endif
