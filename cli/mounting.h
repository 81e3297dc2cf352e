/* Putting a volume into the file tree, in this process or in one that stays behind. */
#ifndef NACRE_CLI_MOUNTING_H
#define NACRE_CLI_MOUNTING_H

#include <stdbool.h>
#include <stddef.h>

#include "fuse/mount.h"
#include "volume.h"

struct mounting {
  const char *volume; /* as given, for messages */
  const char *dir;
  bool foreground;
  struct volume_options open;
  struct mount_options mount;
};

/* Take a comma-separated list of -o options: passfile=, key-file=, extpass=, idle=, memory= and foreground are kept
 * here, the rest goes to the mount. With `fstab`, what fstab(5) and mount(8) add for themselves is left out. `text`
 * is cut up and must live as long as `mounting`. Exit code, error said. */
int mounting_take_options(struct mounting *mounting, char *text, bool fstab);
/* Mount; with `foreground` unset it returns when the mount answers or failed. Exit code, error said. */
int mounting_run(struct mounting *mounting);

#endif
