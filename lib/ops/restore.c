#include "ops/restore.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/secmem.h"
#include "ops/header_change.h"

#include <stdio.h>
#include <stdlib.h>

/* No volume comes near it. What is above was made up, and counting on from it would come to the end. */
#define SEQUENCE_CREDIBLE_MAX (UINT64_MAX / 2)

/* ---- Backup ---- */

static enum nacre_err take_unchecked(const struct headers *h, uint8_t *raw) {
  bool first = h->state[0] == NACRE_OK, second = h->state[1] == NACRE_OK;
  ERR_TRY(headers_usable(h));
  if (first && second && memcmp(h->raw[0], h->raw[1], FORMAT_HEADER_BYTES) != 0)
    return err_set(NACRE_ERR_DAMAGED,
                   "the two copies of the header differ, and only a credential tells which is whole; "
                   "give one, or open the volume for writing first");
  memcpy(raw, h->raw[first ? 0 : 1], FORMAT_HEADER_BYTES);
  return NACRE_OK;
}

enum nacre_err backup_header(struct store *store, uint8_t *raw) {
  struct headers *h = malloc(sizeof *h);
  if (!h)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = headers_read(store, h);
  if (err == NACRE_OK)
    err = take_unchecked(h, raw);
  headers_free(h);
  free(h);
  return err;
}

/* ---- Restore ---- */

static bool same_slot(const struct keyslot *a, const struct keyslot *b) {
  return a->kind == b->kind && memcmp(a->salt, b->salt, sizeof a->salt) == 0 &&
         memcmp(a->commitment, b->commitment, sizeof a->commitment) == 0;
}

static void compare_slots(const struct header *ours, const struct header *theirs,
                          struct nacre_restore_report *report) {
  for (unsigned i = 0; i < FORMAT_SLOTS; i++) {
    bool is = ours->slots[i].kind != NACRE_SLOT_EMPTY;
    bool was = theirs && theirs->slots[i].kind != NACRE_SLOT_EMPTY;
    bool same = is && was && same_slot(&ours->slots[i], &theirs->slots[i]);
    report->slots |= (uint32_t)is << i;
    report->returning |= (uint32_t)(is && !same) << i;
    report->vanishing |= (uint32_t)(was && !same) << i;
  }
}

/* A header of this volume's, as far as one can tell. */
static bool is_present(const struct volume *v, const struct headers *h, unsigned copy) {
  return h->state[copy] == NACRE_OK && memcmp(h->copy[copy].volume_id, v->header->volume_id, 16) == 0 &&
         h->copy[copy].sequence <= SEQUENCE_CREDIBLE_MAX;
}

/* The master key is sealed anew to each slot when it changes, and it does with each epoch. */
static bool shares_master_key(const struct header *a, const struct header *b) {
  for (unsigned i = 0; i < FORMAT_SLOTS; i++)
    if (a->slots[i].kind != NACRE_SLOT_EMPTY && same_slot(&a->slots[i], &b->slots[i]) &&
        memcmp(a->slots[i].sealed_master, b->slots[i].sealed_master, sizeof a->slots[i].sealed_master) == 0)
      return true;
  return false;
}

/* Authentic by the backup's master key it has no epoch that the backup lacks: with each comes another master key. */
static enum nacre_err is_of_backups_keys(const struct volume *v, const uint8_t *raw, bool *is) {
  struct header_sealed *sealed = secmem_alloc(sizeof *sealed);
  if (!sealed)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = header_open_sealed(raw, v->master_key, sealed);
  secmem_free(sealed);
  *is = err == NACRE_OK;
  return err == NACRE_ERR_DAMAGED ? NACRE_OK : err;
}

/* The backup opens superblocks: so it is this volume's. It must also open the newest of them. A later one, under keys
 * of a later epoch, can't be told from random bytes; but the header with those keys stood in both copies before it,
 * and its sequence, which is public, is above what the superblocks demand that the backup opens. Where no header is
 * left, nobody has such keys any more, and what the backup opens is all that there is. */
static enum nacre_err check_later_keys(struct volume *v, const uint8_t *raw, const struct header *h,
                                       uint64_t demanded, bool force) {
  bool authentic;
  ERR_TRY(is_of_backups_keys(v, raw, &authentic));
  if (!authentic && h->sequence > demanded && !force && !shares_master_key(v->header, h))
    return err_set(NACRE_ERR_ROLLED_BACK,
                   "the volume's present header is later than all that this backup opens, and may "
                   "have keys that it lacks; open the volume once by a credential that it has now");
  return NACRE_OK;
}

static enum nacre_err check_present(struct volume *v, const struct headers *h, const struct engine_info *info,
                                    bool force) {
  /* A copy that is still what the superblock demands: the other may be a change that was cut. */
  bool settled = false;
  for (unsigned copy = 0; copy < HEADERS_COPIES; copy++) {
    uint8_t mac[32];
    header_mac(h->raw[copy], mac);
    settled |= is_present(v, h, copy) && h->copy[copy].sequence == info->header_sequence_min &&
               memcmp(mac, info->header_mac, sizeof mac) == 0;
  }
  for (unsigned copy = 0; copy < HEADERS_COPIES && !settled && !force; copy++)
    if (h->state[copy] == NACRE_ERR_IO)
      return err_set(NACRE_ERR_IO,
                     "copy %u of the volume's present header can't be read, and may have keys that the "
                     "backup lacks",
                     copy);
  for (unsigned copy = 0; copy < HEADERS_COPIES && !settled; copy++)
    if (is_present(v, h, copy))
      ERR_TRY(check_later_keys(v, h->raw[copy], &h->copy[copy], info->header_sequence_min, force));
  return NACRE_OK;
}

