/* The map of free space by itself: where runs are taken, what is refused, and when freed units come back. */
#include "base/err.h"
#include "tree/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
// cmocka.h needs the two above
#include <cmocka.h>

#define UNITS 1024u
#define CLUSTER 4u
#define ok(expr) assert_int_equal((expr), NACRE_OK)
#define no(err, expr) assert_int_equal((expr), (err))

static int make(void **state) {
  struct alloc *a = malloc(sizeof *a);
  *state = a;
  return alloc_start(a, UNITS, CLUSTER) == NACRE_OK ? 0 : -1;
}

static int drop(void **state) {
  alloc_end(*state);
  free(*state);
  return 0;
}

/* Every second cluster is taken, so that no two are one run. */
static void take_every_second(struct alloc *a) {
  for (uint64_t unit = 0; unit < UNITS; unit += 2 * CLUSTER)
    ok(alloc_mark(a, unit, CLUSTER));
}

static void counts_agree(struct alloc *a) {
  uint64_t used = 0;
  for (uint64_t unit = 0; unit < alloc_units_end(a); unit++)
    used += alloc_is_used(a, unit);
  assert_int_equal(used, alloc_units_end(a) - a->free_units);
}

static void test_runs_between_others(void **state) {
  struct alloc *a = *state;
  struct run run;
  take_every_second(a);
  no(NACRE_ERR_NO_SPACE, alloc_take(a, ALLOC_LONG, 2 * CLUSTER, 2 * CLUSTER, 1, &run));
  no(NACRE_ERR_NO_SPACE, alloc_take(a, ALLOC_LOW, 2 * CLUSTER, 2 * CLUSTER, 1, &run));
  ok(alloc_take(a, ALLOC_LOW, 4 * CLUSTER, CLUSTER, CLUSTER, &run));
  assert_int_equal(run.unit, CLUSTER);
  assert_int_equal(run.units, CLUSTER);
  ok(alloc_take(a, ALLOC_LONG, 4 * CLUSTER, CLUSTER, CLUSTER, &run));
  assert_int_equal(run.units, CLUSTER);
  counts_agree(a);
}

/* The search goes past what is too short, to the one that is long enough. */
static void test_the_one_long_run(void **state) {
  struct alloc *a = *state;
  struct run run;
  for (uint64_t unit = 0; unit < 512; unit += 2 * CLUSTER)
    ok(alloc_mark(a, unit, CLUSTER));
  ok(alloc_mark(a, 512, 400));
  ok(alloc_take(a, ALLOC_LOW, 100, 100, 1, &run));
  assert_int_equal(run.unit, 912);
  assert_int_equal(run.units, 100);
  no(NACRE_ERR_NO_SPACE, alloc_take(a, ALLOC_LONG, 100, 100, 1, &run));
}

/* What is smaller than a cluster fills the broken ones, also when there is nothing else. */
static void test_small_runs(void **state) {
  struct alloc *a = *state;
  struct run run;
  ok(alloc_take(a, ALLOC_LONG, 1, 1, 1, &run));
  assert_int_equal(alloc_available(a), UNITS - CLUSTER);
  uint64_t first = run.unit;
  ok(alloc_take(a, ALLOC_LONG, 2, 2, 1, &run));
  assert_int_equal(run.unit / CLUSTER, first / CLUSTER);
  ok(alloc_take(a, ALLOC_LONG, UNITS - CLUSTER, UNITS - CLUSTER, CLUSTER, &run));
  /* One unit is left. */
  no(NACRE_ERR_NO_SPACE, alloc_take(a, ALLOC_LONG, 2, 2, 1, &run));
  ok(alloc_take(a, ALLOC_LONG, CLUSTER, 1, 1, &run));
  assert_int_equal(run.units, 1);
  no(NACRE_ERR_NO_SPACE, alloc_take(a, ALLOC_LOW, 1, 1, 1, &run));
  counts_agree(a);
}

static void test_what_is_no_run(void **state) {
  struct alloc *a = *state;
  static const struct run wrong[] = {{0, 0}, {UNITS, 1}, {UNITS - 1, 2}, {UINT64_MAX, 1}, {1, UINT64_MAX}};
  ok(alloc_mark(a, 100, 10));
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    no(NACRE_ERR_DAMAGED, alloc_mark(a, wrong[i].unit, wrong[i].units));
    no(NACRE_ERR_DAMAGED, alloc_give(a, wrong[i].unit, wrong[i].units, true));
    no(NACRE_ERR_DAMAGED, alloc_mark_pending(a, 1, wrong[i].unit, wrong[i].units));
    assert_true(wrong[i].units == 0 || !alloc_are_used(a, wrong[i].unit, wrong[i].units));
  }
  no(NACRE_ERR_DAMAGED, alloc_mark(a, 105, 1));
  no(NACRE_ERR_DAMAGED, alloc_give(a, 108, 4, true));
  no(NACRE_ERR_DAMAGED, alloc_give(a, 200, 1, false));
  no(NACRE_ERR_DAMAGED, alloc_mark_pending(a, 1, 108, 4));
  assert_true(alloc_is_used(a, UNITS));
  assert_true(alloc_are_used(a, 100, 10));
  assert_false(alloc_are_used(a, 100, 11));
  counts_agree(a);
}

