/* Branches: entered by the first commit of each opening, asked for, forgotten when there are too many. */
#include "tree/lineage.h"
#include "tree_fixture.h"

static struct lineage_point here(struct fixture *f) {
  struct engine_info info;
  engine_get_info(f->e, &info);
  return info.here;
}

static void put_one(struct fixture *f) {
  struct key key = key_make(5, FORMAT_RECORD_TAIL, 0);
  uint8_t value[40];
  struct txn txn;
  env_random(value, sizeof value);
  ok(txn_begin(f->e, TXN_NORMAL, 1, &txn));
  ok(tree_put(&txn, &key, value, sizeof value));
  txn_end(&txn);
  ok(engine_commit(f->e));
}

static enum lineage_relation relate(struct fixture *f, const struct lineage_point *p) {
  enum lineage_relation relation;
  ok(lineage_relate(f->e, p, &relation));
  return relation;
}

#define IMAGE_BYTES (64 * MIB)

static uint8_t *take_image(struct fixture *f, uint64_t *size) {
  ok(store_size(&f->store, size));
  uint8_t *image = malloc(*size);
  ok(store_read(&f->store, image, *size, 0));
  return image;
}

static void put_image(struct fixture *f, const uint8_t *image, uint64_t size) {
  engine_close(f->e);
  ok(store_resize(&f->store, size));
  ok(store_write(&f->store, image, size, 0));
  fx_open(f, MIB);
}

static void an_opening_that_commits_is_a_branch(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, IMAGE_BYTES, 0, MIB);
  struct lineage_point made = here(&f);
  assert_true(made.branch.number == 1 && made.branch.first == 1);
  fx_reopen(&f, MIB); /* nothing was changed: no branch */
  struct lineage_point same = here(&f);
  assert_true(lineage_point_equal(&made, &same));
  put_one(&f);
  struct lineage_point first = here(&f);
  assert_true(first.branch.number == 2 && first.branch.first == made.generation + 1);
  put_one(&f);
  struct lineage_point second = here(&f);
  assert_memory_equal(first.branch.id, second.branch.id, 16);
  assert_int_equal(relate(&f, &made), LINEAGE_CONTAINS);
  assert_int_equal(relate(&f, &first), LINEAGE_CONTAINS);
  fx_reopen(&f, MIB);
  put_one(&f);
  struct lineage_point third = here(&f);
  assert_true(third.branch.number == 3);
  assert_memory_not_equal(third.branch.id, second.branch.id, 16);
  assert_int_equal(relate(&f, &made), LINEAGE_CONTAINS);
  assert_int_equal(relate(&f, &second), LINEAGE_CONTAINS);
  assert_int_equal(relate(&f, &third), LINEAGE_CONTAINS);
  fx_end(&f);
}

static void older_states_and_forks_are_told_apart(void **state) {
  (void)state;
  struct fixture f;
  uint64_t size;
  fx_make(&f, IMAGE_BYTES, 0, MIB);
  put_one(&f);
  struct lineage_point before = here(&f);
  uint8_t *image = take_image(&f, &size);
  put_one(&f);
  struct lineage_point same_branch = here(&f);
  fx_reopen(&f, MIB);
  put_one(&f);
  struct lineage_point next_branch = here(&f);
  put_image(&f, image, size);
  assert_int_equal(relate(&f, &before), LINEAGE_CONTAINS);
  assert_int_equal(relate(&f, &same_branch), LINEAGE_OLDER);
  assert_int_equal(relate(&f, &next_branch), LINEAGE_OLDER);
  put_one(&f); /* from here on there are two histories */
  struct lineage_point fork = here(&f);
  assert_true(fork.branch.first == same_branch.generation);
  assert_int_equal(relate(&f, &before), LINEAGE_CONTAINS);
  assert_int_equal(relate(&f, &same_branch), LINEAGE_DIVERGED);
  assert_int_equal(relate(&f, &next_branch), LINEAGE_DIVERGED);
  for (unsigned i = 0; i < 20; i++) { /* whatever the generation it comes to */
    fx_reopen(&f, MIB);
    put_one(&f);
  }
  assert_true(here(&f).generation > next_branch.generation + 10);
  assert_int_equal(relate(&f, &before), LINEAGE_CONTAINS);
  assert_int_equal(relate(&f, &same_branch), LINEAGE_DIVERGED);
  assert_int_equal(relate(&f, &next_branch), LINEAGE_DIVERGED);
  assert_int_equal(relate(&f, &fork), LINEAGE_CONTAINS);
  /* The very commit, but another one of that number: two that were written by copies of one running process. */
  fork.commit_id[0] ^= 1;
  assert_int_equal(relate(&f, &fork), LINEAGE_DIVERGED);
  free(image);
  fx_end(&f);
}

