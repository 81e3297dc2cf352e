/* How a container is opened: at the newest sound commit, and what becomes of those that were skipped. */
#include "base/env.h"
#include "base/err.h"
#include "tree/core.h"
#include "tree/lineage.h"

/* A generation that might have been written and lost must not come again. One that many later goes to the slot behind
 * the newest that was found, as it would if nothing were lost: the one slot that a cut may tear. */
#define LOST_GENERATIONS_MAX FORMAT_RING_SLOTS

static enum nacre_err map_contradicts(void) {
  return err_set(NACRE_ERR_DAMAGED, "the map of free space contradicts the superblock");
}

static enum nacre_err hold_fixed(struct alloc *a, uint64_t unit, uint64_t units) {
  return alloc_are_used(a, unit, units) ? alloc_hold(a, unit, units) : map_contradicts();
}

static enum nacre_err check_fixed(struct engine *e, const struct superblock *sb) {
  ERR_TRY(hold_fixed(&e->alloc, FORMAT_GROUP_0_OFFSET / FORMAT_UNIT_BYTES, FORMAT_GROUP_UNITS));
  ERR_TRY(hold_fixed(&e->alloc, FORMAT_GROUP_1_OFFSET / FORMAT_UNIT_BYTES, FORMAT_GROUP_UNITS));
  for (unsigned s = 0; s < FORMAT_LOG_SETS; s++)
    ERR_TRY(hold_fixed(&e->alloc, sb->log.sets[s].unit, sb->log.sets[s].units));
  if (sb->intent.half_units > 0)
    ERR_TRY(hold_fixed(&e->alloc, sb->intent.unit, sb->intent.half_units * FORMAT_INTENT_HALVES));
  return alloc_used_units(&e->alloc, sb->generation) == sb->used_units ? NACRE_OK : map_contradicts();
}

/* The map takes a bit a unit, whatever the volume holds: 32 MiB a TiB. */
static enum nacre_err check_map_memory(const struct superblock *sb) {
  if (sb->units_end / 8 > env_ram_bytes() / 8)
    return err_set(NACRE_ERR_LIMIT, "the map of so large a container takes more than an eighth of the memory here");
  return NACRE_OK;
}

enum nacre_err engine_load_commit(struct engine *e, const struct superblock *sb) {
  uint64_t size;
  ERR_TRY(check_map_memory(sb));
  ERR_TRY(store_size(e->store, &size));
  if (size / FORMAT_UNIT_BYTES < sb->units_end)
    return err_set(NACRE_ERR_DAMAGED, "the container is cut short: it has %llu bytes of %llu",
                   (unsigned long long)size, (unsigned long long)(sb->units_end * FORMAT_UNIT_BYTES));
  ERR_TRY(alloc_start(&e->alloc, sb->units_end, space_cluster_units(sb->chunk_bytes)));
  ERR_TRY(spacelog_load(&e->io, &sb->log, sb->units_end, sb->generation, &e->alloc));
  ERR_TRY(check_fixed(e, sb));
  ERR_TRY(tree_start(&e->tree, &e->alloc, &e->io, engine_cache_limit(e->options.memory_bytes / 3 * 2)));
  ERR_TRY(tree_load_root(&e->tree, &sb->root, sb->root_level));
  e->units_limit = sb->units_limit;
  e->chunk_bytes = sb->chunk_bytes;
  e->durable = *sb;
  e->next_ino = sb->next_ino;
  e->inodes = sb->inodes;
  bool own = !e->options.any_header;
  e->header_sequence_min = own ? e->options.header_sequence : sb->header_sequence_min;
  memcpy(e->header_mac, own ? e->options.header_mac : sb->header_mac, sizeof e->header_mac);
  e->header_changed = e->header_sequence_min > sb->header_sequence_min;
  return NACRE_OK;
}

/* What was skipped may have demanded a later header. Where any will do it is still demanded. */
static void keep_header_minimum(struct engine *e, const struct superblock *skipped) {
  if (skipped->header_sequence_min <= e->header_sequence_min)
    return;
  e->header_sequence_min = skipped->header_sequence_min;
  memcpy(e->header_mac, skipped->header_mac, sizeof e->header_mac);
  e->header_changed = true;
}

/* The newest commit, or, where storage lied about its sync or was tampered with, the one just before it: no space
 * that one reaches has been used again. What can't be read may be there the next time: it is passed over for reading
 * alone, never written over. */
