#include "ops/rekey.h"

#include "base/bytes.h"
#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"
#include "crypto/kdf.h"
#include "ops/header_change.h"
#include "ops/wipe.h"

#include <stdio.h>
#include <time.h>

/* Until it is tried again where there was no room for a step: so long at first, then twice as long. */
#define ROOM_WAIT_MIN_S 5u
#define ROOM_WAIT_MAX_S 300u

/* ---- The beginning: new keys ---- */

/* The same slots under the new master key: nobody's credential is needed, since each slot has a public key. */
static enum nacre_err reseal_slots(struct header_change *c, uint32_t drop_slots) {
  unsigned left = 0;
  for (uint32_t i = 0; i < FORMAT_SLOTS; i++) {
    struct keyslot *slot = &c->header->slots[i];
    bool drop = (drop_slots >> i & 1) != 0;
    if (slot->kind == NACRE_SLOT_EMPTY && drop)
      return err_set(NACRE_ERR_NOT_FOUND, "slot %u is empty", i);
    if (slot->kind == NACRE_SLOT_EMPTY)
      continue;
    if (drop) {
      memset(slot, 0, sizeof *slot);
      memset(&c->sealed->slots[i], 0, sizeof c->sealed->slots[i]);
      continue;
    }
    left++;
    ERR_TRY(kdf_seal_key(c->sealed->slots[i].public_key, c->master_key, slot->sealed_master));
  }
  return left > 0 ? NACRE_OK : err_set(NACRE_ERR_WEAK, "no slot would be left: nothing would open the volume again");
}

static enum nacre_err add_epoch(struct header_change *c, enum nacre_cipher cipher) {
  struct header_sealed *sealed = c->sealed;
  struct header_epoch *entry = sealed->epochs;
  while (entry->epoch != 0) /* one of eight is in use */
    entry++;
  if (sealed->current_epoch == UINT32_MAX)
    return err_set(NACRE_ERR_UNSUPPORTED, "there are no more epochs");
  entry->epoch = ++sealed->current_epoch;
  entry->cipher = cipher;
  env_random(entry->volume_key, sizeof entry->volume_key);
  c->header->cipher = cipher;
  c->new_epochs = true;
  return NACRE_OK;
}

/* Whoever had the keys once, and may write to the container, can have put his own public key in a slot's place: the
 * new master key would be his, and not the owner's. Of the slot that opened the volume that shows. */
static enum nacre_err check_own_slot(const struct volume *v) {
  if (!v->slot_forged)
    return NACRE_OK;
  return err_set(NACRE_ERR_DAMAGED,
                 "the public key of slot %u is not its own: somebody who had the keys has changed the header; change "
                 "every credential first",
                 v->slot);
}

static enum nacre_err begin_locked(struct volume *v, const struct rekey_request *request, struct header_change *c) {
  ERR_TRY(header_change_begin(v, c));
  if (header_older_epoch(c->sealed) != NULL)
    return err_set(NACRE_ERR_IN_USE, "a rotation is under way; it has to come to its end first");
  ERR_TRY(check_own_slot(v));
  env_random(c->master_key, 32);
  ERR_TRY(reseal_slots(c, request->drop_slots));
  if (!request->slots_only) {
    enum nacre_cipher cipher = request->cipher == NACRE_CIPHER_AUTO ? c->header->cipher : request->cipher;
    ERR_TRY(add_epoch(c, cipher));
    c->sealed->rekey_rate = request->rate_bytes;
  }
  return header_change_commit(v, c);
}

enum nacre_err rekey_begin(struct volume *v, const struct rekey_request *request) {
  struct header_change c;
  if (request->cipher != NACRE_CIPHER_AUTO && !aead_available(request->cipher))
    return err_set(NACRE_ERR_UNSUPPORTED, "this build or machine lacks that cipher");
  if (request->cipher != NACRE_CIPHER_AUTO && request->slots_only)
    return err_set(NACRE_ERR_ARGUMENT, "another cipher takes new keys for the content, too");
  pthread_mutex_lock(&v->change_lock);
  enum nacre_err err = begin_locked(v, request, &c);
  pthread_mutex_unlock(&v->change_lock);
  header_change_free(&c);
  return err;
}

bool rekey_is_under_way(struct volume *v) {
  pthread_mutex_lock(&v->header_lock);
  bool under_way = header_older_epoch(v->sealed) != NULL;
  pthread_mutex_unlock(&v->header_lock);
  return under_way;
}

enum nacre_err rekey_set_rate(struct volume *v, uint64_t rate_bytes) {
  struct header_change c = {0};
  enum nacre_err err = NACRE_OK;
  pthread_mutex_lock(&v->change_lock);
  bool same = v->sealed->rekey_rate == rate_bytes;
  if (!same)
    err = header_change_begin(v, &c);
  if (!same && err == NACRE_OK) {
    c.sealed->rekey_rate = rate_bytes;
    err = header_change_commit(v, &c);
  }
  pthread_mutex_unlock(&v->change_lock);
  header_change_free(&c);
  return err;
}

/* ---- The old blocks ---- */

