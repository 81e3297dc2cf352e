#include "fuzz/harm.h"

#include "base/err.h"
#include "fuzz/volume.h"

#define RECORD_CHANGES_MAX 12u
#define INDEX_NONCE_OFFSET 24u /* in a checkpoint's index */
#define INDEX_TAG_OFFSET 48u
#define BRANCH_PTR_OFFSET(index) (FORMAT_NODE_HEADER_BYTES + (index)*NODE_BRANCH_ENTRY_BYTES + FORMAT_KEY_BYTES)

/* ---- Records ---- */

struct picked {
  unsigned skip;
  bool found;
  struct key key;
  uint8_t value[FORMAT_VALUE_MAX_BYTES];
  size_t len;
};

static bool pick(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct picked *p = arg;
  p->key = *key;
  p->len = len;
  memcpy(p->value, value, len);
  p->found = true;
  return p->skip-- > 0;
}

/* The record of that number, or the last. */
static void pick_record(struct engine *e, unsigned number, struct picked *p) {
  static const struct key lowest = {0};
  static const struct key highest = {.tree = UINT32_MAX, .object = UINT64_MAX, .type = 255, .offset = UINT64_MAX};
  *p = (struct picked){.skip = number};
  fuzz_any(tree_scan(e, &lowest, &highest, pick, p));
}

static void put(struct engine *e, const struct picked *p) {
  struct txn txn;
  if (txn_begin(e, TXN_FREEING, 1, &txn) != NACRE_OK)
    return;
  fuzz_any(tree_put(&txn, &p->key, p->value, p->len));
  txn_end(&txn);
}

static void drop(struct engine *e, const struct key *key) {
  struct txn txn;
  if (txn_begin(e, TXN_FREEING, 1, &txn) != NACRE_OK)
    return;
  fuzz_any(tree_delete(&txn, key));
  txn_end(&txn);
}

static void change_key(struct feed *f, struct key *key) {
  uint8_t form = feed_u8(f);
  if (form & 1)
    key->object = feed_wide(f);
  if (form & 2)
    key->type = feed_u8(f) % 12;
  if (form & 4)
    key->offset = feed_wide(f);
  if (form & 8)
    key->offset += feed_u8(f);
  if (form == 0xff)
    key->tree = feed_u8(f);
}

static void change_record(struct engine *e, struct feed *f, struct picked *p) {
  uint8_t form = feed_u8(f);
  pick_record(e, feed_u16(f) % 512, p);
  if (!p->found)
    return;
  switch (form % 6) {
  case 0:
    drop(e, &p->key);
    break;
  case 1:
    drop(e, &p->key);
    change_key(f, &p->key);
    put(e, p);
    break;
  case 2:
    change_key(f, &p->key);
    put(e, p);
    break;
  case 3:
    p->len = feed_wide(f) % (FORMAT_VALUE_MAX_BYTES + 1);
    put(e, p);
    break;
  case 4:
    change_key(f, &p->key);
    p->len = feed_u8(f);
    feed_copy(f, p->value, p->len);
    put(e, p);
    break;
  default:
    harm_bytes(f, p->value, p->len);
    put(e, p);
    break;
  }
}

void harm_records(struct engine *e, struct feed *f) {
  unsigned changes = feed_u8(f) % RECORD_CHANGES_MAX;
  struct picked *p = malloc(sizeof *p);
  FUZZ_CHECK(p != NULL);
  /* The branch is entered by its first commit, which would refuse what is done to the lineage below. */
  e->dirty = true;
  FUZZ_CHECK(engine_commit(e) == NACRE_OK);
  for (unsigned i = 0; i < changes; i++)
    change_record(e, f, p);
  free(p);
  FUZZ_CHECK(engine_commit(e) == NACRE_OK);
}

/* ---- Blocks ---- */

struct path_node {
  struct ptr ptr;
  unsigned child;
  uint8_t plain[FORMAT_NODE_BYTES];
};

