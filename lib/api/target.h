/* From what a caller names as the container to a store. */
#ifndef NACRE_API_TARGET_H
#define NACRE_API_TARGET_H

#include "store/store.h"

/* flags: as file_store_open's. An app's own store is closed through its ops on failure; a store that was opened is
 * the caller's to close. */
NACRE_MUST_USE enum nacre_err target_open(const struct nacre_target *target, unsigned flags, struct store *out);
/* A call that takes a target fails before it opened it: close an app's own store, as its contract says. */
void target_discard(const struct nacre_target *target);
/* A regular file or device of the host's, by path or descriptor: not an app's own store. */
bool target_is_host_file(const struct nacre_target *target);
/* Whether another opening holds the container. Known for a path only; else false. */
NACRE_MUST_USE enum nacre_err target_in_use(const struct nacre_target *target, bool *in_use);

#endif
