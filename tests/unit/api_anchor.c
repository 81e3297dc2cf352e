/* The anchor through the public interface: what is noticed, what is let pass, what raises no alarm. */
#include <nacre.h>

#include "base/env.h"
#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
// cmocka.h needs the two above
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STORE_BYTES (32u << 20)

/* One machine's memory of the volume. */
struct machine {
  uint8_t fingerprint[32];
  uint8_t bytes[NACRE_ANCHOR_MAX_BYTES];
  size_t len;
  unsigned stores;
  int load_error, store_error;
};

struct fixture {
  struct store memory;
  struct nacre_store_ops ops;
  struct nacre_target target;
  nacre_credential *cred;
  nacre_volume *vol;
  struct machine here, there;
  struct nacre_anchor_report report;
};

struct image {
  uint8_t *bytes;
  uint64_t size;
};

static int load(void *ctx, const uint8_t fingerprint[32], void *buf, size_t cap, size_t *len) {
  struct machine *m = ctx;
  assert_true(cap >= m->len);
  if (m->len > 0)
    assert_memory_equal(fingerprint, m->fingerprint, 32);
  memcpy(buf, m->bytes, m->len);
  *len = m->len;
  return m->load_error;
}

static int store(void *ctx, const uint8_t fingerprint[32], const void *buf, size_t len) {
  struct machine *m = ctx;
  assert_true(len <= sizeof m->bytes);
  if (m->store_error != 0)
    return m->store_error;
  memcpy(m->fingerprint, fingerprint, 32);
  memcpy(m->bytes, buf, len);
  m->len = len;
  m->stores++;
  return 0;
}

static const struct nacre_anchor_ops anchor_ops = {.struct_size = sizeof anchor_ops, .load = load, .store = store};

static int64_t now_s;

static struct nacre_time fixed_clock(void) {
  return (struct nacre_time){.s = now_s};
}

static void keep_open(void *ctx) {
  (void)ctx;
}

static int make_fixture(void **state) {
  struct fixture *f = calloc(1, sizeof *f);
  uint8_t key[32] = {1};
  const struct nacre_create_options options = {.struct_size = sizeof options, .size_bytes = STORE_BYTES};
  *state = f;
  now_s = 1700000000;
  env_set_clock(fixed_clock);
  if (nacre_credential_raw_key(key, &f->cred) != NACRE_OK || memory_store_new(0, STORE_BYTES, &f->memory) != NACRE_OK)
    return -1;
  f->ops = f->memory.ops;
  f->ops.close = keep_open;
  f->target = (struct nacre_target){.struct_size = sizeof f->target, .ops = &f->ops, .ctx = f->memory.ctx};
  return nacre_create(&f->target, &options, f->cred) == NACRE_OK ? 0 : -1;
}

static int free_fixture(void **state) {
  struct fixture *f = *state;
  env_set_clock(NULL);
  nacre_credential_free(f->cred);
  store_close(&f->memory);
  free(f);
  return 0;
}

enum how { WRITING, READING, ACCEPTING, ACCEPTING_TO_READ };

static enum nacre_err open_on(struct fixture *f, struct machine *m, enum how how) {
  const struct nacre_open_options options = {.struct_size = sizeof options,
                                             .read_only = how == READING || how == ACCEPTING_TO_READ,
                                             .anchor = &anchor_ops,
                                             .anchor_ctx = m,
                                             .accept_rollback = how >= ACCEPTING};
  f->report = (struct nacre_anchor_report){.struct_size = sizeof f->report};
  enum nacre_err err = nacre_volume_open(&f->target, &options, f->cred, &f->vol);
  if (err == NACRE_OK)
    assert_int_equal(nacre_volume_get_anchor(f->vol, &f->report), NACRE_OK);
  return err;
}

static void must_open(struct fixture *f, struct machine *m, enum how how, enum nacre_anchor_state state) {
  assert_int_equal(open_on(f, m, how), NACRE_OK);
  assert_int_equal(f->report.state, state);
}

static void write_file(struct fixture *f, const char *path) {
  nacre_file *file;
  assert_int_equal(nacre_open(f->vol, path, NACRE_O_CREATE | NACRE_O_WRITE, 0600, NULL, &file), NACRE_OK);
  assert_int_equal(nacre_write(file, path, strlen(path), 0), NACRE_OK);
  nacre_close(file);
  assert_int_equal(nacre_volume_sync(f->vol), NACRE_OK);
}

