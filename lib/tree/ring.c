/* The superblock ring. On the storage a slot is nonce (24), tag (32), ciphertext: random bytes to who has no key. */
#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"
#include "tree/core.h"

#define SLOT_TAG AEAD_NONCE_BYTES
#define SLOT_CIPHER (AEAD_NONCE_BYTES + AEAD_TAG_BYTES)

static struct ptr slot_ptr(uint64_t index, uint32_t epoch) {
  return (struct ptr){
      .unit = superblock_offset(index) / FORMAT_UNIT_BYTES, .len_bytes = SUPERBLOCK_PLAIN_BYTES, .epoch = epoch};
}

/* Try the key of each epoch: which one sealed it is not written anywhere. */
static enum nacre_err slot_open(struct block_io *io, uint64_t index, const uint8_t raw[FORMAT_SUPERBLOCK_BYTES],
                                struct superblock *sb) {
  uint8_t plain[SUPERBLOCK_PLAIN_BYTES];
  uint32_t epoch = 0;
  enum nacre_err err = NACRE_ERR_DAMAGED;
  const struct engine_keys *keys = atomic_load_explicit(&io->keys, memory_order_acquire);
  for (unsigned i = 0; i < FORMAT_EPOCHS && err == NACRE_ERR_DAMAGED; i++) {
    epoch = keys->epochs[i].epoch;
    if (epoch == 0)
      continue;
    struct ptr p = slot_ptr(index, epoch);
    memcpy(p.nonce, raw, sizeof p.nonce);
    memcpy(p.tag, raw + SLOT_TAG, sizeof p.tag);
    err = block_open(io, FORMAT_KIND_SUPERBLOCK, 0, &p, raw + SLOT_CIPHER, plain);
  }
  if (err == NACRE_OK)
    err = superblock_decode(plain, sb);
  if (err == NACRE_OK)
    sb->epoch = epoch;
  if (err == NACRE_OK && sb->generation % FORMAT_RING_SLOTS != index)
    err = err_set(NACRE_ERR_DAMAGED, "a superblock is in another one's slot");
  secmem_wipe(plain, sizeof plain);
  return err;
}

static void find_parent(const struct superblock *slots, const struct superblock *of, struct superblock *out) {
  for (unsigned i = 0; i < FORMAT_RING_SLOTS; i++) {
    if (slots[i].generation > 0 && slots[i].generation < of->generation &&
        memcmp(slots[i].commit_id, of->parent_commit_id, sizeof slots[i].commit_id) == 0)
      *out = slots[i];
  }
}

static void find_newest(const struct superblock *slots, struct ring_found *out) {
  for (unsigned i = 0; i < FORMAT_RING_SLOTS; i++) {
    if (slots[i].generation > out->highest) {
      out->highest = slots[i].generation;
      out->newest = slots[i];
    }
  }
  find_parent(slots, &out->newest, &out->parent);
}

/* A power cut tears the slot that is being written, the next one's, and no other. So each of the six before the
 * newest must be there, as far back as the ring is unbroken: whoever destroys the newest superblocks to bring an
 * older one back leaves a gap that shows. */
static unsigned count_missing(const uint64_t generations[FORMAT_RING_SLOTS], const struct superblock *newest) {
  unsigned missing = 0;
  for (uint64_t back = 1; back <= FORMAT_RING_SLOTS - 2; back++) {
    if (newest->generation < newest->ring_from + back)
      break;
    uint64_t due = newest->generation - back;
    missing += generations[due % FORMAT_RING_SLOTS] != due;
  }
  return missing;
}

enum nacre_err ring_read_slots(struct block_io *io, struct superblock slots[FORMAT_RING_SLOTS], bool *unreadable) {
  *unreadable = false;
  for (uint64_t i = 0; i < FORMAT_RING_SLOTS; i++) {
    uint8_t raw[FORMAT_SUPERBLOCK_BYTES];
    slots[i] = (struct superblock){0};
    enum nacre_err err = store_read(io->store, raw, sizeof raw, superblock_offset(i));
    if (err != NACRE_OK) {
      *unreadable = true;
      continue;
    }
    err = slot_open(io, i, raw, &slots[i]);
    if (err == NACRE_ERR_DAMAGED)
      slots[i] = (struct superblock){0};
    /* A slot that could not be tried, for want of memory, may hold the newest commit. */
    else if (err != NACRE_OK)
      return err;
  }
  return NACRE_OK;
}

