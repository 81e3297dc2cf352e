#include "ops/volume.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/secmem.h"
#include "ops/rekey.h"
#include "ops/restore.h"

#include <stdio.h>
#include <stdlib.h>

static enum nacre_err epoch_key(const struct header_sealed *sealed, const struct header_epoch *epoch,
                                const char *label, struct aead_key **out) {
  uint8_t *bytes = secmem_alloc(AEAD_KEY_BYTES);
  if (!bytes)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  header_volume_subkey(sealed, epoch, label, bytes);
  enum nacre_err err = aead_key_new(epoch->cipher, bytes, out);
  secmem_free(bytes);
  return err;
}

enum nacre_err volume_keys(const struct header_sealed *sealed, struct engine_keys *out) {
  memset(out, 0, sizeof *out);
  bool current_there = false;
  for (unsigned i = 0; i < FORMAT_EPOCHS; i++) {
    const struct header_epoch *epoch = &sealed->epochs[i];
    struct engine_epoch_keys *keys = &out->epochs[i];
    if (epoch->epoch == 0)
      continue;
    keys->epoch = epoch->epoch;
    ERR_TRY(epoch_key(sealed, epoch, "node", &keys->node));
    ERR_TRY(epoch_key(sealed, epoch, "data", &keys->data));
    ERR_TRY(epoch_key(sealed, epoch, "superblock", &keys->superblock));
    ERR_TRY(epoch_key(sealed, epoch, "log", &keys->log));
    current_there |= epoch->epoch == sealed->current_epoch;
  }
  out->current_epoch = sealed->current_epoch;
  if (!current_there)
    return err_set(NACRE_ERR_DAMAGED, "the header has no key of the current epoch");
  return NACRE_OK;
}

/* Before anybody is asked for a passphrase: a cipher that is known, and not to be had here. */
static enum nacre_err check_cipher(const struct headers *h) {
  enum nacre_cipher lacking = NACRE_CIPHER_AUTO;
  for (unsigned copy = 0; copy < HEADERS_COPIES; copy++) {
    if (h->state[copy] != NACRE_OK)
      continue;
    if (aead_available(h->copy[copy].cipher))
      return NACRE_OK;
    lacking = h->copy[copy].cipher;
  }
  return err_set(NACRE_ERR_UNSUPPORTED,
                 "the volume uses %s, which this build lacks; where it opens, its cipher can be changed",
                 aead_name(lacking));
}

/* The one that opened it is the caller's to free. */
static enum nacre_err unlock_asking(const struct headers *h, const struct volume_options *options,
                                    struct nacre_credential **opened, struct unlocked *out) {
  enum nacre_err err = NACRE_ERR_CREDENTIAL;
  memset(out, 0, sizeof *out);
  if (!options->ask)
    return err_set(err, "no credential was given");
  for (int attempt = 0; attempt < options->ask_attempts && err == NACRE_ERR_CREDENTIAL; attempt++) {
    struct nacre_credential *cred = NULL;
    ERR_TRY(cancel_check(options->unlock.cancel));
    if (!options->ask(options->ask_arg, attempt, &cred) || !cred)
      return err_set(NACRE_ERR_CREDENTIAL, "no credential was given");
    unlocked_free(out);
    err = unlock(h, cred, &options->unlock, out);
    if (err == NACRE_OK)
      *opened = cred;
    else
      options->ask_free(cred);
  }
  return err;
}

/* A copy that is torn, decayed, or was left behind by a change that was cut is written anew from the good one. */
static enum nacre_err repair_copies(struct volume *v, const struct headers *h, struct unlocked *u) {
  for (unsigned copy = 0; copy < HEADERS_COPIES; copy++) {
    if (!u->stale[copy])
      continue;
    enum nacre_err err = headers_write_copy(&v->store, copy, h->raw[u->copy]);
    if (err != NACRE_OK)
      return err_prefix(err, "copy %u of the header is damaged and can't be repaired (opening read-only works)",
                        copy);
    u->stale[copy] = false;
    v->header_repaired = true;
  }
  return NACRE_OK;
}

/* Before anything is written. While keys are rotated that is where a lagging copy must be brought up, since the
 * commits that an opening may need are sealed under a key that it has not got. */
static enum nacre_err admit(void *arg, struct engine *e) {
  struct volume *v = arg;
  struct engine_info info;
  if (v->header_borrowed)
    ERR_TRY(restore_admit(v, e, v->header_force));
  ERR_TRY(anchor_admit(&v->anchor, e));
  engine_get_info(e, &info);
  if (info.read_only || v->header_borrowed || header_older_epoch(v->sealed) == NULL)
    return NACRE_OK;
  return repair_copies(v, v->opening_headers, v->opening_unlocked);
}

static void committed(void *arg, struct engine *e) {
  struct volume *v = arg;
  anchor_committed(&v->anchor, e);
}

