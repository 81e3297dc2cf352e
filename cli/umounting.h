/* Taking mounts away, and waiting until what was written is safe. Each returns an exit code, error said. */
#ifndef NACRE_CLI_UMOUNTING_H
#define NACRE_CLI_UMOUNTING_H

#include <stdbool.h>

/* As `nacre umount`: end the mount and its process, by the mount's folder or container. Whatever copies of the mount
 * there are end with it. `lazy`: also where it is busy; what is open there fails from then on. */
int umounting_end(const char *name, bool lazy);
/* The same for all mounts of this user, for root of everybody; the first failure's code. */
int umounting_end_all(bool lazy);

/* umount(8)'s flags of those names. */
struct umounting_flags {
  bool force, lazy, read_only;
};

/* As umount(8): take away the topmost mount on the folder and nothing else. If that was the mount's last place, wait
 * until its process has committed and let go of the container. */
int umounting_take_away(const char *dir, const struct umounting_flags *flags);

#endif
