/* The engine: one open container's tree, space and commits, as the filesystem above sees it.
 *
 * Invariants
 *   - A block that a durable root can reach is never overwritten: space freed by commit g is handed out again only
 *     when g and g + 1 are durable. Space allocated and freed within one generation never was reachable.
 *   - A commit holds exactly the transactions that ended before its freeze. Freezing closes the gate: new
 * transactions wait, running ones finish, what the layer above has buffered is flushed, then generation g stops
 * changing and g + 1 begins. Sealing and writing g happens with the gate open.
 *   - All room that g needs (its dirty nodes) is allocated at the freeze; its log record's room was reserved long
 *     before. So a commit never runs out of space by itself.
 *   - After any failure of the storage in a commit, or of a transaction half applied, the engine is failed: it reads,
 *     and refuses every mutation and commit with NACRE_ERR_READ_ONLY. A failed sync is never retried.
 *
 * Lock order: gate (txn_begin .. txn_end), then the caller's own locks, then the tree's lock, then the allocator's.
 * txn_begin, space_reserve and engine_commit may commit and so may call the flush hook: call them with no lock of the
 * layer above held, and not inside a transaction. tree_get and tree_scan need no transaction and may do I/O. */
#ifndef NACRE_TREE_ENGINE_H
#define NACRE_TREE_ENGINE_H

#include "base/workers.h"
#include "format/extent.h"
#include "format/key.h"
#include "format/lineage.h"
#include "store/store.h"

struct engine;
struct txn;

/* Subkeys by epoch. The engine takes them over. */
struct engine_epoch_keys {
  uint32_t epoch; /* 0: unused */
  struct aead_key *node, *data, *superblock, *log;
};
struct engine_keys {
  uint32_t current_epoch;
  struct engine_epoch_keys epochs[FORMAT_EPOCHS];
};
void engine_keys_free(struct engine_keys *keys);

struct engine_geometry {
  uint64_t size_limit_bytes; /* what the container may grow to, or, where it cannot, how much of the store it takes */
  uint32_t chunk_bytes;
  uint64_t header_sequence;
  uint8_t header_mac[32];
};

struct engine_options {
  bool read_only;
  uint64_t memory_bytes;       /* for nodes, clean and dirty */
  uint32_t commit_interval_ms; /* 0: no timed commits */
  bool accept_gap;             /* write although superblocks are gone that no power cut destroys */
  /* Of the header that was opened. An older one than the superblock demands is refused, and one of that very sequence
   * that is another. */
  uint64_t header_sequence;
  uint8_t header_mac[32];
  /* It is not the container's own, and may be any: what is demanded stays so until engine_commit_header. */
  bool any_header;
  /* Either may be NULL. admit is asked when the commit that was found has been loaded, before anything is written; an
   * error ends the opening with it. committed is told of each commit that succeeded, by the thread that ran it, with
   * no lock held; commits wait for it. */
  enum nacre_err (*admit)(void *arg, struct engine *e);
  void (*committed)(void *arg, struct engine *e);
  void *arg;
};

/* Write the first superblock (generation 1) of an empty tree. Headers are the caller's. Takes over keys (also on
 * failure). */
NACRE_MUST_USE enum nacre_err engine_create(struct store *store, struct engine_keys *keys,
                                            const struct engine_geometry *geometry);
/* Takes over keys (also on failure). The store and workers stay the caller's and must outlive the engine. */
NACRE_MUST_USE enum nacre_err engine_open(struct store *store, struct engine_keys *keys, struct workers *workers,
                                          const struct engine_options *options, struct engine **out);
/* Ends the commit thread and frees everything without a commit. */
void engine_close(struct engine *e);

/* From here on seal under these keys, which it takes over (not on failure). They hold those of every epoch that is
 * still in use. */
NACRE_MUST_USE enum nacre_err engine_replace_keys(struct engine *e, struct engine_keys *keys);
/* The one that is sealed under now. */
uint32_t engine_epoch(const struct engine *e);

/* Called by commits: first with final false and the gate open (flush what you can, with transactions of class
 * TXN_FLUSH), then with final true and the gate closed (flush all that is left, with the given txn and no other;
 * no new mutation can arrive). An error fails the commit, and the engine where final is true. */
typedef enum nacre_err (*engine_flush_fn)(void *arg, bool final, struct txn *txn);
void engine_set_flush(struct engine *e, engine_flush_fn fn, void *arg);
/* Called for a record of the intent log, with the gate closed and the flush hook's argument: first with items NULL
 * (put what the tree has not been told as yet, with that txn), then to write what will not be put into the tree
 * before it is flushed. *fits: false where it is too much, or is nothing that the log can tell; a commit follows
 * then. */