static enum nacre_err load_newest(struct engine *e, const struct ring_found *ring) {
  enum nacre_err err = engine_load_commit(e, &ring->newest);
  bool lost = err == NACRE_ERR_DAMAGED || (err == NACRE_ERR_IO && e->read_only);
  if (!lost || ring->parent.generation == 0)
    return err;
  engine_unload(e);
  enum nacre_err parent = engine_load_commit(e, &ring->parent);
  if (parent != NACRE_OK && parent != NACRE_ERR_DAMAGED)
    return parent;
  if (parent != NACRE_OK) /* where the storage failed, nobody knows that anything is damaged */
    return err_set(err, "neither the newest commit nor the one before it can be read");
  e->fell_back = true;
  keep_header_minimum(e, &ring->newest);
  return NACRE_OK;
}

static enum nacre_err check_header(const struct engine *e, const struct superblock *sb) {
  uint64_t have = e->options.header_sequence, due = sb->header_sequence_min;
  if (e->options.any_header)
    return NACRE_OK;
  if (have < due)
    return err_set(
        NACRE_ERR_ROLLED_BACK,
        "the header is older than the volume's content (sequence %llu, at least %llu is due); restore a backup",
        (unsigned long long)have, (unsigned long long)due);
  if (have == due && memcmp(e->options.header_mac, sb->header_mac, sizeof sb->header_mac) != 0)
    return err_set(NACRE_ERR_ROLLED_BACK,
                   "the header is not the one that goes with the volume's content; restore a backup");
  return NACRE_OK;
}

/* Also where an older commit is taken: the newest one's blocks were sealed all the same. */
static void count_sealed(struct engine *e, const struct superblock *newest) {
  if (newest->epoch != block_current_epoch(&e->io))
    return;
  /* Records of the intent log count on from the commit that they go with. */
  block_count_sealed(&e->io, u64_max(newest->sealed_blocks, e->intent.found_sealed_blocks),
                     u64_max(newest->sealed_bytes, e->intent.found_sealed_bytes));
  block_count_sealed(&e->io, 1, SUPERBLOCK_PLAIN_BYTES);
}

/* The set of the older commit's log that the newest one's checkpoint is not in: what lost that may lose another. */
static enum spacelog_want other_set(const struct superblock_log *taken, const struct superblock_log *skipped) {
  bool same_sets = memcmp(taken->sets, skipped->sets, sizeof taken->sets) == 0;
  bool is_next = same_sets && skipped->current == (taken->current + 1) % FORMAT_LOG_SETS;
  return is_next ? SPACELOG_CHECKPOINT_ELSEWHERE : SPACELOG_CHECKPOINT;
}

/* What a commit has just written of the log, from the medium and not from memory. */
static enum nacre_err read_back_log(struct engine *e) {
  const struct superblock *sb = &e->durable;
  struct alloc map = {0};
  store_forget(e->store);
  ERR_TRY(alloc_start(&map, sb->units_end, space_cluster_units(sb->chunk_bytes)));
  enum nacre_err err = spacelog_load(&e->io, &sb->log, sb->units_end, sb->generation, &map);
  alloc_end(&map);
  if (err == NACRE_ERR_DAMAGED)
    err = err_set(NACRE_ERR_IO, "the storage does not hold what was just written to it; try once more, or save what "
                                "the volume holds, by opening it read-only");
  return err;
}

/* The older commit once more, in front of those that were skipped. The next opening may find what was skipped
 * readable again, if this one is cut: so nothing is allocated for it, and nothing that the newest of the skipped ones
 * reaches is written over. It begins no branch: that would change the tree. */
static enum nacre_err restate(struct engine *e, const struct ring_found *ring) {
  const uint64_t in_slot = ring->generations[e->tree.generation % FORMAT_RING_SLOTS];
  if (in_slot > e->durable.generation)
    ERR_TRY(ring_erase(&e->io, e->tree.generation));
  const struct superblock_branch own = e->branch;
  e->branch = e->durable.branch;
  e->branch_entered = e->restating = e->dirty = true;
  e->log_want = other_set(&e->durable.log, &ring->newest.log);
  enum nacre_err err = commit_run(e, false);
  e->branch = own;
  e->branch_entered = e->restating = false;
  return err == NACRE_OK ? read_back_log(e) : err;
}

/* A fallback is settled at once. First the commit that tells the next opening where things stand, how far generations
 * have come, and that the ring begins anew; until it is durable, and can be read, the skipped superblocks stay, since
 * without them the ring of what was taken may have a gap. Then they go, before anything else is written: their blocks
 * are about to be used. An opening that finds nothing but the first was cut between the two, and goes on. Where
 * superblocks are gone there is a gap anyway, and what did not open may be newer than what was taken: it goes first.
 */
