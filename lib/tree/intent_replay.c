/* What an opening finds in the intent log, and how it becomes part of the tree again. */
#include "base/err.h"
#include "base/secmem.h"
#include "tree/core.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- Finding ---- */

struct finder {
  struct engine *e;
  struct intent_end at;
  struct intent_head head;
  uint8_t tag[AEAD_TAG_BYTES]; /* of the head that was opened */
  uint32_t epoch;
  uint8_t raw[FORMAT_UNIT_BYTES], plain[INTENT_HEAD_PLAIN_BYTES];
};

/* Which epoch sealed it is not written anywhere. */
static enum nacre_err unseal_head(struct finder *f, uint64_t unit) {
  struct engine *e = f->e;
  const struct engine_keys *keys = atomic_load_explicit(&e->io.keys, memory_order_acquire);
  enum nacre_err err = NACRE_ERR_DAMAGED;
  for (unsigned i = 0; i < FORMAT_EPOCHS && err == NACRE_ERR_DAMAGED; i++) {
    struct ptr p = {.unit = unit,
                    .len_bytes = INTENT_HEAD_PLAIN_BYTES,
                    .epoch = keys->epochs[i].epoch,
                    .birth = e->durable.intent.generation};
    if (p.epoch == 0 || (f->at.epoch != 0 && p.epoch != f->at.epoch))
      continue;
    memcpy(p.nonce, f->raw, sizeof p.nonce);
    memcpy(p.tag, f->raw + AEAD_NONCE_BYTES, sizeof p.tag);
    err = block_open(&e->io, FORMAT_KIND_INTENT_HEAD, 0, &p, f->raw + AEAD_NONCE_BYTES + AEAD_TAG_BYTES, f->plain);
    f->epoch = p.epoch;
    memcpy(f->tag, p.tag, sizeof f->tag);
  }
  return err;
}

/* *there: a head of this log, wherever in it. */
static enum nacre_err open_head(struct finder *f, uint64_t unit, bool *there) {
  struct engine *e = f->e;
  *there = false;
  ERR_TRY(store_read(e->store, f->raw, sizeof f->raw, unit * FORMAT_UNIT_BYTES));
  if (bytes_all_zero(f->raw, sizeof f->raw))
    return NACRE_OK;
  enum nacre_err err = unseal_head(f, unit);
  if (err == NACRE_ERR_DAMAGED)
    return NACRE_OK;
  ERR_TRY(err);
  *there = intent_head_goes_on(f->plain, e->durable.intent.id, e->durable.intent.generation);
  return NACRE_OK;
}

/* False where the log ends: what is here is not the next record. */
static enum nacre_err open_next(struct finder *f, const uint8_t **items, bool *there) {
  *there = false;
  if (f->at.unit >= f->at.stop)
    return NACRE_OK;
  ERR_TRY(open_head(f, f->at.unit, there));
  *there = *there && intent_head_is_next(f->plain, f->at.number, f->at.tag);
  if (!*there)
    return NACRE_OK;
  ERR_TRY(intent_head_decode(f->plain, &f->head, items));
  *there = 1 + intent_body_units(f->head.items_bytes) <= f->at.stop - f->at.unit;
  return NACRE_OK;
}

/* A body that is torn ends the log as well: its head was written with it. */
static enum nacre_err open_body(struct finder *f, uint8_t *buf, bool *there) {
  struct ptr p = {.unit = f->at.unit + 1,
                  .len_bytes = (uint32_t)(intent_body_units(f->head.items_bytes) * FORMAT_UNIT_BYTES),
                  .epoch = f->epoch,
                  .birth = f->head.generation};
  memcpy(p.nonce, f->head.body_nonce, sizeof p.nonce);
  memcpy(p.tag, f->head.body_tag, sizeof p.tag);
  enum nacre_err err = block_read(&f->e->io, FORMAT_KIND_INTENT_BODY, 0, &p, buf);
  *there = err == NACRE_OK;
  const uint32_t used = f->head.items_bytes - intent_inline_bytes(f->head.items_bytes);
  if (*there && used < p.len_bytes && !bytes_all_zero(buf + used, p.len_bytes - used))
    return err_set(NACRE_ERR_DAMAGED, "a record of the intent log does not end in zeroes");
  return err == NACRE_ERR_DAMAGED ? NACRE_OK : err;
}

