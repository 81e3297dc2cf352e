/* Have umount(8) start its helper. For root it looks at the kind of filesystem alone, "fuse", unless the mount is in
 * its own table, /run/mount/utab, beside a helper's name; and without its helper it returns while the last commit is
 * still being written. Where this fails umount(8) works all the same. */
#ifndef NACRE_CLI_UTAB_H
#define NACRE_CLI_UTAB_H

#include <stdbool.h>

/* Whether the table is ours to write and the helper is where umount(8) looks for it. */
bool utab_is_of_use(void);
/* In place of any other entry of that folder. */
void utab_add(const char *source, const char *dir);
/* Does nothing where there is none of that source, which may be NULL for any. */
void utab_remove(const char *source, const char *dir);

#endif
