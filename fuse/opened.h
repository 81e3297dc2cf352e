/*
 * Open files, and for each inode that has any, what the kernel may hold in its page cache.
 *
 * A file opened for writing alone is opened "direct": its writes reach us without filling the page cache, which is
 * several times faster. Pages that other, cached, opens of the inode made would then go stale, and not every kernel
 * drops them. So:
 *   - where a cached open exists, a write-only open is cached too;
 *   - a direct open finds no pages: they are dropped once, before it is answered (SETTLE), unless there can be none;
 *   - a cached open beside direct ones sets `pages`, and from then on each direct write drops what it overwrote
 *     before it is answered.
 * Invariants: an inode is in the table exactly while cached + direct > 0. While `pages` is false the kernel holds no
 * page of the inode. `pages` is read after a write and set before an open is answered, so that a reader who can see
 * old data makes the writer tell.
 */
#ifndef NACRE_FUSE_OPENED_H
#define NACRE_FUSE_OPENED_H

#include "fuse/session.h"

struct opened_inode {
  fuse_ino_t ino;
  uint64_t cached, direct;   /* open files of each kind; under the table's lock, as is cached_since */
  bool cached_since;         /* a cached open came since the entry was made */
  atomic_bool pages;         /* the kernel may hold pages beside direct writers */
  atomic_bool plain;         /* known to have no setuid, setgid, capability that a write would have to clear */
  atomic_bool atime_settled; /* the access time needs no look until the next change */
  struct opened_inode *next;
};

struct opened_file {
  nacre_file *file;
  struct opened_inode *inode;
  bool direct;
  bool no_atime;
  struct opened_file *previous, *next;
};

enum opened_want {
  OPENED_CACHED,       /* to be read, or mapped */
  OPENED_DIRECT,       /* write-only */
  OPENED_DIRECT_EMPTY, /* write-only, and the file has no data: just made or truncated */
};

struct open_table *opened_table_new(void);
/* Closes what is still open. */
void opened_table_free(struct open_table *table);
uint64_t opened_count(struct open_table *table);

/* Enter an open file; NULL without memory, and then `file` stays the caller's. *settle is set where the kernel's
 * pages have to be dropped, and opened_settled called, before the open is answered. */
struct opened_file *opened_add(struct open_table *table, fuse_ino_t ino, nacre_file *file, enum opened_want want,
                               bool *settle);
void opened_settled(struct open_table *table, struct opened_file *opened);
/* Closes the library's handle too. */
void opened_remove(struct open_table *table, struct opened_file *opened);
/* Mode, times or attributes of an inode were changed: forget what was derived from them. */
void opened_attributes_changed(struct open_table *table, fuse_ino_t ino);

static inline struct opened_file *opened_of(const struct fuse_file_info *fi) {
  return (struct opened_file *)(uintptr_t)fi->fh; /* NOLINT(performance-no-int-to-ptr): how FUSE carries it */
}

#endif
