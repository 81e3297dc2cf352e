/* Opening and closing volumes, and what they say of themselves. */
#include "api/handle.h"
#include "api/structs.h"
#include "api/target.h"
#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "ops/rekey.h"

#include <stdlib.h>
#include <unistd.h>

#define MEMORY_DEFAULT_BYTES (64ull << 20)
#define MEMORY_MIN_BYTES (8ull << 20)
#define THREADS_AUTO_MAX 16u
#define THREADS_MAX 1024
#define COMMIT_INTERVAL_DEFAULT_MS 5000u
#define ASK_ATTEMPTS_DEFAULT 3

static unsigned thread_count(int wanted) {
  if (wanted >= 0)
    return (unsigned)wanted;
  unsigned cores = env_cores();
  return cores < THREADS_AUTO_MAX ? cores : THREADS_AUTO_MAX;
}

static enum nacre_err options_take(const struct nacre_open_options *theirs, struct volume_options *out) {
  struct nacre_open_options o;
  ERR_TRY(struct_take(&o, sizeof o, theirs));
  if (o.memory_bytes != 0 && o.memory_bytes < MEMORY_MIN_BYTES)
    return err_set(NACRE_ERR_ARGUMENT, "the memory limit is at least %llu bytes",
                   (unsigned long long)MEMORY_MIN_BYTES);
  if (o.threads < -1 || o.threads > THREADS_MAX)
    return err_set(NACRE_ERR_ARGUMENT, "threads are -1 (as many as cores) to %d", THREADS_MAX);
  if (o.anchor && (o.anchor->struct_size < sizeof *o.anchor || !o.anchor->load || !o.anchor->store))
    return err_set(NACRE_ERR_ARGUMENT, "an anchor's calls are incomplete");
  if (o.header_backup && o.header_backup_bytes != NACRE_HEADER_BYTES)
    return err_set(NACRE_ERR_NOT_VOLUME, "a backup of a header has %u bytes, not %llu", NACRE_HEADER_BYTES,
                   (unsigned long long)o.header_backup_bytes);
  if (o.use_slot && (o.slot < 0 || o.slot >= NACRE_SLOTS_MAX))
    return err_set(NACRE_ERR_ARGUMENT, "slots are numbered 0 to %d", NACRE_SLOTS_MAX - 1);
  *out = (struct volume_options){
      .read_only = o.read_only,
      .memory_bytes = o.memory_bytes ? o.memory_bytes : MEMORY_DEFAULT_BYTES,
      .threads = thread_count(o.threads),
      .commit_interval_ms = o.commit_interval_ms ? o.commit_interval_ms : COMMIT_INTERVAL_DEFAULT_MS,
      .unlock = {.kdf_memory_max_bytes = o.kdf_memory_max_bytes ? o.kdf_memory_max_bytes : NACRE_KDF_MEMORY_MAX_BYTES,
                 .use_slot = o.use_slot,
                 .slot = (uint32_t)o.slot,
                 .cancel = o.cancel,
                 .progress = o.progress,
                 .progress_arg = o.progress_arg},
      .header = o.header_backup,
      .header_force = o.header_backup_force,
      .ask = o.ask,
      .ask_free = nacre_credential_free,
      .ask_arg = o.ask_arg,
      .ask_attempts = o.ask_attempts > 0 ? o.ask_attempts : ASK_ATTEMPTS_DEFAULT,
      .anchor = o.anchor,
      .anchor_ctx = o.anchor_ctx,
      .accept_rollback = o.accept_rollback,
      .hold_rekey = o.hold_rekey,
      .waiting = o.waiting,
      .waiting_arg = o.waiting_arg,
  };
  out->use_expect_fingerprint = o.use_expect_fingerprint;
  memcpy(out->expect_fingerprint, o.expect_fingerprint, sizeof out->expect_fingerprint);
  return NACRE_OK;
}

enum nacre_err nacre_volume_open(const struct nacre_target *target, const struct nacre_open_options *options,
                                 const nacre_credential *cred, nacre_volume **out) {
  struct volume_options ours = {0};
  struct store store;
  err_clear();
  if (!out)
    return err_set(NACRE_ERR_ARGUMENT, "room for the handle is missing");
  enum nacre_err err = options_take(options, &ours);
  if (err != NACRE_OK) {
    target_discard(target);
    return err;
  }
  struct nacre_volume *vol = calloc(1, sizeof *vol);
  if (!vol) {
    target_discard(target);
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  }
  vol->pid = getpid();
  err = target_open(target, ours.read_only ? FILE_STORE_READ_ONLY : 0, &store);
  if (err == NACRE_OK)
    err = volume_open(&store, &ours, cred, &vol->v);
  if (err != NACRE_OK) {
    free(vol);
    return err;
  }
  *out = vol;
  return NACRE_OK;
}

