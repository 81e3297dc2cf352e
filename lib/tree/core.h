/* Inside of the engine: what the files of this room share. */
#ifndef NACRE_TREE_CORE_H
#define NACRE_TREE_CORE_H

#include "tree/engine.h"
#include "tree/gate.h"
#include "tree/intent.h"
#include "tree/spacelog.h"
#include "tree/tree.h"

/* Keys as they are or were in use. What was replaced is freed with the engine: a reader may be opening with it. */
struct key_set {
  struct engine_keys keys;
  struct key_set *older;
};

struct engine {
  struct store *store;
  struct workers *workers;
  struct key_set *keys; /* in use; behind it those that it took the place of */
  struct block_io io;
  struct alloc alloc;
  struct tree tree;
  struct gate gate;
  struct engine_options options;
  struct superblock_branch branch; /* of this opening; entered by its first commit, only commits touch it */
  bool branch_entered;
  bool restating;       /* the commit that runs says what the durable one says: it counts as that */
  uint64_t units_limit; /* constant from the opening on, like the next */
  uint32_t chunk_bytes;
  engine_flush_fn flush;
  engine_capture_fn capture; /* the same argument */
  void *flush_arg;
  struct intent intent;

  /* Running counters; changed inside the gate. */
  pthread_mutex_t state_lock; /* guards this block */
  struct superblock durable;  /* as last written or read */
  uint64_t ring_from;
  uint64_t next_ino;
  uint64_t inodes;
  uint64_t header_sequence_min;
  uint8_t header_mac[32];
  bool header_changed;
  bool dirty;             /* something but the tree and the map changed */
  _Atomic bool read_only; /* this and the next are read without the lock, too */
  _Atomic bool failed;
  bool unchanged; /* it failed before anybody could change anything */
  bool fell_back;
  bool fell_back_before; /* an opening that was cut did, and told nobody; or the intent log is damaged */
  bool unsettled;
  bool ring_damaged;
  char failure[160];
  enum spacelog_want log_want;     /* of the next commit */
  struct superblock_log fresh_log; /* new, empty sets that the next commit takes up */
  bool has_fresh_log;

  /* The newest slot as it must be on the storage; only a commit touches it. */
  uint8_t newest_slot[FORMAT_SUPERBLOCK_BYTES];
  bool has_newest_slot; /* not before the first commit of a new container */

  /* Growing */
  pthread_mutex_t grow_lock;

  /* Sharing commits, and the thread that commits by the clock */
  pthread_mutex_t commit_lock;   /* guards this block */
  pthread_cond_t commit_changed; /* nobody commits any more */
  pthread_cond_t commit_wanted;  /* by the thread, which need not hear of each commit and sync */
  struct commit_turns {
    uint64_t started, ended;
    enum nacre_err result; /* of the last one that ended */
  } commits, syncs;        /* syncs: commits, and records of the intent log */
  bool committing;         /* or paused */
  bool recording;          /* that is, a record of the intent log is being written, which is no commit */
  bool asked;              /* the thread shall commit now */
  bool stopping;
  pthread_t committer;
  bool has_committer;

  _Atomic uint64_t unwritten_given; /* how often space was given back that was not written */

  /* Large buffers for ciphertext, reused */
  pthread_mutex_t buffer_lock;
  uint8_t *buffers[4];
  unsigned buffer_count;
};

/* ---- engine.c ---- */
/* Nothing is read. Takes the keys over, but not on failure: NULL when out of memory. */
struct engine *engine_new(struct store *store, struct engine_keys *keys, struct workers *workers,
                          const struct engine_options *options);
/* The map and the tree of one commit go, for another try at an older one. */
void engine_unload(struct engine *e);
/* The map and the tree as a superblock says. */
NACRE_MUST_USE enum nacre_err engine_load_commit(struct engine *e, const struct superblock *sb);
/* As many bytes of nodes; more than there are addresses is as much as can be. */
size_t engine_cache_limit(uint64_t bytes);
/* Commit until the slot of the unbroken ring's first commit was used again: before that, commits can be destroyed
 * without a gap that shows. */
NACRE_MUST_USE enum nacre_err engine_fill_ring(struct engine *e);
/* Refuse mutations from now on, and say why (the thread's current message). Returns err. */
enum nacre_err engine_fail(struct engine *e, enum nacre_err err);

