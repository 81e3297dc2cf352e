/* An engine's life: made, failed, closed, and what it tells of itself. How one is opened: engine_open.c. */
#include "tree/engine.h"

#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"
#include "tree/core.h"
#include "tree/lineage.h"

#include <stdio.h>
#include <stdlib.h>

/* A new container's log has room for this much before it needs new sets. */
#define FIRST_LOG_UNITS_END ((1ull << 30) / FORMAT_UNIT_BYTES)
void engine_keys_free(struct engine_keys *keys) {
  for (unsigned i = 0; i < FORMAT_EPOCHS; i++) {
    aead_key_free(keys->epochs[i].node);
    aead_key_free(keys->epochs[i].data);
    aead_key_free(keys->epochs[i].superblock);
    aead_key_free(keys->epochs[i].log);
  }
  *keys = (struct engine_keys){0};
}

/* Takes the keys over. NULL when out of memory. */
static struct key_set *key_set_new(struct engine_keys *keys, struct key_set *older) {
  struct key_set *set = calloc(1, sizeof *set);
  if (set == NULL)
    return NULL;
  set->keys = *keys;
  set->older = older;
  *keys = (struct engine_keys){0};
  return set;
}

static void key_sets_free(struct key_set *set) {
  while (set != NULL) {
    struct key_set *older = set->older;
    engine_keys_free(&set->keys);
    free(set);
    set = older;
  }
}

struct engine *engine_new(struct store *store, struct engine_keys *keys, struct workers *workers,
                          const struct engine_options *options) {
  struct engine *e = calloc(1, sizeof *e);
  if (e == NULL)
    return NULL;
  e->keys = key_set_new(keys, NULL);
  if (e->keys == NULL) {
    free(e);
    return NULL;
  }
  e->store = store;
  e->workers = workers;
  e->options = *options;
  e->read_only = options->read_only || store->read_only;
  env_random(e->branch.id, sizeof e->branch.id);
  block_io_start(&e->io, store, &e->keys->keys);
  gate_start(&e->gate);
  intent_start(&e->intent);
  pthread_mutex_init(&e->state_lock, NULL);
  pthread_mutex_init(&e->grow_lock, NULL);
  pthread_mutex_init(&e->commit_lock, NULL);
  pthread_mutex_init(&e->buffer_lock, NULL);
  pthread_condattr_t attr;
  pthread_condattr_init(&attr);
  pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
  pthread_cond_init(&e->commit_changed, &attr);
  pthread_cond_init(&e->commit_wanted, &attr);
  pthread_condattr_destroy(&attr);
  return e;
}

void engine_unload(struct engine *e) {
  if (e->tree.cache.table != NULL)
    tree_end(&e->tree);
  if (e->alloc.cluster_units != 0)
    alloc_end(&e->alloc);
  memset(&e->tree, 0, sizeof e->tree);
  memset(&e->alloc, 0, sizeof e->alloc);
}

void engine_close(struct engine *e) {
  if (e == NULL)
    return;
  committer_stop(e);
  engine_unload(e);
  for (unsigned i = 0; i < e->buffer_count; i++)
    free(e->buffers[i]);
  pthread_cond_destroy(&e->commit_changed);
  pthread_cond_destroy(&e->commit_wanted);
  pthread_mutex_destroy(&e->buffer_lock);
  pthread_mutex_destroy(&e->commit_lock);
  pthread_mutex_destroy(&e->grow_lock);
  pthread_mutex_destroy(&e->state_lock);
  gate_end(&e->gate);
  intent_end(&e->intent);
  block_io_end(&e->io);
  key_sets_free(e->keys);
  free(e);
}

/* ---- Making ---- */

static enum nacre_err mark_groups(struct alloc *a) {
  static const uint64_t offsets[] = {FORMAT_GROUP_0_OFFSET, FORMAT_GROUP_1_OFFSET};
  for (unsigned i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
    ERR_TRY(alloc_mark(a, offsets[i] / FORMAT_UNIT_BYTES, FORMAT_GROUP_UNITS));
    ERR_TRY(alloc_hold(a, offsets[i] / FORMAT_UNIT_BYTES, FORMAT_GROUP_UNITS));
  }
  return NACRE_OK;
}

