/* Whole volumes with something in their intent log: verified, read-only too, and opened where what the log reaches is
 * damaged. */
#include "base/env.h"
#include "format/record.h"
#include "ops/check.h"
#include "ops/create.h"
#include "tree/core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIMIT_BYTES (32ull << 20)
#define FILES 200u
#define ok(expr) assert_int_equal((expr), NACRE_OK)

static const struct nacre_caller caller;
static uint8_t key[32] = {1};
static struct store memory;

static void keep_open(void *ctx) {
  (void)ctx;
}

static struct volume *open_volume(bool read_only, bool accept) {
  struct volume_options options = {.memory_bytes = 16u << 20, .read_only = read_only, .accept_rollback = accept};
  struct nacre_credential cred = {.kind = NACRE_SLOT_RAW_KEY, .len = sizeof key, .secret = key};
  struct store store = memory;
  struct volume *v;
  store.ops.close = keep_open;
  ok(volume_open(&store, &options, &cred, &v));
  return v;
}

static struct fs_file *make(struct volume *v, const char *name) {
  struct fs_file *file;
  struct nacre_attr attr;
  ok(fs_create(v->fs, 1, name, strlen(name), 0600, NACRE_O_READ | NACRE_O_WRITE, &caller, &attr, &file));
  fs_unpin(v->fs, attr.ino, 1);
  ok(fs_write(file, name, strlen(name), 0));
  return file;
}

static bool reads(struct volume *v, const char *name) {
  char back[16];
  size_t done = 0;
  struct fs_file *file;
  struct nacre_attr attr;
  if (fs_lookup(v->fs, 1, name, strlen(name), &attr) != NACRE_OK)
    return false;
  enum nacre_err err = fs_open(v->fs, attr.ino, NACRE_O_READ, &file);
  if (err == NACRE_OK) {
    err = fs_read(file, back, sizeof back, 0, &done);
    fs_close(file);
  }
  fs_unpin(v->fs, attr.ino, 1);
  return err == NACRE_OK && done == strlen(name) && memcmp(back, name, done) == 0;
}

struct look {
  uint64_t ino;
  struct ptr leaf, found;
};

static void look_node(void *arg, const struct ptr *ptr, uint8_t level) {
  struct look *l = arg;
  if (level == 0)
    l->leaf = *ptr;
}

static enum nacre_err look_record(void *arg, const struct key *k, const uint8_t *value, size_t len) {
  struct look *l = arg;
  (void)value;
  (void)len;
  if (k->object == l->ino && k->type == FORMAT_RECORD_INODE)
    l->found = l->leaf;
  return NACRE_OK;
}

static void look_problem(void *arg, const char *what) {
  (void)arg;
  fail_msg("%s", what);
}

/* Many committed files, and one in the log. Left as a crash leaves it. Where the leaf of file f100 is. */
static uint64_t make_logged(void) {
  const struct create_request request = {
      .size_limit_bytes = LIMIT_BYTES, .cipher = NACRE_CIPHER_XCHACHA20_POLY1305, .chunk_bytes = 4096};
  struct nacre_credential cred = {.kind = NACRE_SLOT_RAW_KEY, .len = sizeof key, .secret = key};
  ok(memory_store_new(0, LIMIT_BYTES, &memory));
  struct store store = memory;
  store.ops.close = keep_open;
  ok(create_volume(&store, &request, &cred));
  struct volume *v = open_volume(false, false);
  for (unsigned i = 0; i < FILES; i++) {
    char name[16];
    (void)snprintf(name, sizeof name, "f%u", i);
    fs_close(make(v, name));
  }
  ok(fs_sync(v->fs));
  struct fs_file *file;
  struct nacre_attr attr;
  ok(fs_lookup(v->fs, 1, "f100", 4, &attr));
  ok(fs_open(v->fs, attr.ino, NACRE_O_READ | NACRE_O_WRITE, &file));
  fs_unpin(v->fs, attr.ino, 1);
  ok(fs_write(file, "f100", 4, 0));
  fs_close(make(v, "new"));
  ok(fs_fsync(file));
  fs_close(file);
  assert_true(v->engine->intent.number > 0);
  struct look l = {.ino = attr.ino};
  const struct engine_visitor visitor = {
      .arg = &l, .node = look_node, .record = look_record, .problem = look_problem};
  ok(engine_walk(v->engine, &visitor));
  volume_free(v);
  return l.found.unit * FORMAT_UNIT_BYTES;
}

static void on_problem(void *arg, const char *path, const char *problem) {
  (void)arg;
  print_message("%s: %s\n", path ? path : "-", problem);
}

static void verify(struct volume *v) {
  struct nacre_verify_report report;
  const struct check_options check = {.problem = on_problem};
  ok(check_volume(v, &check, &report));
  assert_int_equal(report.problems, 0);
}

static void test_verify(void **state) {
  (void)state;
  (void)make_logged();
  struct volume *v = open_volume(true, false);
  assert_true(reads(v, "new"));
  verify(v);
  assert_true(reads(v, "new") && reads(v, "f100"));
  volume_free(v);
  v = open_volume(false, false);
  assert_true(reads(v, "new"));
  verify(v);
  assert_true(reads(v, "new") && reads(v, "f100"));
  volume_free(v);
  store_close(&memory);
}

/* The log can't be replayed: that costs what it had, and is told. The rest is there. */
static void test_damaged_leaf(void **state) {
  (void)state;
  uint8_t junk[FORMAT_NODE_BYTES];
  const uint64_t leaf = make_logged();
  ok(env_start());
  env_random(junk, sizeof junk);
  ok(store_write(&memory, junk, sizeof junk, leaf));
  for (unsigned how = 0; how < 3; how++) {
    struct volume *v = open_volume(how == 0, how == 2);
    struct engine_info info;
    engine_get_info(v->engine, &info);
    assert_true(info.fell_back);
    assert_int_equal(info.read_only, how < 2);
    assert_true(reads(v, "f0") && !reads(v, "f100") && !reads(v, "new"));
    if (how == 2) {
      struct fs_file *file = make(v, "more");
      ok(fs_fsync(file));
      fs_close(file);
    }
    volume_free(v);
  }
  struct volume *v = open_volume(false, false);
  assert_true(reads(v, "f0") && reads(v, "more") && !reads(v, "new"));
  volume_free(v);
  store_close(&memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_verify), cmocka_unit_test(test_damaged_leaf)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
