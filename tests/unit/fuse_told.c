#include "fuse/told.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
// cmocka.h needs the three above
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define FOLDER 77u
#define NEXT_ON_SLOT (FOLDER + 4096u)
#define A ((pid_t)100)
#define B ((pid_t)200)
#define C ((pid_t)300)
#define D ((pid_t)400)
#define OUTSIDE ((pid_t)0)

static time_t fake_s = 1000;

/* What told.c asks for the time. */
int clock_gettime(clockid_t clock, struct timespec *ts) {
  if (clock != CLOCK_MONOTONIC_COARSE)
    return (int)syscall(SYS_clock_gettime, clock, ts);
  *ts = (struct timespec){.tv_sec = fake_s};
  return 0;
}

static pid_t gone[2]; /* all others live */

/* And how it asks whether a thread has ended. */
int kill(pid_t pid, int signal) {
  assert_int_equal(signal, 0);
  if (pid != gone[0] && pid != gone[1])
    return 0;
  errno = ESRCH;
  return -1;
}

/* An answer with nothing between its reading and its entry. */
static bool tell(struct told *told, uint64_t ino, pid_t thread) {
  return told_folder(told, ino, thread, told_begin(told));
}

static int setup(void **state) {
  gone[0] = gone[1] = 0;
  *state = told_new();
  return *state == NULL ? -1 : 0;
}

static int teardown(void **state) {
  told_free(*state);
  return 0;
}

static void test_one_thread_costs_nothing(void **state) {
  struct told *told = *state;
  for (int i = 0; i < 5; i++) {
    assert_true(tell(told, FOLDER, A));
    assert_false(told_changed(told, FOLDER, A));
    assert_true(tell(told, FOLDER, A));
  }
  /* Nor where folders share a slot. */
  assert_false(told_changed(told, NEXT_ON_SLOT, A));
  assert_true(tell(told, FOLDER, A));
}

static void test_another_is_contradicted(void **state) {
  struct told *told = *state;
  assert_true(tell(told, FOLDER, A));
  assert_true(told_changed(told, FOLDER, B));
}

static void test_first_answer_of_several_is_not_remembered(void **state) {
  struct told *told = *state;
  assert_true(tell(told, FOLDER, A));
  assert_true(tell(told, FOLDER, B));
  for (int i = 0; i < 3; i++) {
    assert_true(told_changed(told, FOLDER, A));
    assert_false(tell(told, FOLDER, i % 2 == 0 ? A : B));
    assert_true(tell(told, FOLDER, B));
    assert_true(tell(told, FOLDER, A));
  }
}

/* Read before a change, entered after it: not remembered, and not the first answer with what is new. */
static void test_old_answer_is_not_the_first(void **state) {
  struct told *told = *state;
  unsigned long long begun = told_begin(told);
  told_changed(told, FOLDER, B);
  assert_false(told_folder(told, FOLDER, A, begun));
  assert_false(tell(told, FOLDER, A));
  assert_true(tell(told, FOLDER, A));
}

static void test_shared_slot_errs_on_the_safe_side(void **state) {
  struct told *told = *state;
  assert_true(tell(told, FOLDER, A));
  assert_true(told_changed(told, NEXT_ON_SLOT, B));
}

/* Nor is the first answer on one of two folders taken for that on the other. */
static void test_shared_slot_keeps_both_changes(void **state) {
  struct told *told = *state;
  assert_true(tell(told, FOLDER, A));
  assert_true(told_changed(told, FOLDER, B));
  assert_true(told_changed(told, NEXT_ON_SLOT, B));
  assert_false(tell(told, NEXT_ON_SLOT, A));
  assert_false(tell(told, FOLDER, A));
  fake_s += 11;
  assert_true(tell(told, FOLDER, A));
  assert_true(tell(told, NEXT_ON_SLOT, A));
}

static void test_thread_from_outside_may_be_any(void **state) {
  struct told *told = *state;
  assert_true(tell(told, FOLDER, OUTSIDE));
  assert_true(told_changed(told, FOLDER, OUTSIDE));
  assert_false(tell(told, FOLDER, OUTSIDE));
}

static void test_who_has_ended_takes_no_answer(void **state) {
  struct told *told = *state;
  assert_true(tell(told, FOLDER, A));
  gone[0] = A;
  assert_false(told_changed(told, FOLDER, B));
  assert_true(tell(told, FOLDER, B));
  /* B still lives. */
  assert_true(told_changed(told, FOLDER, C));
  assert_false(tell(told, FOLDER, C));
  /* It may have one to take, though it was not the last that was about. */
  gone[1] = C;
  assert_true(told_changed(told, FOLDER, D));
}

static void test_numbers_of_elsewhere_say_nothing(void **state) {
  struct told *told = *state;
  assert_true(tell(told, FOLDER, A));
  gone[0] = A;
  gone[1] = B;
  assert_true(told_changed(told, FOLDER, B));
}

static void test_others_are_forgotten_in_time(void **state) {
  struct told *told = *state;
  assert_true(tell(told, FOLDER, A));
  assert_true(told_changed(told, FOLDER, B));
  fake_s += 10;
  assert_true(told_changed(told, FOLDER, B));
  fake_s += 1;
  assert_false(told_changed(told, FOLDER, B));
  assert_true(tell(told, FOLDER, B));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_one_thread_costs_nothing, setup, teardown),
      cmocka_unit_test_setup_teardown(test_another_is_contradicted, setup, teardown),
      cmocka_unit_test_setup_teardown(test_first_answer_of_several_is_not_remembered, setup, teardown),
      cmocka_unit_test_setup_teardown(test_old_answer_is_not_the_first, setup, teardown),
      cmocka_unit_test_setup_teardown(test_shared_slot_errs_on_the_safe_side, setup, teardown),
      cmocka_unit_test_setup_teardown(test_shared_slot_keeps_both_changes, setup, teardown),
      cmocka_unit_test_setup_teardown(test_thread_from_outside_may_be_any, setup, teardown),
      cmocka_unit_test_setup_teardown(test_who_has_ended_takes_no_answer, setup, teardown),
      cmocka_unit_test_setup_teardown(test_numbers_of_elsewhere_say_nothing, setup, teardown),
      cmocka_unit_test_setup_teardown(test_others_are_forgotten_in_time, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