static bool count_branch(void *arg, const struct key *key, const uint8_t *value, size_t len) {
  struct lineage_record rec;
  ok(lineage_record_decode(value, len, key->offset, &rec));
  ++*(unsigned *)arg;
  return true;
}

static unsigned count_branches(struct fixture *f) {
  struct key from = key_make(0, FORMAT_RECORD_LINEAGE, 0), to = key_make(0, FORMAT_RECORD_LINEAGE, UINT64_MAX);
  unsigned count = 0;
  ok(tree_scan(f->e, &from, &to, count_branch, &count));
  return count;
}

static void the_oldest_branches_are_forgotten(void **state) {
  (void)state;
  struct fixture f;
  fx_make(&f, IMAGE_BYTES, 0, MIB);
  put_one(&f);
  struct lineage_point early = here(&f), kept = early;
  for (unsigned i = 0; i < FORMAT_LINEAGE_MAX; i++) {
    fx_reopen(&f, MIB);
    put_one(&f);
    if (i == 1)
      kept = here(&f);
    if (i == FORMAT_LINEAGE_MAX / 2)
      assert_int_equal(relate(&f, &early), LINEAGE_CONTAINS);
  }
  assert_int_equal(count_branches(&f), FORMAT_LINEAGE_MAX);
  assert_int_equal(relate(&f, &early), LINEAGE_FORGOTTEN);
  assert_int_equal(relate(&f, &kept), LINEAGE_CONTAINS);
  fx_end(&f);
}

/* The oldest are only looked at when there are too many: their damage stops nobody. */
static void damage_to_old_branches_is_no_matter(void **state) {
  (void)state;
  struct fixture f;
  uint8_t junk[64] = {1};
  fx_make(&f, IMAGE_BYTES, 0, MIB);
  for (unsigned i = 0; i < 600; i++) {
    put_one(&f);
    fx_reopen(&f, MIB);
  }
  put_one(&f);
  assert_true(f.e->tree.root->level == 1 && f.e->tree.root->count > 2);
  uint64_t unit = f.e->tree.root->entries[0].ptr.unit;
  engine_close(f.e);
  ok(store_write(&f.store, junk, sizeof junk, unit * FORMAT_UNIT_BYTES));
  fx_open(&f, MIB);
  struct lineage_point before = here(&f);
  put_one(&f);
  assert_true(here(&f).branch.number == before.branch.number + 1);
  assert_int_equal(relate(&f, &before), LINEAGE_CONTAINS);
  fx_end(&f);
}

/* Where the tree's place for branches can't be read, no commit will succeed: that is known at once. */
static void an_unreadable_lineage_makes_it_read_only(void **state) {
  (void)state;
  struct fixture f;
  uint8_t junk[64] = {1};
  fx_make(&f, IMAGE_BYTES, 0, MIB);
  for (unsigned i = 0; i < 2000; i++) { /* a tree of two levels */
    struct key key = key_make(10 + i, FORMAT_RECORD_TAIL, 0);
    struct txn txn;
    ok(txn_begin(f.e, TXN_NORMAL, 1, &txn));
    ok(tree_put(&txn, &key, junk, sizeof junk));
    txn_end(&txn);
  }
  ok(engine_commit(f.e));
  assert_true(f.e->tree.root->level > 0);
  uint64_t unit = f.e->tree.root->entries[0].ptr.unit;
  fx_reopen(&f, MIB);
  ok(store_write(&f.store, junk, sizeof junk, unit * FORMAT_UNIT_BYTES));
  engine_close(f.e);
  fx_open(&f, MIB);
  struct engine_info info;
  engine_get_info(f.e, &info);
  assert_true(info.failed && info.read_only && info.unchanged);
  struct key last = key_make(10 + 1999, FORMAT_RECORD_TAIL, 0);
  size_t len;
  ok(tree_get(f.e, &last, junk, sizeof junk, &len)); /* the rest can be read */
  assert_int_equal(engine_commit(f.e), NACRE_ERR_READ_ONLY);
  fx_end(&f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_opening_that_commits_is_a_branch),
      cmocka_unit_test(older_states_and_forks_are_told_apart),
      cmocka_unit_test(the_oldest_branches_are_forgotten),
      cmocka_unit_test(damage_to_old_branches_is_no_matter),
      cmocka_unit_test(an_unreadable_lineage_makes_it_read_only),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