static enum nacre_err place_first_log(struct engine *e) {
  struct superblock_log *log = &e->fresh_log;
  log->checkpoint_units =
      spacelog_checkpoint_units(u64_max(e->alloc.units_end, u64_min(e->units_limit, FIRST_LOG_UNITS_END)));
  uint64_t units = spacelog_set_units(log->checkpoint_units);
  for (unsigned i = 0; i < FORMAT_LOG_SETS; i++) {
    struct run run;
    ERR_TRY(alloc_take(&e->alloc, ALLOC_LOW, units, units, 1, &run));
    ERR_TRY(alloc_hold(&e->alloc, run.unit, run.units));
    log->sets[i] = (struct superblock_extent){.unit = run.unit, .units = run.units};
  }
  e->has_fresh_log = true;
  return NACRE_OK;
}

static enum nacre_err first_sizes(struct store *store, const struct engine_geometry *g, uint64_t *units_end,
                                  uint64_t *units_limit) {
  uint64_t size;
  ERR_TRY(store_size(store, &size));
  uint64_t smallest = FORMAT_GROUP_1_OFFSET + FORMAT_GROUP_BYTES;
  if (!store_can_resize(store)) {
    *units_limit = *units_end = u64_min(size, g->size_limit_bytes) / FORMAT_UNIT_BYTES / 64 * 64;
  } else {
    *units_limit = g->size_limit_bytes / FORMAT_UNIT_BYTES / 64 * 64;
    *units_end = u64_min(*units_limit, (smallest / FORMAT_UNIT_BYTES + 63) / 64 * 64);
  }
  if (*units_limit * FORMAT_UNIT_BYTES < NACRE_VOLUME_SIZE_MIN_BYTES || *units_limit > FORMAT_UNITS_MAX)
    return err_set(NACRE_ERR_ARGUMENT, "a volume has 24 MiB at least and 64 PiB at most");
  if (size < *units_end * FORMAT_UNIT_BYTES)
    return store_resize(store, *units_end * FORMAT_UNIT_BYTES);
  return NACRE_OK;
}

size_t engine_cache_limit(uint64_t bytes) {
  return (size_t)u64_min(bytes, SIZE_MAX);
}

enum nacre_err engine_fill_ring(struct engine *e) {
  while (e->durable.generation < e->ring_from + FORMAT_RING_SLOTS) {
    e->dirty = true;
    ERR_TRY(commit_run(e, false));
  }
  return NACRE_OK;
}

static enum nacre_err create_in(struct engine *e, const struct engine_geometry *g) {
  uint64_t units_end;
  ERR_TRY(first_sizes(e->store, g, &units_end, &e->units_limit));
  ERR_TRY(alloc_start(&e->alloc, units_end, space_cluster_units(g->chunk_bytes)));
  ERR_TRY(mark_groups(&e->alloc));
  ERR_TRY(place_first_log(e));
  ERR_TRY(tree_start(&e->tree, &e->alloc, &e->io, engine_cache_limit(e->options.memory_bytes)));
  e->tree.generation = 1;
  ERR_TRY(tree_make_root(&e->tree));
  e->durable = (struct superblock){
      .units_limit = e->units_limit, .chunk_bytes = g->chunk_bytes, .node_bytes = FORMAT_NODE_BYTES};
  ERR_TRY(intent_place(e));
  e->ring_from = 1;
  e->next_ino = 2; /* 1 is the root folder */
  e->header_sequence_min = g->header_sequence;
  memcpy(e->header_mac, g->header_mac, sizeof e->header_mac);
  e->dirty = true;
  ERR_TRY(commit_run(e, false));
  return engine_fill_ring(e);
}

enum nacre_err engine_create(struct store *store, struct engine_keys *keys, const struct engine_geometry *geometry) {
  struct workers *workers = NULL;
  ERR_TRY(workers_new(0, &workers));
  struct engine_options options = {.memory_bytes = 1u << 20};
  struct engine *e = engine_new(store, keys, workers, &options);
  enum nacre_err err = e == NULL ? err_set(NACRE_ERR_NO_MEMORY, "out of memory") : create_in(e, geometry);
  engine_close(e);
  engine_keys_free(keys);
  workers_free(workers);
  return err;
}

