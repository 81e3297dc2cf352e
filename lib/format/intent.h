/* The intent log: what has changed since a commit, so that an fsync of a little is one write and one sync. The area
 * is two halves in the container; the records of one commit stand in one half, from its start on, without gaps, and
 * the next commit's in the other.
 *
 * A record is a head of one unit: nonce (24), tag (32), ciphertext (4040), and behind it, where its items don't all
 * fit into the head, a body of whole units with the rest of them. It counts only if it names the id that the
 * superblock gives, its own number, and the tag of the head before it: so what an earlier commit left, or somebody
 * put there, ends the log. */
#ifndef NACRE_FORMAT_INTENT_H
#define NACRE_FORMAT_INTENT_H

#include "format/key.h"
#include "format/ptr.h"

#define INTENT_ID_BYTES 16u
#define INTENT_HEAD_PLAIN_BYTES (FORMAT_UNIT_BYTES - AEAD_NONCE_BYTES - AEAD_TAG_BYTES)
#define INTENT_HEAD_FIXED_BYTES 160u
#define INTENT_INLINE_MAX_BYTES (INTENT_HEAD_PLAIN_BYTES - INTENT_HEAD_FIXED_BYTES)
#define INTENT_ITEMS_MAX_BYTES (512u << 10)
#define INTENT_CHUNKS_MAX_BYTES (64u << 20) /* of all the chunks of one log, each at its full size */

struct intent_head {
  uint8_t id[INTENT_ID_BYTES];
  uint64_t generation;              /* of the commit that drew the id */
  uint64_t number;                  /* from 0 */
  uint8_t previous[AEAD_TAG_BYTES]; /* tag of the head before; zeroes for the first */
  uint64_t next_ino, inodes;        /* as in a superblock, at this moment */
  uint64_t sealed_blocks, sealed_bytes;
  uint32_t items_bytes;
  uint8_t body_nonce[AEAD_NONCE_BYTES], body_tag[AEAD_TAG_BYTES]; /* zeroes where there is no body */
};

/* How many bytes of the items stand in the head; the others are the body's. */
static inline uint32_t intent_inline_bytes(uint32_t items_bytes) {
  return (uint32_t)u64_min(items_bytes, INTENT_INLINE_MAX_BYTES);
}
/* Units of the body; 0 where there is none. */
static inline uint64_t intent_body_units(uint32_t items_bytes) {
  return u64_ceil_div(items_bytes - intent_inline_bytes(items_bytes), FORMAT_UNIT_BYTES);
}

/* items: at least what stands in the head. plain has INTENT_HEAD_PLAIN_BYTES. */
void intent_head_encode(const struct intent_head *head, const uint8_t *items, uint8_t *plain);
/* Whether it is of the log with that id and generation; and then, whether it has this place in it. Looked at before
 * all else. */
bool intent_head_goes_on(const uint8_t *plain, const uint8_t id[INTENT_ID_BYTES], uint64_t generation);
bool intent_head_is_next(const uint8_t *plain, uint64_t number, const uint8_t previous[AEAD_TAG_BYTES]);
/* *items: those in the head, a view into plain. NACRE_ERR_DAMAGED. */
NACRE_MUST_USE enum nacre_err intent_head_decode(const uint8_t *plain, struct intent_head *head,
                                                 const uint8_t **items);

/* ---- Items ---- */

enum intent_kind {
  INTENT_PUT = 1,    /* a record of the tree is this from now on */
  INTENT_DELETE = 2, /* there is no such record, if there was one */
  INTENT_WHOLE = 3,  /* a chunk of a file, which is not in the tree as yet: bytes, and zeroes behind them */
  INTENT_PART = 4    /* some bytes of a chunk, over what this log, or else the commit, has of it */
};

struct intent_item {
  enum intent_kind kind;
  struct key key;       /* of PUT and DELETE */
  uint64_t ino, index;  /* of chunks */
  uint32_t from;        /* of PART: where in the chunk */
  const uint8_t *bytes; /* value or content */
  uint32_t len;
};

/* False, and nothing written, where it does not fit. */
bool intent_item_write(struct writer *w, const struct intent_item *item);
/* item->bytes is a view into what is read. NACRE_ERR_DAMAGED. */
NACRE_MUST_USE enum nacre_err intent_item_read(struct reader *r, struct intent_item *item);

#endif