enum nacre_err ring_read(struct block_io *io, struct ring_found *out) {
  struct superblock slots[FORMAT_RING_SLOTS];
  *out = (struct ring_found){0};
  ERR_TRY(ring_read_slots(io, slots, &out->unreadable));
  for (unsigned i = 0; i < FORMAT_RING_SLOTS; i++)
    out->generations[i] = slots[i].generation;
  find_newest(slots, out);
  if (out->highest == 0 && out->unreadable)
    return err_set(NACRE_ERR_IO, "no superblock can be read");
  if (out->highest == 0)
    return err_set(NACRE_ERR_DAMAGED, "no superblock authenticates");
  out->missing = count_missing(out->generations, &out->newest);
  return NACRE_OK;
}

enum nacre_err ring_write(struct block_io *io, const struct superblock *sb, uint8_t raw[FORMAT_SUPERBLOCK_BYTES]) {
  struct ptr p = slot_ptr(sb->generation % FORMAT_RING_SLOTS, 0);
  struct superblock again;
  superblock_encode(sb, raw + SLOT_CIPHER);
  /* One that no opening would take must not push out those that are good. */
  ERR_TRY(superblock_decode(raw + SLOT_CIPHER, &again));
  ERR_TRY(block_seal(io, FORMAT_KIND_SUPERBLOCK, 0, &p, raw + SLOT_CIPHER, raw + SLOT_CIPHER));
  memcpy(raw, p.nonce, sizeof p.nonce);
  memcpy(raw + SLOT_TAG, p.tag, sizeof p.tag);
  return store_write(io->store, raw, FORMAT_SUPERBLOCK_BYTES, superblock_offset(sb->generation));
}

static enum nacre_err erase_slot(struct block_io *io, uint64_t index) {
  uint8_t raw[FORMAT_SUPERBLOCK_BYTES];
  env_random(raw, sizeof raw);
  return store_write(io->store, raw, sizeof raw, superblock_offset(index));
}

enum nacre_err ring_erase(struct block_io *io, uint64_t generation) {
  ERR_TRY(erase_slot(io, generation % FORMAT_RING_SLOTS));
  return store_sync(io->store);
}

enum nacre_err ring_erase_lost(struct block_io *io, const struct ring_found *ring, uint64_t newest) {
  for (uint64_t i = 0; i < FORMAT_RING_SLOTS; i++) {
    bool gone = ring->missing > 0 && ring->generations[i] == 0;
    if (ring->generations[i] > newest || gone)
      ERR_TRY(erase_slot(io, i));
  }
  return store_sync(io->store);
}

enum nacre_err ring_erase_others(struct block_io *io, uint64_t newest, uint64_t parent) {
  struct superblock slots[FORMAT_RING_SLOTS];
  bool unreadable;
  ERR_TRY(ring_read_slots(io, slots, &unreadable));
  if (unreadable)
    return err_set(NACRE_ERR_IO, "a superblock slot cannot be read");
  for (uint64_t i = 0; i < FORMAT_RING_SLOTS; i++) {
    if (slots[i].generation > newest)
      return err_set(NACRE_ERR_IN_USE, "somebody else has written to the container while it was opened");
  }
  struct superblock found = {0};
  find_parent(slots, &slots[newest % FORMAT_RING_SLOTS], &found);
  for (uint64_t i = 0; i < FORMAT_RING_SLOTS; i++) {
    bool kept = i == newest % FORMAT_RING_SLOTS || (parent > 0 && i == parent % FORMAT_RING_SLOTS) ||
                (found.generation > 0 && i == found.generation % FORMAT_RING_SLOTS);
    if (!kept)
      ERR_TRY(erase_slot(io, i));
  }
  return store_sync(io->store);
}

enum nacre_err ring_look_for_later(struct block_io *io, uint64_t generation, uint64_t newest, bool *later) {
  uint8_t raw[FORMAT_SUPERBLOCK_BYTES];
  struct superblock sb;
  *later = false;
  ERR_TRY(store_read(io->store, raw, sizeof raw, superblock_offset(generation)));
  enum nacre_err err = slot_open(io, generation % FORMAT_RING_SLOTS, raw, &sb);
  if (err == NACRE_OK)
    *later = sb.generation > newest;
  return err == NACRE_ERR_DAMAGED ? NACRE_OK : err;
}