typedef enum nacre_err (*engine_capture_fn)(void *arg, struct txn *txn, struct writer *items, bool *fits);
void engine_set_capture(struct engine *e, engine_capture_fn fn);
/* What was done since the last commit is nothing that the intent log can tell. From inside the gate. */
void engine_wants_commit(struct engine *e);

/* What the intent log had at the opening: put it into the tree, and have fn take chunks, in order. Once, before
 * anything else is done with the engine; also where it is read-only. On an error engine_forgo_replay is next, if
 * anything is. */
struct intent_item;
typedef enum nacre_err (*engine_replay_fn)(void *arg, struct txn *txn, const struct intent_item *chunk);
bool engine_has_replay(const struct engine *e);
NACRE_MUST_USE enum nacre_err engine_replay(struct engine *e, engine_replay_fn fn, void *arg);
/* In a replay: what a part of a chunk changes could not be read this time, for the reason that is the thread's
 * current message. True: so the volume is for reading alone, and the log stays. False where gaps are accepted. */
bool engine_replay_missed(struct engine *e);
/* After a replay that failed, with nothing of the layer above left: the commit as if there were no log, for reading,
 * unless gaps are accepted. Why is the thread's current message. */
NACRE_MUST_USE enum nacre_err engine_forgo_replay(struct engine *e);

struct engine_info {
  uint64_t generation; /* of the last durable commit */
  uint8_t commit_id[16];
  struct lineage_point here; /* the same commit, or the one that it restates after a fallback */
  uint64_t units_end, units_limit;
  uint64_t used_units; /* not free: live, pending and reserved for the log */
  uint64_t free_units; /* what can still be reserved, growth included */
  uint64_t inodes;
  uint64_t committed_inodes;
  uint64_t dirty_bytes, memory_bytes;
  uint64_t sealed_blocks, sealed_bytes; /* under the current epoch's keys, at least */
  uint64_t header_sequence_min;         /* what is demanded of a header */
  uint8_t header_mac[32];               /* of the one with that sequence */
  uint32_t chunk_bytes;
  bool read_only, failed;
  bool fell_back;    /* not at the newest commit, or superblocks were gone and that was accepted */
  bool unchanged;    /* failed while it was opened: what is in memory is what is committed */
  bool unsettled;    /* open read-only, and what was read may not be durable */
  bool log_damaged;  /* what the intent log had was not all taken up */
  bool ring_damaged; /* superblocks are gone that no power cut destroys, or cannot be read; only where read-only */
  char failure[160];
};
void engine_get_info(struct engine *e, struct engine_info *info);
uint32_t engine_chunk_bytes(const struct engine *e);
/* End of the container's area now: what pointers may name. Cheap, unlike engine_get_info. */
uint64_t engine_units_end(struct engine *e);
/* Check that mutations are allowed: NACRE_ERR_READ_ONLY otherwise. */
NACRE_MUST_USE enum nacre_err engine_check_writable(struct engine *e);

/* ---- Space ---- */

/* Set units aside for data that is buffered and will be written by TXN_FLUSH transactions, metadata included (see
 * engine_metadata_units). Grows the container or commits to free pending space where that helps. */
NACRE_MUST_USE enum nacre_err space_reserve(struct engine *e, uint64_t units);
/* In a replay, what had been set aside before: from all that there is, with neither growth nor commit. */
NACRE_MUST_USE enum nacre_err space_reserve_again(struct engine *e, uint64_t units);
void space_release(struct engine *e, uint64_t units);
/* What changing that many records, each in a leaf of its own, can cost at most. */
uint64_t engine_metadata_units(uint32_t records);

/* ---- Transactions ---- */

enum txn_class {
  TXN_NORMAL,  /* fails with NACRE_ERR_NO_SPACE when the volume is full */
  TXN_FREEING, /* delete, truncate: may use the reserve; keep them small (a few dozen records) */
  TXN_FLUSH    /* writes what was reserved; never fails for space */
};

struct txn {
  struct engine *engine;
  enum txn_class class;
  uint64_t reserved_units;
  uint64_t generation; /* in which it runs */
  bool exclusive;      /* the commit's own, at the freeze */
};