/* ---- ring.c ---- */
struct ring_found {
  /* The parent by its id: a commit that was skipped may stand between them. Generation 0 where there is none. */
  struct superblock newest, parent;
  uint64_t highest;                        /* generation in any slot that opened */
  uint64_t generations[FORMAT_RING_SLOTS]; /* by slot; 0 where it did not open */
  unsigned missing; /* slots that must hold one of the last commits, and don't, which no power cut explains */
  bool unreadable;  /* a slot gave an I/O error, which is not the same as an invalid slot */
};
NACRE_MUST_USE enum nacre_err ring_read(struct block_io *io, struct ring_found *out);
/* By slot; generation 0 where it did not open. */
NACRE_MUST_USE enum nacre_err ring_read_slots(struct block_io *io, struct superblock slots[FORMAT_RING_SLOTS],
                                              bool *unreadable);
/* Seal and write; raw is what was written. */
NACRE_MUST_USE enum nacre_err ring_write(struct block_io *io, const struct superblock *sb,
                                         uint8_t raw[FORMAT_SUPERBLOCK_BYTES]);
/* Fill the slot of a generation with random bytes, durably. */
NACRE_MUST_USE enum nacre_err ring_erase(struct block_io *io, uint64_t generation);
/* Fill the slots that held a generation above `newest`, and where superblocks are gone those that held none, with
 * random bytes, durably. */
NACRE_MUST_USE enum nacre_err ring_erase_lost(struct block_io *io, const struct ring_found *ring, uint64_t newest);
/* The same with all slots but those of the newest commit and of its parent (0: none was found yet; one that shows
 * itself now stays as well), whatever is in them. NACRE_ERR_IN_USE, with nothing erased, where another's later commit
 * is there. */
NACRE_MUST_USE enum nacre_err ring_erase_others(struct block_io *io, uint64_t newest, uint64_t parent);
/* Whether the slot of `generation` holds a commit later than `newest`: one that is not ours. */
NACRE_MUST_USE enum nacre_err ring_look_for_later(struct block_io *io, uint64_t generation, uint64_t newest,
                                                  bool *later);

/* ---- commit.c ---- */
/* One commit, start to end. The caller holds the right to (committer.c). hold: leave the gate closed, also on error.
 */
NACRE_MUST_USE enum nacre_err commit_run(struct engine *e, bool hold);
/* NACRE_ERR_IN_USE where the newest slot is not as this engine left it, a later commit is in the slot of
 * `generation`, or, before this opening's first commit, a record stands in the intent log behind those that were
 * found. */
NACRE_MUST_USE enum nacre_err commit_check_sole_writer(struct engine *e, uint64_t generation);

/* ---- committer.c ---- */
NACRE_MUST_USE enum nacre_err committer_start(struct engine *e);
void committer_stop(struct engine *e);
/* Wait for a commit that runs, and let none begin until the release. */
void committer_hold(struct engine *e);
void committer_release(struct engine *e);
/* A commit also where nothing has changed. */
NACRE_MUST_USE enum nacre_err committer_commit_anyway(struct engine *e);
/* The next commit begins the allocation log anew, with a checkpoint. */
void committer_want_checkpoint(struct engine *e);
/* Have the thread commit soon. False if there is none. */
bool committer_ask(struct engine *e);

/* ---- space.c ---- */
/* Pending space is free after two commits; a third takes up what the first two changed. */
#define SPACE_RELIEF_COMMITS 3u
/* Largest thing that must be contiguous, in units. */
uint32_t space_cluster_units(uint32_t chunk_bytes);
/* The reserve that only freeing may use, of a container of that size: free units that are really allocated on the
 * host, since the container grows before it gets smaller than that. */
uint64_t space_keep_units(const struct engine *e, uint64_t units_end);
/* Make the container longer by at least `units` free ones. NACRE_ERR_NO_SPACE at its limit or where the host is full.
 */
NACRE_MUST_USE enum nacre_err space_grow(struct engine *e, uint64_t units);
/* Room for `units` besides the reserve (a part of it, for freeing): as it is, after growing, or after commits that
 * free what is pending. */
NACRE_MUST_USE enum nacre_err space_take(struct engine *e, uint64_t units, bool freeing);
/* Set aside as much of `units` as there is besides the reserve's last part, halved until it fits; 0 where less than a
 * cluster is. The container doesn't grow for it. */
uint64_t space_take_part(struct engine *e, uint64_t units);
/* Give the host back what a file has behind the container's end, where a growth or a trim was cut. */
NACRE_MUST_USE enum nacre_err space_cut_rest(struct engine *e);
/* Commit for what is pending, even where nothing else is left to commit. */
NACRE_MUST_USE enum nacre_err space_relieve(struct engine *e);
/* What dirty nodes will need at the freeze. */
uint64_t space_dirty_units(struct engine *e);

/* ---- data.c ---- */
#define BUFFER_BYTES (2u << 20)
uint8_t *buffer_take(struct engine *e);
void buffer_give(struct engine *e, uint8_t *buffer);

#endif
