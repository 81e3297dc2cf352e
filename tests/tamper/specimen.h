/* A small volume with a past, where its parts lie, and the look at what is left of it after it was tampered with. */
#ifndef NACRE_TESTS_TAMPER_SPECIMEN_H
#define NACRE_TESTS_TAMPER_SPECIMEN_H

#include "support/disk.h"
#include "support/dump.h"
#include "support/prng.h"

/* docs/format.md, section 3. */
#define GROUP_1_OFFSET (16u << 20)
#define HEADER_BYTES (256u << 10)
#define RING_SLOTS 8u
#define SUPERBLOCK_BYTES 4096u
#define NODE_BYTES 16384u

#define SPECIMEN_BYTES (24u << 20)
#define SPECIMEN_STATES 12u
#define SPECIMEN_FORMER 3u
#define SPECIMEN_OTHERS 12u

/* Invariants: images[i] holds states[i], each one commit after the one before; the last is the present one. `disk`
 * holds it too, between looks. */
struct specimen {
  nacre_credential *key;
  nacre_credential *former[SPECIMEN_FORMER]; /* opened the volume once: changed, removed, added and removed again */
  size_t former_until[SPECIMEN_FORMER];      /* the first state that each doesn't open */
  struct disk disk;
  struct disk images[SPECIMEN_STATES];
  struct dump states[SPECIMEN_STATES];
  size_t headers_from;     /* the first state with the present header */
  uint64_t generation;     /* of the present state */
  uint64_t newest_slot;    /* offset of the superblock of the present state */
  struct disk_trace log;   /* what an opening reads besides headers, superblocks and the root */
  struct disk_trace nodes; /* the first is the root */
  struct disk_trace data;
  const struct dump *others[SPECIMEN_OTHERS]; /* the caller's: further states that a look may find */
  size_t other_count;
  bool accept_rollback; /* with what looks open it */
};

/* The arguments of these programs: [--deep] [SEED]. NACRE_TORTURE in the environment means --deep too. */
bool specimen_is_deep(int argc, char **argv);
uint64_t specimen_seed(int argc, char **argv); /* 1 where none is given */

void specimen_make(struct specimen *s, uint64_t seed);
void specimen_free(struct specimen *s);
uint64_t specimen_slot(unsigned index);

enum verdict {
  VERDICT_RIGHT,   /* all is there */
  VERDICT_PARTLY,  /* what can be read is right; the rest is an error */
  VERDICT_OLDER,   /* an older or another state as a whole, or what can be read of it */
  VERDICT_REFUSED, /* it does not open */
  VERDICTS
};
struct specimen_look {
  enum verdict verdict;
  enum nacre_err err; /* of the opening */
  size_t state;       /* from SPECIMEN_STATES on one of the others */
  bool fell_back;     /* it says that it is older than it was */
};
/* Open the disk and read everything. Ends the program where something is wrong and no error says so. */
struct specimen_look specimen_look(struct specimen *s, const nacre_credential *key, bool read_only);
/* Open it and see whether it is at the present commit: right, older or refused. Cheaper, for what no data hangs on.
 */
struct specimen_look specimen_glance(struct specimen *s, bool read_only);
/* Look, then take all changes of the disk since disk_mark back. */
struct specimen_look specimen_look_back(struct specimen *s, const nacre_credential *key, bool read_only);

void specimen_flip(struct specimen *s, uint64_t offset, struct prng *prng);
void specimen_put(struct specimen *s, const void *bytes, size_t len, uint64_t offset);

#endif
