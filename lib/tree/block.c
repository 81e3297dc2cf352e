#include "tree/block.h"

#include "base/env.h"
#include "base/err.h"
#include "base/secmem.h"

#define BLOCK_SESSION_BYTES_MAX (1ull << 30)

void block_io_start(struct block_io *io, struct store *store, const struct engine_keys *keys) {
  io->store = store;
  atomic_init(&io->keys, keys);
  pthread_mutex_init(&io->lock, NULL);
  block_new_session(io);
}

void block_io_end(struct block_io *io) {
  pthread_mutex_destroy(&io->lock);
  secmem_wipe(io->session, sizeof io->session);
}

static void session_draw(struct block_io *io) {
  env_random(io->session, sizeof io->session);
  io->counter = 0;
  io->session_bytes = 0;
}

void block_use_keys(struct block_io *io, const struct engine_keys *keys) {
  uint32_t before = block_current_epoch(io);
  pthread_mutex_lock(&io->lock);
  if (keys->current_epoch != before)
    io->sealed_blocks = io->sealed_bytes = 0;
  session_draw(io);
  pthread_mutex_unlock(&io->lock);
  atomic_store_explicit(&io->keys, keys, memory_order_release);
}

uint32_t block_current_epoch(const struct block_io *io) {
  return atomic_load_explicit(&io->keys, memory_order_acquire)->current_epoch;
}

void block_new_session(struct block_io *io) {
  pthread_mutex_lock(&io->lock);
  session_draw(io);
  pthread_mutex_unlock(&io->lock);
}

/* With the lock. The first summands come from the container: a count that ran over would look small. */
static void count_add(struct block_io *io, uint64_t blocks, uint64_t bytes) {
  if (!u64_add(io->sealed_blocks, blocks, &io->sealed_blocks))
    io->sealed_blocks = UINT64_MAX;
  if (!u64_add(io->sealed_bytes, bytes, &io->sealed_bytes))
    io->sealed_bytes = UINT64_MAX;
}

void block_count_sealed(struct block_io *io, uint64_t blocks, uint64_t bytes) {
  pthread_mutex_lock(&io->lock);
  count_add(io, blocks, bytes);
  pthread_mutex_unlock(&io->lock);
}

void block_sealed(struct block_io *io, uint64_t *blocks, uint64_t *bytes) {
  pthread_mutex_lock(&io->lock);
  *blocks = io->sealed_blocks;
  *bytes = io->sealed_bytes;
  pthread_mutex_unlock(&io->lock);
}

void block_take_nonces(struct block_io *io, uint32_t count, uint64_t bytes, uint8_t nonce[AEAD_NONCE_BYTES]) {
  pthread_mutex_lock(&io->lock);
  if (io->session_bytes >= BLOCK_SESSION_BYTES_MAX)
    session_draw(io);
  memcpy(nonce, io->session, sizeof io->session);
  le64_put(nonce + 16, io->counter);
  io->counter += count;
  io->session_bytes += bytes;
  count_add(io, count, bytes);
  pthread_mutex_unlock(&io->lock);
}

const struct aead_key *block_key(const struct block_io *io, uint32_t epoch, enum format_kind kind) {
  const struct engine_keys *keys = atomic_load_explicit(&io->keys, memory_order_acquire);
  for (unsigned i = 0; epoch != 0 && i < FORMAT_EPOCHS; i++) {
    const struct engine_epoch_keys *k = &keys->epochs[i];
    if (k->epoch != epoch)
      continue;
    switch (kind) {
    case FORMAT_KIND_NODE:
      return k->node;
    case FORMAT_KIND_DATA:
      return k->data;
    case FORMAT_KIND_SUPERBLOCK:
      return k->superblock;
    case FORMAT_KIND_LOG:
    case FORMAT_KIND_CHECKPOINT_INDEX:
    case FORMAT_KIND_CHECKPOINT_SEGMENT:
    case FORMAT_KIND_INTENT_HEAD:
    case FORMAT_KIND_INTENT_BODY:
      return k->log;
    }
  }
  return NULL;
}