static void discard(nacre_volume *vol) {
  volume_free(vol->v);
  free(vol);
}

/* Read-only, there is nothing to commit; but a volume that failed must not keep quiet about it. */
static enum nacre_err sync_by(nacre_volume *vol, enum nacre_err (*sync)(struct fs *fs)) {
  struct engine_info info;
  engine_get_info(vol->v->engine, &info);
  return info.read_only && !info.failed ? NACRE_OK : sync(vol->v->fs);
}

enum nacre_err nacre_volume_close(nacre_volume *vol) {
  err_clear();
  if (!vol)
    return NACRE_OK;
  ERR_TRY(handle_volume(vol));
  rekey_hold(vol->v);
  enum nacre_err err = sync_by(vol, fs_sync);
  const bool synced = err == NACRE_OK;
  if (synced)
    err = engine_trim(vol->v->engine);
  if (err == NACRE_OK)
    anchor_closing(&vol->v->anchor, vol->v->engine);
  /* Of a loss and of what only makes the container smaller, the loss is told. */
  const enum nacre_err loss = synced ? fs_take_loss(vol->v->fs) : NACRE_OK;
  discard(vol);
  return loss != NACRE_OK ? loss : err;
}

void nacre_volume_abandon(nacre_volume *vol) {
  if (vol && handle_volume(vol) == NACRE_OK)
    discard(vol);
}

enum nacre_err nacre_volume_sync(nacre_volume *vol) {
  ERR_TRY(handle_volume(vol));
  ERR_TRY(sync_by(vol, fs_sync));
  return fs_take_loss(vol->v->fs);
}

enum nacre_err nacre_volume_fsync(nacre_volume *vol) {
  ERR_TRY(handle_volume(vol));
  return sync_by(vol, fs_sync_lightly);
}

enum nacre_err nacre_volume_get_info(nacre_volume *vol, struct nacre_volume_info *info) {
  ERR_TRY(handle_volume(vol));
  ERR_TRY(struct_check(info));
  struct volume *v = vol->v;
  struct engine_info e;
  engine_get_info(v->engine, &e);
  struct nacre_volume_info ours = {
      .struct_size = sizeof ours,
      .chunk_bytes = e.chunk_bytes,
      .slot = v->slot,
      .generation = e.generation,
      .size_bytes = e.units_limit * FORMAT_UNIT_BYTES,
      .container_bytes = e.units_end * FORMAT_UNIT_BYTES,
      .used_bytes = e.used_units * FORMAT_UNIT_BYTES,
      .free_bytes = e.free_units * FORMAT_UNIT_BYTES,
      .inodes = e.inodes,
      .sealed_blocks = e.sealed_blocks,
      .sealed_bytes = e.sealed_bytes,
      .dirty_bytes = e.dirty_bytes + fs_dirty_bytes(v->fs),
      .memory_bytes = e.memory_bytes + fs_memory_bytes(v->fs),
      .read_only = e.read_only,
      .failed = e.failed,
      .fell_back = e.fell_back || e.ring_damaged,
  };
  pthread_mutex_lock(&v->header_lock);
  memcpy(ours.volume_id, v->header->volume_id, sizeof ours.volume_id);
  ours.cipher = v->header->cipher;
  pthread_mutex_unlock(&v->header_lock);
  memcpy(ours.fingerprint, v->fingerprint, sizeof ours.fingerprint);
  memcpy(ours.commit_id, e.commit_id, sizeof ours.commit_id);
  memcpy(ours.failure, e.failure, sizeof ours.failure);
  struct_give(info, &ours, sizeof ours);
  return NACRE_OK;
}

enum nacre_err nacre_volume_get_anchor(nacre_volume *vol, struct nacre_anchor_report *report) {
  ERR_TRY(handle_volume(vol));
  ERR_TRY(struct_check(report));
  struct nacre_anchor_report ours;
  anchor_get_report(&vol->v->anchor, &ours);
  struct_give(report, &ours, sizeof ours);
  return NACRE_OK;
}

enum nacre_err nacre_statfs(nacre_volume *vol, struct nacre_statfs *out) {
  struct nacre_statfs ours = {.struct_size = sizeof ours};
  ERR_TRY(handle_volume(vol));
  ERR_TRY(struct_check(out));
  fs_statfs(vol->v->fs, &ours);
  struct_give(out, &ours, sizeof ours);
  return NACRE_OK;
}
