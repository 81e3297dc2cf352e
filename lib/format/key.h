/* A tree key. On disk 21 bytes that sort as the key does: tree (4, big-endian), object (8), type (1), offset (8). */
#ifndef NACRE_FORMAT_KEY_H
#define NACRE_FORMAT_KEY_H

#include "base/bytes.h"
#include "format/format.h"

struct key {
  uint32_t tree;
  uint8_t type;
  uint64_t object;
  uint64_t offset;
};

static inline struct key key_make(uint64_t object, uint8_t type, uint64_t offset) {
  return (struct key){.tree = FORMAT_TREE_FS, .type = type, .object = object, .offset = offset};
}

static inline void key_encode(const struct key *k, uint8_t out[FORMAT_KEY_BYTES]) {
  be32_put(out, k->tree);
  be64_put(out + 4, k->object);
  out[12] = k->type;
  be64_put(out + 13, k->offset);
}

static inline struct key key_decode(const uint8_t in[FORMAT_KEY_BYTES]) {
  return (struct key){.tree = be32_get(in), .object = be64_get(in + 4), .type = in[12], .offset = be64_get(in + 13)};
}

static inline int key_compare(const struct key *a, const struct key *b) {
  if (a->tree != b->tree)
    return a->tree < b->tree ? -1 : 1;
  if (a->object != b->object)
    return a->object < b->object ? -1 : 1;
  if (a->type != b->type)
    return a->type < b->type ? -1 : 1;
  if (a->offset != b->offset)
    return a->offset < b->offset ? -1 : 1;
  return 0;
}

#endif