static enum nacre_err keep(struct intent *in, uint8_t *items, uint32_t len) {
  uint8_t **found = realloc(in->found, (in->found_count + 1) * sizeof *found);
  if (found != NULL)
    in->found = found;
  uint32_t *lens = realloc(in->found_bytes, (in->found_count + 1) * sizeof *lens);
  if (lens != NULL)
    in->found_bytes = lens;
  if (found == NULL || lens == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for the intent log");
  in->found[in->found_count] = items;
  in->found_bytes[in->found_count++] = len;
  return NACRE_OK;
}

static enum nacre_err take_items(struct finder *f, const uint8_t *items, bool *there) {
  const uint32_t in_head = intent_inline_bytes(f->head.items_bytes);
  const uint64_t body_bytes = intent_body_units(f->head.items_bytes) * FORMAT_UNIT_BYTES;
  const size_t len = (size_t)(in_head + body_bytes);
  uint8_t *copy = malloc(len);
  if (copy == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for the intent log");
  enum nacre_err err = NACRE_OK;
  memcpy(copy, items, in_head);
  if (body_bytes > 0)
    err = open_body(f, copy + in_head, there);
  if (err == NACRE_OK && *there)
    err = keep(&f->e->intent, copy, f->head.items_bytes);
  if (err != NACRE_OK || !*there) {
    secmem_wipe(copy, len);
    free(copy);
  }
  return err;
}

static enum nacre_err take_record(struct finder *f, const uint8_t *items, bool *there) {
  struct engine *e = f->e;
  ERR_TRY(take_items(f, items, there));
  if (!*there)
    return NACRE_OK;
  if (f->head.next_ino < u64_max(e->next_ino, e->intent.found_next_ino))
    return err_set(NACRE_ERR_DAMAGED, "the intent log takes inode numbers back");
  e->intent.found_next_ino = f->head.next_ino;
  e->intent.found_inodes = f->head.inodes;
  e->intent.found_sealed_blocks = f->head.sealed_blocks;
  e->intent.found_sealed_bytes = f->head.sealed_bytes;
  f->at.unit += 1 + intent_body_units(f->head.items_bytes);
  f->at.number++;
  f->at.epoch = f->epoch;
  memcpy(f->at.tag, f->tag, sizeof f->at.tag);
  e->intent.found_end = f->at;
  return NACRE_OK;
}

/* A power cut tears the last record. Where others stand behind the end, somebody or something else did it. */
static enum nacre_err look_behind_the_end(struct finder *f) {
  for (uint64_t unit = f->at.unit + 1; unit < f->at.stop; unit++) {
    bool there;
    enum nacre_err err = open_head(f, unit, &there);
    if (err == NACRE_ERR_IO)
      continue; /* nothing says that there was anything */
    ERR_TRY(err);
    if (there)
      return err_set(NACRE_ERR_DAMAGED, "a record of the intent log is damaged, and others stand behind it");
  }
  return NACRE_OK;
}

static enum nacre_err find_all(struct finder *f) {
  bool there = true;
  while (there) {
    const uint8_t *items = NULL;
    ERR_TRY(open_next(f, &items, &there));
    if (there)
      ERR_TRY(take_record(f, items, &there));
  }
  return look_behind_the_end(f);
}

static struct finder *finder_new(struct engine *e, const struct intent_end *at) {
  struct finder *f = calloc(1, sizeof *f);
  if (f == NULL) {
    (void)err_set(NACRE_ERR_NO_MEMORY, "out of memory for the intent log");
    return NULL;
  }
  f->e = e;
  f->at = *at;
  return f;
}

static void finder_free(struct finder *f) {
  secmem_wipe(f, sizeof *f);
  free(f);
}

enum nacre_err intent_find(struct engine *e) {
  const struct superblock_intent *area = &e->durable.intent;
  struct intent *in = &e->intent;
  if (area->half_units == 0)
    return NACRE_OK;
  in->found_end = (struct intent_end){.unit = area->unit + area->half * area->half_units};
  in->found_end.stop = in->found_end.unit + area->half_units;
  struct finder *f = finder_new(e, &in->found_end);
  if (f == NULL)
    return NACRE_ERR_NO_MEMORY;
  enum nacre_err err = find_all(f);
  finder_free(f);
  in->pending = in->found_count > 0;
  if (err == NACRE_ERR_DAMAGED || err == NACRE_ERR_IO) {
    in->damaged = true;
    snprintf(in->why, sizeof in->why, "%s", err_message());
    return NACRE_OK;
  }
  return err;
}

/* A head whose body is torn was there when the log was found, and ended it. */
static enum nacre_err body_is_there(struct finder *f, bool *there) {
  const uint64_t bytes = intent_body_units(f->head.items_bytes) * FORMAT_UNIT_BYTES;
  if (bytes == 0)
    return NACRE_OK;
  uint8_t *body = malloc((size_t)bytes);
  if (body == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for the intent log");
  enum nacre_err err = open_body(f, body, there);
  secmem_wipe(body, (size_t)bytes);
  free(body);
  return err;
}

enum nacre_err intent_look_for_more(struct engine *e, bool *more) {
  const uint8_t *items;
  *more = false;
  if (e->intent.found_end.unit >= e->intent.found_end.stop || e->intent.damaged)
    return NACRE_OK;
  struct finder *f = finder_new(e, &e->intent.found_end);
  if (f == NULL)
    return NACRE_ERR_NO_MEMORY;
  enum nacre_err err = open_next(f, &items, more);
  if (err == NACRE_OK && *more)
    err = body_is_there(f, more);
  finder_free(f);
  return err == NACRE_ERR_DAMAGED ? NACRE_OK : err;
}

/* ---- Replaying ---- */

bool engine_has_replay(const struct engine *e) {
  return e->intent.pending;
}

static enum nacre_err replay_record(struct txn *txn, const struct intent_item *item) {
  if (item->kind == INTENT_PUT)
    return tree_put(txn, &item->key, item->bytes, item->len);
  enum nacre_err err = tree_delete(txn, &item->key);
  return err == NACRE_ERR_NOT_FOUND ? NACRE_OK : err; /* it came and went between two commits */
}

/* Either what changes the tree, or the chunks: those are for files as they are in the end. */
static enum nacre_err replay_items(struct engine *e, struct txn *txn, engine_replay_fn fn, void *arg) {
  const struct intent *in = &e->intent;
  for (size_t i = 0; i < in->found_count; i++) {
    struct reader r = reader_make(in->found[i], in->found_bytes[i]);
    while (r.left > 0) {
      struct intent_item item;
      ERR_TRY(intent_item_read(&r, &item));
      bool is_chunk = item.kind == INTENT_WHOLE || item.kind == INTENT_PART;
      if (is_chunk && fn != NULL)
        ERR_TRY(fn(arg, txn, &item));
      if (!is_chunk && fn == NULL)
        ERR_TRY(replay_record(txn, &item));
    }
  }
  return NACRE_OK;
}

void intent_forget_found(struct intent *in) {
  for (size_t i = 0; i < in->found_count; i++) {
    secmem_wipe(in->found[i], in->found_bytes[i]);
    free(in->found[i]);
  }
  free(in->found);
  free(in->found_bytes);
  in->found = NULL;
  in->found_bytes = NULL;
  in->found_count = 0;
}

enum nacre_err engine_replay(struct engine *e, engine_replay_fn fn, void *arg) {
  struct intent *in = &e->intent;
  struct txn txn = {.engine = e, .class = TXN_FLUSH, .generation = e->tree.generation, .exclusive = true};
  if (!in->pending)
    return NACRE_OK;
  committer_hold(e);
  pthread_mutex_lock(&e->state_lock);
  e->tree.for_reading = e->read_only || e->failed;
  pthread_mutex_unlock(&e->state_lock);
  enum nacre_err err = replay_items(e, &txn, NULL, NULL);
  pthread_mutex_lock(&e->state_lock);
  e->next_ino = in->found_next_ino;
  e->inodes = in->found_inodes;
  pthread_mutex_unlock(&e->state_lock);
  if (err == NACRE_OK)
    err = replay_items(e, &txn, fn, arg);
  if (err == NACRE_OK) {
    intent_forget_found(in);
    in->pending = false;
  }
  committer_release(e);
  return err;
}

bool engine_replay_missed(struct engine *e) {
  struct intent *in = &e->intent;
  snprintf(in->why, sizeof in->why, "what the intent log changes cannot be read: %s", err_message());
  in->damaged = true;
  pthread_mutex_lock(&e->state_lock);
  bool reads = e->read_only || e->failed, accepted = e->options.accept_gap;
  e->fell_back_before = true;
  pthread_mutex_unlock(&e->state_lock);
  if (!reads && !accepted)
    (void)engine_fail(e, err_set(NACRE_ERR_IO, "%s", in->why));
  return reads || !accepted;
}

/* What is in memory may be half of it. */
static enum nacre_err load_again(struct engine *e) {
  const uint64_t generation = e->tree.generation;
  const struct superblock sb = e->durable;
  engine_unload(e);
  enum nacre_err err = engine_load_commit(e, &sb);
  e->tree.generation = generation;
  return err;
}

enum nacre_err engine_forgo_replay(struct engine *e) {
  struct intent *in = &e->intent;
  snprintf(in->why, sizeof in->why, "%s", err_message());
  committer_hold(e);
  enum nacre_err err = load_again(e);
  intent_forget_found(in);
  in->pending = false;
  in->damaged = true;
  committer_release(e);
  ERR_TRY(err);
  pthread_mutex_lock(&e->state_lock);
  e->fell_back_before = true;
  bool writes = !e->read_only && !e->failed && !e->options.accept_gap;
  e->unchanged |= writes;
  e->dirty = true; /* where it is accepted, a commit leaves it behind */
  pthread_mutex_unlock(&e->state_lock);
  if (writes)
    (void)engine_fail(e, err_set(NACRE_ERR_DAMAGED, "%s", in->why));
  return NACRE_OK;
}