static void close_volume(struct fixture *f) {
  assert_int_equal(nacre_volume_close(f->vol), NACRE_OK);
}

static void session(struct fixture *f, struct machine *m, enum nacre_anchor_state state, const char *path) {
  must_open(f, m, WRITING, state);
  write_file(f, path);
  close_volume(f);
}

static struct image take_image(struct fixture *f) {
  struct image i;
  assert_int_equal(store_size(&f->memory, &i.size), NACRE_OK);
  i.bytes = malloc(i.size);
  assert_int_equal(store_read(&f->memory, i.bytes, i.size, 0), NACRE_OK);
  return i;
}

static void put_image(struct fixture *f, const struct image *i) {
  assert_int_equal(store_resize(&f->memory, i->size), NACRE_OK);
  assert_int_equal(store_write(&f->memory, i->bytes, i->size, 0), NACRE_OK);
}

/* ---- What is noticed ---- */

static void test_older_container(void **state) {
  struct fixture *f = *state;
  session(f, &f->here, NACRE_ANCHOR_NEW, "a");
  struct image old = take_image(f);
  session(f, &f->here, NACRE_ANCHOR_FOUND, "b");
  struct image new = take_image(f);
  put_image(f, &old);
  for (enum how how = WRITING; how <= READING; how++) {
    assert_int_equal(open_on(f, &f->here, how), NACRE_ERR_ROLLED_BACK);
    assert_non_null(strstr(nacre_last_error(), "2023-11-14 22:13:20 UTC"));
    struct image now = take_image(f); /* nothing was written */
    assert_memory_equal(now.bytes, old.bytes, old.size);
    free(now.bytes);
  }
  must_open(f, &f->here, ACCEPTING_TO_READ, NACRE_ANCHOR_ACCEPTED);
  assert_true(f->report.seen_generation > f->report.volume_generation);
  close_volume(f);
  assert_int_equal(open_on(f, &f->here, WRITING), NACRE_ERR_ROLLED_BACK); /* looking accepts nothing for later */
  must_open(f, &f->here, ACCEPTING, NACRE_ANCHOR_ACCEPTED);
  write_file(f, "c");
  close_volume(f);
  session(f, &f->here, NACRE_ANCHOR_FOUND, "d");
  put_image(f, &new); /* now that one is the other history */
  assert_int_equal(open_on(f, &f->here, WRITING), NACRE_ERR_ROLLED_BACK);
  assert_int_equal(open_on(f, &f->there, WRITING), NACRE_OK); /* a machine that never saw it can't know */
  assert_int_equal(f->report.state, NACRE_ANCHOR_NEW);
  close_volume(f);
  free(old.bytes);
  free(new.bytes);
}

static void test_fork_with_a_higher_generation(void **state) {
  struct fixture *f = *state;
  session(f, &f->here, NACRE_ANCHOR_NEW, "a");
  struct image copy = take_image(f);
  session(f, &f->here, NACRE_ANCHOR_FOUND, "b");
  const uint64_t seen = f->report.volume_generation;
  put_image(f, &copy);
  for (unsigned i = 0; i < 20; i++)
    session(f, &f->there, i == 0 ? NACRE_ANCHOR_NEW : NACRE_ANCHOR_FOUND, "c");
  assert_true(f->report.volume_generation > seen + 10);
  assert_int_equal(open_on(f, &f->here, WRITING), NACRE_ERR_ROLLED_BACK);
  assert_non_null(strstr(nacre_last_error(), "its history is not"));
  must_open(f, &f->there, WRITING, NACRE_ANCHOR_FOUND);
  close_volume(f);
  free(copy.bytes);
}

/* Each of the commits before the newest, brought back by destroying what came later, as far as that opens at all. */
static void test_destroyed_superblock(void **state) {
  struct fixture *f = *state;
  uint8_t noise[4096];
  session(f, &f->here, NACRE_ANCHOR_NEW, "a");
  must_open(f, &f->here, WRITING, NACRE_ANCHOR_FOUND);
  struct nacre_volume_info info = {.struct_size = sizeof info};
  write_file(f, "b");
  close_volume(f);
  must_open(f, &f->here, READING, NACRE_ANCHOR_FOUND);
  assert_int_equal(nacre_volume_get_info(f->vol, &info), NACRE_OK);
  close_volume(f);
  uint64_t slot = info.generation % 8;
  env_random(noise, sizeof noise);
  assert_int_equal(store_write(&f->memory, noise, sizeof noise,
                               (slot % 2 ? 16u << 20 : 0) + (256u << 10) + slot / 2 * (64u << 10)),
                   NACRE_OK);
  assert_int_equal(open_on(f, &f->here, WRITING), NACRE_ERR_ROLLED_BACK);
  assert_int_equal(open_on(f, &f->there, WRITING), NACRE_OK); /* without an anchor it goes unseen */
  close_volume(f);
}