/* The generation that runs now: what changes is part of that commit. From inside the gate. */
uint64_t engine_generation(const struct engine *e);
/* Enter the gate. `records`: how many records it will put or delete at most. */
NACRE_MUST_USE enum nacre_err txn_begin(struct engine *e, enum txn_class class, uint32_t records, struct txn *txn);
void txn_end(struct txn *txn);
/* A mutation failed after another of the same transaction was applied: fail the engine, so that the half is never
 * committed. Call before txn_end. Returns err. */
enum nacre_err txn_abort(struct txn *txn, enum nacre_err err);

/* ---- Records ---- */

/* Copy a value out. NACRE_ERR_NOT_FOUND; NACRE_ERR_DAMAGED where it is longer than cap. */
NACRE_MUST_USE enum nacre_err tree_get(struct engine *e, const struct key *key, uint8_t *value, size_t cap,
                                       size_t *len);
/* Insert or replace. */
NACRE_MUST_USE enum nacre_err tree_put(struct txn *txn, const struct key *key, const uint8_t *value, size_t len);
/* NACRE_ERR_NOT_FOUND if there is none. */
NACRE_MUST_USE enum nacre_err tree_delete(struct txn *txn, const struct key *key);
/* Records with from <= key <= to in order, until fn returns false. fn runs under the tree's lock: it copies what it
 * needs and calls nothing of the engine. */
typedef bool (*tree_scan_fn)(void *arg, const struct key *key, const uint8_t *value, size_t len);
NACRE_MUST_USE enum nacre_err tree_scan(struct engine *e, const struct key *from, const struct key *to,
                                        tree_scan_fn fn, void *arg);

/* ---- Data ---- */

/* Allocate, seal and write the first out->count (at least 1) of `count` chunks, as one extent; call again for the
 * rest. chunks[i] has chunk_bytes (the last: last_bytes, a multiple of a unit). Then put its record in the same txn.
 */
NACRE_MUST_USE enum nacre_err data_write(struct txn *txn, const uint8_t *const chunks[], uint32_t count,
                                         uint32_t chunk_bytes, uint32_t last_bytes, struct extent *out);
/* The same for what an extent says already, read from it before: the birth stays. */
NACRE_MUST_USE enum nacre_err data_move(struct txn *txn, const uint8_t *const chunks[], const struct extent *from,
                                        struct extent *out);
/* Read and open chunks [first, first + count) into out, one after the other at chunk_bytes distance; the last chunk
 * of the extent fills last_bytes and leaves what follows. NACRE_ERR_DAMAGED if one does not authenticate: the caller
 * looks up the record again and, if it has changed meanwhile, tries anew (space may be reused under a slow reader).
 */
NACRE_MUST_USE enum nacre_err data_read(struct engine *e, const struct extent *x, uint32_t first, uint32_t count,
                                        uint8_t *out);
/* The same for one chunk if it is in memory, as far as can be told. *there: it was. Else it has begun to be fetched.
 */
NACRE_MUST_USE enum nacre_err data_read_at_once(struct engine *e, const struct extent *x, uint32_t index,
                                                uint8_t *out, bool *there);
/* Give back an extent's space: at once if it was allocated in this generation, else pending. */
void data_free(struct txn *txn, const struct extent *x);

/* ---- Counters kept in the superblock ---- */

NACRE_MUST_USE enum nacre_err engine_new_ino(struct txn *txn, uint64_t *ino);
void engine_count_inodes(struct txn *txn, int64_t delta);

/* ---- Commits ---- */

/* Make every transaction that ended before this call durable. Concurrent callers share one commit. */
NACRE_MUST_USE enum nacre_err engine_commit(struct engine *e);
/* The same, by a record of the intent log where that will do. */
NACRE_MUST_USE enum nacre_err engine_sync(struct engine *e);
/* Raise the header that later opens demand, with a commit. Headers must be durable before. */
NACRE_MUST_USE enum nacre_err engine_commit_header(struct engine *e, uint64_t header_sequence,
                                                   const uint8_t header_mac[32]);

/* Before closing, with all committed and nothing else going on: make the container as short as it can be. What is
 * committed stays so even where this fails. */
NACRE_MUST_USE enum nacre_err engine_trim(struct engine *e);

/* ---- Rewriting: what blocks of an older epoch say, written anew under the current one ----
 *
 * Leaf by leaf, in key order. Nothing new is ever sealed under an older epoch, so what was passed once is done with;
 * only a record that moves to the left of the cursor would not be, and none does. All the same, the older keys are
 * given up only after a pass that found nothing. */

