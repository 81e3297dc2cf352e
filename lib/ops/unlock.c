#include "ops/unlock.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/secmem.h"

#include <stdlib.h>

/* Memory times passes over all slots that one open may try: what one slot may ask for, so that a hostile header of
 * 32 dear slots costs no more than one. */
#define UNLOCK_WORK_MAX_BYTES KDF_WORK_MAX_BYTES

struct attempt {
  unsigned copy;
  uint32_t slot;
  uint64_t work_bytes;
};

struct attempts {
  struct attempt list[HEADERS_COPIES * FORMAT_SLOTS];
  size_t count;
  bool only; /* the copies are not to be compared: there is but one */
  unsigned only_copy;
};

static bool is_there(const struct headers *h, const struct attempts *all, unsigned copy) {
  return h->state[copy] == NACRE_OK && (!all->only || all->only_copy == copy);
}

static bool slot_equal(const struct keyslot *a, const struct keyslot *b) {
  return a->kind == b->kind && a->cost.memory_bytes == b->cost.memory_bytes && a->cost.passes == b->cost.passes &&
         a->cost.lanes == b->cost.lanes && memcmp(a->salt, b->salt, sizeof a->salt) == 0 &&
         memcmp(a->commitment, b->commitment, sizeof a->commitment) == 0 &&
         memcmp(a->wrap_nonce, b->wrap_nonce, sizeof a->wrap_nonce) == 0 &&
         memcmp(a->wrapped_secret, b->wrapped_secret, sizeof a->wrapped_secret) == 0 &&
         memcmp(a->sealed_master, b->sealed_master, sizeof a->sealed_master) == 0 && a->body_len == b->body_len &&
         memcmp(a->body, b->body, a->body_len) == 0;
}

static uint64_t slot_work(const struct keyslot *slot) {
  uint64_t work = 0;
  if (!slot_kind_has_kdf(slot->kind))
    return 0;
  return u64_mul(slot->cost.memory_bytes, slot->cost.passes, &work) ? work : UINT64_MAX;
}

/* Insertion by cost keeps what is cheap first, and of equal cost the copy that was added first. */
static void attempt_add(struct attempts *all, struct attempt a) {
  size_t at = all->count++;
  while (at > 0 && all->list[at - 1].work_bytes > a.work_bytes) {
    all->list[at] = all->list[at - 1];
    at--;
  }
  all->list[at] = a;
}

static void collect(const struct headers *h, const struct nacre_credential *cred,
                    const struct unlock_options *options, struct attempts *all) {
  unsigned newer = 0;
  if (h->state[0] != NACRE_OK || (h->state[1] == NACRE_OK && h->copy[1].sequence > h->copy[0].sequence))
    newer = 1;
  for (unsigned n = 0; n < HEADERS_COPIES; n++) {
    unsigned copy = n == 0 ? newer : 1 - newer;
    if (!is_there(h, all, copy))
      continue;
    for (uint32_t i = 0; i < FORMAT_SLOTS; i++) {
      const struct keyslot *slot = &h->copy[copy].slots[i];
      if (slot->kind != cred->kind || (options->use_slot && options->slot != i))
        continue;
      /* The copies usually agree; a derivation is too dear to be done twice. */
      if (n > 0 && is_there(h, all, newer) && slot_equal(slot, &h->copy[newer].slots[i]))
        continue;
      attempt_add(all, (struct attempt){.copy = copy, .slot = i, .work_bytes = slot_work(slot)});
    }
  }
}

/* With the master key, find the newest authentic copy; of two with one sequence, that which is asked for first. */
static enum nacre_err find_newest(const struct headers *h, const struct attempts *all, unsigned first,
                                  struct unlocked *out, bool *found) {
  *found = false;
  for (unsigned n = 0; n < HEADERS_COPIES; n++) {
    unsigned copy = n == 0 ? first : 1 - first;
    if (!is_there(h, all, copy) || (*found && h->copy[copy].sequence <= h->copy[out->copy].sequence))
      continue;
    struct header_sealed *sealed = secmem_alloc(sizeof *sealed);
    if (!sealed)
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
    enum nacre_err err = header_open_sealed(h->raw[copy], out->master_key, sealed);
    if (err != NACRE_OK) {
      secmem_free(sealed);
      if (err != NACRE_ERR_DAMAGED)
        return err;
      continue;
    }
    secmem_free(out->sealed);
    out->sealed = sealed;
    out->copy = copy;
    *found = true;
  }
  return NACRE_OK;
}

