/* One run of random steps: the volume, the reference beside it, and what every step needs. */
#ifndef NACRE_TESTS_MODEL_RUN_H
#define NACRE_TESTS_MODEL_RUN_H

#include "model/ram.h"
#include "model/ref.h"
#include "model/rotator.h"

#define RUN_HANDLES 8u
#define RUN_NAME_BYTES 256u
#define RUN_NOISE_BYTES (2u << 20)

struct config {
  const char *name;
  uint32_t chunk_bytes;
  uint64_t size_bytes;  /* limit of the volume */
  uint64_t store_bytes; /* where the store itself is full */
  int threads;
  uint32_t commit_interval_ms;
  uint64_t memory_bytes;
  size_t file_max_bytes;
  unsigned large_percent; /* of writes: up to a quarter of the largest file */
  unsigned nodes_max;     /* above that, steps that delete are preferred */
  bool fills;             /* NACRE_ERR_NO_SPACE is to be met */
  bool rotates;           /* keys, all the time, in a thread beside */
  unsigned steps;
};

struct handle {
  nacre_file *file; /* NULL: free */
  uint32_t node;
  bool unnamed; /* made without a name, and has none yet */
};

/* Invariants: `ref` is what the volume shows now; `committed` is what it shows when it is opened after a crash now.
 */
struct run {
  const struct config *config;
  uint64_t seed, random;
  const uint8_t *script; /* NULL, or what random numbers are taken from, zeroes when it ends */
  size_t script_left;
  unsigned long step;
  const char *what; /* the step, for messages */
  bool verbose;
  struct ram ram;
  nacre_credential *cred;
  nacre_volume *vol;
  struct ref ref, committed;
  uint64_t generation; /* of `committed` */
  struct handle handles[RUN_HANDLES];
  struct rotator rotator;
  uint8_t *noise;
  /* What was met on the way. */
  unsigned long syncs, records, own_commits, reopens, crashes, verifies, compares, full, partial;
};

/* Say what is wrong, with seed and step, and end the program. */
void run_fail(const struct run *r, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
void run_note(const struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

uint64_t run_random(struct run *r);
uint64_t run_below(struct run *r, uint64_t n);
bool run_chance(struct run *r, unsigned percent);
const uint8_t *run_bytes(struct run *r, size_t len);

/* The answer of a step: what was to be expected (OK: it was done), or that the volume was full, where it may be. */
enum outcome { OUTCOME_DONE, OUTCOME_REFUSED, OUTCOME_FULL };
enum outcome run_expect(struct run *r, enum nacre_err got, enum nacre_err wanted);
/* A step that must succeed on a full volume too. */
void run_must(struct run *r, enum nacre_err got);

/* Picking: a folder; a name in one (false: none found); a new or existing name of the small pool. */
uint32_t run_folder(struct run *r);
bool run_entry(struct run *r, uint32_t *dir, char name[RUN_NAME_BYTES]);
bool run_file(struct run *r, uint32_t *dir, char name[RUN_NAME_BYTES]);
void run_name(struct run *r, char name[RUN_NAME_BYTES]);
struct handle *run_free_handle(struct run *r);
struct handle *run_handle(struct run *r);
struct nacre_caller run_caller(struct run *r);
void run_close_handle(struct run *r, struct handle *h);

/* Life of the volume. */
void run_create(struct run *r);
void run_open(struct run *r);
void run_sync(struct run *r);
/* By a handle of any file, or NULL: all of the volume becomes durable. */
void run_fsync(struct run *r, nacre_file *file);
void run_reopen(struct run *r);
void run_crash(struct run *r);
void run_verify(struct run *r);
/* The volume commits by itself when much is dirty or space is short: then make `committed` certain again. */
void run_watch(struct run *r);

/* All of it: a new volume and an empty reference; the end, where both must agree once more; and what is freed then.
 */
struct run *run_new(const struct config *config, uint64_t seed);
void run_finish(struct run *r);
void run_free(struct run *r);

/* choose.c: one step, and now and then something that is done to the volume as a whole. */
void run_step(struct run *r);

/* compare.c */
void compare_all(struct run *r);
void compare_file(struct run *r, nacre_file *file, uint32_t node);
void compare_attr(struct run *r, const char *path, struct ref_node *n, const struct nacre_attr *attr);
void compare_folder(struct run *r, const char *path, uint32_t node);
/* After a change that broke off for want of space: every byte is the old or the new one. Takes over the actual. */
void compare_partial(struct run *r, nacre_file *file, uint32_t node, const struct ref_node *whole);

/* The steps. */
struct step {
  const char *name;
  unsigned weight;
  void (*run)(struct run *r);
};
extern const struct step steps_file[], steps_tree[], steps_attr[];
extern const size_t steps_file_count, steps_tree_count, steps_attr_count;

#endif
