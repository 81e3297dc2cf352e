/* A node's plaintext. A terse form of it too, so that small inputs make nodes full of records. */
#include "fuzz/feed.h"
#include "tree/node.h"

#define UNITS_END 8192u

/* Keys that ascend by what the input says, values of a repeated byte. */
static void write_leaf(struct feed *f, uint8_t *plain) {
  struct key key = {.tree = FORMAT_TREE_FS};
  size_t at = FORMAT_NODE_HEADER_BYTES;
  uint16_t count = 0;
  while (f->left > 0) {
    key.object += feed_u8(f);
    key.type = feed_u8(f);
    key.offset += feed_u8(f);
    uint16_t len = (uint16_t)feed_wide(f);
    uint8_t fill = feed_u8(f);
    if (at + NODE_LEAF_RECORD_BYTES + len > FORMAT_NODE_BYTES)
      break;
    key_encode(&key, plain + at);
    le16_put(plain + at + FORMAT_KEY_BYTES, len);
    memset(plain + at + NODE_LEAF_RECORD_BYTES, fill, len);
    at += NODE_LEAF_RECORD_BYTES + len;
    count++;
  }
  plain[1] = 1;
  le16_put(plain + 2, count);
}

static void write_branch(struct feed *f, uint8_t *plain) {
  struct key key = {.tree = FORMAT_TREE_FS};
  size_t at = FORMAT_NODE_HEADER_BYTES;
  uint16_t count = 0;
  while (f->left > 0 && at + NODE_BRANCH_ENTRY_BYTES <= FORMAT_NODE_BYTES) {
    struct ptr p = {.len_bytes = FORMAT_NODE_BYTES, .epoch = 1, .birth = 1, .alloc = 1};
    key.object += feed_u8(f);
    p.unit = feed_wide(f);
    key_encode(&key, plain + at);
    ptr_encode(&p, plain + at + FORMAT_KEY_BYTES);
    at += NODE_BRANCH_ENTRY_BYTES;
    count++;
  }
  plain[1] = 1;
  le16_put(plain + 2, count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct key lowest = {0};
  struct feed f = {data, size};
  uint8_t *plain = calloc(1, FORMAT_NODE_BYTES), *again = malloc(FORMAT_NODE_BYTES);
  FUZZ_CHECK(plain != NULL && again != NULL);
  uint8_t form = feed_u8(&f), level = form >> 4;
  struct key high = {.tree = FORMAT_TREE_FS, .object = feed_u16(&f)};
  if ((form & 3) == 0)
    feed_copy(&f, plain, FORMAT_NODE_BYTES);
  else if (level == 0)
    write_leaf(&f, plain);
  else
    write_branch(&f, plain);
  if ((form & 3) != 0)
    plain[0] = level;
  struct node *n = NULL;
  struct pages *pages;
  FUZZ_CHECK(pages_new(&pages) == NACRE_OK);
  if (node_decode(pages, plain, level, UNITS_END, &lowest, form & 4 ? &high : NULL, &n) == NACRE_OK) {
    node_encode(n, again);
    FUZZ_CHECK(memcmp(plain, again, FORMAT_NODE_BYTES) == 0);
    FUZZ_CHECK(n->used_bytes <= FORMAT_NODE_BYTES);
    node_free(n);
  }
  pages_end(pages);
  free(plain);
  free(again);
  return 0;
}
