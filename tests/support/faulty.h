/* A store over a disk whose calls fail when they are told to. */
#ifndef NACRE_TESTS_SUPPORT_FAULTY_H
#define NACRE_TESTS_SUPPORT_FAULTY_H

#include "support/disk.h"

enum fault_call { FAULT_READ, FAULT_WRITE, FAULT_SYNC, FAULT_RESIZE, FAULT_CALLS };

struct faulty {
  struct disk *disk;
  pthread_mutex_t lock;
  unsigned long counts[FAULT_CALLS];
  enum fault_call call; /* the kind that fails */
  unsigned long nth;    /* which of them, from 1 on; 0: none */
  bool lasting;         /* and all of that kind from then on */
  int errnum;
  unsigned long hits;
  void (*note)(unsigned long nth); /* told of each call of that kind; may be NULL */
  struct disk *medium;             /* NULL: what is written is there at once */
  struct disk_trace unsynced;      /* what is only in `disk`, which is a cache then */
  struct disk_trace written;
};

void faulty_init(struct faulty *f, struct disk *disk);
void faulty_end(struct faulty *f);
/* The disk is a cache of that medium from here on, with the same content: a sync brings what was written there. One
 * that fails does as Linux did until 2018 (and still does, but for the one error): what was not yet on the medium
 * counts as synced, so that the next sync succeeds without it. */
void faulty_cache(struct faulty *f, struct disk *medium);
/* The cache is lost: the disk holds what the medium does. */
void faulty_lose_cache(struct faulty *f);
/* Calls are counted from here on. */
void faulty_arm(struct faulty *f, enum fault_call call, unsigned long nth, bool lasting, int errnum);
unsigned long faulty_hits(struct faulty *f);
const char *faulty_name(enum fault_call call);
extern const struct nacre_store_ops faulty_ops; /* ctx is the faulty store */

#endif