/* What the intent log has belongs to the volume. One that cannot be replayed costs what it had, not the rest. */
static enum nacre_err take_up(struct volume *v, uint64_t memory_bytes) {
  ERR_TRY(fs_new(v->engine, v->workers, memory_bytes, &v->fs));
  enum nacre_err err = fs_replay(v->fs);
  if (err == NACRE_OK || err == NACRE_ERR_NO_MEMORY)
    return err;
  fs_free(v->fs);
  v->fs = NULL;
  ERR_TRY(engine_forgo_replay(v->engine));
  return fs_new(v->engine, v->workers, memory_bytes, &v->fs);
}

static enum nacre_err open_engine(struct volume *v, const struct volume_options *options, const struct headers *h,
                                  struct unlocked *u) {
  const uint8_t *raw = h->raw[u->copy];
  struct engine_keys keys;
  v->opening_headers = h;
  v->opening_unlocked = u;
  enum nacre_err err = volume_keys(v->sealed, &keys);
  if (err != NACRE_OK) {
    engine_keys_free(&keys);
    return err;
  }
  struct engine_options engine_options = {
      .read_only = options->read_only,
      .memory_bytes = options->memory_bytes / 2,
      .accept_gap = options->accept_rollback,
      .commit_interval_ms = options->threads > 0 ? options->commit_interval_ms : 0,
      .header_sequence = v->header->sequence,
      .any_header = v->header_borrowed,
      .admit = admit,
      .committed = committed,
      .arg = v,
  };
  header_mac(raw, engine_options.header_mac);
  ERR_TRY(engine_open(&v->store, &keys, v->workers, &engine_options, &v->engine));
  return take_up(v, options->memory_bytes - engine_options.memory_bytes);
}

/* Only now, when the superblock has agreed that the good copy is no older than it demands. The superblock is then
 * made to demand that sequence, as the change that was cut would have done. */
static enum nacre_err repair_headers(struct volume *v, const struct headers *h, struct unlocked *u) {
  ERR_TRY(repair_copies(v, h, u));
  if (!v->header_repaired)
    return NACRE_OK;
  uint8_t mac[32];
  header_mac(h->raw[u->copy], mac);
  return engine_commit_header(v->engine, v->header->sequence, mac);
}

static enum nacre_err open_unlocked(struct volume *v, const struct volume_options *options, const struct headers *h,
                                    struct unlocked *u) {
  v->header = malloc(sizeof *v->header);
  if (!v->header)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  memcpy(v->header, &h->copy[u->copy], sizeof *v->header);
  v->master_key = u->master_key;
  v->sealed = u->sealed;
  v->slot = u->slot;
  v->slot_forged = secmem_compare(v->sealed->slots[u->slot].public_key, u->public_key, sizeof u->public_key) != 0;
  u->master_key = NULL;
  u->sealed = NULL;
  header_fingerprint(v->sealed, v->fingerprint);
  if (options->use_expect_fingerprint &&
      secmem_compare(v->fingerprint, options->expect_fingerprint, sizeof v->fingerprint) != 0)
    return err_set(NACRE_ERR_OTHER_VOLUME, "this is another volume: its fingerprint is not the one expected");
  ERR_TRY(anchor_identify(&v->anchor, v->sealed->identity_secret, v->fingerprint));
  ERR_TRY(cancel_check(options->unlock.cancel));
  ERR_TRY(workers_new(options->threads, &v->workers));
  ERR_TRY(open_engine(v, options, h, u));
  if (options->read_only)
    return NACRE_OK;
  /* A volume whose future features allow reading only, or whose newest superblock nobody can know, is open, but
   * nothing can be tidied in it. */
  struct engine_info info;
  engine_get_info(v->engine, &info);
  if (info.read_only || info.failed)
    return NACRE_OK;
  if (v->header_borrowed)
    return fs_recover(v->fs);
  ERR_TRY(repair_headers(v, h, u));
  if (anchor_went_back(&v->anchor)) {
    uint8_t mac[32];
    header_mac(h->raw[u->copy], mac);
    ERR_TRY(engine_commit_header(v->engine, v->header->sequence, mac));
  }
  return fs_recover(v->fs);
}

static void take_apart(struct volume *v) {
  if (v->fs)
    fs_free(v->fs);
  if (v->engine)
    engine_close(v->engine);
  if (v->workers)
    workers_free(v->workers);
  free(v->header);
  secmem_free(v->sealed);
  secmem_free(v->master_key);
  v->fs = NULL;
  v->engine = NULL;
  v->workers = NULL;
  v->header = NULL;
  v->sealed = NULL;
  v->master_key = NULL;
}

static bool tells_of_header(enum nacre_err err) {
  return err == NACRE_ERR_ROLLED_BACK || err == NACRE_ERR_DAMAGED;
}