/* In its place, under a new nonce; p is what a parent must say then. */
static void seal_block(struct engine *e, enum format_kind kind, uint8_t level, struct ptr *p, const uint8_t *plain) {
  uint8_t *cipher = malloc(p->len_bytes);
  FUZZ_CHECK(cipher != NULL);
  FUZZ_CHECK(block_seal(&e->io, kind, level, p, plain, cipher) == NACRE_OK);
  FUZZ_CHECK(store_write(e->store, cipher, p->len_bytes, p->unit * FORMAT_UNIT_BYTES) == NACRE_OK);
  free(cipher);
}

static unsigned node_count(const struct path_node *n) {
  return le16_get(n->plain + 2);
}

/* One child's pointer over another's: two ways to the same block. */
static void share_child(struct feed *f, struct path_node *n) {
  unsigned from = feed_u8(f) % node_count(n), to = feed_u8(f) % node_count(n);
  memmove(n->plain + BRANCH_PTR_OFFSET(to), n->plain + BRANCH_PTR_OFFSET(from), FORMAT_PTR_BYTES);
}

static void change_nodes(struct engine *e, struct feed *f, struct superblock *sb) {
  struct path_node *nodes = calloc(FORMAT_LEVELS_MAX, sizeof *nodes);
  FUZZ_CHECK(nodes != NULL);
  unsigned stop = feed_u8(f) % (sb->root_level + 1u);
  nodes[sb->root_level].ptr = sb->root;
  for (unsigned level = sb->root_level;; level--) {
    struct path_node *n = &nodes[level];
    FUZZ_CHECK(block_read(&e->io, FORMAT_KIND_NODE, (uint8_t)level, &n->ptr, n->plain) == NACRE_OK);
    if (level == stop)
      break;
    n->child = feed_u8(f) % node_count(n);
    FUZZ_CHECK(ptr_decode(n->plain + BRANCH_PTR_OFFSET(n->child), sb->units_end, &nodes[level - 1].ptr) == NACRE_OK);
  }
  for (unsigned level = stop;; level++) {
    struct path_node *n = &nodes[level];
    uint8_t form = feed_u8(f);
    if (level > 0 && form & 1)
      share_child(f, n);
    if (form & 2)
      memset(n->plain + 2, 0, FORMAT_NODE_BYTES - 2); /* none at all */
    harm_bytes(f, n->plain, FORMAT_NODE_BYTES);
    seal_block(e, FORMAT_KIND_NODE, (uint8_t)level, &n->ptr, n->plain);
    if (level == sb->root_level)
      break;
    ptr_encode(&n->ptr, nodes[level + 1].plain + BRANCH_PTR_OFFSET(nodes[level + 1].child));
  }
  sb->root = nodes[sb->root_level].ptr;
  free(nodes);
}

static uint8_t *read_plain(struct engine *e, enum format_kind kind, const struct ptr *p) {
  uint8_t *plain = malloc(p->len_bytes);
  FUZZ_CHECK(plain != NULL && block_read(&e->io, kind, 0, p, plain) == NACRE_OK);
  return plain;
}

static void change_last_record(struct engine *e, struct feed *f, struct ptr *last) {
  if (last->unit == 0)
    return;
  uint8_t *plain = read_plain(e, FORMAT_KIND_LOG, last);
  harm_bytes(f, plain, last->len_bytes);
  seal_block(e, FORMAT_KIND_LOG, 0, last, plain);
  free(plain);
}

