/* One open volume: store, keys, engine and filesystem, put together and taken apart in the right order. */
#ifndef NACRE_OPS_VOLUME_H
#define NACRE_OPS_VOLUME_H

#include "fs/fs.h"
#include "ops/anchor.h"
#include "ops/unlock.h"

#include <pthread.h>

/* A rotation that is being carried on. */
struct volume_rekey {
  bool by_itself;         /* what is under way is carried on unasked */
  atomic_bool running;    /* by whichever thread */
  enum nacre_err stopped; /* why the last one ended; this and the next under header_lock */
  char why[160];
  _Atomic uint64_t done_bytes, total_bytes, written_bytes, wiped_bytes;
  pthread_mutex_t thread_lock; /* over the next two */
  pthread_t thread;
  bool has_thread; /* that carries on by itself; ended by `cancel` */
  struct nacre_cancel cancel;
};

/* Invariants: header and sealed are what both copies hold, unless header_failed or header_borrowed. A member that is
 * NULL was not made; volume_free takes apart whatever there is. */
struct volume {
  struct store store;
  struct workers *workers;
  struct engine *engine;
  struct fs *fs;
  uint8_t *master_key;
  /* One change of the header at a time, commits and all; over header_failed. Before header_lock, which is over
   * header, sealed and master_key, for an instant: only a change replaces them, so that it reads them without. */
  pthread_mutex_t change_lock, header_lock;
  struct header *header;
  struct header_sealed *sealed;
  const struct headers *opening_headers; /* while it is being opened: what it is opened from */
  struct unlocked *opening_unlocked;
  bool header_repaired; /* a copy was written anew when it was opened */
  bool header_failed;   /* a change broke off: nobody knows what the copies hold */
  bool header_force;
  bool header_borrowed; /* header and sealed are a backup's, not yet those of the copies */
  uint8_t fingerprint[32];
  struct anchor anchor;
  uint32_t slot;    /* the one that opened it */
  bool slot_forged; /* the public key that the header has for it is not its own; under change_lock */
  struct volume_rekey rekey;
  uint64_t memory_bytes;
};

struct volume_options {
  bool read_only;
  uint64_t memory_bytes;
  unsigned threads;
  uint32_t commit_interval_ms;
  struct unlock_options unlock;
  bool header_force;     /* see restore_admit */
  const uint8_t *header; /* FORMAT_HEADER_BYTES that take the place of the container's copies; NULL: those */
  /* Where cred is NULL: as in struct nacre_open_options. */
  bool (*ask)(void *arg, int attempt, struct nacre_credential **out);
  void (*ask_free)(struct nacre_credential *cred);
  void *ask_arg;
  int ask_attempts;
  const struct nacre_anchor_ops *anchor; /* NULL: none is kept */
  void *anchor_ctx;
  bool accept_rollback;
  bool hold_rekey; /* don't carry on a rotation */
  void (*waiting)(void *arg);
  void *waiting_arg;
  bool use_expect_fingerprint;
  uint8_t expect_fingerprint[32];
};

/* Takes over the store, and closes it also on failure. */
NACRE_MUST_USE enum nacre_err volume_open(struct store *store, const struct volume_options *options,
                                          const struct nacre_credential *cred, struct volume **out);
/* Frees all without a commit. */
void volume_free(struct volume *v);

/* The AEAD keys of every epoch in the table. Free with engine_keys_free, also on failure. */
NACRE_MUST_USE enum nacre_err volume_keys(const struct header_sealed *sealed, struct engine_keys *out);

#endif