enum nacre_err restore_admit(struct volume *v, struct engine *e, bool force) {
  struct engine_info info;
  struct headers *h = malloc(sizeof *h);
  if (!h)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  engine_get_info(e, &info);
  enum nacre_err err = headers_read(&v->store, h);
  if (err == NACRE_OK)
    err = check_present(v, h, &info, force);
  headers_free(h);
  free(h);
  return err;
}

/* ---- Why a backup opens nothing ---- */

/* A present header that came after the backup, with another master key. */
static enum nacre_err find_later(const struct volume *v, const struct headers *h, bool *found) {
  *found = false;
  for (unsigned copy = 0; copy < HEADERS_COPIES; copy++) {
    bool same_keys = true;
    if (!is_present(v, h, copy) || h->copy[copy].sequence <= v->header->sequence)
      continue;
    if (!shares_master_key(v->header, &h->copy[copy]))
      ERR_TRY(is_of_backups_keys(v, h->raw[copy], &same_keys));
    if (same_keys) {
      *found = false;
      break;
    }
    *found = true;
  }
  return NACRE_OK;
}

/* What the credential shows where it opens the present header as well; NACRE_ERR_CREDENTIAL where it doesn't. */
static enum nacre_err judge_by_present(const struct volume *v, const struct headers *h,
                                       const struct nacre_credential *cred, const struct unlock_options *options) {
  struct unlocked u = {0};
  enum nacre_err err = unlock(h, cred, options, &u);
  if (err == NACRE_OK) {
    bool same = secmem_compare(u.sealed->identity_secret, v->sealed->identity_secret, 32) == 0;
    bool later = u.sealed->current_epoch > v->sealed->current_epoch;
    err = same && later ? NACRE_ERR_ROLLED_BACK : NACRE_ERR_DAMAGED;
  } else if (err == NACRE_ERR_DAMAGED || err == NACRE_ERR_LIMIT) {
    err = NACRE_ERR_CREDENTIAL;
  }
  unlocked_free(&u);
  return err;
}

static enum nacre_err explain(const struct volume *v, const struct headers *h, const struct nacre_credential *cred,
                              const struct unlock_options *options) {
  bool later;
  ERR_TRY(find_later(v, h, &later));
  enum nacre_err err = later ? judge_by_present(v, h, cred, options) : NACRE_ERR_DAMAGED;
  if (err == NACRE_ERR_ROLLED_BACK)
    return err_set(err, "the backup is from before a rotation of the volume's keys, and opens nothing of what it "
                        "holds now; open it by its own header");
  if (err == NACRE_ERR_CREDENTIAL)
    return err_set(
        NACRE_ERR_ROLLED_BACK,
        "the backup opens nothing of what the volume holds, whose present header is later and of other "
        "keys: it is from before a rotation of the keys, or the volume is damaged; open it by a credential "
        "that it has now");
  return err;
}

enum nacre_err restore_explain(struct volume *v, const struct nacre_credential *cred,
                               const struct unlock_options *options) {
  char why[256];
  (void)snprintf(why, sizeof why, "%s", err_message());
  struct headers *h = malloc(sizeof *h);
  if (!h)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = headers_read(&v->store, h);
  if (err == NACRE_OK)
    err = explain(v, h, cred, options);
  headers_free(h);
  free(h);
  if (err != NACRE_ERR_DAMAGED)
    return err;
  return err_set(err, "the backup's header does not go with what the volume holds: %s", why);
}

/* ---- Putting it back ---- */

static enum nacre_err compare(struct volume *v, struct nacre_restore_report *report) {
  const struct header *newest = NULL;
  struct headers *h = malloc(sizeof *h);
  if (!h)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  enum nacre_err err = headers_read(&v->store, h);
  for (unsigned copy = 0; copy < HEADERS_COPIES && err == NACRE_OK; copy++)
    if (is_present(v, h, copy) && (!newest || h->copy[copy].sequence > newest->sequence))
      newest = &h->copy[copy];
  report->header_there = newest != NULL;
  compare_slots(v->header, newest, report);
  uint64_t highest = u64_max(report->backup_sequence, report->demanded_sequence);
  report->new_sequence = (newest ? u64_max(highest, newest->sequence) : highest) + 1;
  headers_free(h);
  free(h);
  if (err == NACRE_OK && highest > SEQUENCE_CREDIBLE_MAX)
    err = err_set(NACRE_ERR_DAMAGED, "the header's sequence is absurd");
  return err;
}

static enum nacre_err write_header(struct volume *v, uint64_t sequence) {
  struct header_change c;
  v->header_borrowed = false;
  enum nacre_err err = header_change_begin(v, &c);
  if (err == NACRE_OK) {
    c.header->sequence = sequence - 1;
    err = header_change_commit(v, &c);
  }
  header_change_free(&c);
  v->header_borrowed = err != NACRE_OK;
  return err;
}

static enum nacre_err restore_locked(struct volume *v, bool dry_run, struct nacre_restore_report *report) {
  struct engine_info info;
  if (!v->header_borrowed)
    return err_set(NACRE_ERR_ARGUMENT, "the volume was not opened by a backup of its header");
  engine_get_info(v->engine, &info);
  report->backup_sequence = v->header->sequence;
  report->demanded_sequence = info.header_sequence_min;
  report->older_key = header_older_epoch(v->sealed) != NULL;
  ERR_TRY(compare(v, report));
  return dry_run ? NACRE_OK : write_header(v, report->new_sequence);
}

enum nacre_err restore_header(struct volume *v, bool dry_run, struct nacre_restore_report *report) {
  pthread_mutex_lock(&v->change_lock);
  enum nacre_err err = restore_locked(v, dry_run, report);
  pthread_mutex_unlock(&v->change_lock);
  return err;
}
