/* Deleting inodes that have lost their last name and their last user. Internal to lib/fs. */
#ifndef NACRE_FS_RECLAIM_H
#define NACRE_FS_RECLAIM_H

#include "fs/inode.h"

/* Delete the zombies there are. Outside of transactions, with no lock of an inode held: public calls end with it.
 * What fails stays behind as an orphan for the next fs_recover. */
void reclaim_zombies(struct fs *fs);

#endif
