/* One keyslot: costs that ask for too much, a slot that somebody else made, and one that we made and that was changed
 * since. Slots that would cost a derivation worth the name are not tried: the ceilings are, always. */
#include "base/env.h"
#include "base/err.h"
#include "format/credential.h"
#include "fuzz/feed.h"

#define MEMORY_MAX_BYTES (64u << 10)
#define WORK_TRIED_BYTES (256u << 10)
#define LANES_TRIED 4u

static const uint8_t master_key[32] = "the key that the slot has sealed";
static const uint8_t secret[32] = "what opens the slot";

static struct nacre_credential *credential(uint8_t which) {
  static const enum nacre_slot_kind kinds[] = {NACRE_SLOT_RAW_KEY, NACRE_SLOT_RECOVERY, NACRE_SLOT_PASSPHRASE,
                                               NACRE_SLOT_KEY_FILE};
  static const size_t lens[] = {CREDENTIAL_RAW_KEY_BYTES, CREDENTIAL_RECOVERY_BYTES, 9, 30};
  struct nacre_credential *cred;
  enum nacre_err err;
  which %= 8;
  if (which < 4)
    err = credential_new(kinds[which], secret, lens[which], &cred);
  else if (which == 4)
    err = credential_new_joined(secret, 9, secret, 30, &cred);
  else
    err = credential_new_sealed((enum nacre_slot_kind)(which - 5 + NACRE_SLOT_ESCROW), secret, "body", 4, &cred);
  FUZZ_CHECK(err == NACRE_OK);
  return cred;
}

static bool has_kdf(enum nacre_slot_kind kind) {
  return slot_kind_has_kdf(kind);
}

/* Whether trying it costs little. */
static bool is_cheap(const struct keyslot *slot) {
  if (!has_kdf(slot->kind))
    return true;
  enum nacre_err err = kdf_check_open(&slot->cost, MEMORY_MAX_BYTES);
  if (err != NACRE_OK)
    return true;
  FUZZ_CHECK(slot->cost.memory_bytes <= MEMORY_MAX_BYTES && slot->cost.lanes <= KDF_LANES_MAX);
  FUZZ_CHECK(slot->cost.passes <= KDF_WORK_MAX_BYTES / slot->cost.memory_bytes);
  return slot->cost.memory_bytes * slot->cost.passes <= WORK_TRIED_BYTES && slot->cost.lanes <= LANES_TRIED;
}

static void read_cost(struct feed *f, struct nacre_kdf_cost *cost) {
  cost->memory_bytes = feed_wide(f);
  cost->passes = (uint32_t)feed_wide(f);
  cost->lanes = (uint32_t)feed_wide(f);
}

/* All of it is the input's. */
static void try_foreign(struct feed *f, const struct nacre_credential *cred) {
  struct keyslot slot = {.kind = (enum nacre_slot_kind)(feed_u8(f) % 10)};
  uint8_t opened[32];
  read_cost(f, &slot.cost);
  feed_copy(f, slot.salt, sizeof slot.salt);
  feed_copy(f, slot.commitment, sizeof slot.commitment);
  feed_copy(f, slot.wrap_nonce, sizeof slot.wrap_nonce);
  feed_copy(f, slot.wrapped_secret, sizeof slot.wrapped_secret);
  feed_copy(f, slot.sealed_master, sizeof slot.sealed_master);
  slot.body_len = (uint32_t)feed_u8(f);
  feed_copy(f, slot.body, slot.body_len);
  if (is_cheap(&slot))
    FUZZ_CHECK(keyslot_open(&slot, cred, MEMORY_MAX_BYTES, opened, NULL) != NACRE_OK);
}

static void flip(struct feed *f, uint8_t *bytes, size_t len) {
  bytes[feed_u8(f) % len] ^= (uint8_t)(1u << feed_u8(f) % 8);
}

/* Ours, with one thing changed. */
static void try_changed(struct feed *f, const struct nacre_credential *cred) {
  struct keyslot slot;
  uint8_t public_key[32], opened[32], which = feed_u8(f);
  const struct nacre_kdf_cost cost = {.memory_bytes = 32u << 10, .passes = 1, .lanes = 1};
  FUZZ_CHECK(keyslot_make(cred, &cost, master_key, &slot, public_key) == NACRE_OK);
  FUZZ_CHECK(keyslot_open(&slot, cred, MEMORY_MAX_BYTES, opened, NULL) == NACRE_OK);
  FUZZ_CHECK(memcmp(opened, master_key, sizeof opened) == 0);
  struct keyslot was = slot;
  switch (which % 8) {
  case 0:
    read_cost(f, &slot.cost);
    break;
  case 1:
    slot.kind = (enum nacre_slot_kind)(feed_u8(f) % 10);
    break;
  case 2:
    flip(f, slot.salt, sizeof slot.salt);
    break;
  case 3:
    flip(f, slot.commitment, sizeof slot.commitment);
    break;
  case 4:
    flip(f, slot.wrap_nonce, sizeof slot.wrap_nonce);
    break;
  case 5:
    flip(f, slot.wrapped_secret, sizeof slot.wrapped_secret);
    break;
  case 6:
    slot.body_len ^= 1u << feed_u8(f) % 8;
    break;
  default:
    flip(f, slot.sealed_master, sizeof slot.sealed_master);
    break;
  }
  bool same_cost = memcmp(&was.cost, &slot.cost, sizeof was.cost) == 0;
  if ((which % 8 > 1 || was.kind != slot.kind || !same_cost) && is_cheap(&slot))
    FUZZ_CHECK(keyslot_open(&slot, cred, MEMORY_MAX_BYTES, opened, NULL) != NACRE_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct feed f = {data, size};
  FUZZ_CHECK(env_start() == NACRE_OK);
  uint8_t form = feed_u8(&f);
  struct nacre_credential *cred = credential(form >> 1);
  if (form & 1)
    try_changed(&f, cred);
  else
    try_foreign(&f, cred);
  credential_free(cred);
  return 0;
}
