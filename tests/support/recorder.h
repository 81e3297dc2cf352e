/* A store over a disk that keeps every write, sync and resize, in order; and a player that makes of them what a power
 * cut after any one of them could have left. */
#ifndef NACRE_TESTS_SUPPORT_RECORDER_H
#define NACRE_TESTS_SUPPORT_RECORDER_H

#include "support/disk.h"
#include "support/prng.h"

enum event_kind { EVENT_WRITE, EVENT_SYNC, EVENT_RESIZE };

struct event {
  enum event_kind kind;
  uint64_t offset; /* of a resize: the new size */
  size_t len;
  uint8_t *bytes;
};

struct recorder {
  struct disk *disk;
  struct event *events;
  size_t count, cap;
  pthread_mutex_t lock;
};

void recorder_init(struct recorder *r, struct disk *disk);
void recorder_free(struct recorder *r);
size_t recorder_count(struct recorder *r);
/* Forget what was recorded. */
void recorder_clear(struct recorder *r);
extern const struct nacre_store_ops recorder_ops; /* ctx is the recorder */

/* Do it to a disk: all of it, or of a write the bytes from..to. A write past the end makes the disk longer. */
void event_happen(struct disk *d, const struct event *e);
void event_happen_part(struct disk *d, const struct event *e, size_t from, size_t to);

/* What becomes of the writes and resizes that no sync has followed. */
enum cut {
  CUT_KEEP,    /* all reached the medium */
  CUT_DROP,    /* none did */
  CUT_TEAR,    /* the last one in part, up to a sector of 512 bytes */
  CUT_SUBSET,  /* some did, in any order */
  CUT_SECTORS, /* some sectors of some did, and what was being written may be garbage */
  CUTS
};
const char *cut_name(enum cut cut);

/* Invariant: `disk` holds the events before `synced`; those from there to `at` have happened and are not durable. */
struct player {
  struct disk *disk;
  const struct event *events;
  size_t count, at, synced;
};

/* `disk` is as it was when the recording began. */
void player_init(struct player *p, struct disk *disk, const struct event *events, size_t count);
/* Let the next event happen. False at the end. */
bool player_step(struct player *p);
/* Whether that cut, now, can differ from the others. */
bool player_tells(const struct player *p, enum cut cut);
/* Cut the power: the disk is what is left, until disk_rewind. */
void player_cut(const struct player *p, enum cut cut, struct prng *prng);

#endif