enum nacre_err block_seal(struct block_io *io, enum format_kind kind, uint8_t level, struct ptr *p,
                          const uint8_t *plain, uint8_t *cipher) {
  p->epoch = block_current_epoch(io);
  const struct aead_key *key = block_key(io, p->epoch, kind);
  if (key == NULL)
    return err_set(NACRE_ERR_ARGUMENT, "the current key epoch has no key");
  uint8_t aad[PTR_AAD_BYTES];
  ptr_aad(kind, level, p->epoch, p->len_bytes, p->birth, aad);
  block_take_nonces(io, 1, p->len_bytes, p->nonce);
  return aead_seal(key, p->nonce, aad, sizeof aad, plain, p->len_bytes, cipher, p->tag);
}

enum nacre_err block_open(struct block_io *io, enum format_kind kind, uint8_t level, const struct ptr *p,
                          const uint8_t *cipher, uint8_t *plain) {
  const struct aead_key *key = block_key(io, p->epoch, kind);
  if (key == NULL)
    return err_set(NACRE_ERR_DAMAGED, "a block names key epoch %u, which is not in the header", p->epoch);
  uint8_t aad[PTR_AAD_BYTES];
  ptr_aad(kind, level, p->epoch, p->len_bytes, p->birth, aad);
  enum nacre_err err = aead_open(key, p->nonce, aad, sizeof aad, cipher, p->len_bytes, plain, p->tag);
  if (err == NACRE_ERR_DAMAGED)
    return err_set(NACRE_ERR_DAMAGED, "the block at unit %llu does not authenticate", (unsigned long long)p->unit);
  return err;
}

enum nacre_err block_read(struct block_io *io, enum format_kind kind, uint8_t level, const struct ptr *p,
                          uint8_t *buf) {
  ERR_TRY(store_read(io->store, buf, p->len_bytes, p->unit * FORMAT_UNIT_BYTES));
  return block_open(io, kind, level, p, buf, buf);
}

enum nacre_err block_seal_extent(struct block_io *io, struct extent *x, const uint8_t *const chunks[],
                                 uint8_t *cipher) {
  x->epoch = block_current_epoch(io);
  const struct aead_key *key = block_key(io, x->epoch, FORMAT_KIND_DATA);
  if (key == NULL)
    return err_set(NACRE_ERR_ARGUMENT, "the current key epoch has no key");
  block_take_nonces(io, x->count, extent_units(x) * FORMAT_UNIT_BYTES, x->nonce);
  for (uint32_t i = 0; i < x->count; i++) {
    uint32_t len = extent_piece_bytes(x, i);
    uint8_t aad[PTR_AAD_BYTES], nonce[AEAD_NONCE_BYTES];
    ptr_aad(FORMAT_KIND_DATA, 0, x->epoch, len, x->birth, aad);
    aead_nonce_add(x->nonce, i, nonce);
    ERR_TRY(aead_seal(key, nonce, aad, sizeof aad, chunks[i], len, cipher, x->tags[i]));
    cipher += len;
  }
  return NACRE_OK;
}

enum nacre_err block_open_chunk(struct block_io *io, const struct extent *x, uint32_t index, const uint8_t *cipher,
                                uint8_t *plain) {
  const struct aead_key *key = block_key(io, x->epoch, FORMAT_KIND_DATA);
  if (key == NULL)
    return err_set(NACRE_ERR_DAMAGED, "a chunk names key epoch %u, which is not in the header", x->epoch);
  uint32_t len = extent_piece_bytes(x, index);
  uint8_t aad[PTR_AAD_BYTES], nonce[AEAD_NONCE_BYTES];
  ptr_aad(FORMAT_KIND_DATA, 0, x->epoch, len, x->birth, aad);
  aead_nonce_add(x->nonce, index, nonce);
  enum nacre_err err = aead_open(key, nonce, aad, sizeof aad, cipher, len, plain, x->tags[index]);
  if (err == NACRE_ERR_DAMAGED)
    return err_set(NACRE_ERR_DAMAGED, "the chunk at unit %llu does not authenticate",
                   (unsigned long long)(x->unit + (uint64_t)index * (x->chunk_bytes / FORMAT_UNIT_BYTES)));
  return err;
}
