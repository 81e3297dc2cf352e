/* A recorded run of random changes on a volume, what the volume ought to hold at each moment of it, and the check of
 * what a power cut has left. */
#ifndef NACRE_TESTS_CRASH_SESSION_H
#define NACRE_TESTS_CRASH_SESSION_H

#include "support/recorder.h"
#include "support/vault.h"
#include "support/workload.h"

/* The state after a step. */
struct mark {
  struct dump dump;
  const char *step;
  size_t events; /* that had happened by then */
  bool durable;  /* the volume had said so: any cut from here on holds this state or a later one */
};

/* Invariant: marks are in order; the first is durable before any event. */
struct session {
  const nacre_credential *cred;
  struct disk base, disk; /* before the first event; now */
  struct recorder recorder;
  struct mark *marks;
  size_t mark_count, mark_cap;
};

struct session_plan {
  const char *name;
  uint64_t seed;
  uint64_t size_bytes; /* limit of the volume */
  uint32_t chunk_bytes;
  size_t fill_bytes; /* of a file that is there from the start, so that the container must grow soon */
  unsigned steps;
  unsigned sync_percent; /* of the steps */
  size_t write_max_bytes, file_max_bytes;
  unsigned cut_every; /* look at one of so many cuts */
};

/* Two empty disks and no marks. */
void session_init(struct session *s, uint64_t limit_bytes, const nacre_credential *cred);
/* The state now: what the shadow says, with times and numbers as the volume tells them (NULL: as they were). */
void session_mark(struct session *s, struct shadow *shadow, nacre_volume *vol, const char *step, bool durable);
/* A mark of the state now, whose dump the caller makes. Valid until the next mark. */
struct dump *session_mark_dump(struct session *s, const char *step, bool durable);
/* Forget marks and events; the disks stay. */
void session_clear(struct session *s);
/* Make a volume, open it on a recorder, run the plan, close it. */
void session_run(struct session *s, const struct session_plan *plan, const nacre_credential *cred);
/* The power was cut, `disk` is what is left: open it on a recorder, make one change, close it. */
void session_resume(struct session *s, struct disk *disk, const nacre_credential *cred);
void session_free(struct session *s);

/* The power was cut after `events` events and has left `disk`: open, compare, verify. Ends the program if anything is
 * wrong. */
void session_check(const struct session *s, struct disk *disk, size_t events);

/* What a cut has left: open it, verify it, read all of it. Ends the program if anything is wrong. lied: storage has
 * lost what it had said was synced, so the volume may have fallen back, or miss what it can't read. */
void session_look(const nacre_credential *cred, const struct nacre_store_ops *ops, void *ctx, bool lied,
                  struct dump *found);
/* Whether that is the state of the last durable mark of the first `sure` events or of a later one, up to the step
 * that was running when `begun` had happened. Ends the program if not. */
void session_match(const struct session *s, const struct dump *found, size_t sure, size_t begun, bool lied);

/* Cut the power after every event of the session, in each way, and call look on one of `every` of them: with the disk
 * as the cut has left it. */
typedef void (*session_look_fn)(const struct session *s, struct disk *disk, size_t events, void *arg);
struct session_cuts {
  unsigned long of[CUTS];
};
void session_cut_all(const struct session *s, unsigned every, uint64_t seed, session_look_fn look, void *arg,
                     struct session_cuts *cuts);

#endif
