/* `mount -o remount`: other flags for a mount that is there, with everything committed where it becomes read-only.
 * The mount's process hears of it from the kernel. */
#ifndef NACRE_CLI_REMOUNTING_H
#define NACRE_CLI_REMOUNTING_H

#include <stdbool.h>

#include "mounting.h"
#include "mountpoints.h"

/* Whether a list of -o options asks for it. */
bool remounting_is_asked(const char *list);
/* `list` is what mount(8) hands its helper, `mounting` what was understood of it; options that only a new mount could
 * take are refused where they aren't in force. Exit code, error said. */
int remounting_run(const struct mounting *mounting, const char *list);
/* Read-only, with all other flags as they are. */
int remounting_read_only(const struct mountpoint *at);

#endif
