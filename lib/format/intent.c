/* Head, little-endian: 0 id (16)  16 number (8)  24 tag of the head before (32)  56 next inode (8)  64 inodes (8)
 *   72 sealed blocks (8)  80 sealed bytes (8)  88 bytes of items (4)  92 zero (4)  96 the body's nonce (24)
 *   120 its tag (32)  152 generation (8)  160 items, as many bytes as there is room for; zeroes to the end
 * Item: 0 kind (1)  1 length of the bytes (4), and then
 *   PUT, DELETE  5 key (21)
 *   WHOLE, PART  5 inode (8)  13 chunk (8)  21 from (4; 0 for WHOLE)  25 zero (1)
 *   26 the bytes, none for DELETE */
#include "format/intent.h"

#include "base/err.h"

#include <assert.h>

#define NUMBER_OFFSET 16u
#define PREVIOUS_OFFSET 24u
#define GENERATION_OFFSET 152u
#define ITEM_FIXED_BYTES 26u

void intent_head_encode(const struct intent_head *head, const uint8_t *items, uint8_t *plain) {
  struct writer w = writer_make(plain, INTENT_HEAD_PLAIN_BYTES);
  writer_copy(&w, head->id, sizeof head->id);
  writer_u64(&w, head->number);
  writer_copy(&w, head->previous, sizeof head->previous);
  writer_u64(&w, head->next_ino);
  writer_u64(&w, head->inodes);
  writer_u64(&w, head->sealed_blocks);
  writer_u64(&w, head->sealed_bytes);
  writer_u32(&w, head->items_bytes);
  writer_zeroes(&w, 4);
  writer_copy(&w, head->body_nonce, sizeof head->body_nonce);
  writer_copy(&w, head->body_tag, sizeof head->body_tag);
  writer_u64(&w, head->generation);
  assert(w.done == INTENT_HEAD_FIXED_BYTES);
  writer_copy(&w, items, intent_inline_bytes(head->items_bytes));
  writer_zeroes(&w, w.left);
  assert(!w.bad);
}

static enum nacre_err intent_bad(const char *what) {
  return err_set(NACRE_ERR_DAMAGED, "a record of the intent log makes no sense: %s", what);
}

bool intent_head_goes_on(const uint8_t *plain, const uint8_t id[INTENT_ID_BYTES], uint64_t generation) {
  return memcmp(plain, id, INTENT_ID_BYTES) == 0 && le64_get(plain + GENERATION_OFFSET) == generation;
}

bool intent_head_is_next(const uint8_t *plain, uint64_t number, const uint8_t previous[AEAD_TAG_BYTES]) {
  return le64_get(plain + NUMBER_OFFSET) == number && memcmp(plain + PREVIOUS_OFFSET, previous, AEAD_TAG_BYTES) == 0;
}

enum nacre_err intent_head_decode(const uint8_t *plain, struct intent_head *head, const uint8_t **items) {
  struct reader r = reader_make(plain, INTENT_HEAD_PLAIN_BYTES);
  reader_copy(&r, head->id, sizeof head->id);
  head->number = reader_u64(&r);
  reader_copy(&r, head->previous, sizeof head->previous);
  head->next_ino = reader_u64(&r);
  head->inodes = reader_u64(&r);
  head->sealed_blocks = reader_u64(&r);
  head->sealed_bytes = reader_u64(&r);
  head->items_bytes = reader_u32(&r);
  reader_zeroes(&r, 4);
  reader_copy(&r, head->body_nonce, sizeof head->body_nonce);
  reader_copy(&r, head->body_tag, sizeof head->body_tag);
  head->generation = reader_u64(&r);
  *items = NULL;
  if (head->items_bytes == 0 || head->items_bytes > INTENT_ITEMS_MAX_BYTES)
    return intent_bad("its length");
  *items = reader_view(&r, intent_inline_bytes(head->items_bytes));
  if (intent_body_units(head->items_bytes) == 0 && (!bytes_all_zero(head->body_nonce, sizeof head->body_nonce) ||
                                                    !bytes_all_zero(head->body_tag, sizeof head->body_tag)))
    return intent_bad("it has a body and needs none");
  reader_zeroes(&r, r.left);
  if (r.bad)
    return intent_bad("reserved bytes are not zero");
  if (head->next_ino == 0 || head->next_ino > FORMAT_INO_MAX + 1 || head->inodes >= head->next_ino)
    return intent_bad("its inode numbers");
  return NACRE_OK;
}

/* ---- Items ---- */

static bool is_record(enum intent_kind kind) {
  return kind == INTENT_PUT || kind == INTENT_DELETE;
}

bool intent_item_write(struct writer *w, const struct intent_item *item) {
  if (w->left < ITEM_FIXED_BYTES + item->len)
    return false;
  writer_u8(w, (uint8_t)item->kind);
  writer_u32(w, item->len);
  if (is_record(item->kind)) {
    uint8_t key[FORMAT_KEY_BYTES];
    key_encode(&item->key, key);
    writer_copy(w, key, sizeof key);
  } else {
    writer_u64(w, item->ino);
    writer_u64(w, item->index);
    writer_u32(w, item->from);
    writer_u8(w, 0);
  }
  writer_copy(w, item->bytes, item->len);
  return true;
}

/* Records of the filesystem and the volume: nothing else is ever changed between two commits. */
static bool key_is_sane(const struct key *key) {
  bool there_is =
      (key->type >= FORMAT_RECORD_INODE && key->type <= FORMAT_RECORD_ORPHAN) || key->type == FORMAT_RECORD_LINEAGE;
  return key->tree == FORMAT_TREE_FS && there_is && key->object <= FORMAT_INO_MAX;
}

static enum nacre_err check_item(const struct intent_item *item) {
  const uint32_t most = is_record(item->kind) ? FORMAT_VALUE_MAX_BYTES : FORMAT_CHUNK_MAX_BYTES;
  if (item->len > most || (item->kind == INTENT_DELETE && item->len > 0) ||
      (item->kind == INTENT_PART && item->len == 0))
    return intent_bad("an item's length");
  if (is_record(item->kind))
    return key_is_sane(&item->key) ? NACRE_OK : intent_bad("an item's key");
  if (item->ino == 0 || item->ino > FORMAT_INO_MAX || item->index > FORMAT_FILE_MAX_BYTES / FORMAT_CHUNK_MIN_BYTES)
    return intent_bad("which chunk an item is");
  if (item->from > FORMAT_CHUNK_MAX_BYTES - item->len || (item->kind == INTENT_WHOLE && item->from > 0))
    return intent_bad("where in its chunk an item is");
  return NACRE_OK;
}

enum nacre_err intent_item_read(struct reader *r, struct intent_item *item) {
  *item = (struct intent_item){0};
  uint8_t kind = reader_u8(r);
  if (kind < INTENT_PUT || kind > INTENT_PART)
    return intent_bad("an item's kind");
  item->kind = (enum intent_kind)kind;
  item->len = reader_u32(r);
  if (is_record(item->kind)) {
    const uint8_t *key = reader_view(r, FORMAT_KEY_BYTES);
    if (key != NULL)
      item->key = key_decode(key);
  } else {
    item->ino = reader_u64(r);
    item->index = reader_u64(r);
    item->from = reader_u32(r);
    reader_zeroes(r, 1);
  }
  item->bytes = reader_view(r, item->len);
  return r->bad ? intent_bad("it is cut short") : check_item(item);
}