static void test_growing_and_shrinking(void **state) {
  struct alloc *a = *state;
  uint64_t free_before;
  assert_int_equal(alloc_used_end(a, &free_before), 0);
  no(NACRE_ERR_ARGUMENT, alloc_grow(a, UNITS + 1, 0));
  no(NACRE_ERR_ARGUMENT, alloc_grow(a, UNITS - 64, 0));
  no(NACRE_ERR_ARGUMENT, alloc_grow(a, UNITS + 64, 65));
  no(NACRE_ERR_ARGUMENT, alloc_grow(a, FORMAT_UNITS_MAX + 64, 0));
  ok(alloc_grow(a, 3 * FORMAT_CHECKPOINT_GROUP_UNITS, 100));
  assert_true(alloc_are_used(a, UNITS, 100));
  assert_int_equal(alloc_used_end(a, &free_before), UNITS + 100);
  assert_int_equal(free_before, UNITS);
  no(NACRE_ERR_ARGUMENT, alloc_shrink(a, UNITS));
  no(NACRE_ERR_ARGUMENT, alloc_shrink(a, 2 * UNITS + 1));
  no(NACRE_ERR_ARGUMENT, alloc_shrink(a, 4 * FORMAT_CHECKPOINT_GROUP_UNITS));
  ok(alloc_shrink(a, 2 * UNITS));
  assert_int_equal(alloc_units_end(a), 2 * UNITS);
  ok(alloc_shrink(a, 2 * UNITS));
  counts_agree(a);
  ok(alloc_grow(a, FORMAT_CHECKPOINT_GROUP_UNITS, 0));
  counts_agree(a);
}

/* Six generations free, and none is durable: what the older of them freed waits for a later one, and nothing is lost
 * or handed out too early. */
static void test_many_generations_wait(void **state) {
  struct alloc *a = *state;
  ok(alloc_mark(a, 0, 600));
  for (uint64_t generation = 1; generation <= 6; generation++) {
    struct runs allocated = {0}, freed = {0};
    ok(alloc_give(a, generation * 10, 10, false));
    ok(alloc_freeze(a, generation, &allocated, &freed));
    assert_int_equal(freed.count, 1);
    runs_free(&allocated);
    runs_free(&freed);
  }
  assert_int_equal(alloc_pending_units(a), 60);
  alloc_durable(a, 2);
  assert_true(alloc_are_used(a, 20, 50)); /* what 1 freed may wait longer, what others freed must */
  alloc_durable(a, 7);
  assert_int_equal(alloc_pending_units(a), 0);
  assert_int_equal(alloc_used_units(a, 7), 540);
  counts_agree(a);
}

/* The same where a log is read. */
static void test_many_generations_are_loaded(void **state) {
  struct alloc *a = *state;
  ok(alloc_mark(a, 0, 600));
  for (uint64_t generation = 1; generation <= 6; generation++)
    ok(alloc_mark_pending(a, generation, generation * 10, 10));
  no(NACRE_ERR_DAMAGED, alloc_mark_pending(a, 7, 0, 601));
  alloc_durable(a, 6);
  assert_int_equal(alloc_pending_units(a), 10);
  alloc_durable(a, 7);
  assert_int_equal(alloc_used_units(a, 7), 540);
  counts_agree(a);
}

static void freeze(struct alloc *a, uint64_t generation) {
  struct runs allocated = {0}, freed = {0};
  ok(alloc_freeze(a, generation, &allocated, &freed));
  runs_free(&allocated);
  runs_free(&freed);
}

static void gives_none(struct alloc *a, uint64_t unit, uint64_t units) {
  uint64_t pending = alloc_pending_units(a), used = alloc_used_units(a, 0);
  no(NACRE_ERR_DAMAGED, alloc_give(a, unit, units, false));
  no(NACRE_ERR_DAMAGED, alloc_give(a, unit, units, true));
  assert_int_equal(alloc_pending_units(a), pending);
  assert_int_equal(alloc_used_units(a, 0), used);
}

