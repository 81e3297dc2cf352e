/* A filesystem on an engine on a store in memory, and a check of everything that its committed records must agree on.
 * Shared by the tests of lib/fs; each is a program of one file. */
#ifndef NACRE_TESTS_FS_VOLUME_H
#define NACRE_TESTS_FS_VOLUME_H

#include "base/env.h"
#include "base/err.h"
#include "format/record.h"
#include "fs/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#define MIB (1ull << 20)
#define ok(expr)                                                                                                     \
  do {                                                                                                               \
    enum nacre_err ok_ = (expr);                                                                                     \
    if (ok_ != NACRE_OK)                                                                                             \
      print_message("%s: %s (%s)\n", #expr, nacre_test_err(ok_), err_message());                                     \
    assert_int_equal(ok_, NACRE_OK);                                                                                 \
  } while (0)

static inline const char *nacre_test_err(enum nacre_err err) {
  static _Thread_local char text[16];
  (void)snprintf(text, sizeof text, "error %d", (int)err);
  return text;
}

struct volume {
  struct store store;
  struct workers *workers;
  struct engine *e;
  struct fs *fs;
  uint8_t raw_keys[4][32];
  uint64_t memory;
  unsigned replays; /* openings that found something in the intent log */
};

static const struct nacre_caller root_caller = {0, 0, 0};

static struct engine_keys volume_keys(const struct volume *v) {
  struct engine_keys k = {.current_epoch = 1};
  k.epochs[0].epoch = 1;
  struct aead_key **keys[4] = {&k.epochs[0].node, &k.epochs[0].data, &k.epochs[0].superblock, &k.epochs[0].log};
  for (unsigned i = 0; i < 4; i++)
    ok(aead_key_new(NACRE_CIPHER_XCHACHA20_POLY1305, v->raw_keys[i], keys[i]));
  return k;
}

static void volume_start(struct volume *v) {
  struct engine_keys keys = volume_keys(v);
  struct engine_options options = {.memory_bytes = v->memory, .header_sequence = 1};
  ok(engine_open(&v->store, &keys, v->workers, &options, &v->e));
  ok(fs_new(v->e, v->workers, v->memory, &v->fs));
  v->replays += engine_has_replay(v->e);
  ok(fs_replay(v->fs));
}

static void volume_make(struct volume *v, uint64_t limit, unsigned threads, uint64_t memory, uint32_t chunk_bytes) {
  ok(env_start());
  env_random(v->raw_keys, sizeof v->raw_keys);
  v->memory = memory;
  v->replays = 0;
  ok(memory_store_new(0, limit, &v->store));
  ok(workers_new(threads, &v->workers));
  struct engine_keys keys = volume_keys(v);
  struct engine_geometry g = {.size_limit_bytes = limit, .chunk_bytes = chunk_bytes, .header_sequence = 1};
  ok(engine_create(&v->store, &keys, &g));
  engine_keys_free(&keys);
  volume_start(v);
  ok(fs_make_root(v->fs, 0, 0, 0755));
  ok(fs_sync(v->fs));
}

/* Without a commit: what was not durable is lost. */
static inline void volume_crash(struct volume *v) {
  fs_free(v->fs);
  engine_close(v->e);
  volume_start(v);
  ok(fs_recover(v->fs));
}

static inline void volume_reopen(struct volume *v) {
  ok(fs_sync(v->fs));
  volume_crash(v);
}

static inline void volume_end(struct volume *v) {
  fs_free(v->fs);
  engine_close(v->e);
  workers_free(v->workers);
  store_close(&v->store);
}

/* Let the file's first extent contradict its inode, as nothing but decay in memory or an enemy would. */
static inline void spoil_map(struct engine *e, uint64_t ino) {
  uint8_t value[EXTENT_VALUE_MAX_BYTES];
  struct extent *x = calloc(1, sizeof *x);
  struct key key = key_make(ino, FORMAT_RECORD_EXTENT, 0);
  struct txn txn;
  size_t len;
  ok(tree_get(e, &key, value, sizeof value, &len));
  ok(extent_decode(value, len, engine_units_end(e), x));
  x->chunk_bytes = x->last_bytes = 4096;
  ok(txn_begin(e, TXN_NORMAL, 1, &txn));
  ok(tree_put(&txn, &key, value, extent_encode(x, value)));
  txn_end(&txn);
  free(x);
}

/* The root folder's, for reading and writing. */
static inline struct fs_file *volume_find(struct volume *v, const char *name) {
  struct fs_file *file;
  struct nacre_attr attr;
  ok(fs_lookup(v->fs, 1, name, strlen(name), &attr));
  ok(fs_open(v->fs, attr.ino, NACRE_O_READ | NACRE_O_WRITE, &file));
  fs_unpin(v->fs, attr.ino, 1);
  return file;
}

/* ---- What the records of a committed state must agree on ---- */

struct seen {
  uint64_t ino;
  struct record_inode rec;
  uint64_t names, folders, units, entries, next_chunk, parent_named;
  bool tail, orphan;
  uint64_t xattrs;
};

struct check {
  uint8_t *bits;
  uint64_t units_end;
  struct seen *seen;
  size_t count, cap;
  struct {
    uint64_t dir, ino;
    uint8_t type;
  } * links;
  size_t link_count, link_cap;
  uint64_t *orphans;
  size_t orphan_count;
  uint64_t problems;
};

static void check_mark(void *arg, uint64_t unit, uint64_t units) {
  struct check *c = arg;
  for (uint64_t u = unit; u < unit + units; u++) {
    assert_true(u < c->units_end);
    assert_int_equal(c->bits[u], 0);
    c->bits[u] = 1;
  }
}

static void check_node(void *arg, const struct ptr *ptr, uint8_t level) {
  (void)level;
  check_mark(arg, ptr->unit, FORMAT_NODE_UNITS);
}

static void check_problem(void *arg, const char *what) {
  print_message("problem: %s\n", what);
  ((struct check *)arg)->problems++;
}

static void check_inode(struct check *c, const struct key *key, const uint8_t *value, size_t len) {
  if (c->count == c->cap) {
    c->cap = c->cap == 0 ? 64 : c->cap * 2;
    c->seen = realloc(c->seen, c->cap * sizeof *c->seen);
  }
  struct seen *s = &c->seen[c->count++];
  *s = (struct seen){.ino = key->object};
  ok(record_inode_decode(value, len, &s->rec));
}

static void check_dirents(struct check *c, const struct seen *s, const struct key *key, const uint8_t *value,
                          size_t len) {
  struct record_dirents d;
  ok(record_dirents_decode(value, len, &d));
  for (unsigned i = 0; i < d.count; i++) {
    assert_int_equal(key->offset, record_dirent_offset(s->rec.seed, d.entries[i].name, d.entries[i].name_len));
    if (c->link_count == c->link_cap) {
      c->link_cap = c->link_cap == 0 ? 64 : c->link_cap * 2;
      c->links = realloc(c->links, c->link_cap * sizeof *c->links);
    }
    c->links[c->link_count].dir = key->object;
    c->links[c->link_count].ino = d.entries[i].ino;
    c->links[c->link_count++].type = d.entries[i].type;
  }
}

static void check_extent(struct check *c, struct seen *s, const struct key *key, const uint8_t *value, size_t len) {
  struct extent x;
  ok(extent_decode(value, len, c->units_end, &x));
  check_mark(c, x.unit, extent_units(&x));
  assert_int_equal(x.chunk_bytes, 1u << s->rec.chunk_log2);
  assert_true(key->offset >= s->next_chunk);
  s->next_chunk = key->offset + x.count;
  assert_true(s->rec.nlink == 0 || s->next_chunk <= u64_ceil_div(s->rec.size, x.chunk_bytes));
  s->units += extent_units(&x);
}

static void check_tail(struct seen *s, const uint8_t *value, size_t len) {
  uint64_t start;
  const uint8_t *data;
  size_t data_len;
  ok(record_tail_decode(value, len, &start, &data, &data_len));
  s->tail = true;
  if (s->rec.nlink > 0)
    assert_int_equal(start + data_len, s->rec.size);
}

static enum nacre_err check_record(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct check *c = arg;
  if (key->type == FORMAT_RECORD_ORPHAN) {
    c->orphans = realloc(c->orphans, (c->orphan_count + 1) * sizeof *c->orphans);
    c->orphans[c->orphan_count++] = key->offset;
    return NACRE_OK;
  }
  if (key->type == FORMAT_RECORD_INODE) {
    check_inode(c, key, value, len);
    return NACRE_OK;
  }
  if (key->type == FORMAT_RECORD_LINEAGE)
    return NACRE_OK;
  assert_true(c->count > 0);
  struct seen *s = &c->seen[c->count - 1];
  assert_int_equal(s->ino, key->object);
  if (key->type == FORMAT_RECORD_DIRENT)
    check_dirents(c, s, key, value, len);
  else if (key->type == FORMAT_RECORD_EXTENT)
    check_extent(c, s, key, value, len);
  else if (key->type == FORMAT_RECORD_TAIL)
    check_tail(s, value, len);
  else if (key->type == FORMAT_RECORD_XATTR)
    s->xattrs++;
  return NACRE_OK;
}

static struct seen *check_find(struct check *c, uint64_t ino) {
  size_t low = 0, high = c->count;
  while (low < high) {
    size_t mid = (low + high) / 2;
    if (c->seen[mid].ino < ino)
      low = mid + 1;
    else
      high = mid;
  }
  assert_true(low < c->count && c->seen[low].ino == ino);
  return &c->seen[low];
}

static void check_links(struct check *c) {
  for (size_t i = 0; i < c->link_count; i++) {
    struct seen *dir = check_find(c, c->links[i].dir), *s = check_find(c, c->links[i].ino);
    assert_true(S_ISDIR(dir->rec.mode));
    assert_int_equal(c->links[i].type, s->rec.mode >> 12);
    dir->entries++;
    s->names++;
    if (S_ISDIR(s->rec.mode)) {
      dir->folders++;
      assert_int_equal(s->rec.parent, dir->ino);
    }
  }
  for (size_t i = 0; i < c->orphan_count; i++)
    check_find(c, c->orphans[i])->orphan = true;
  for (size_t i = 0; i < c->count; i++) {
    const struct seen *s = &c->seen[i];
    assert_int_equal(s->orphan, s->rec.nlink == 0);
    assert_int_equal(s->xattrs > 0, (s->rec.flags & RECORD_INODE_XATTRS) != 0);
    if (s->rec.nlink == 0) {
      assert_int_equal(s->names, 0);
      continue;
    }
    assert_int_equal(s->tail, (s->rec.flags & RECORD_INODE_TAIL) != 0);
    assert_int_equal(s->units, s->rec.units);
    if (S_ISDIR(s->rec.mode)) {
      assert_int_equal(s->names, s->ino == NACRE_ROOT_INO ? 0 : 1);
      assert_int_equal(s->rec.nlink, 2 + s->folders);
      assert_int_equal(s->rec.entries, s->entries);
    } else {
      assert_int_equal(s->rec.nlink, s->names);
    }
  }
}

static inline void volume_check(struct volume *v) {
  struct engine_info info;
  ok(engine_pause(v->e));
  engine_get_info(v->e, &info);
  struct check c = {.units_end = info.units_end};
  c.bits = calloc(1, c.units_end);
  engine_fixed_units(v->e, check_mark, &c);
  struct engine_visitor visitor = {.arg = &c, .node = check_node, .record = check_record, .problem = check_problem};
  ok(engine_walk(v->e, &visitor));
  assert_int_equal(c.problems, 0);
  assert_int_equal(c.count, info.inodes);
  check_links(&c);
  engine_pending_units(v->e, check_mark, &c);
  for (uint64_t u = 0; u < c.units_end; u++)
    assert_int_equal(c.bits[u], engine_unit_used(v->e, u));
  engine_resume(v->e);
  free(c.bits);
  free(c.seen);
  free(c.links);
  free(c.orphans);
}

#endif