#define REWRITE_EXTENTS_MAX 128u
struct rewrite_leaf {
  struct key from; /* in: where to look. Out: where to go on */
  bool last;       /* there is nothing to go on to */
  bool stale;      /* the leaf, or a node on the way to it, is a block of an older epoch; `at` is in its range */
  struct key at;
  unsigned count; /* of its extents that are of an older epoch */
  struct key extents[REWRITE_EXTENTS_MAX];
  uint64_t units; /* of all extents that were looked at, and of the leaf */
};
/* What one leaf has from leaf->from on. Where it has more extents than there is room for, they are met next. On an
 * error nothing was found, and leaf->from and last say where to go on behind the node that cannot be read. */
NACRE_MUST_USE enum nacre_err engine_rewrite_look(struct engine *e, struct rewrite_leaf *leaf);
/* Have the nodes on the way to a key written anew by the next commit, if any of them is of an older epoch. Counts as
 * one record. */
NACRE_MUST_USE enum nacre_err engine_rewrite_nodes(struct txn *txn, const struct key *key);
/* Replace a record by another of that length that says the same: births stay. */
NACRE_MUST_USE enum nacre_err tree_put_moved(struct txn *txn, const struct key *key, const uint8_t *value,
                                             size_t len);
/* When nothing that the tree reaches is of an older epoch: commit until nothing that any superblock reaches is. */
NACRE_MUST_USE enum nacre_err engine_renew_ring(struct engine *e);

/* ---- Wiping: noise over all that is free, when nothing reaches a block of an older epoch ----
 *
 * What was freed before holds such blocks, and who has the key of then and a superblock may find them: their nonces
 * are a superblock's but for the counter. First the log's sets, each before its next turn, and what lies behind the
 * container's end in a file is cut off; then the halves of the intent log, in the same way; then free space by
 * address, while others work: what is in use when it is passed was written under the current epoch. What is empty
 * stays so, a file's holes too.
 *
 * The noise of a place is always the same under one key. So a wiping that broke off needs no memory: the next one
 * begins anew, reads, and writes what is not noise yet. */

enum engine_wipe_phase { WIPE_START, WIPE_LOG, WIPE_INTENT, WIPE_FREE, WIPE_END };
struct engine_wipe {
  const uint8_t *key;     /* 32 bytes, of the noise; the caller's. All else begins as zeroes */
  bool done;              /* all of it, and durable */
  uint64_t unit;          /* so far it came in free space */
  uint64_t written_units; /* by the last step */
  uint64_t failed_units;  /* by all: they cannot be written */
  /* The engine's own */
  enum engine_wipe_phase phase;
  uint64_t sets_unit, set_unit, set_done;
  bool set_wiped[FORMAT_LOG_SETS];
  uint64_t half_done[FORMAT_INTENT_HALVES];
  uint64_t unwritten_given;
};
/* A step, of a MiB and some commits at most. NACRE_ERR_NO_SPACE where all that is free is promised to others. */
NACRE_MUST_USE enum nacre_err engine_wipe(struct engine *e, struct engine_wipe *w);

/* ---- Checking ---- */

/* Commit, then keep mutations out until engine_resume. */
NACRE_MUST_USE enum nacre_err engine_pause(struct engine *e);
void engine_resume(struct engine *e);

struct engine_visitor {
  void *arg;
  /* Each node that authenticated and is well-formed, parents first. */
  void (*node)(void *arg, const struct ptr *ptr, uint8_t level);
  /* Each record, in order. */
  enum nacre_err (*record)(void *arg, const struct key *key, const uint8_t *value, size_t len);
  /* A node that could not be read, or that breaks an invariant; the walk goes on beside it. */
  void (*problem)(void *arg, const char *what);
};
/* Walk the committed tree, every node read from the store anew. Only while paused or read-only. */
NACRE_MUST_USE enum nacre_err engine_walk(struct engine *e, const struct engine_visitor *visitor);
/* Blocks that belong to the engine itself (groups, log sets, the intent log), then to compare: used and pending of
 * the allocator. `units` bits each, bit i of byte i / 8. Only while paused or read-only. */
void engine_fixed_units(struct engine *e, void (*fn)(void *arg, uint64_t unit, uint64_t units), void *arg);
bool engine_unit_used(struct engine *e, uint64_t unit);
void engine_pending_units(struct engine *e, void (*fn)(void *arg, uint64_t unit, uint64_t units), void *arg);

#endif