/* Nothing reaches them any more. */
static enum nacre_err wipe(struct volume *v, struct rewrite_options options) {
  uint8_t *key = secmem_alloc(32);
  if (key == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  pthread_mutex_lock(&v->header_lock);
  kdf_subkey(header_current_epoch(v->sealed)->volume_key, "wipe", NULL, 0, key);
  pthread_mutex_unlock(&v->header_lock);
  options.written_bytes = &v->rekey.wiped_bytes;
  enum nacre_err err = wipe_old_blocks(v->engine, key, &options);
  secmem_free(key);
  return err;
}

/* ---- The end: the older key goes ---- */

static enum nacre_err forget_locked(struct volume *v, struct header_change *c) {
  ERR_TRY(header_change_begin(v, c));
  for (unsigned i = 0; i < FORMAT_EPOCHS; i++) {
    struct header_epoch *entry = &c->sealed->epochs[i];
    if (entry->epoch != c->sealed->current_epoch)
      secmem_wipe(entry, sizeof *entry);
  }
  c->sealed->rekey_rate = 0;
  c->new_epochs = true;
  return header_change_commit(v, c);
}

static enum nacre_err forget_older(struct volume *v) {
  struct header_change c;
  pthread_mutex_lock(&v->change_lock);
  enum nacre_err err = forget_locked(v, &c);
  pthread_mutex_unlock(&v->change_lock);
  header_change_free(&c);
  return err;
}

static uint64_t current_rate(struct volume *v) {
  pthread_mutex_lock(&v->header_lock);
  uint64_t rate = v->sealed->rekey_rate;
  pthread_mutex_unlock(&v->header_lock);
  return rate;
}

static enum nacre_err finish(struct volume *v, const struct rekey_run *run) {
  atomic_store(&v->rekey.written_bytes, 0);
  atomic_store(&v->rekey.wiped_bytes, 0);
  if (!rekey_is_under_way(v))
    return NACRE_OK;
  const struct rewrite_options options = {.rate_bytes = current_rate(v),
                                          .progress = run->progress,
                                          .progress_arg = run->progress_arg,
                                          .cancel = run->cancel,
                                          .done_bytes = &v->rekey.done_bytes,
                                          .total_bytes = &v->rekey.total_bytes,
                                          .written_bytes = &v->rekey.written_bytes};
  ERR_TRY(rewrite_older(v->engine, v->fs, &options));
  ERR_TRY(cancel_check(run->cancel));
  ERR_TRY(engine_renew_ring(v->engine));
  ERR_TRY(wipe(v, options));
  return forget_older(v);
}

/* Why the last one stopped, for whoever asks how it is going. */
static void remember_failure(struct volume *v, enum nacre_err err) {
  pthread_mutex_lock(&v->header_lock);
  v->rekey.stopped = err;
  (void)snprintf(v->rekey.why, sizeof v->rekey.why, "%s", err == NACRE_OK ? "" : err_message());
  pthread_mutex_unlock(&v->header_lock);
}

enum nacre_err rekey_finish(struct volume *v, const struct rekey_run *run) {
  if (atomic_exchange(&v->rekey.running, true))
    return err_set(NACRE_ERR_IN_USE, "a rotation is being carried on already");
  enum nacre_err err = finish(v, run);
  remember_failure(v, err);
  atomic_store(&v->rekey.running, false);
  return err;
}

/* ---- By itself ---- */

/* False once it was told to end. */
static bool wait_for_room(struct volume *v, unsigned seconds) {
  const struct timespec pause = {.tv_nsec = 100000000};
  for (unsigned i = 0; i < seconds * 10 && cancel_check(&v->rekey.cancel) == NACRE_OK; i++)
    nanosleep(&pause, NULL);
  return cancel_check(&v->rekey.cancel) == NACRE_OK;
}

/* What ends it, if not the volume's end, shows in its status, and in the next opening: it is still under way. */
static void *resume_main(void *arg) {
  struct volume *v = arg;
  const struct rekey_run run = {.cancel = &v->rekey.cancel};
  unsigned seconds = ROOM_WAIT_MIN_S;
  while (rekey_finish(v, &run) == NACRE_ERR_NO_SPACE && wait_for_room(v, seconds))
    seconds = seconds * 2 < ROOM_WAIT_MAX_S ? seconds * 2 : ROOM_WAIT_MAX_S;
  return NULL;
}

void rekey_resume(struct volume *v) {
  if (!v->rekey.by_itself || !rekey_is_under_way(v) || engine_check_writable(v->engine) != NACRE_OK)
    return;
  pthread_mutex_lock(&v->rekey.thread_lock);
  if (!v->rekey.has_thread) {
    atomic_store(&v->rekey.cancel.fired, false);
    v->rekey.has_thread = pthread_create(&v->rekey.thread, NULL, resume_main, v) == 0;
  }
  pthread_mutex_unlock(&v->rekey.thread_lock);
}

void rekey_hold(struct volume *v) {
  pthread_mutex_lock(&v->rekey.thread_lock);
  if (v->rekey.has_thread) {
    atomic_store(&v->rekey.cancel.fired, true);
    pthread_join(v->rekey.thread, NULL);
    v->rekey.has_thread = false;
  }
  pthread_mutex_unlock(&v->rekey.thread_lock);
}

void rekey_get_status(struct volume *v, struct rekey_status *out) {
  *out = (struct rekey_status){.under_way = rekey_is_under_way(v),
                               .running = atomic_load(&v->rekey.running),
                               .done_bytes = atomic_load(&v->rekey.done_bytes),
                               .total_bytes = atomic_load(&v->rekey.total_bytes),
                               .written_bytes = atomic_load(&v->rekey.written_bytes),
                               .wiped_bytes = atomic_load(&v->rekey.wiped_bytes),
                               .epoch = engine_epoch(v->engine)};
  pthread_mutex_lock(&v->header_lock);
  out->stopped = v->rekey.stopped;
  memcpy(out->why, v->rekey.why, sizeof out->why);
  pthread_mutex_unlock(&v->header_lock);
}