/* The newest authentic copy must have the slot too: a credential that was removed and lives on in a stale copy alone
 * opens nothing. Which of two with one sequence is stale only the superblock tells, so there it is the slot's own
 * copy. */
static enum nacre_err choose(const struct headers *h, const struct attempts *all, const struct attempt *a,
                             struct unlocked *out) {
  bool found;
  ERR_TRY(find_newest(h, all, a->copy, out, &found));
  if (!found)
    return err_set(NACRE_ERR_DAMAGED, "slot %u opens, but no copy of the header is authentic", a->slot);
  if (!slot_equal(&h->copy[a->copy].slots[a->slot], &h->copy[out->copy].slots[a->slot]))
    return err_set(NACRE_ERR_CREDENTIAL, "the credential was removed from this volume");
  out->slot = a->slot;
  for (unsigned copy = 0; copy < HEADERS_COPIES; copy++)
    out->stale[copy] = memcmp(h->raw[copy], h->raw[out->copy], FORMAT_HEADER_BYTES) != 0;
  return NACRE_OK;
}

static const char *kind_name(enum nacre_slot_kind kind) {
  switch (kind) {
  case NACRE_SLOT_PASSPHRASE:
    return "passphrase";
  case NACRE_SLOT_KEY_FILE:
    return "key file";
  case NACRE_SLOT_RECOVERY:
    return "recovery key";
  case NACRE_SLOT_RAW_KEY:
    return "raw key";
  case NACRE_SLOT_PASSPHRASE_AND_KEY_FILE:
    return "passphrase with this key file";
  case NACRE_SLOT_ESCROW:
    return "escrow key";
  case NACRE_SLOT_UNATTENDED:
    return "key for unattended opening";
  case NACRE_SLOT_FIDO2:
    return "key of a FIDO2 token";
  case NACRE_SLOT_EMPTY:
    break;
  }
  return "credential";
}

/* What became of the slots that did not open. */
struct outcome {
  bool over_limit, bad_costs, wrong, unauthentic;
};

static enum nacre_err outcome_err(const struct outcome *seen, const struct nacre_credential *cred,
                                  const struct unlock_options *options) {
  const char *name = cred->form == CREDENTIAL_IDENTITY ? "age identity" : kind_name(cred->kind);
  if (seen->unauthentic)
    return err_set(NACRE_ERR_DAMAGED, "the %s is right, but the header is damaged or was tampered with", name);
  if (seen->over_limit)
    return err_set(NACRE_ERR_LIMIT, "a slot asks for more memory or time to try the %s than is allowed", name);
  if (seen->bad_costs && !seen->wrong)
    return err_set(NACRE_ERR_DAMAGED, "the keyslots are damaged");
  if (!seen->wrong && options->use_slot)
    return err_set(NACRE_ERR_CREDENTIAL, "slot %u is not one for the %s", options->slot, name);
  if (!seen->wrong)
    return err_set(NACRE_ERR_CREDENTIAL, "the volume has no slot for the %s", name);
  return err_set(NACRE_ERR_CREDENTIAL, "wrong %s", name);
}

