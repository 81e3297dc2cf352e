/* The filesystem's part of the intent log: what is buffered, and what becomes of that when a log is replayed.
 * Internal to lib/fs. */
#ifndef NACRE_FS_INTENT_H
#define NACRE_FS_INTENT_H

#include "fs/inode.h"

/* The engine's hook; arg is the struct fs. */
enum nacre_err intent_hook(void *arg, struct txn *txn, struct writer *items, bool *fits);

#endif
