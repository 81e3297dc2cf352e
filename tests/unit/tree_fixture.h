/* An engine over a store in memory, for the tests of lib/tree. */
#ifndef NACRE_TESTS_UNIT_TREE_FIXTURE_H
#define NACRE_TESTS_UNIT_TREE_FIXTURE_H

#include "base/env.h"
#include "base/err.h"
#include "tree/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MIB (1ull << 20)
#define ok(expr) assert_int_equal((expr), NACRE_OK)

static uint8_t raw_keys[4][32];

static inline struct engine_keys make_keys(void) {
  struct engine_keys k = {.current_epoch = 1};
  k.epochs[0].epoch = 1;
  ok(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, raw_keys[0], &k.epochs[0].node));
  ok(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, raw_keys[1], &k.epochs[0].data));
  ok(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, raw_keys[2], &k.epochs[0].superblock));
  ok(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, raw_keys[3], &k.epochs[0].log));
  return k;
}

struct fixture {
  struct store store;
  struct workers *workers;
  struct engine *e;
};

static inline void fx_open(struct fixture *f, uint64_t memory) {
  struct engine_keys keys = make_keys();
  struct engine_options options = {.memory_bytes = memory, .header_sequence = 1};
  ok(engine_open(&f->store, &keys, f->workers, &options, &f->e));
}

static inline void fx_make(struct fixture *f, uint64_t limit, unsigned threads, uint64_t memory) {
  ok(env_start());
  env_random(raw_keys, sizeof raw_keys);
  ok(memory_store_new(0, limit + 64 * MIB, &f->store));
  ok(workers_new(threads, &f->workers));
  struct engine_keys keys = make_keys();
  struct engine_geometry g = {.size_limit_bytes = limit, .chunk_bytes = 16384, .header_sequence = 1};
  ok(engine_create(&f->store, &keys, &g));
  engine_keys_free(&keys);
  fx_open(f, memory);
}

static inline void fx_reopen(struct fixture *f, uint64_t memory) {
  engine_close(f->e);
  fx_open(f, memory);
}

static inline void fx_end(struct fixture *f) {
  engine_close(f->e);
  workers_free(f->workers);
  store_close(&f->store);
}

static inline enum nacre_err try_open(struct fixture *f, bool read_only) {
  struct engine_keys keys = make_keys();
  struct engine_options options = {.memory_bytes = MIB, .header_sequence = 1, .read_only = read_only};
  return engine_open(&f->store, &keys, f->workers, &options, &f->e);
}

#endif