static enum nacre_err try_slots(const struct headers *h, const struct nacre_credential *cred,
                                const struct unlock_options *options, const struct attempts *all,
                                struct unlocked *out) {
  struct outcome seen = {0};
  for (size_t i = 0; i < all->count; i++) {
    const struct attempt *a = &all->list[i];
    ERR_TRY(cancel_check(options->cancel));
    if (options->progress)
      options->progress(options->progress_arg, "keyslots", i, all->count);
    if (!u64_add(out->work_bytes, a->work_bytes, &out->work_bytes) || out->work_bytes > UNLOCK_WORK_MAX_BYTES) {
      seen.over_limit = true;
      break;
    }
    enum nacre_err err = keyslot_open(&h->copy[a->copy].slots[a->slot], cred, options->kdf_memory_max_bytes,
                                      out->master_key, out->public_key);
    if (err == NACRE_OK) {
      ERR_TRY(cancel_check(options->cancel));
      err = choose(h, all, a, out);
      if (err == NACRE_OK)
        return NACRE_OK;
      seen.unauthentic |= err == NACRE_ERR_DAMAGED;
    }
    seen.wrong |= err == NACRE_ERR_CREDENTIAL;
    seen.over_limit |= err == NACRE_ERR_LIMIT;
    seen.bad_costs |= err == NACRE_ERR_DAMAGED;
    if (err != NACRE_ERR_CREDENTIAL && err != NACRE_ERR_LIMIT && err != NACRE_ERR_DAMAGED)
      return err;
  }
  return outcome_err(&seen, cred, options);
}

enum nacre_err unlock(const struct headers *h, const struct nacre_credential *cred,
                      const struct unlock_options *options, struct unlocked *out) {
  memset(out, 0, sizeof *out);
  out->work_bytes = options->work_done_bytes;
  ERR_TRY(headers_usable(h));
  if (options->use_slot && options->slot >= FORMAT_SLOTS)
    return err_set(NACRE_ERR_ARGUMENT, "slots are numbered 0 to %u", FORMAT_SLOTS - 1);
  out->master_key = secmem_alloc(32);
  if (!out->master_key)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  struct attempts *all = calloc(1, sizeof *all);
  if (!all)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  collect(h, cred, options, all);
  enum nacre_err err = try_slots(h, cred, options, all, out);
  free(all);
  return err;
}

/* The master key that is known may be the other copy's too. */
static enum nacre_err try_known(const struct headers *h, struct attempts *all, struct unlocked *u) {
  const struct attempt a = {.copy = all->only_copy, .slot = u->slot};
  if (!slot_equal(&h->copy[0].slots[u->slot], &h->copy[1].slots[u->slot]))
    return err_set(NACRE_ERR_CREDENTIAL, "the credential was removed from this volume");
  return choose(h, all, &a, u);
}

/* A slot that both copies have gives the key that was tried. */
static void drop_common(const struct headers *h, struct attempts *all) {
  size_t kept = 0;
  for (size_t i = 0; i < all->count; i++) {
    uint32_t slot = all->list[i].slot;
    if (!slot_equal(&h->copy[0].slots[slot], &h->copy[1].slots[slot]))
      all->list[kept++] = all->list[i];
  }
  all->count = kept;
}

enum nacre_err unlock_other(const struct headers *h, const struct nacre_credential *cred,
                            const struct unlock_options *options, struct unlocked *u) {
  struct attempts *all = calloc(1, sizeof *all);
  if (!all)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory");
  all->only = true;
  all->only_copy = 1 - u->copy;
  enum nacre_err err = try_known(h, all, u);
  if (err == NACRE_ERR_CREDENTIAL || err == NACRE_ERR_DAMAGED) {
    collect(h, cred, options, all);
    drop_common(h, all);
    err = try_slots(h, cred, options, all, u);
  }
  free(all);
  return err;
}

enum nacre_err unlock_again(const struct headers *was, const struct headers *now, struct unlocked *u) {
  static const struct attempts both;
  struct unlocked fresh = {.master_key = u->master_key};
  bool found;
  ERR_TRY(headers_usable(now));
  enum nacre_err err = find_newest(now, &both, u->copy, &fresh, &found);
  if (err == NACRE_OK &&
      (!found || !slot_equal(&was->copy[u->copy].slots[u->slot], &now->copy[fresh.copy].slots[u->slot])))
    err = err_set(NACRE_ERR_IN_USE, "the keyslots were changed meanwhile; try again");
  if (err != NACRE_OK) {
    secmem_free(fresh.sealed);
    return err;
  }
  secmem_free(u->sealed);
  u->sealed = fresh.sealed;
  u->copy = fresh.copy;
  return NACRE_OK;
}

void unlocked_free(struct unlocked *u) {
  secmem_free(u->master_key);
  secmem_free(u->sealed);
  memset(u, 0, sizeof *u);
}
