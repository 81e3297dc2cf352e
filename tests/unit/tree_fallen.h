/* Records to tell commits apart, and a container whose newest commit is damaged. */
#ifndef NACRE_TESTS_UNIT_TREE_FALLEN_H
#define NACRE_TESTS_UNIT_TREE_FALLEN_H

#include "tree_fixture.h"

static inline struct key nth_key(uint64_t i) {
  return key_make(1 + i / 1000, FORMAT_RECORD_DIRENT, i % 1000);
}

static inline void put(struct engine *e, uint64_t i, uint8_t fill) {
  uint8_t value[10] = {FORMAT_RECORD_VERSION, fill};
  struct key key = nth_key(i);
  struct txn txn;
  ok(txn_begin(e, TXN_FLUSH, 1, &txn));
  ok(tree_put(&txn, &key, value, sizeof value));
  txn_end(&txn);
}

static inline uint8_t get(struct engine *e, uint64_t i) {
  uint8_t value[10];
  size_t len;
  struct key key = nth_key(i);
  ok(tree_get(e, &key, value, sizeof value, &len));
  return value[1];
}

static inline void damage(struct fixture *f, uint64_t offset) {
  uint8_t junk[FORMAT_SUPERBLOCK_BYTES];
  env_random(junk, sizeof junk);
  ok(store_write(&f->store, junk, sizeof junk, offset));
}

static inline void make_fallen(struct fixture *f, struct superblock *newest) {
  fx_make(f, 64 * MIB, 0, 8 * MIB);
  for (uint8_t i = 1; i <= 2; i++) {
    put(f->e, 1, i);
    ok(engine_commit(f->e));
  }
  *newest = f->e->durable;
  engine_close(f->e);
  damage(f, newest->root.unit * FORMAT_UNIT_BYTES);
}

#endif
