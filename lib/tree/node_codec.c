/* Sealed form of a node, 16 KiB of plaintext:
 *
 *   0 level (1)  1 version (1)  2 count (2)  4 reserved (28)
 *  32 leaf:   for each record: key (21), length (2), value
 *     branch: for each child: lower bound (21), pointer (96)
 *     then zeroes to the end */
#include "base/err.h"
#include "tree/node.h"

#define NODE_VERSION 1u

void node_encode(const struct node *n, uint8_t out[FORMAT_NODE_BYTES]) {
  struct writer w = writer_make(out, FORMAT_NODE_BYTES);
  writer_u8(&w, n->level);
  writer_u8(&w, NODE_VERSION);
  writer_u16(&w, n->count);
  writer_zeroes(&w, FORMAT_NODE_HEADER_BYTES - 4);
  for (uint16_t i = 0; i < n->count; i++) {
    uint8_t key[FORMAT_KEY_BYTES];
    if (n->level == 0) {
      key_encode(&n->slots[i].key, key);
      writer_copy(&w, key, sizeof key);
      writer_u16(&w, n->slots[i].len);
      writer_copy(&w, leaf_value(n, i), n->slots[i].len);
    } else {
      const struct branch_entry *e = &n->entries[i];
      uint8_t ptr[FORMAT_PTR_BYTES];
      key_encode(&e->key, key);
      writer_copy(&w, key, sizeof key);
      ptr_encode(e->kid != NULL ? &e->kid->ptr : &e->ptr, ptr);
      writer_copy(&w, ptr, sizeof ptr);
    }
  }
  writer_zeroes(&w, w.left);
}

static enum nacre_err malformed(const char *what) {
  return err_set(NACRE_ERR_DAMAGED, "a node is malformed: %s", what);
}

static enum nacre_err decode_leaf(struct reader *r, unsigned count, struct node *n) {
  for (unsigned i = 0; i < count; i++) {
    const uint8_t *raw = reader_view(r, FORMAT_KEY_BYTES);
    uint16_t len = reader_u16(r);
    const uint8_t *value = reader_view(r, len);
    if (r->bad || len > FORMAT_VALUE_MAX_BYTES)
      return malformed("a record does not fit");
    struct key key = key_decode(raw);
    if (!leaf_insert(n, (uint16_t)i, &key, value, len))
      return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a node");
  }
  n->insert_run = 0;
  return NACRE_OK;
}

static enum nacre_err decode_branch(struct reader *r, unsigned count, uint64_t units_end, struct node *n) {
  if (count > NODE_BRANCH_MAX)
    return malformed("too many children");
  for (unsigned i = 0; i < count; i++) {
    const uint8_t *raw = reader_view(r, FORMAT_KEY_BYTES), *ptr = reader_view(r, FORMAT_PTR_BYTES);
    if (r->bad)
      return malformed("a child does not fit");
    struct key key = key_decode(raw);
    branch_insert(n, (uint16_t)i, &key, NULL);
    ERR_TRY(ptr_decode(ptr, units_end, &n->entries[i].ptr));
    if (n->entries[i].ptr.len_bytes != FORMAT_NODE_BYTES || n->entries[i].ptr.unit > units_end - FORMAT_NODE_UNITS)
      return malformed("a child has the wrong size");
  }
  return NACRE_OK;
}

static const struct key *node_key(const struct node *n, unsigned i) {
  return n->level == 0 ? &n->slots[i].key : &n->entries[i].key;
}

static bool keys_in_order(const struct node *n, const struct key *low, const struct key *high) {
  for (unsigned i = 1; i < n->count; i++) {
    if (key_compare(node_key(n, i - 1), node_key(n, i)) >= 0)
      return false;
  }
  if (n->count == 0)
    return true;
  return key_compare(low, node_key(n, 0)) <= 0 && (high == NULL || key_compare(node_key(n, n->count - 1u), high) < 0);
}

enum nacre_err node_decode(struct pages *pages, const uint8_t in[FORMAT_NODE_BYTES], uint8_t level,
                           uint64_t units_end, const struct key *low, const struct key *high, struct node **out) {
  struct reader r = reader_make(in, FORMAT_NODE_BYTES);
  uint8_t got_level = reader_u8(&r), version = reader_u8(&r);
  unsigned count = reader_u16(&r);
  reader_zeroes(&r, FORMAT_NODE_HEADER_BYTES - 4);
  if (r.bad || got_level != level || level >= FORMAT_LEVELS_MAX || version != NODE_VERSION ||
      (count == 0 && level > 0))
    return malformed("its header makes no sense");
  struct node *n = node_new(pages, level);
  if (n == NULL)
    return err_set(NACRE_ERR_NO_MEMORY, "out of memory for a node");
  enum nacre_err err = level == 0 ? decode_leaf(&r, count, n) : decode_branch(&r, count, units_end, n);
  if (err == NACRE_OK && !keys_in_order(n, low, high))
    err = malformed("its keys are out of order");
  if (err == NACRE_OK && !bytes_all_zero(r.p, r.left))
    err = malformed("it has bytes behind its end");
  if (err != NACRE_OK) {
    node_free(n);
    return err;
  }
  n->state = NODE_CLEAN;
  *out = n;
  return NACRE_OK;
}