/* Two copies can both be authentic and of one sequence, or one be another volume's that the credential opens as well:
 * which one goes with the content shows only there. So where none of it has been taken yet, and nothing written, the
 * other is tried as well. It opens nothing that it would not open if the first had been destroyed. */
static bool other_may_open(const struct volume *v, const struct headers *h, const struct unlocked *u,
                           enum nacre_err err) {
  unsigned other = 1 - u->copy;
  return tells_of_header(err) && !v->anchor.asked && h->state[other] == NACRE_OK && u->stale[other];
}

static enum nacre_err open_other(struct volume *v, const struct volume_options *options, const struct headers *h,
                                 const struct nacre_credential *cred, struct unlocked *u, enum nacre_err first) {
  char why[256];
  (void)snprintf(why, sizeof why, "%s", err_message());
  u->master_key = v->master_key;
  v->master_key = NULL;
  take_apart(v);
  enum nacre_err err = unlock_other(h, cred, &options->unlock, u);
  if (err == NACRE_OK)
    err = open_unlocked(v, options, h, u);
  /* What is wrong with the copy that has the last word says less, unless it got further. */
  bool no_better = tells_of_header(err) || err == NACRE_ERR_CREDENTIAL || err == NACRE_ERR_LIMIT;
  return no_better && !v->anchor.asked ? err_set(first, "%s", why) : err;
}

/* The container's own copies may be anything, and are not looked at. */
static void borrow_header(struct headers *h, const uint8_t *raw) {
  memcpy(h->raw[0], raw, FORMAT_HEADER_BYTES);
  h->state[0] = header_decode(raw, &h->copy[0]);
  h->state[1] = NACRE_ERR_NOT_VOLUME;
}

/* What was derived for the backup counts for the present header, too. */
static enum nacre_err explain_backup(struct volume *v, const struct volume_options *options,
                                     const struct nacre_credential *cred, uint64_t work_bytes) {
  struct unlock_options unlock_options = options->unlock;
  unlock_options.work_done_bytes = work_bytes;
  return restore_explain(v, cred, &unlock_options);
}

static enum nacre_err open_stored(struct volume *v, const struct volume_options *options,
                                  const struct nacre_credential *cred) {
  struct headers *h = malloc(sizeof *h);
  if (!h)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  struct unlocked u = {0};
  struct nacre_credential *asked = NULL;
  enum nacre_err err = headers_read(&v->store, h);
  if (err == NACRE_OK && options->header)
    borrow_header(h, options->header);
  if (err == NACRE_OK)
    err = headers_usable(h);
  if (err == NACRE_OK)
    err = check_cipher(h);
  if (err == NACRE_OK)
    err = cred ? unlock(h, cred, &options->unlock, &u) : unlock_asking(h, options, &asked, &u);
  if (err == NACRE_OK) {
    err = open_unlocked(v, options, h, &u);
    if (other_may_open(v, h, &u, err))
      err = open_other(v, options, h, cred ? cred : asked, &u, err);
    if (options->header && err == NACRE_ERR_DAMAGED && !v->anchor.asked)
      err = explain_backup(v, options, cred ? cred : asked, u.work_bytes);
  }
  if (asked)
    options->ask_free(asked);
  unlocked_free(&u);
  headers_free(h);
  free(h);
  return err;
}

enum nacre_err volume_open(struct store *store, const struct volume_options *options,
                           const struct nacre_credential *cred, struct volume **out) {
  struct volume *v = calloc(1, sizeof *v);
  if (!v) {
    store_close(store);
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  }
  v->store = *store;
  store_on_wait(&v->store, options->waiting, options->waiting_arg);
  v->memory_bytes = options->memory_bytes;
  v->header_borrowed = options->header != NULL;
  v->header_force = options->header_force;
  pthread_mutex_init(&v->change_lock, NULL);
  pthread_mutex_init(&v->header_lock, NULL);
  pthread_mutex_init(&v->rekey.thread_lock, NULL);
  anchor_start(&v->anchor, options->anchor, options->anchor_ctx, options->accept_rollback);
  enum nacre_err err = open_stored(v, options, cred);
  if (err != NACRE_OK) {
    volume_free(v);
    return err;
  }
  anchor_opened(&v->anchor, v->engine);
  v->rekey.by_itself = options->threads > 0 && !options->hold_rekey && !v->header_borrowed;
  rekey_resume(v);
  *out = v;
  return NACRE_OK;
}

void volume_free(struct volume *v) {
  rekey_hold(v);
  take_apart(v);
  store_close(&v->store);
  anchor_end(&v->anchor);
  pthread_mutex_destroy(&v->change_lock);
  pthread_mutex_destroy(&v->header_lock);
  pthread_mutex_destroy(&v->rekey.thread_lock);
  free(v);
}