static enum nacre_err prepare_writing(struct engine *e, const struct ring_found *ring) {
  if (ring->missing > 0)
    ERR_TRY(ring_erase_lost(&e->io, ring, e->durable.generation));
  ERR_TRY(store_read(e->store, e->newest_slot, sizeof e->newest_slot, superblock_offset(e->durable.generation)));
  e->has_newest_slot = true;
  if (e->fell_back)
    ERR_TRY(restate(e, ring));
  if (e->durable.generation == e->ring_from) {
    ERR_TRY(commit_check_sole_writer(e, e->tree.generation));
    ERR_TRY(ring_erase_others(&e->io, e->durable.generation, ring->parent.generation));
  }
  ERR_TRY(engine_fill_ring(e));
  /* A gap that was accepted is none any more, but there may have been newer commits. */
  e->fell_back |= ring->missing > 0;
  e->ring_damaged = false;
  return NACRE_OK;
}

/* The first generation from there on whose slot may be had: never that of what is taken, nor the newest's, which a
 * later opening may find readable; one of those that were skipped before it only where no other is left. */
static uint64_t generation_with_slot(const struct ring_found *ring, uint64_t from, uint64_t taken) {
  for (uint64_t g = from; g < from + FORMAT_RING_SLOTS; g++)
    if (ring->generations[g % FORMAT_RING_SLOTS] < taken)
      return g;
  uint64_t g = from;
  while (ring->generations[g % FORMAT_RING_SLOTS] == taken ||
         ring->generations[g % FORMAT_RING_SLOTS] == ring->highest)
    g++;
  return g;
}

/* Where the generations go on, and from which one on the ring has no gaps. */
static void choose_generation(struct engine *e, const struct ring_found *ring) {
  if (!e->fell_back && ring->missing == 0) {
    e->tree.generation = ring->highest + 1;
    e->ring_from = e->durable.ring_from;
    return;
  }
  e->tree.generation = generation_with_slot(ring, ring->highest + 1 + LOST_GENERATIONS_MAX, e->durable.generation);
  e->ring_from = e->tree.generation;
}

/* The ring that a fallback, or an accepted gap, began was not filled: that opening told nobody. */
static bool ring_is_unfinished(const struct superblock *sb) {
  return sb->ring_from > 1 && sb->generation < sb->ring_from + FORMAT_RING_SLOTS;
}

/* A volume where no commit can succeed is for reading. Better now than when somebody waits for an fsync. */
static enum nacre_err begin_writing(struct engine *e, const struct ring_found *ring) {
  enum nacre_err err = lineage_probe(e, e->tree.generation + (e->fell_back ? 1 : 0));
  if (ring->unreadable)
    err = err_set(NACRE_ERR_IO, "a superblock slot cannot be read");
  if (err == NACRE_ERR_NO_MEMORY)
    return err;
  if (e->intent.damaged && !e->options.accept_gap)
    err = err_set(NACRE_ERR_DAMAGED, "%s", e->intent.why);
  e->dirty |= e->intent.damaged; /* a commit leaves it behind */
  if (err == NACRE_OK)
    return prepare_writing(e, ring);
  (void)engine_fail(e, err);
  e->unchanged = true;
  return NACRE_OK;
}

static enum nacre_err open_in(struct engine *e) {
  struct ring_found ring;
  /* What is read below may be in the host's cache alone. It counts as durable, so it must be. Who reads can do
   * without, but then must not remember it as durable. */
  if (!e->read_only)
    ERR_TRY(store_sync(e->store));
  else
    e->unsettled = e->options.admit != NULL && store_sync_others(e->store) != NACRE_OK;
  ERR_TRY(ring_read(&e->io, &ring));
  ERR_TRY(check_header(e, &ring.newest));
  if (ring.missing > 0 && !ring.unreadable && !e->read_only && !e->options.accept_gap)
    return err_set(NACRE_ERR_DAMAGED,
                   "%u superblocks of the last commits are gone, which no power cut explains: newer commits may have "
                   "been destroyed; open it read-only to save what it holds, or accept the rollback",
                   ring.missing);
  ERR_TRY(load_newest(e, &ring));
  ERR_TRY(intent_find(e));
  count_sealed(e, &ring.newest);
  choose_generation(e, &ring);
  e->ring_damaged = ring.missing > 0 || ring.unreadable;
  if (e->durable.ro_compat & ~FORMAT_RO_COMPAT_KNOWN)
    e->read_only = true;
  e->fell_back_before = ring_is_unfinished(&e->durable) || e->intent.damaged;
  if (e->options.admit != NULL)
    ERR_TRY(e->options.admit(e->options.arg, e));
  return e->read_only ? NACRE_OK : begin_writing(e, &ring);
}

enum nacre_err engine_open(struct store *store, struct engine_keys *keys, struct workers *workers,
                           const struct engine_options *options, struct engine **out) {
  struct engine *e = engine_new(store, keys, workers, options);
  if (e == NULL) {
    engine_keys_free(keys);
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  }
  enum nacre_err err = open_in(e);
  if (err == NACRE_OK)
    err = committer_start(e);
  if (err != NACRE_OK) {
    engine_close(e);
    return err;
  }
  *out = e;
  return NACRE_OK;
}