/* Whoever goes on from an older state makes it a branch, also where he writes nothing: no other old one passes for
 * it. */
static void test_accepting_is_a_branch(void **state) {
  struct fixture *f = *state;
  session(f, &f->here, NACRE_ANCHOR_NEW, "a");
  struct image first = take_image(f);
  session(f, &f->here, NACRE_ANCHOR_FOUND, "b");
  struct image second = take_image(f);
  session(f, &f->here, NACRE_ANCHOR_FOUND, "c");
  put_image(f, &first);
  must_open(f, &f->here, ACCEPTING, NACRE_ANCHOR_ACCEPTED);
  close_volume(f);
  put_image(f, &second);
  assert_int_equal(open_on(f, &f->here, WRITING), NACRE_ERR_ROLLED_BACK);
  free(first.bytes);
  free(second.bytes);
}

static int sync_calls, sync_error;
static int (*plain_sync)(void *ctx);

static int odd_sync(void *ctx) {
  sync_calls++;
  return sync_error != 0 ? sync_error : plain_sync(ctx);
}

/* What a reader sees may be in the host's memory alone. He makes it durable, or does not remember it. */
static void test_reading_what_is_not_durable(void **state) {
  struct fixture *f = *state;
  session(f, &f->here, NACRE_ANCHOR_NEW, "a");
  session(f, &f->there, NACRE_ANCHOR_NEW, "b");
  const unsigned stores = f->here.stores;
  plain_sync = f->ops.sync;
  f->ops.sync = odd_sync;
  sync_error = EIO;
  must_open(f, &f->here, READING, NACRE_ANCHOR_FOUND);
  close_volume(f);
  assert_int_equal(f->here.stores, stores);
  sync_error = sync_calls = 0;
  must_open(f, &f->here, READING, NACRE_ANCHOR_FOUND);
  close_volume(f);
  assert_true(sync_calls > 0 && f->here.stores > stores);
}

/* ---- What raises no alarm ---- */

static void test_travel(void **state) {
  struct fixture *f = *state;
  session(f, &f->here, NACRE_ANCHOR_NEW, "a");
  session(f, &f->there, NACRE_ANCHOR_NEW, "b");
  for (unsigned i = 0; i < 30; i++)
    session(f, &f->there, NACRE_ANCHOR_FOUND, "c");
  session(f, &f->here, NACRE_ANCHOR_FOUND, "d");
  session(f, &f->there, NACRE_ANCHOR_FOUND, "e");
  session(f, &f->here, NACRE_ANCHOR_FOUND, "f");
}

static void test_read_only_media(void **state) {
  struct fixture *f = *state;
  session(f, &f->here, NACRE_ANCHOR_NEW, "a");
  for (unsigned i = 0; i < 3; i++) {
    must_open(f, &f->here, READING, NACRE_ANCHOR_FOUND);
    close_volume(f);
    must_open(f, &f->there, READING, i == 0 ? NACRE_ANCHOR_NEW : NACRE_ANCHOR_FOUND);
    close_volume(f);
  }
  const unsigned stores = f->here.stores;
  must_open(f, &f->here, READING, NACRE_ANCHOR_FOUND);
  close_volume(f);
  assert_int_equal(f->here.stores, stores); /* what is known already is not stored anew */
  session(f, &f->there, NACRE_ANCHOR_FOUND, "b");
  must_open(f, &f->here, READING, NACRE_ANCHOR_FOUND); /* and what was seen in reading counts too */
  close_volume(f);
  assert_true(f->here.stores > stores);
}

/* A process that died, with all that it had made durable there: no word is said. */
static void test_crash(void **state) {
  struct fixture *f = *state;
  must_open(f, &f->here, WRITING, NACRE_ANCHOR_NEW);
  write_file(f, "a");
  nacre_volume_abandon(f->vol);
  now_s += 3600;
  must_open(f, &f->here, WRITING, NACRE_ANCHOR_FOUND);
  write_file(f, "b");
  now_s += 31;
  write_file(f, "c"); /* trails */
  const unsigned stores = f->here.stores;
  now_s += 29;
  write_file(f, "d");
  assert_int_equal(f->here.stores, stores);
  nacre_volume_abandon(f->vol);
  session(f, &f->here, NACRE_ANCHOR_FOUND, "e");
}

