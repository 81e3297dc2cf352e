/* What lies under a container, as far as the system says: for what can be promised about destroying it. */
#ifndef NACRE_CLI_MEDIUM_H
#define NACRE_CLI_MEDIUM_H

#include <stdbool.h>

struct medium {
  bool device;           /* the container is a block device; else a file */
  char filesystem[32];   /* that the file lies in; empty: unknown, or a device */
  bool writes_elsewhere; /* a filesystem that puts what is overwritten into other blocks */
  char disk[64];         /* the kernel's name for the whole disk: "sda"; empty: none, or unknown */
  char model[128], serial[128];
  int rotational; /* 1: a magnetic disk, 0: flash or another, -1: unknown */
};

/* What cannot be known stays empty. */
void medium_look(const char *path, struct medium *medium);

#endif
