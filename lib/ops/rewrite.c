#include "ops/rewrite.h"

#include "base/err.h"
#include "base/secmem.h"
#include "ops/pace.h"

#include <stdio.h>
#include <stdlib.h>

/* Where space is short, what is moved at once gets smaller, down to this. */
#define MOVE_MIN_BYTES (64u << 10)
/* What was moved away is room again when two commits are durable. With one after so much, the container grows by two
 * or three times that and not to twice its size. */
#define COMMIT_EVERY_UNITS ((64u << 20) / FORMAT_UNIT_BYTES)
/* Passes in a row that move nothing and still find something: what others are just deleting is gone by then. */
#define FRUITLESS_MAX 3u

struct rewrite {
  struct engine *engine;
  struct fs *fs;
  const struct rewrite_options *options;
  struct fs_move move;
  struct pace pace;
  uint64_t paced_units; /* written, as far as the pace knows */
  uint64_t written_units;
  uint64_t commit_units; /* written by the last commit */
  uint64_t damaged;      /* extents and nodes of this pass that cannot be read */
  enum nacre_err first;  /* what the first of them met */
  char why[256];
  bool clean;    /* nothing was found in this pass */
  bool fruitful; /* something was moved in it */
};

/* Commit now and then, and wait until no more was written than the rate allows. A step has 64 MiB and a commit at
 * most. */
static enum nacre_err pace(struct rewrite *r) {
  if (r->written_units - r->commit_units >= COMMIT_EVERY_UNITS) {
    r->commit_units = r->written_units;
    ERR_TRY(engine_commit(r->engine));
  }
  const uint64_t bytes = (r->written_units - r->paced_units) * FORMAT_UNIT_BYTES;
  r->paced_units = r->written_units;
  return pace_keep(&r->pace, bytes);
}

static void tell(const struct rewrite *r, uint64_t units) {
  const uint64_t done =
      atomic_fetch_add(r->options->done_bytes, units * FORMAT_UNIT_BYTES) + units * FORMAT_UNIT_BYTES;
  atomic_store(r->options->written_bytes, r->written_units * FORMAT_UNIT_BYTES);
  if (r->options->progress != NULL)
    r->options->progress(r->options->progress_arg, "rekey", done, atomic_load(r->options->total_bytes));
}

/* What is pending is room again after a commit or two, so a full volume is rewritten in small steps. */
static enum nacre_err move_extent(struct rewrite *r, const struct key *key) {
  for (;;) {
    uint64_t units = 0;
    enum nacre_err err = fs_move_extent(r->fs, key, &r->move, &units);
    r->written_units += units;
    r->fruitful |= units > 0;
    if (err == NACRE_OK && r->move.most_bytes < FS_MOVE_BYTES)
      r->move.most_bytes *= 2;
    if (err != NACRE_ERR_NO_SPACE || !r->move.no_room || r->move.most_bytes <= MOVE_MIN_BYTES)
      return err;
    r->move.most_bytes /= 2;
  }
}

/* What cannot be read must not keep the rest under the older key. Anything else that goes wrong ends the pass. */
static enum nacre_err pass_over(struct rewrite *r, enum nacre_err err, bool unreadable) {
  if (!unreadable || (err != NACRE_ERR_DAMAGED && err != NACRE_ERR_IO && err != NACRE_ERR_UNSUPPORTED))
    return err;
  r->clean = false;
  if (r->damaged == 0)
    r->first = err == NACRE_ERR_IO ? NACRE_ERR_IO : NACRE_ERR_DAMAGED;
  if (r->damaged++ == 0)
    (void)snprintf(r->why, sizeof r->why, "%s", err_message());
  return NACRE_OK;
}

static enum nacre_err move_extents(struct rewrite *r, const struct rewrite_leaf *leaf) {
  for (unsigned i = 0; i < leaf->count; i++) {
    const enum nacre_err err = move_extent(r, &leaf->extents[i]);
    ERR_TRY(pass_over(r, err, r->move.unreadable));
    ERR_TRY(pace(r));
  }
  return NACRE_OK;
}

static enum nacre_err move_nodes(struct rewrite *r, const struct key *key) {
  struct txn txn;
  ERR_TRY(txn_begin(r->engine, TXN_FREEING, 1, &txn));
  enum nacre_err err = engine_rewrite_nodes(&txn, key);
  txn_end(&txn);
  r->written_units += FORMAT_NODE_UNITS;
  r->fruitful = true;
  return err;
}

static enum nacre_err pass(struct rewrite *r) {
  struct rewrite_leaf *leaf = calloc(1, sizeof *leaf);
  if (leaf == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  struct engine_info info;
  engine_get_info(r->engine, &info);
  atomic_store(r->options->total_bytes, info.used_units * FORMAT_UNIT_BYTES);
  atomic_store(r->options->done_bytes, 0);
  r->clean = true;
  r->fruitful = false;
  r->damaged = 0;
  enum nacre_err err = NACRE_OK;
  while (err == NACRE_OK && !leaf->last) {
    err = pass_over(r, engine_rewrite_look(r->engine, leaf), true);
    if (err != NACRE_OK)
      break;
    r->clean = r->clean && leaf->count == 0 && !leaf->stale;
    err = move_extents(r, leaf);
    if (err == NACRE_OK && leaf->stale)
      err = move_nodes(r, &leaf->at);
    tell(r, leaf->units);
    if (err == NACRE_OK)
      err = pace(r);
  }
  free(leaf);
  return err;
}

static enum nacre_err passes(struct rewrite *r) {
  unsigned fruitless = 0;
  for (;;) {
    ERR_TRY(pass(r));
    if (r->clean)
      return NACRE_OK;
    fruitless = r->fruitful ? 0 : fruitless + 1;
    if (r->damaged > 0 && fruitless > 0)
      return err_set(r->first, "%llu places cannot be read and keep the older key in use: %s",
                     (unsigned long long)r->damaged, r->why);
    if (fruitless == FRUITLESS_MAX)
      return err_set(NACRE_ERR_DAMAGED, "blocks under the older key belong to no file; verify names them");
    if (fruitless > 0)
      ERR_TRY(engine_commit(r->engine));
  }
}

enum nacre_err rewrite_older(struct engine *e, struct fs *fs, const struct rewrite_options *options) {
  struct rewrite r = {.engine = e,
                      .fs = fs,
                      .options = options,
                      .pace = {.rate_bytes = options->rate_bytes, .cancel = options->cancel}};
  r.move = (struct fs_move){.buf = malloc(FS_MOVE_BYTES), .most_bytes = FS_MOVE_BYTES};
  if (r.move.buf == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = passes(&r);
  secmem_wipe(r.move.buf, FS_MOVE_BYTES);
  free(r.move.buf);
  return err;
}