/* Transactions and commits seal, and nothing else does. */
enum nacre_err engine_replace_keys(struct engine *e, struct engine_keys *keys) {
  struct key_set *set = key_set_new(keys, e->keys);
  if (set == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  committer_hold(e);
  gate_close(&e->gate);
  e->keys = set;
  block_use_keys(&e->io, &set->keys);
  gate_open(&e->gate);
  committer_release(e);
  return NACRE_OK;
}

uint64_t engine_generation(const struct engine *e) {
  return e->tree.generation;
}

uint32_t engine_epoch(const struct engine *e) {
  return block_current_epoch(&e->io);
}

void engine_set_capture(struct engine *e, engine_capture_fn fn) {
  pthread_mutex_lock(&e->commit_lock);
  while (e->committing)
    pthread_cond_wait(&e->commit_changed, &e->commit_lock);
  e->capture = fn;
  pthread_mutex_unlock(&e->commit_lock);
}

void engine_set_flush(struct engine *e, engine_flush_fn fn, void *arg) {
  pthread_mutex_lock(&e->commit_lock);
  while (e->committing)
    pthread_cond_wait(&e->commit_changed, &e->commit_lock);
  e->flush = fn;
  e->flush_arg = arg;
  pthread_mutex_unlock(&e->commit_lock);
}

/* ---- State ---- */

enum nacre_err engine_fail(struct engine *e, enum nacre_err err) {
  pthread_mutex_lock(&e->state_lock);
  if (!e->failed) {
    e->failed = true;
    snprintf(e->failure, sizeof e->failure, "%s", err_message());
  }
  pthread_mutex_unlock(&e->state_lock);
  return err;
}

enum nacre_err engine_check_writable(struct engine *e) {
  if (!e->failed && !e->read_only)
    return NACRE_OK;
  pthread_mutex_lock(&e->state_lock);
  enum nacre_err err = NACRE_OK;
  if (e->failed)
    err = err_set(NACRE_ERR_READ_ONLY, "the volume went read-only: %s", e->failure);
  else if (e->read_only)
    err = err_set(NACRE_ERR_READ_ONLY, "the volume is open read-only");
  pthread_mutex_unlock(&e->state_lock);
  return err;
}

uint32_t engine_chunk_bytes(const struct engine *e) {
  return e->chunk_bytes;
}

uint64_t engine_units_end(struct engine *e) {
  return alloc_units_end(&e->alloc);
}

/* Pending space counts: who runs short gets it by commits. */
static uint64_t free_units(struct engine *e, uint64_t units_end) {
  uint64_t free = alloc_available(&e->alloc) + alloc_pending_units(&e->alloc);
  uint64_t at_most = store_can_resize(e->store) ? e->units_limit : units_end;
  uint64_t besides = space_keep_units(e, at_most) + space_dirty_units(e);
  free += at_most - units_end;
  return free > besides ? free - besides : 0;
}

void engine_get_info(struct engine *e, struct engine_info *info) {
  uint64_t units_end = alloc_units_end(&e->alloc);
  pthread_mutex_lock(&e->state_lock);
  *info = (struct engine_info){.generation = e->durable.generation,
                               .here = lineage_point_of(&e->durable),
                               .units_end = units_end,
                               .units_limit = e->units_limit,
                               .inodes = e->inodes,
                               .committed_inodes = e->durable.inodes,
                               .chunk_bytes = e->chunk_bytes,
                               .read_only = e->read_only || e->failed,
                               .failed = e->failed,
                               .fell_back = e->fell_back || e->fell_back_before,
                               .unchanged = e->unchanged,
                               .unsettled = e->unsettled,
                               .log_damaged = e->intent.damaged,
                               .ring_damaged = e->ring_damaged};
  info->header_sequence_min = e->header_sequence_min;
  memcpy(info->header_mac, e->header_mac, sizeof info->header_mac);
  block_sealed(&e->io, &info->sealed_blocks, &info->sealed_bytes);
  memcpy(info->commit_id, e->durable.commit_id, sizeof info->commit_id);
  memcpy(info->failure, e->failure, sizeof info->failure);
  pthread_mutex_unlock(&e->state_lock);
  info->used_units = alloc_used_units(&e->alloc, 0);
  info->free_units = free_units(e, units_end);
  info->dirty_bytes = e->tree.dirty_nodes * FORMAT_NODE_BYTES;
  pthread_rwlock_rdlock(&e->tree.lock);
  info->memory_bytes = e->tree.cache.bytes + info->dirty_bytes;
  pthread_rwlock_unlock(&e->tree.lock);
}