/* The index, and the first segment where a change to it is asked for. */
static void change_checkpoint(struct engine *e, struct feed *f, struct ptr *p) {
  uint8_t *index = read_plain(e, FORMAT_KIND_CHECKPOINT_INDEX, p);
  struct ptr segment = {.unit = p->unit + p->len_bytes / FORMAT_UNIT_BYTES, .epoch = p->epoch, .birth = p->birth};
  uint64_t body_bytes = u64_min(le64_get(index + 8), FORMAT_CHECKPOINT_SEGMENT_BYTES);
  segment.len_bytes = (uint32_t)(u64_ceil_div(body_bytes, FORMAT_UNIT_BYTES) * FORMAT_UNIT_BYTES);
  memcpy(segment.nonce, index + INDEX_NONCE_OFFSET, sizeof segment.nonce);
  memcpy(segment.tag, index + INDEX_TAG_OFFSET, sizeof segment.tag);
  uint8_t *body = read_plain(e, FORMAT_KIND_CHECKPOINT_SEGMENT, &segment);
  harm_bytes(f, body, segment.len_bytes);
  seal_block(e, FORMAT_KIND_CHECKPOINT_SEGMENT, 0, &segment, body);
  memcpy(index + INDEX_NONCE_OFFSET, segment.nonce, sizeof segment.nonce);
  memcpy(index + INDEX_TAG_OFFSET, segment.tag, sizeof segment.tag);
  harm_bytes(f, index, p->len_bytes);
  seal_block(e, FORMAT_KIND_CHECKPOINT_INDEX, 0, p, index);
  free(index);
  free(body);
}

/* What the log really says, so that the superblock agrees with it and opening goes on. */
static void agree_on_used(struct engine *e, struct superblock *sb) {
  struct alloc a;
  if (alloc_start(&a, sb->units_end, space_cluster_units(sb->chunk_bytes)) != NACRE_OK)
    return;
  if (spacelog_load(&e->io, &sb->log, sb->units_end, sb->generation, &a) == NACRE_OK)
    sb->used_units = alloc_used_units(&a, sb->generation);
  alloc_end(&a);
}

/* To the place of that generation. */
static void write_superblock(struct engine *e, struct feed *f, const struct superblock *sb, uint64_t place) {
  uint8_t raw[FORMAT_SUPERBLOCK_BYTES], plain[SUPERBLOCK_PLAIN_BYTES];
  uint64_t offset = superblock_offset(place);
  struct ptr p = {.unit = offset / FORMAT_UNIT_BYTES, .len_bytes = SUPERBLOCK_PLAIN_BYTES};
  superblock_encode(sb, plain);
  harm_bytes(f, plain, 512);
  FUZZ_CHECK(block_seal(&e->io, FORMAT_KIND_SUPERBLOCK, 0, &p, plain, raw + AEAD_NONCE_BYTES + AEAD_TAG_BYTES) ==
             NACRE_OK);
  memcpy(raw, p.nonce, sizeof p.nonce);
  memcpy(raw + AEAD_NONCE_BYTES, p.tag, sizeof p.tag);
  FUZZ_CHECK(store_write(e->store, raw, sizeof raw, offset) == NACRE_OK);
}

void harm_blocks(struct engine *e, struct feed *f) {
  struct superblock sb = e->durable;
  uint8_t form = feed_u8(f);
  if (form & 1)
    change_nodes(e, f, &sb);
  if (form & 2)
    change_last_record(e, f, &sb.log.last);
  if (form & 4)
    change_checkpoint(e, f, &sb.log.checkpoint);
  if (form & 8)
    agree_on_used(e, &sb);
  write_superblock(e, f, &sb, sb.generation);
}

void harm_ring(struct engine *e, struct feed *f) {
  for (unsigned n = feed_u8(f) % FORMAT_RING_SLOTS; n > 0; n--) {
    struct superblock sb = e->durable;
    uint8_t form = feed_u8(f);
    sb.generation += form % 16u;
    sb.generation -= 8;
    sb.ring_from = form & 0x10 ? sb.generation : 1;
    if (form & 0x40) {
      sb.point_generation = sb.generation;
      memcpy(sb.point_commit_id, sb.commit_id, sizeof sb.point_commit_id);
    }
    write_superblock(e, f, &sb, form & 0x20 ? feed_u8(f) : sb.generation);
  }
}
