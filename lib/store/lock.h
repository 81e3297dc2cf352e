/* The lock on a container's file or device: against other processes, and against other handles of this one. */
#ifndef NACRE_STORE_LOCK_H
#define NACRE_STORE_LOCK_H

#include <nacre.h>
#include <sys/types.h>

/* One held lock; in the process's list from lock_take to lock_drop. */
struct lock {
  struct lock *link;
  dev_t dev; /* a device node's own number with inode 0, so that two nodes of one device conflict */
  ino_t ino;
  pid_t pid;
  int fd;
  bool exclusive;
};

/* NACRE_ERR_IN_USE when anyone else holds one that conflicts; NACRE_ERR_UNSUPPORTED where the filesystem has no locks
 * at all. The descriptor stays the caller's, and is open for writing if `exclusive`. */
NACRE_MUST_USE enum nacre_err lock_take(int fd, bool exclusive, struct lock *lock);
/* Before the descriptor is closed. Nothing in a child of fork(): the lock is its parent's. */
void lock_drop(struct lock *lock);
/* Whether anyone holds a lock on it, shared or exclusive. Takes none. */
NACRE_MUST_USE enum nacre_err lock_held(int fd, bool *held);

#endif