/* What waits is not taken again, be it in part, until it was free and is somebody else's. */
static void test_given_back_once(void **state) {
  struct alloc *a = *state;
  struct run run;
  const uint64_t border = FORMAT_CHECKPOINT_GROUP_UNITS;
  ok(alloc_grow(a, 2 * border, 0));
  ok(alloc_mark(a, border - 100, 200));
  ok(alloc_give(a, border - 20, 40, false));
  for (uint64_t generation = 1; generation <= 2; generation++) {
    gives_none(a, border - 20, 40);
    gives_none(a, border - 30, 11);
    gives_none(a, border + 19, 30);
    gives_none(a, border, 1);
    freeze(a, generation);
    alloc_durable(a, generation);
  }
  gives_none(a, border, 1);
  ok(alloc_give(a, border - 30, 10, false));
  ok(alloc_give(a, border + 20, 10, false));
  assert_int_equal(alloc_pending_units(a), 20);
  ok(alloc_mark(a, 0, border - 100));
  ok(alloc_take(a, ALLOC_LOW, 40, 40, 1, &run));
  assert_int_equal(run.unit, border - 20);
  no(NACRE_ERR_DAMAGED, alloc_give(a, run.unit, run.units, false)); /* it is of this generation */
  ok(alloc_give(a, run.unit, run.units, true));
  counts_agree(a);
  freeze(a, 3);
  alloc_durable(a, 4);
  assert_int_equal(alloc_pending_units(a), 0);
  for (size_t g = 0; g < a->groups; g++)
    assert_true(a->held[g].bits == NULL && a->held[g].count == 0);
}

static void test_what_is_of_two_generations(void **state) {
  struct alloc *a = *state;
  struct run run;
  ok(alloc_mark(a, 0, 2 * CLUSTER));
  ok(alloc_take(a, ALLOC_LOW, 2 * CLUSTER, 2 * CLUSTER, 1, &run));
  assert_int_equal(run.unit, 2 * CLUSTER);
  gives_none(a, CLUSTER, 2 * CLUSTER);
  no(NACRE_ERR_DAMAGED, alloc_give(a, 0, CLUSTER, true));
  freeze(a, 1);
  no(NACRE_ERR_DAMAGED, alloc_give(a, run.unit, run.units, true));
  ok(alloc_give(a, CLUSTER, 2 * CLUSTER, false));
}

static void test_fixed_places(void **state) {
  struct alloc *a = *state;
  ok(alloc_mark(a, 0, 512));
  ok(alloc_mark_pending(a, 1, 100, 10));
  no(NACRE_ERR_DAMAGED, alloc_hold(a, 105, 20));
  ok(alloc_hold(a, 110, 20));
  no(NACRE_ERR_DAMAGED, alloc_mark_pending(a, 1, 90, 21));
  no(NACRE_ERR_DAMAGED, alloc_mark_pending(a, 1, 129, 1));
  gives_none(a, 120, 20);
  alloc_unhold(a, 110, 20);
  ok(alloc_give(a, 120, 20, false));
  ok(alloc_grow(a, 2 * UNITS, 64));
  gives_none(a, UNITS + 63, 1);
  counts_agree(a);
}

static void test_reserving(void **state) {
  struct alloc *a = *state;
  assert_true(alloc_reserve(a, 1000, 24));
  assert_false(alloc_reserve(a, 1, 24));
  assert_int_equal(alloc_reserved(a), 1000);
  ok(alloc_mark(a, 0, 100));
  assert_int_equal(alloc_available(a), 0);
  alloc_release(a, 5000);
  assert_int_equal(alloc_reserved(a), 0);
}

/* One after the other, from the start on, whatever they would suit; what is promised to others only as far as told.
 */
static void test_every_free_run_in_turn(void **state) {
  struct alloc *a = *state;
  struct run run;
  ok(alloc_mark(a, 0, 2));
  ok(alloc_mark(a, 3, 1));
  ok(alloc_mark(a, 16, UNITS - 16));
  ok(alloc_take_next(a, 0, 0, &run)); /* of a broken cluster, so nobody counts on it */
  assert_int_equal(run.unit, 2);
  assert_int_equal(run.units, 1);
  no(NACRE_ERR_NO_SPACE, alloc_take_next(a, 3, CLUSTER - 1, &run));
  ok(alloc_take_next(a, 3, 2 * CLUSTER + 1, &run));
  assert_int_equal(run.unit, 4);
  assert_int_equal(run.units, 2 * CLUSTER);
  ok(alloc_give(a, 4, 2 * CLUSTER, true));
  ok(alloc_take_next(a, 6, UNITS, &run)); /* not half of a whole one */
  assert_int_equal(run.unit, 4);
  assert_int_equal(run.units, 12);
  ok(alloc_take_next(a, 0, UNITS, &run));
  assert_int_equal(run.units, 0);
  ok(alloc_take_next(a, UNITS + 100, UNITS, &run));
  assert_int_equal(run.units, 0);
  counts_agree(a);
}

#define WITH_MAP(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void) {
  const struct CMUnitTest tests[] = {
      WITH_MAP(test_runs_between_others),
      WITH_MAP(test_the_one_long_run),
      WITH_MAP(test_small_runs),
      WITH_MAP(test_what_is_no_run),
      WITH_MAP(test_growing_and_shrinking),
      WITH_MAP(test_many_generations_wait),
      WITH_MAP(test_given_back_once),
      WITH_MAP(test_what_is_of_two_generations),
      WITH_MAP(test_fixed_places),
      WITH_MAP(test_reserving),
      WITH_MAP(test_every_free_run_in_turn),
      WITH_MAP(test_many_generations_are_loaded),
  };
  return cmocka_run_group_tests_name("tree alloc", tests, NULL, NULL);
}