/* A medium that had said that all was stored lost the last minutes when it was pulled out: told, and let pass. What
 * is longer ago no medium loses. */
static void test_lost_minutes(void **state) {
  struct fixture *f = *state;
  must_open(f, &f->here, WRITING, NACRE_ANCHOR_NEW);
  write_file(f, "a");
  struct image early = take_image(f);
  for (unsigned i = 0; i < 10; i++) {
    now_s += 31;
    write_file(f, "b");
  }
  struct image late = take_image(f);
  now_s += 31;
  write_file(f, "c");
  nacre_volume_abandon(f->vol);
  const struct machine saved = f->here;

  put_image(f, &early);
  assert_int_equal(open_on(f, &f->here, WRITING), NACRE_ERR_ROLLED_BACK);
  put_image(f, &late);
  must_open(f, &f->here, READING, NACRE_ANCHOR_CUT_OFF);
  close_volume(f);
  must_open(f, &f->here, READING, NACRE_ANCHOR_CUT_OFF); /* reading changes nothing about it */
  close_volume(f);
  session(f, &f->here, NACRE_ANCHOR_CUT_OFF, "d");
  session(f, &f->here, NACRE_ANCHOR_FOUND, "e");

  /* The same, and written to on another machine before it comes back. */
  put_image(f, &late);
  session(f, &f->there, NACRE_ANCHOR_NEW, "f");
  f->here = saved;
  session(f, &f->here, NACRE_ANCHOR_CUT_OFF, "g");
  free(early.bytes);
  free(late.bytes);
}

/* After a clean close nothing may be missing. */
static void test_clean_close_settles(void **state) {
  struct fixture *f = *state;
  must_open(f, &f->here, WRITING, NACRE_ANCHOR_NEW);
  write_file(f, "a");
  struct image before = take_image(f);
  write_file(f, "b");
  close_volume(f);
  put_image(f, &before);
  assert_int_equal(open_on(f, &f->here, WRITING), NACRE_ERR_ROLLED_BACK);
  free(before.bytes);
}

/* ---- The anchor itself ---- */

static void test_lost_or_damaged_anchor(void **state) {
  struct fixture *f = *state;
  session(f, &f->here, NACRE_ANCHOR_NEW, "a");
  f->here.bytes[100] ^= 1;
  session(f, &f->here, NACRE_ANCHOR_UNREADABLE, "b");
  session(f, &f->here, NACRE_ANCHOR_FOUND, "c");
  f->here.load_error = EACCES;
  must_open(f, &f->here, WRITING, NACRE_ANCHOR_UNREADABLE);
  assert_int_equal(f->report.error, EACCES);
  close_volume(f);
  f->here = (struct machine){0};
  f->here.store_error = EROFS;
  must_open(f, &f->here, WRITING, NACRE_ANCHOR_NEW);
  assert_int_equal(f->report.store_error, EROFS);
  write_file(f, "d");
  close_volume(f);
  assert_int_equal(f->here.len, 0);
}

static void test_none(void **state) {
  struct fixture *f = *state;
  struct nacre_open_options options = {.struct_size = sizeof options};
  struct nacre_anchor_report report = {.struct_size = sizeof report};
  const struct nacre_anchor_ops half = {.struct_size = sizeof half, .load = load};
  assert_int_equal(nacre_volume_open(&f->target, &options, f->cred, &f->vol), NACRE_OK);
  assert_int_equal(nacre_volume_get_anchor(f->vol, &report), NACRE_OK);
  assert_int_equal(report.state, NACRE_ANCHOR_NONE);
  close_volume(f);
  options.anchor = &half;
  assert_int_equal(nacre_volume_open(&f->target, &options, f->cred, &f->vol), NACRE_ERR_ARGUMENT);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_fixture, free_fixture)
  const struct CMUnitTest tests[] = {
      TEST(test_older_container),
      TEST(test_fork_with_a_higher_generation),
      TEST(test_destroyed_superblock),
      TEST(test_accepting_is_a_branch),
      TEST(test_reading_what_is_not_durable),
      TEST(test_travel),
      TEST(test_read_only_media),
      TEST(test_crash),
      TEST(test_lost_minutes),
      TEST(test_clean_close_settles),
      TEST(test_lost_or_damaged_anchor),
      TEST(test_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
